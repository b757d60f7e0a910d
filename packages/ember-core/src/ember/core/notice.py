"""One-line warnings about the user's machine or settings, each said once per process."""

from __future__ import annotations

import warnings
from typing import Final

from .errors import ConfigWarning
from .secrets import scrub

_PLACE: Final = "<ember>"
# Enough for any real machine; a program that asks for ever new keys must not grow for it.
_MOST: Final = 1_000
_said: set[str] = set()


def say_once(message: str) -> None:
    """Warn with `message`, unless this process has heard it already.

    The warning names no line of code: the first to read a setting is not the one who has to mend it. (A real file
    name would also make Python print a line of that file below the warning.)
    """
    message = scrub(message)
    if message not in _said and len(_said) < _MOST:
        _said.add(message)
        warnings.warn_explicit(message, ConfigWarning, _PLACE, 0, module="ember.context")
