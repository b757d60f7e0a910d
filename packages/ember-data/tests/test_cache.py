"""Rows that were made once are read from disk the next time, whatever happened meanwhile."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from ember.context import get_context, with_context
from ember.core.errors import ConfigWarning
from ember.data import Stream, stream
from ember.data.errors import DataError


class Counting:
    """A function that counts its calls, which do not change what it does."""

    def __init__(self, factor: int = 2) -> None:
        self.factor, self.calls = factor, 0

    def __fingerprint__(self) -> int:
        return self.factor

    def __call__(self, n: int) -> int:
        self.calls += 1
        return n * self.factor


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EMBER_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def entries(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*/rows"))


def test_rows_are_made_once(home: Path) -> None:
    double = Counting()
    chain = stream(range(5_000)).transform(double).cache().filter(lambda n: n % 3 == 0)
    assert chain.to_list() == chain.to_list() == [n * 2 for n in range(5_000) if n % 3 == 0]
    assert double.calls == 5_000
    assert len(entries(home / "datasets")) == 1


def test_what_goes_into_the_rows_decides_and_nothing_else(tmp_path: Path) -> None:
    path, double = tmp_path / "rows.jsonl", Counting()

    def chain(function: Counting) -> Stream[Any]:
        return stream(path).transform(lambda row: row["n"]).transform(function).cache(tmp_path / "kept")

    path.write_text('{"n": 1}\n')
    assert [chain(double).to_list(), chain(double).to_list(), double.calls] == [[2], [2], 1]
    assert chain(Counting(3)).to_list() == [3]
    path.write_text('{"n": 1}\n{"n": 5}\n')
    assert [chain(double).to_list(), double.calls] == [[2, 10], 3]
    assert len(entries(tmp_path / "kept")) == 3


def test_what_the_context_says_of_models_is_part_of_the_rows() -> None:
    def warmth(n: int) -> Any:
        return get_context().get_config("models.temperature", -1.0)

    chain = stream([1]).transform(warmth).cache()
    assert chain.to_list() == [-1.0]
    with with_context(models={"temperature": 0.9}):
        assert chain.to_list() == chain.to_list() == [0.9]
    assert chain.to_list() == [-1.0]


def test_with_a_key_the_key_decides(tmp_path: Path) -> None:
    lock = threading.Lock()

    def locked(n: int) -> int:
        with lock:
            return n

    with pytest.raises(DataError, match=r"cache\(key=\.\.\.\)"):
        stream([1]).transform(locked).cache(tmp_path).to_list()
    assert stream([1]).transform(locked).cache(tmp_path, key="1").to_list() == [1]
    assert len(entries(tmp_path)) == 1


def test_an_iterator_that_can_be_used_once_cannot_be_told_apart() -> None:
    with pytest.raises(DataError, match="cannot tell what goes into it"):
        stream(iter([1, 2])).cache().to_list()


@dataclass(frozen=True)
class Label:
    text: str
    score: Decimal


def test_rows_come_back_as_what_they_were() -> None:
    rows: list[Any] = [
        {"a": (1, 2.5), "b": {"deep": [None, True]}, 3: b"x"},
        [1, {2, 3}, bytearray(b"y")],
        Label("good", Decimal("0.1")),
        float("inf"),
        "\ud800",
    ]
    chain = stream(rows).cache()
    first, second = chain.to_list(), chain.to_list()
    assert first == second == rows
    assert [type(row) for row in second] == [type(row) for row in rows]
    assert isinstance(second[1][2], bytearray)


def test_a_row_that_would_not_come_back_the_same_is_said() -> None:
    with pytest.raises(DataError, match="cannot keep this row"):
        stream([1]).transform(lambda n: threading.Lock()).cache(key="locks").to_list()


def test_what_is_done_to_a_row_afterwards_does_not_reach_what_is_kept() -> None:
    def spoil(row: dict[str, int]) -> dict[str, int]:
        row["n"] += 100
        return row

    chain = stream([{"n": 1}, {"n": 2}]).transform(lambda row: dict(row)).cache().transform(spoil)
    assert chain.to_list() == chain.to_list() == [{"n": 101}, {"n": 102}]


def test_a_run_that_was_left_is_gone_on_with() -> None:
    double = Counting()
    chain = stream(range(1_000)).transform(double).cache()
    rows = iter(chain)
    assert [next(rows) for _ in range(300)] == [n * 2 for n in range(300)]
    rows.close()
    assert double.calls == 300
    assert chain.to_list() == [n * 2 for n in range(1_000)]
    assert double.calls == 1_000


def test_a_run_whose_stage_failed_is_gone_on_with() -> None:
    failing = {700}

    class Picky(Counting):
        def __call__(self, n: int) -> int:
            if n in failing:
                raise ValueError("not now")
            return super().__call__(n)

    double = Picky()
    chain = stream(range(1_000)).transform(double).cache()
    with pytest.raises(ValueError, match="not now"):
        chain.to_list()
    failing.clear()
    assert chain.to_list() == [n * 2 for n in range(1_000)]
    assert double.calls <= 1_001


@given(
    n=st.integers(0, 60),
    cut=st.integers(0, 60),
    batch=st.integers(1, 4),
    before=st.sampled_from(["nothing", "all", "some"]),
    meanwhile=st.sampled_from(["nothing", "all", "deleted"]),
)
@settings(max_examples=60, deadline=None)
def test_going_on_at_any_row_is_exact_whatever_is_cached(
    tmp_path_factory: pytest.TempPathFactory, n: int, cut: int, batch: int, before: str, meanwhile: str
) -> None:
    folder = tmp_path_factory.mktemp("cache")
    chain = stream(range(n)).transform(Counting()).cache(folder).batch(batch)
    whole = stream(range(0, 2 * n, 2)).batch(batch).to_list()
    if before == "all":
        assert chain.to_list() == whole
    elif before == "some":
        rows = iter(chain)
        for _ in zip(range(cut // 2), rows, strict=False):
            pass
        rows.close()
    first = iter(chain)
    had = [row for _, row in zip(range(cut), first, strict=False)]
    state = json.loads(json.dumps(first.state_dict()))
    first.close()
    if meanwhile == "all":
        assert chain.to_list() == whole
    elif meanwhile == "deleted":
        for path in folder.glob("*/*"):
            path.unlink()
    second = iter(chain)
    second.load_state_dict(state)
    assert had + list(second) == whole
    assert chain.to_list() == whole


def test_another_run_at_the_same_time_goes_on_without() -> None:
    double = Counting()
    chain = stream(range(100)).transform(double).cache()
    first, second = iter(chain), iter(chain)
    rows = [(next(first), next(second)) for _ in range(100)]
    assert rows == [(n * 2, n * 2) for n in range(100)]
    assert (list(first), list(second)) == ([], [])
    assert chain.count() == 100
    assert double.calls == 200


PROGRAM = """
import os, sys, time
from ember.data import stream
calls = os.open(sys.argv[2], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
class Slow:
    def __fingerprint__(self): return "slow"
    def __call__(self, n):
        os.write(calls, b"%d\\n" % n)
        time.sleep(0.002)
        return n * n
rows = stream(range(1000)).transform(Slow()).cache(sys.argv[1]).to_list()
assert rows == [n * n for n in range(1000)]
print("whole")
"""


def test_a_killed_run_leaves_what_it_had_and_nothing_wrong(tmp_path: Path) -> None:
    calls = tmp_path / "calls"
    command = [sys.executable, "-c", PROGRAM, str(tmp_path / "kept"), str(calls)]
    chance = random.Random(3)
    for _ in range(2):
        process = subprocess.Popen(command, stdout=subprocess.PIPE)
        size = calls.stat().st_size if calls.exists() else 0
        until = time.monotonic() + 60
        # Long enough for a block to have been written: rows that wait a second are.
        while (not calls.exists() or calls.stat().st_size < size + 1_500) and time.monotonic() < until:
            assert process.poll() is None, "it was done before it was killed"
            time.sleep(0.01 + chance.random() / 50)
        process.send_signal(signal.SIGKILL)
        process.communicate()
    assert subprocess.run(command, capture_output=True, text=True, timeout=60).stdout == "whole\n"
    made = len(calls.read_text().split())
    assert 1_000 <= made < 1_000 + 2 * 700
    assert subprocess.run(command, capture_output=True, text=True, timeout=60).stdout == "whole\n"
    assert len(calls.read_text().split()) == made


def test_processes_at_once_all_get_the_rows(tmp_path: Path) -> None:
    command = [sys.executable, "-c", PROGRAM, str(tmp_path / "kept"), str(tmp_path / "calls")]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert [process.communicate(timeout=100)[0] for process in processes] == ["whole\n"] * 2
    assert len(entries(tmp_path / "kept")) == 1


def test_what_was_damaged_on_disk_is_made_anew(tmp_path: Path) -> None:
    double = Counting()
    chain = stream(range(200)).transform(double).cache(tmp_path)
    chain.to_list()
    (kept,) = entries(tmp_path)
    data = bytearray(kept.read_bytes())
    data[len(data) // 2] ^= 0xFF
    kept.write_bytes(data)
    for _ in range(3):
        assert chain.to_list() == [n * 2 for n in range(200)]
    assert double.calls == 600  # the first met the damage, the second wrote anew, the third read that


def test_a_row_from_a_file_cannot_run_anything(tmp_path: Path) -> None:
    import pickle
    import zlib

    from ember.data._kept import _HEAD, _ROW, end_bytes  # pyright: ignore[reportPrivateUsage]

    class Evil:
        def __reduce__(self) -> Any:
            return os.mkdir, (str(tmp_path / "ran"),)

    chain = stream([1]).cache(tmp_path / "kept")
    chain.to_list()
    (kept,) = entries(tmp_path / "kept")
    data, states = pickle.dumps(Evil()), b"[null,null]"
    rows = _ROW.pack(len(data)) + data
    kept.write_bytes(
        _HEAD.pack(b"EmbB", len(states), len(rows), zlib.crc32(rows, zlib.crc32(states)), 1)
        + states
        + rows
        + end_bytes()
    )
    with pytest.raises(Exception, match="mkdir"):
        chain.to_list()
    assert not (tmp_path / "ran").exists()


def test_what_was_not_used_the_longest_goes_when_there_is_no_room(tmp_path: Path) -> None:
    def chain(n: int) -> Stream[str]:
        return stream([f"{n}-{k}" * 10 for k in range(200)]).cache(tmp_path, size=25_000)

    for n in range(4):
        chain(n).to_list()
        time.sleep(0.02)
    sizes = [path.stat().st_size for path in entries(tmp_path)]
    assert 0 < sum(sizes) <= 25_000


def test_rows_that_take_more_than_all_the_room_go_on_uncached(tmp_path: Path) -> None:
    chain = stream([b"x" * 100_000] * 30).cache(tmp_path, size=1_000_000)
    with pytest.warns(ConfigWarning, match="go on without being cached"):
        assert chain.count() == 30
    assert entries(tmp_path) == []


def test_where_the_disk_is_full_rows_go_on_uncached(tmp_path: Path) -> None:
    program = f"""
import resource, signal
from ember.data import stream
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1_500_000, 1_500_000))
print(stream(range(60)).transform(lambda n: b"x" * 100_000).cache({str(tmp_path)!r}).count())
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert done.stdout == "60\n"
    assert "Rows go on without being cached: the disk would not take more" in done.stderr
    assert entries(tmp_path) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_where_nothing_may_be_written_rows_go_on_uncached(tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    folder.mkdir(mode=0o500)
    with pytest.raises(DataError):
        stream([1]).cache(folder).to_list()


def test_reading_what_is_cached_does_not_touch_the_source(tmp_path: Path) -> None:
    class Source:
        opened = 0

        def __fingerprint__(self) -> str:
            return "numbers"

        def __call__(self) -> Iterator[int]:
            self.opened += 1
            return iter(range(10))

    source = Source()
    chain = stream(source).cache(tmp_path)
    assert (chain.count(), chain.count(), source.opened) == (10, 10, 1)
