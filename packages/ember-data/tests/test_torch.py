"""A stream as the source of PyTorch's DataLoader, as docs/how-to/feed-training.md has it, where torch is installed."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

# A program, as spawned workers import what they unpickle from the one that began them.
FEEDING = """
import json, sys
from torch.utils.data import DataLoader, IterableDataset, get_worker_info
from ember.data import stream

class Rows(IterableDataset):
    def __init__(self, rows, size):
        self.rows, self.size = rows, size
    def __iter__(self):
        worker = get_worker_info()
        mine = self.rows if worker is None else self.rows.shard(worker.id, worker.num_workers)
        return iter(mine.batch(self.size))

if __name__ == "__main__":
    path, workers, method = sys.argv[1], int(sys.argv[2]), sys.argv[3] or None
    rows = stream(path).shuffle(seed=1)
    loader = DataLoader(Rows(rows, 32), batch_size=None, num_workers=workers, multiprocessing_context=method)
    epochs = [[batch for batch in loader] for _ in range(2)]
    assert epochs[0] == epochs[1]
    whole = rows.to_list()
    mine = [list(rows.shard(i, max(1, workers)).batch(32)) for i in range(max(1, workers))]
    # The loader takes a batch of each worker in turn.
    turns = max(map(len, mine))
    assert epochs[0] == [part[turn] for turn in range(turns) for part in mine if turn < len(part)]
    print(json.dumps([len(whole), sorted(row["n"] for batch in epochs[0] for row in batch) == list(range(len(whole)))]))

    class One(Rows):
        def __iter__(self):
            worker = get_worker_info()
            return iter(self.rows if worker is None else self.rows.shard(worker.id, worker.num_workers))

    if method != "spawn":  # ... which cannot import a class from within a block
        collated = list(DataLoader(One(rows, 0), batch_size=32, num_workers=workers))
        assert sorted(int(n) for batch in collated for n in batch["n"]) == list(range(len(whole)))
"""


@pytest.mark.long
@pytest.mark.skipif(find_spec("torch") is None, reason="torch is not installed: two gigabytes")
@pytest.mark.parametrize(("workers", "method"), [(0, ""), (2, "fork"), (3, "spawn")])
def test_workers_of_a_data_loader_have_every_row_once(tmp_path: Path, workers: int, method: str) -> None:
    path, program = tmp_path / "rows.jsonl", tmp_path / "feeding.py"
    path.write_text("".join(json.dumps({"n": n, "text": "x" * (n % 30)}) + "\n" for n in range(5_000)))
    program.write_text(FEEDING)
    done = subprocess.run(
        [sys.executable, str(program), str(path), str(workers), method],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [5_000, True]
