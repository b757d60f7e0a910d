"""Writing rows to a JSONL file that is whole or has another name."""

from __future__ import annotations

import os
import time
from typing import Any

import msgspec

from ._checkpoint import Checkpoint
from ._iterator import StreamIterator
from ._run import Summary
from .errors import SourceChanged

_ROWS = 512
_SECONDS = 0.2  # how long rows wait to be written, where they come slowly


def write_jsonl(rows: StreamIterator[Any], path: str, checkpoint: str | None) -> Summary:
    """Write `rows` to `path`, going on from `checkpoint` where there is one."""
    kept = None if checkpoint is None else Checkpoint(checkpoint)
    part = f"{path}.part"
    try:
        begin = 0
        if kept is not None and kept.state is not None:
            state = kept.state
            begin = state.get("written", 0)
            if state.get("done") and os.path.exists(path):
                return rows.summary
            if not os.path.exists(part) and os.path.exists(path) and os.path.getsize(path) == begin:
                os.replace(path, part)  # it was killed between naming the file and saying so
            if begin and (not os.path.exists(part) or os.path.getsize(part) < begin):
                raise SourceChanged(
                    f"The checkpoint {checkpoint} goes with {begin:,} bytes of {part}, which are not there. "
                    f"Remove the checkpoint to begin anew."
                )
            rows.load_state_dict(state)
        with open(part, "r+b" if begin else "wb") as file:
            file.truncate(begin)
            file.seek(begin)
            _Writing(rows, file, kept, begin).all()
        os.replace(part, path)
        if kept is not None:
            kept.save({**(kept.state or {}), "done": True})
        elif os.path.exists(part):
            os.unlink(part)
    except BaseException:
        if kept is None and os.path.exists(part):
            os.unlink(part)
        raise
    finally:
        if kept is not None:
            kept.close()
    return rows.summary


class _Writing:
    def __init__(self, rows: StreamIterator[Any], file: Any, kept: Checkpoint | None, written: int) -> None:
        self._rows, self._file, self._kept, self._written = rows, file, kept, written
        self._encode = msgspec.json.Encoder().encode_lines
        self._held: list[Any] = []

    def all(self) -> None:
        held, due = self._held, time.monotonic() + _SECONDS
        try:
            for row in self._rows:
                held.append(row)
                if len(held) >= _ROWS or time.monotonic() >= due:
                    self._flush()
                    due = time.monotonic() + _SECONDS
        finally:
            # After a failure too: what was made before it is not made again.
            self._flush()

    def _flush(self) -> None:
        lines = self._encode(self._held)
        self._held.clear()
        try:
            self._file.write(lines)
        except OSError as error:  # a full disk: say where
            error.filename = self._file.name
            raise
        self._written += len(lines)
        if self._kept is not None:
            self._file.flush()
            self._kept.save({**self._rows.state_dict(), "written": self._written})
