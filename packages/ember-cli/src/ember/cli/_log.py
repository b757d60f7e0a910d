"""What Ember's distributions log, on stderr, for `--debug`. A module of its own: the help does without `logging`."""

from __future__ import annotations

import logging

from . import _say


class _OnStderr(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        _say.detail(f"{record.name}: {record.getMessage()}")


_handler = _OnStderr()


def begin() -> None:
    """Say everything that is logged."""
    log = logging.getLogger("ember")
    log.setLevel(logging.DEBUG)
    log.addHandler(_handler)  # which is added once, however often


def end() -> None:
    """Say it no more, in a process that does something else than run this command."""
    log = logging.getLogger("ember")
    log.setLevel(logging.NOTSET)
    log.removeHandler(_handler)
