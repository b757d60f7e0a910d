"""Files elsewhere: over HTTP, and in a store that fsspec knows."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from elsewhere import Elsewhere

from ember.context import with_context
from ember.data import SourceError, SourceNotFound, col, stream

fsspec = pytest.importorskip("fsspec")
ROWS = [{"n": n, "text": f"row {n} é" * 5} for n in range(8_000)]
LINES = b"".join(json.dumps(row).encode() + b"\n" for row in ROWS)


@pytest.fixture
def web(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Elsewhere]:
    pytest.importorskip("aiohttp")
    monkeypatch.setenv("EMBER_HOME", str(tmp_path / "home"))
    with Elsewhere() as server, with_context(data={"retry_pause": 0.001}):
        server.files = {"/rows.jsonl": LINES, "/rows.jsonl.gz": gzip.compress(LINES, 1)}
        yield server


def test_lines_are_read_over_http_packed_or_not(web: Elsewhere) -> None:
    assert stream(f"{web.url}/rows.jsonl").to_list() == ROWS
    assert stream(f"{web.url}/rows.jsonl.gz").to_list() == ROWS


def test_the_first_rows_of_a_file_elsewhere_do_not_take_all_of_it(web: Elsewhere) -> None:
    assert stream(f"{web.url}/rows.jsonl").take(3).to_list() == ROWS[:3]
    assert web.sent < len(LINES) / 2


def test_going_on_with_a_file_elsewhere_reads_from_there(web: Elsewhere) -> None:
    rows = iter(stream(f"{web.url}/rows.jsonl"))
    had = [next(rows) for _ in range(6_000)]
    state = json.loads(json.dumps(rows.state_dict()))
    web.sent = 0
    again = iter(stream(f"{web.url}/rows.jsonl"))
    again.load_state_dict(state)
    assert had + list(again) == ROWS
    assert web.sent < len(LINES) / 2


def test_parquet_elsewhere_is_fetched_once_and_again_when_it_has_changed(web: Elsewhere) -> None:
    pl = pytest.importorskip("polars")

    def put(n: int) -> None:
        out = io.BytesIO()
        pl.DataFrame(ROWS[:n]).write_parquet(out, compression="uncompressed")
        web.files["/rows.parquet"] = out.getvalue()

    put(8_000)
    chain = stream(f"{web.url}/rows.parquet").where(col("n") >= 90)
    assert chain.to_list() == ROWS[90:]
    before, size = web.sent, len(web.files["/rows.parquet"])
    assert size > 100_000
    assert chain.take(1).to_list() == ROWS[90:91]
    assert web.sent - before < size
    put(95)
    assert chain.count() == 5


def test_a_broken_connection_is_tried_again(web: Elsewhere) -> None:
    web.faults = ["", "", 500, "cut", 503]
    assert stream(f"{web.url}/rows.jsonl").to_list() == ROWS


def test_what_is_not_there_is_said_without_what_is_secret_in_an_address(web: Elsewhere) -> None:
    with pytest.raises(SourceNotFound) as raised:
        stream(f"{web.url}/none.jsonl?signature=abcdef0123456789").first()
    assert "signature" not in str(raised.value)
    assert "/none.jsonl" in str(raised.value)
    with pytest.raises(SourceError, match="cannot be read"):
        stream("nowhere-known://bucket/rows.jsonl")


def test_files_of_any_store_of_fsspec_are_found_by_pattern() -> None:
    memory = fsspec.filesystem("memory")
    for number in range(3):
        memory.pipe(
            f"/bucket/part-{number}.jsonl", LINES[: len(LINES) // 2 // 100 * number + 50].rpartition(b"\n")[0]
        )
    memory.pipe("/bucket/all.jsonl", LINES)
    try:
        assert stream("memory://bucket/all.jsonl").to_list() == ROWS
        parts = [stream(f"memory://bucket/part-{number}.jsonl").to_list() for number in range(3)]
        assert stream("memory://bucket/part-*.jsonl").to_list() == [row for part in parts for row in part]
        with pytest.raises(SourceNotFound, match="No file matches"):
            stream("memory://bucket/*.parquet")
    finally:
        memory.rm("/bucket", recursive=True)
