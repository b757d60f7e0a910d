"""What a command says beside its data: notes, warnings, errors and progress, all on stderr, and no key in any of it."""

from __future__ import annotations

import os
import re
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, TextIO

QUIET: Final = 0
NORMAL: Final = 1
VERBOSE: Final = 2
DEBUG: Final = 3

_level = NORMAL

# Keys as vendors write them. Known values are masked wherever they stand; these are for those nobody told us of.
_LIKE_A_KEY: Final = re.compile(
    r"\b(?:sk-|AIza|gsk_|hf_|xai-|pplx-|ghp_|github_pat_)[A-Za-z0-9_-]{12,}"
    r"|(?<=Bearer )[A-Za-z0-9._~+/=-]{12,}"
)
_COLORS: Final = {"red": 31, "green": 32, "yellow": 33, "dim": 2, "bold": 1}


def set_level(level: int) -> None:
    """Say as much as `level` (QUIET to DEBUG) from now on. DEBUG is what Ember's distributions log, too."""
    global _level
    if (level >= DEBUG) is not (_level >= DEBUG):
        from . import _log

        (_log.begin if level >= DEBUG else _log.end)()
    _level = level


def level() -> int:
    """How much is said."""
    return _level


def redacted(text: str) -> str:
    """Return `text` without keys: neither those this process knows nor what looks like one.

    >>> redacted("Incorrect API key: sk-proj-abcdefghijkl1234")
    'Incorrect API key: [secret]'
    """
    if "ember.core.secrets" in sys.modules:  # where no secret was ever made, there is none to look for
        from ember.core.secrets import scrub

        text = scrub(text)
    return _LIKE_A_KEY.sub("[secret]", text)


def note(text: str) -> None:
    """Say something the user may want to know."""
    if _level >= NORMAL:
        _write(text)


def detail(text: str) -> None:
    """Say something only those who asked for more (`--verbose`) want to know."""
    if _level >= VERBOSE:
        _write(text)


def warn(text: str) -> None:
    """Say something that is wrong, and stops nothing."""
    _write(f"{paint('warning:', 'yellow', sys.stderr)} {text}")


def complain(text: str) -> None:
    """Say why the command failed."""
    _write(f"{paint('error:', 'red', sys.stderr)} {text}")


def _write(text: str) -> None:
    print(redacted(text), file=sys.stderr, flush=True)


def paint(text: str, color: str, stream: TextIO) -> str:
    """Return `text` in a color where `stream` is a terminal that shows colors, and nobody forbids them."""
    return f"\033[{_COLORS[color]}m{text}\033[0m" if _is_colored(stream) else text


def _is_colored(stream: TextIO) -> bool:
    # https://no-color.org: present and not empty.
    return (
        stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM", "") not in ("", "dumb")
    )


@contextmanager
def warnings_as_notes() -> Iterator[None]:
    """Say Ember's own warnings as `warning:` lines; leave out those of libraries, which are not for users."""

    def show(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
        if category.__module__.startswith("ember."):
            warn(str(message))
        elif _level >= DEBUG:
            _write(f"{category.__name__}: {message}")

    with warnings.catch_warnings():
        warnings.simplefilter("default")
        warnings.showwarning = show
        yield


class Progress:
    """How far something is that takes longer than a second: a line that is drawn again, or lines without a terminal."""

    def __init__(self, what: str) -> None:
        self._what, self._begun, self._shown, self._drawn = what, time.monotonic(), 0.0, False

    def __call__(self, done: int, total: int) -> None:
        """Show that `done` of `total` bytes are there."""
        now = time.monotonic()
        last = total > 0 and done >= total
        live = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
        if (
            _level < NORMAL
            or now - self._begun < 1
            or (now - self._shown < (0.1 if live else 5) and not last)
        ):
            return
        self._shown = now
        seconds = now - self._begun
        rate = done / seconds
        left = f", {(total - done) / rate:.0f} s left" if rate and total and not last else ""
        line = (
            f"{self._what}: {done / 1e6:.0f} of {total / 1e6:.0f} MB ({done * 100 // max(total, 1)} %{left})"
        )
        if live:
            print(f"\r\033[K{line}", end="", file=sys.stderr, flush=True)
            self._drawn = True
        else:
            print(line, file=sys.stderr, flush=True)

    def end(self) -> None:
        """Leave the line as it is."""
        if self._drawn:
            print(file=sys.stderr, flush=True)
            self._drawn = False


@contextmanager
def waiting(what: str, count: Callable[[], str] | None = None) -> Iterator[None]:
    """Say `what` is being waited for, where that takes more than a second and there is a terminal to take it back.

    `count` says how far it is. With it, a line is printed every ten seconds where there is no such terminal.
    """
    live = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
    if _level < NORMAL or not (live or count):
        yield
        return
    import threading

    over = threading.Event()

    def tell() -> None:
        begun, drawn = time.monotonic(), False
        while not over.wait(1.0 if live else 10.0):
            far = f": {count()}" if count else ""
            said = f"{what}{far} ({time.monotonic() - begun:.0f} s)"
            print(f"\r\033[K{said}" if live else said, end="" if live else "\n", file=sys.stderr, flush=True)
            drawn = live
        if drawn:
            print("\r\033[K", end="", file=sys.stderr, flush=True)

    teller = threading.Thread(target=tell, daemon=True)
    teller.start()
    try:
        yield
    finally:
        over.set()
        teller.join()
