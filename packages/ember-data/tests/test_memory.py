"""What a stream holds: a block, whatever the size of the file."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

GOING_THROUGH = """
import re, sys
from ember.data import stream
def resident(what):  # in kB; what getrusage() says of the peak is also of the process that this one was forked from
    with open("/proc/self/status") as file:
        return int(re.search(what + r":\\s+(\\d+)", file.read())[1])
before = resident("VmRSS")
chain = stream(sys.argv[1]).filter(lambda row: row["level"] > 2).transform(lambda row: {**row, "new": 1}).batch(32)
chain = eval(sys.argv[2])(chain)
rows = sum(len(batch) for batch in chain)
print(rows, round((resident("VmHWM") - before) / 1024))
"""


def held(path: Path, more: str = "lambda chain: chain") -> tuple[int, int]:
    """Return how many rows come of a file, and what memory grew by over imports at its peak, in MB."""
    command = [sys.executable, "-c", GOING_THROUGH, str(path), more]
    done = subprocess.run(command, capture_output=True, text=True, timeout=1800)
    assert done.stderr == ""
    rows, grown = map(int, done.stdout.split())
    return rows, grown


def generated(path: Path, size: int) -> int:
    """Write a file of at least `size` bytes; return how many of its rows are kept."""
    block = b"".join(
        json.dumps({"id": n, "level": n % 6, "text": "words " * (n % 300), "tags": ["a", "b"]}).encode()
        + b"\n"
        for n in range(6_000)
    )
    times = size // len(block) + 1
    with path.open("wb") as file:
        for _ in range(times):
            file.write(block)
    return times * 3_000


@pytest.mark.skipif(sys.platform != "linux", reason="memory is told by /proc")
@pytest.mark.parametrize(
    "more", ["lambda chain: chain", "lambda chain: chain.unbatch().shuffle(1000).batch(9)"]
)
def test_a_file_of_60_megabytes_takes_a_few(tmp_path: Path, more: str) -> None:
    path = tmp_path / "rows.jsonl"
    kept = generated(path, 60_000_000)
    rows, grown = held(path, more)
    assert rows == kept
    assert grown <= 16


@pytest.mark.long
@pytest.mark.skipif(sys.platform != "linux", reason="memory is told by /proc")
def test_a_file_of_5_gigabytes_takes_no_more(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    kept = generated(path, 5_000_000_000)
    try:
        rows, grown = held(path)
        assert rows == kept
        assert grown <= 32
        rows, grown = held(path, "lambda chain: chain.unbatch().shuffle().batch(9)")
        assert rows == kept
        assert grown <= 64
    finally:
        path.unlink()
