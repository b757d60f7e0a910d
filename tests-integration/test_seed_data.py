"""The architecture's examples of data, as they are written there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ember.api import data, stream, xcs
from ember.core.errors import EmberError

ROWS: list[dict[str, Any]] = [{"text": f" Row {n} ", "ok": n % 3 != 0} for n in range(100)]


@pytest.fixture(params=["registered", "jsonl", "csv"])
def dataset(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """What the architecture calls "dataset": a loader that was registered, or a file of that name."""
    monkeypatch.chdir(tmp_path)
    if request.param == "registered":
        # 1. Implement loader protocol 2. Register with DataRegistry 3. Streaming support automatic
        def load(**options: Any) -> Iterator[dict[str, Any]]:
            yield from ROWS

        data.DataRegistry.register("dataset", load)
        yield
        data.DataRegistry.unregister("dataset")
        return
    if request.param == "jsonl":
        stream(ROWS).to_jsonl("dataset")
    else:
        lines = [f'"{row["text"]}",{"yes" if row["ok"] else ""}' for row in ROWS]
        Path("dataset.csv").write_text("\n".join(["text,ok", *lines]))

        def file(**options: Any) -> Path:
            return Path("dataset.csv")

        data.DataRegistry.register("dataset", file)
    yield
    if request.param == "csv":
        data.DataRegistry.unregister("dataset")


def valid(item: dict[str, Any]) -> bool:
    return bool(item["ok"])


def clean(item: dict[str, Any]) -> str:
    return str(item["text"]).strip().lower()


@pytest.mark.usefixtures("dataset")
def test_basic_streaming() -> None:
    processed: list[Any] = []
    process = processed.append

    # Basic streaming
    for item in stream("dataset"):
        process(item)

    assert [item["text"] for item in processed] == [row["text"] for row in ROWS]


@pytest.mark.usefixtures("dataset")
def test_chained_transformations() -> None:
    # Chained transformations
    chained = stream("dataset").filter(valid).transform(clean).batch(32)

    batches = list(chained)
    assert [len(batch) for batch in batches] == [32, 32, 2]
    assert batches[0][0] == "row 1"


def test_the_name_of_nothing_is_an_error_that_says_what_there_is() -> None:
    with pytest.raises(EmberError, match="datasett"):
        stream("datasett").first()


@pytest.mark.usefixtures("dataset")
def test_batches_go_through_vmap() -> None:
    def process(text: str) -> int:
        return len(text)

    # Automatic parallelization
    for batch in stream("dataset").filter(valid).transform(clean).batch(32):
        results = xcs.vmap(process)(batch)
        assert results == [len(text) for text in batch]
