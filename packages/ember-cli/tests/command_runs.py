"""How a command that a test ran ended, and all that it said."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple


class Ran(NamedTuple):
    """The exit code, stdout and stderr."""

    code: int
    out: str
    err: str


Run = Callable[..., Ran]
