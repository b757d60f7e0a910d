"""One way to go through a parquet file, in a process of its own: python stream_columns_rival.py WAY FILE

Ways with "functions" keep the rows that are hard and long, and make a new row of each by Python functions; those with
"where" keep the hard ones, half of all, and look at two of their columns in Python; "few" does with a sixth of all, the
hardest; "count" counts the hard ones. Prints what that took as JSON, as `stream_rival` does.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterable
from functools import partial
from importlib import import_module
from typing import Any

from stream_rival import BATCH, COLUMNS, counted, keep, make, resident

LOOKED_AT = ["question", "answer"]


def hard(row: Any) -> bool:
    return bool(row["level"] >= 3)


def characters(rows: Iterable[Any]) -> int:
    total = 0
    for row in rows:
        total += len(row["question"]) + len(row["answer"])
    return total


def ember_functions() -> Callable[[str], int]:
    from ember.data import stream

    return lambda path: counted(stream(path, columns=COLUMNS).filter(keep).transform(make).batch(BATCH))


def hugging_face_functions() -> Callable[[str], int]:
    datasets: Any = import_module("datasets")

    def run(path: str) -> int:
        rows = datasets.load_dataset(
            "parquet", data_files=path, split="train", streaming=True, columns=COLUMNS
        )
        return counted(batch["id"] for batch in rows.filter(keep).map(make).batch(BATCH))

    return run


def polars_functions() -> Callable[[str], int]:
    pl: Any = import_module("polars")

    def run(path: str) -> int:
        blocks = pl.scan_parquet(path).select(COLUMNS).collect_batches(chunk_size=8_192)
        return sum(1 for block in blocks for row in block.iter_rows(named=True) if keep(row) and make(row))

    return run


def hardest(row: Any) -> bool:
    return bool(row["level"] == 5)


def ember_where() -> Callable[[str], int]:
    from ember.data import col, stream

    return lambda path: characters(stream(path).where(col("level") >= 3).select(*LOOKED_AT))


def ember_few() -> Callable[[str], int]:
    from ember.data import col, stream

    return lambda path: characters(stream(path).where(col("level") == 5).select(*LOOKED_AT))


def ember_count() -> Callable[[str], int]:
    from ember.data import col, stream

    return lambda path: stream(path).where(col("level") >= 3).count()


def hugging_face_count() -> Callable[[str], int]:
    datasets: Any = import_module("datasets")

    def run(path: str) -> int:
        rows = datasets.load_dataset(
            "parquet", data_files=path, split="train", streaming=True, columns=["level"]
        )
        return sum(1 for _ in rows.filter(hard))

    return run


def polars_count() -> Callable[[str], int]:
    pl: Any = import_module("polars")

    return lambda path: int(
        pl.scan_parquet(path).filter(pl.col("level") >= 3).select(pl.len()).collect().item()
    )


def ember_filter() -> Callable[[str], int]:
    from ember.data import stream

    return lambda path: characters(stream(path, columns=["level", *LOOKED_AT]).filter(hard))


def hugging_face_filter(wanted: Callable[[Any], bool] = hard) -> Callable[[str], int]:
    datasets: Any = import_module("datasets")

    def run(path: str) -> int:
        rows = datasets.load_dataset(
            "parquet", data_files=path, split="train", streaming=True, columns=["level", *LOOKED_AT]
        )
        return characters(rows.filter(wanted))

    return run


def polars_filter(least: int = 3) -> Callable[[str], int]:
    pl: Any = import_module("polars")

    def run(path: str) -> int:
        scan = pl.scan_parquet(path).filter(pl.col("level") >= least)
        blocks = scan.select(LOOKED_AT).collect_batches(chunk_size=8_192)
        return characters(row for block in blocks for row in block.iter_rows(named=True))

    return run


def duckdb_filter() -> Callable[[str], int]:
    db: Any = import_module("duckdb")

    def run(path: str) -> int:
        found = db.connect().execute(f"select question, answer from '{path}' where level >= 3")
        total = 0
        while block := found.fetchmany(4_096):
            for question, answer in block:
                total += len(question) + len(answer)
        return total

    return run


WAYS: dict[str, Callable[[], Callable[[str], int]]] = {
    "functions: ember": ember_functions,
    "functions: HF datasets": hugging_face_functions,
    "functions: polars": polars_functions,
    "count: ember": ember_count,
    "count: HF datasets, filter()": hugging_face_count,
    "count: polars": polars_count,
    "where: ember": ember_where,
    "where: ember, filter()": ember_filter,
    "where: HF datasets, filter()": hugging_face_filter,
    "where: polars": polars_filter,
    "where: duckdb": duckdb_filter,
    "few: ember": ember_few,
    "few: HF datasets, filter()": partial(hugging_face_filter, hardest),
    "few: polars": partial(polars_filter, 5),
}


def main(way: str, path: str) -> None:
    run = WAYS[way]()
    if "ember" in way:
        import_module("polars")  # an import, which the others have had too
    before, begun = resident("VmRSS"), time.process_time()
    count = run(path)
    cpu = time.process_time() - begun
    print(json.dumps({"cpu": cpu, "memory": resident("VmHWM") - before, "count": count}))


if __name__ == "__main__":
    main(*sys.argv[1:])
