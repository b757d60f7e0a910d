"""Where in the user's source something happens: of a frame, the line and function, and the way that led to it."""

# Values here are the user's, of whatever type; what isinstance leaves of them is partly unknown to pyright.
# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false, reportUnknownMemberType=false
# pyright: reportPrivateUsage=false

from __future__ import annotations

import re
from types import CodeType, FrameType
from typing import Final

from ._advice import BLOCKING
from ._function_effects import is_installed_file
from ._ir import Site
from ._memory import perform
from ._run import Run

_MOST_FRAMES: Final = 24
"""So many frames tell one way to a call from another."""


_own: dict[CodeType, bool] = {}


def place(frame: FrameType | None) -> tuple[FrameType | None, FrameType | None, bool]:
    """Return, of the code that runs, the frame of XCS's that the user's code called, the user's (None: a task's own),
    and whether something must come before.
    """
    hook: FrameType | None = None
    behind = False
    while frame is not None:
        code = frame.f_code
        own = _own.get(code)
        if own is None:
            name = str(frame.f_globals.get("__name__", ""))
            own = _own[code] = name.startswith(("ember.xcs.", "ember.core.")) or is_installed_file(
                code.co_filename
            )
        if not own:
            return hook, frame, behind
        if code in _ENDS:
            return hook, None, behind
        if frame.f_globals.get("__package__") == "ember.xcs":
            hook = frame
            behind = behind or code.co_name in BLOCKING
        frame = frame.f_back
    return hook, None, behind


def way_to(path: int, frame: FrameType | None) -> int:
    """Return a number for the calls that lead to where `frame` is, in a task that `path` led to."""
    for _ in range(_MOST_FRAMES):
        if frame is None or frame.f_code in _ENDS:
            break
        if not _own.get(frame.f_code):
            path = hash((path, frame.f_code, frame.f_lasti))
        frame = frame.f_back
    return path


_ENDS: Final[set[CodeType]] = {Run._fiber.__code__, perform.__code__}  # pyright: ignore[reportPrivateUsage]
"""Where the user's code of a task ends: beyond are the callers of the whole."""


def site_of(at: tuple[CodeType, int] | None) -> Site | None:
    return None if at is None else Site(at[0].co_filename, at[1], _REGION.sub("", at[0].co_qualname))


_REGION: Final = re.compile(r"\.<locals>\._x_\w+")
