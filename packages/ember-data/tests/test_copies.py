"""Copies of files elsewhere: bounded, and never taken away from whoever reads them."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from elsewhere import Elsewhere

from ember.context import with_context
from ember.data import stream

pl = pytest.importorskip("polars")
ROWS = 60_000  # more than is read ahead of whoever asks


def parquet(first: int) -> bytes:
    out = io.BytesIO()
    pl.DataFrame({"n": range(first, first + ROWS)}).write_parquet(out, compression="uncompressed")
    return out.getvalue()


SIZE = len(parquet(0))


@pytest.fixture
def web(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Elsewhere]:
    for module in ("fsspec", "aiohttp"):
        pytest.importorskip(module)
    monkeypatch.setenv("EMBER_HOME", str(tmp_path / "home"))
    with Elsewhere() as server, with_context(data={"retry_pause": 0.001}):
        server.files = {f"/{n}.parquet": parquet(n) for n in range(5)}
        yield server


def kept(tmp_path: Path) -> int:
    return sum(path.stat().st_size for path in (tmp_path / "home" / "fetched").glob("*/*-*"))


def first(web: Elsewhere, n: int) -> int:
    found: int = stream(f"{web.url}/{n}.parquet").first()["n"]
    return found


def test_the_longest_unused_copies_go_where_there_is_more_than_the_bound(
    web: Elsewhere, tmp_path: Path
) -> None:
    with with_context(data={"fetched_size": SIZE * 2 + SIZE // 2}):
        assert [first(web, n) for n in (0, 1)] == [0, 1]
        assert kept(tmp_path) == 2 * SIZE
        assert first(web, 0) == 0  # used again: now 1 is the longest unused
        assert first(web, 2) == 2
        assert kept(tmp_path) == 2 * SIZE
        before = web.sent
        assert first(web, 0) == 0
        assert web.sent < before + SIZE // 2  # its first bytes alone, which tell its format
        assert first(web, 1) == 1
        assert web.sent > before + SIZE


def test_a_copy_that_is_read_stays_and_goes_with_the_next_fetch_after_that(
    web: Elsewhere, tmp_path: Path
) -> None:
    with with_context(data={"fetched_size": 0}):
        rows = iter(stream(f"{web.url}/0.parquet"))
        assert next(rows)["n"] == 0
        assert [first(web, n) for n in (1, 2, 3)] == [1, 2, 3]
        assert sum(1 for _ in rows) == ROWS - 1
        rows.close()
        assert first(web, 4) == 4
        assert kept(tmp_path) == SIZE  # what was read last


def test_a_copy_that_another_process_reads_stays_until_that_is_killed(web: Elsewhere, tmp_path: Path) -> None:
    program = """
import sys
from ember.data import stream
rows = iter(stream(sys.argv[1]))
next(rows)
print("reads", flush=True)
sys.stdin.readline()
print(sum(1 for _ in rows), flush=True)
sys.stdin.readline()
"""
    command = [sys.executable, "-c", program, f"{web.url}/0.parquet"]
    reader = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=dict(os.environ)
    )
    with reader, with_context(data={"fetched_size": 0}):
        assert reader.stdin is not None
        assert reader.stdout is not None
        try:
            assert reader.stdout.readline() == "reads\n"
            assert first(web, 1) == 1
            assert kept(tmp_path) == 2 * SIZE
            reader.stdin.write("go on\n")
            reader.stdin.flush()
            assert reader.stdout.readline() == f"{ROWS - 1}\n"
        finally:
            reader.kill()
        reader.wait()
        assert first(web, 2) == 2
        assert kept(tmp_path) == SIZE


def test_who_reads_a_copy_goes_on_with_it_when_the_file_has_changed(web: Elsewhere) -> None:
    rows = iter(stream(f"{web.url}/0.parquet"))
    assert next(rows)["n"] == 0
    web.files["/0.parquet"] = parquet(7)
    assert first(web, 0) == 7
    assert [row["n"] for row in rows] == list(range(1, ROWS))


@pytest.mark.skipif(sys.platform == "win32", reason="limits of another kind")
def test_where_the_disk_is_full_it_is_said_and_not_tried_again(web: Elsewhere) -> None:
    program = """
import resource, signal, sys
from ember.context import with_context
from ember.data import SourceError, stream
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
try:
    stream(sys.argv[1]).first()
except SourceError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", program, f"{web.url}/0.parquet"],
        env=dict(os.environ),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert "cannot take the copy: File too large" in done.stdout, done.stderr
    assert "tried" not in done.stdout
