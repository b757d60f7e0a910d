"""Data sets by name."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ember.core.errors import AlreadyRegistered, NotRegistered
from ember.data import Card, DataRegistry, Dataset, SourceNotFound, stream


@pytest.fixture
def name() -> Iterator[str]:
    yield "capitals"
    if "capitals" in DataRegistry.names():
        DataRegistry.unregister("capitals")


def test_a_loader_s_rows_path_or_source_is_streamed_by_name(name: str, tmp_path: Path) -> None:
    path = tmp_path / "capitals.jsonl"
    path.write_text('{"country": "France", "capital": "Paris"}\n{"country": "Italy", "capital": "Rome"}\n')

    def rows() -> list[dict[str, str]]:
        return [{"country": "France", "capital": "Paris"}, {"country": "Italy", "capital": "Rome"}]

    def generator() -> Any:
        return rows

    loaders: list[Any] = [rows, lambda: path, lambda: str(path), generator]
    for loader in loaders:
        DataRegistry.register(name, loader, replace=True)
        assert stream(name).filter(lambda row: row["capital"] == "Rome").count() == 1
    DataRegistry.register(name, loaders[1], replace=True)
    assert stream(name, columns=["capital"]).first() == {"capital": "Paris"}


def test_options_and_the_part_after_a_colon_reach_the_loader(name: str) -> None:
    def load(n: int = 1, subset: str = "all") -> list[tuple[int, str]]:
        return [(n, subset)]

    DataRegistry.register(name, load)
    rows: list[Any] = [*stream(name, n=3), *stream("capitals:europe")]
    assert rows == [(3, "all"), (1, "europe")]


def test_a_card_says_what_one_should_know(name: str) -> None:
    card = Card(
        "Capitals of countries.",
        "CC0-1.0",
        "https://example.org",
        {"all": 2},
        ("country", "capital"),
        1_500_000,
    )
    DataRegistry.register(name, list, card)
    assert DataRegistry.card(name) == card
    assert "all (2)" in str(card)
    assert "1.5 MB" in str(card)
    assert "ask its makers" in str(Card("x"))
    DataRegistry.register(name, Dataset(list, card), replace=True)
    assert DataRegistry.card(name) is card


def test_a_name_is_taken_once(name: str) -> None:
    DataRegistry.register(name, list)
    with pytest.raises(AlreadyRegistered, match="replace=True"):
        DataRegistry.register(name, list)
    with pytest.raises(TypeError, match="is no loader"):
        DataRegistry.register("other", 3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def test_a_name_that_is_not_known_is_said_with_the_nearest_and_what_to_install(name: str) -> None:
    DataRegistry.register(name, list)
    with pytest.raises(SourceNotFound, match="Did you mean 'capitals'"):
        stream("capitols")
    with pytest.raises(SourceNotFound, match="Did you mean 'gsm8k'"):
        stream("gsm8")
    for offered in ("fanoutqa", "reasoning_gym:chain_sum"):
        if DataRegistry.has(offered.partition(":")[0]):
            continue
        with pytest.raises(NotRegistered, match=r"pip install .?ember-datasets"):
            stream(offered)


def test_a_file_goes_before_a_name(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    DataRegistry.register(name, lambda: [1, 2, 3])
    monkeypatch.chdir(tmp_path)
    assert stream(name).count() == 3
    Path(name).write_text('{"a": 1}\n')
    assert stream(name).to_list() == [{"a": 1}]


def test_options_of_what_is_no_data_set_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text("{}\n")
    with pytest.raises(TypeError, match="split"):
        stream(path, split="train")


def test_a_distribution_offers_a_data_set_by_an_entry_point(tmp_path: Path) -> None:
    info = tmp_path / "numbers-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: numbers\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[ember.datasets]\nnumbers_of = numbers_of:load\nbroken = none.such:load\n"
    )
    (tmp_path / "numbers_of.py").write_text(
        "from ember.data import Card\ndef load(n=3): return list(range(n))\nload.card = Card('Numbers.', 'CC0-1.0')\n"
    )
    program = """
import sys
from ember.data import DataRegistry, stream
print('numbers_of' in DataRegistry.names(), 'numbers_of' in sys.modules)
print(stream('numbers_of', n=2).to_list(), DataRegistry.card('numbers_of').licence)
try:
    stream('broken')
except Exception as error:
    print(type(error).__name__, 'numbers' in str(error))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], env={"PYTHONPATH": str(tmp_path)}, capture_output=True, text=True
    )
    assert (done.stdout, done.stderr) == ("True False\n[0, 1] CC0-1.0\nPluginError True\n", "")


def test_every_benchmark_of_the_hub_has_a_card() -> None:
    for benchmark in ("gsm8k", "mmlu", "humaneval", "arc_challenge", "hellaswag"):
        card = DataRegistry.card(benchmark)
        assert card is not None
        assert card.source.startswith("https://huggingface.co/datasets/") or benchmark == "humaneval"
        assert card.columns
        assert card.splits
