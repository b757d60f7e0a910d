"""A stream as the source of a grain pipeline."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ember.data import Stream, stream

grain = pytest.importorskip("grain")
iterator_base: Any = grain.DatasetIterator
dataset_base: Any = grain.IterDataset


def test_a_grain_pipeline_over_a_stream_goes_on_where_its_state_says(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps({"x": n}) + "\n" for n in range(500)))

    class At(iterator_base):  # type: ignore[misc]
        def __init__(self, rows: Any) -> None:
            iterator_base.__init__(self)
            self.rows = rows

        def __next__(self) -> Any:
            return next(self.rows)

        def get_state(self) -> dict[str, Any]:
            return self.rows.state_dict()  # type: ignore[no-any-return]

        def set_state(self, state: dict[str, Any]) -> None:
            self.rows.load_state_dict(state)

    class Rows(dataset_base):  # type: ignore[misc]
        def __init__(self, rows: Stream[Any]) -> None:
            dataset_base.__init__(self)
            self.rows = rows

        def __iter__(self) -> At:
            return At(iter(self.rows))

    chain = stream(path).shuffle(64, seed=1)

    def number(row: dict[str, int]) -> int:
        return row["x"]

    dataset: Any = Rows(chain)
    dataset = dataset.map(number).batch(8)
    whole = [list(batch) for batch in dataset]
    assert sorted(x for batch in whole for x in batch) == list(range(500))
    assert [x for batch in whole for x in batch] == [row["x"] for row in chain]
    first = iter(dataset)
    had = [list(next(first)) for _ in range(20)]
    again = iter(dataset)
    again.set_state(json.loads(json.dumps(first.get_state())))
    assert had + [list(batch) for batch in again] == whole
