"""How often a network is asked again, and after what pause."""

from __future__ import annotations

import errno
import time
from collections.abc import Callable
from typing import Final, TypeVar

from ember.context import get_context

from .errors import SourceError

T = TypeVar("T")

_TRIES: Final = 4
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class TryAgain(Exception):
    """What went wrong, in words: it may go well the next time."""


def patiently(shown: str, work: Callable[[], T]) -> T:
    """Return what `work` does, tried again where it raises TryAgain, after twice the pause each time.

    Raises SourceError, about the address as it may be `shown`, when it was tried often enough.
    """
    problem = ""
    pause = get_context().get_config("data.retry_pause")
    for turn in range(_TRIES):
        try:
            return work()
        except TryAgain as error:
            problem = str(error)
        if turn < _TRIES - 1:
            time.sleep(pause * 2**turn)
    raise SourceError(f"{shown} cannot be read: {problem}. It was tried {_TRIES} times.")


def of_the_disk(error: BaseException) -> bool:
    """Whether `error` is of this machine's disk, which another try leaves as full as it is."""
    return isinstance(error, OSError) and error.errno in _FULL
