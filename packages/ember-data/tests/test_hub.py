"""Data sets of the hub, against a server that speaks as it does."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from elsewhere import Elsewhere

from ember.context import with_context
from ember.data import DataRegistry, SourceChanged, SourceDenied, SourceError, SourceNotFound, col, stream

pl = pytest.importorskip("polars")


def parquet(rows: list[dict[str, Any]]) -> bytes:
    out = io.BytesIO()
    pl.DataFrame(rows).write_parquet(out)
    return out.getvalue()


TEST = [{"question": f"What is {n} + {n}?", "answer": str(2 * n)} for n in range(50)]


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Elsewhere]:
    monkeypatch.setenv("EMBER_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("HF_TOKEN", raising=False)
    with Elsewhere() as server, with_context(data={"retry_pause": 0.001}):
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        server.dataset(
            "openai/gsm8k",
            {
                "main": {"train": [parquet(TEST[:5])], "test": [parquet(TEST[:30]), parquet(TEST[30:])]},
                "socratic": {"test": [parquet(TEST[:1])]},
            },
        )
        yield server


def test_a_benchmark_is_read_by_its_name(hub: Elsewhere) -> None:
    assert stream("gsm8k").to_list() == TEST
    assert stream("gsm8k", split="train").to_list() == TEST[:5]
    assert stream("gsm8k:socratic").to_list() == TEST[:1]
    card = DataRegistry.card("gsm8k")
    assert card is not None
    assert (card.licence, card.splits["test"], card.columns) == ("MIT", 1_319, ("question", "answer"))


def test_any_data_set_is_read_by_its_id(hub: Elsewhere) -> None:
    assert stream("hf://openai/gsm8k", subset="main", split="test").to_list() == TEST
    assert stream("hf://datasets/openai/gsm8k:socratic").to_list() == TEST[:1]


def test_files_are_fetched_once_and_only_when_their_rows_are_asked_for(hub: Elsewhere) -> None:
    chain = stream("gsm8k")
    assert hub.seen == []
    assert chain.take(3).to_list() == TEST[:3]
    assert sum(path.startswith("/cdn") for path in hub.gets()) == 1
    assert chain.count() == chain.count() == 50
    assert all(count == 1 for path, count in hub.gets().items() if path.startswith("/cdn"))


def test_conditions_and_columns_go_to_the_reader(hub: Elsewhere) -> None:
    chain = stream("gsm8k").where(col("answer") == "84").select("question")
    assert chain.to_list() == [{"question": "What is 42 + 42?"}]
    assert chain.explain().count("by the reader") == 2


def test_workers_have_their_share_of_all_files_of_the_hub(hub: Elsewhere) -> None:
    for i in range(4):
        chain = stream("gsm8k").shard(i, 4).select("answer")
        assert chain.explain().count("by the reader") == 2
        whole = [{"answer": row["answer"]} for row in TEST[i::4]]
        assert chain.to_list() == whole
        for cut in (0, 3, len(whole) - 1):
            rows = iter(chain)
            had = [row for _, row in zip(range(cut), rows, strict=False)]
            again = iter(chain)
            again.load_state_dict(json.loads(json.dumps(rows.state_dict())))
            assert had + list(again) == whole


def test_a_stream_of_the_hub_goes_on_exactly(hub: Elsewhere) -> None:
    for cut in (0, 7, 30, 42, 50):
        rows = iter(stream("gsm8k"))
        had = [row for _, row in zip(range(cut), rows, strict=False)]
        state = json.loads(json.dumps(rows.state_dict()))
        again = iter(stream("gsm8k"))
        again.load_state_dict(state)
        assert had + list(again) == TEST
    hub.dataset("openai/gsm8k", {"main": {"test": [parquet(TEST)]}})
    again = iter(stream("gsm8k"))
    again.load_state_dict(state)
    with pytest.raises(SourceChanged, match="in 1 files at the hub now, and was in 2"):
        list(again)


def test_what_the_hub_does_not_have_is_said_with_what_it_has(hub: Elsewhere) -> None:
    with pytest.raises(SourceNotFound, match="none of that name"):
        stream("hf://nobody/nothing").first()
    with pytest.raises(SourceNotFound, match="Its splits are: test, train"):
        stream("gsm8k", split="tset").first()
    with pytest.raises(SourceError, match="several subsets: main, socratic"):
        stream("hf://openai/gsm8k").first()


def test_a_token_goes_to_the_hub_and_nowhere_else(hub: Elsewhere, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.tokens = {"Bearer hf_0123456789abcdef"}
    with pytest.raises(SourceDenied, match="set HF_TOKEN"):
        stream("gsm8k").first()
    monkeypatch.setenv("HF_TOKEN", "hf_0123456789abcdef")
    with Elsewhere() as cdn:
        cdn.files = hub.files
        hub.dataset("openai/gsm8k", {"main": {"test": [parquet(TEST)]}}, cdn=cdn.url)
        assert stream("gsm8k").count() == 50
        assert {key for _, _, key in cdn.seen} == {None}
        assert {key for _, _, key in hub.seen[1:]} == {"Bearer hf_0123456789abcdef"}


def test_a_broken_connection_and_a_busy_hub_are_tried_again(hub: Elsewhere) -> None:
    hub.faults = [503, 429]
    assert stream("gsm8k").first() == TEST[0]
    large = parquet([{"n": n, "text": f"{n * 7919} " * 20} for n in range(20_000)])
    hub.dataset("a/large", {"default": {"train": [large]}})
    hub.sent = 0
    # The list, the file's tag with its redirection, then the file: cut off once, and gone on with.
    rows = stream("hf://a/large")
    hub.faults = ["", "", "", "", "cut"]
    assert rows.count() == 20_000
    assert hub.sent < len(large) * 1.1 + 10_000


def test_without_a_network_what_was_fetched_is_read(hub: Elsewhere) -> None:
    assert stream("gsm8k").count() == 50
    hub.faults = ["", *[500] * 8]  # the list is there, and nothing else
    assert stream("gsm8k").count() == 50


def test_a_hub_that_is_not_there_is_said(hub: Elsewhere, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(SourceError, match="It was tried 4 times"):
        stream("gsm8k").first()
