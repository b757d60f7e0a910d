"""One way to go through a JSONL file, in a process of its own: python stream_rival.py WAY FILE

Reads FILE, keeps the rows that are hard and long (about half), makes a new row of each, and counts batches of 32.
Prints what that took as JSON: CPU seconds without imports, what memory grew by over them at its peak (MB), and the
count.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from importlib import import_module
from itertools import islice
from typing import Any

BATCH = 32
COLUMNS = ["id", "question", "answer", "level"]


def keep(row: Any) -> bool:
    return bool(row["level"] >= 3 and len(row["question"]) > 40)


def make(row: Any) -> dict[str, Any]:
    return {
        "id": row["id"],
        "prompt": f"Q: {row['question'].strip()}\nA:",
        "answer": row["answer"].strip().lower(),
    }


def counted(batches: Iterable[Any]) -> int:
    rows = 0
    for batch in batches:
        rows += len(batch)
    return rows


# Each is imported in its own environment, and not in the one that the types are checked in.


def ember() -> Callable[[str], int]:
    from ember.data import stream

    return lambda path: counted(stream(path).filter(keep).transform(make).batch(BATCH))


def ember_columns() -> Callable[[str], int]:
    from ember.data import stream

    return lambda path: counted(stream(path, columns=COLUMNS).filter(keep).transform(make).batch(BATCH))


def ember_checkpoint() -> Callable[[str], int]:
    from ember.data import stream

    return lambda path: counted(
        stream(path, checkpoint=f"{path}.place").filter(keep).transform(make).batch(BATCH)
    )


def hand_json() -> Callable[[str], int]:
    return _hand(json.loads)


def _hand(decode: Callable[[bytes], Any]) -> Callable[[str], int]:
    """The loop one would write."""

    def run(path: str) -> int:
        count = 0
        batch: list[Any] = []
        with open(path, "rb") as file:
            for line in file:
                row = decode(line)
                if row["level"] >= 3 and len(row["question"]) > 40:
                    batch.append(make(row))
                    if len(batch) == BATCH:
                        count += len(batch)
                        batch = []
        return count + len(batch)

    return run


def hand_msgspec() -> Callable[[str], int]:
    import msgspec

    return _hand(msgspec.json.Decoder().decode)


def hand_orjson() -> Callable[[str], int]:
    orjson: Any = import_module("orjson")

    return _hand(orjson.loads)


def hugging_face() -> Callable[[str], int]:
    datasets: Any = import_module("datasets")

    def run(path: str) -> int:
        rows = datasets.load_dataset("json", data_files=path, split="train", streaming=True)
        return counted(batch["id"] for batch in rows.filter(keep).map(make).batch(BATCH))

    return run


def polars() -> Callable[[str], int]:
    pl: Any = import_module("polars")

    def run(path: str) -> int:
        rows = (
            row for block in pl.scan_ndjson(path).collect_batches() for row in block.iter_rows(named=True)
        )
        made = (make(row) for row in rows if keep(row))
        return counted(iter(lambda: list(islice(made, BATCH)), []))

    return run


def duckdb() -> Callable[[str], int]:
    db: Any = import_module("duckdb")

    def rows(path: str) -> Iterator[Any]:
        found = db.connect().execute(
            f"select id, question, answer, level from read_json('{path}', format='newline_delimited')"
        )
        while block := found.fetchmany(2_000):
            for values in block:
                yield dict(zip(COLUMNS, values))

    def run(path: str) -> int:
        made = (make(row) for row in rows(path) if keep(row))
        return counted(iter(lambda: list(islice(made, BATCH)), []))

    return run


WAYS: dict[str, Callable[[], Callable[[str], int]]] = {
    "ember": ember,
    "ember, columns=": ember_columns,
    "ember, checkpoint=": ember_checkpoint,
    "loop with json": hand_json,
    "loop with msgspec": hand_msgspec,
    "loop with orjson": hand_orjson,
    "HF datasets": hugging_face,
    "polars": polars,
    "duckdb": duckdb,
}


def resident(what: str) -> float:
    """Return the memory resident now (VmRSS) or at its peak (VmHWM), in MB.

    What getrusage() says of the peak is also of the process that this one was forked from.
    """
    with open("/proc/self/status") as file:
        found = next(line for line in file if line.startswith(what))
    return int(found.split()[1]) * 1024 / 1e6


def main(way: str, path: str) -> None:
    run = WAYS[way]()
    before, begun = resident("VmRSS"), time.process_time()
    count = run(path)
    cpu = time.process_time() - begun
    print(json.dumps({"cpu": cpu, "memory": resident("VmHWM") - before, "count": count}))


if __name__ == "__main__":
    main(*sys.argv[1:])
