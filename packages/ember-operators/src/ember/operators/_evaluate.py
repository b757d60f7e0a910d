"""Ask an operator every question of a data set, and say how good, how dear and how slow it was."""

from __future__ import annotations

import hashlib
import json
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from os import PathLike
from pathlib import Path
from typing import Any, cast

from ember.context import create_context
from ember.core import CallFailed, CallFinished, gather, scrub, subscribe

from ._calling import agather, arun, run
from ._evaluation import Evaluation, Item
from ._metrics import Metric
from ._steps import Budget, Member, member, name_of

Metrics = Metric | Sequence[Metric] | Mapping[str, Metric]


def evaluate(
    op: Member,
    dataset: Iterable[Mapping[str, Any]],
    metrics: Metrics,
    *,
    ask: str | Callable[[Mapping[str, Any]], Any] = "question",
    limit: int = 16,
    path: str | PathLike[str] | None = None,
    budget: Budget | None = None,
    confidence: float = 0.95,
) -> Evaluation:
    """Call `op` for each item of `dataset`, at most `limit` at once, and score its answers.

    `ask` is the field of an item that is the question, or a function that makes the argument of an item. `metrics` is
    one or several functions of the answer and the item (`exact()`, `token_f1()`, ...), or a mapping that names them.

    An item whose call or metric fails is kept with its error, and the others go on. With `path`, each item is written
    to that file when it is done, and a run that was broken off goes on where it stopped: what failed is asked again.
    Raises ValueError for a file that was written with another operator, question or metrics.

    >>> capitals = [{"question": "France", "answer": "Paris"}, {"question": "Italy", "answer": "Rome"}]
    >>> found = evaluate(lambda land: "Paris", capitals, lambda answer, item: answer == item["answer"])
    >>> found.metrics["score"].mean, found.errors
    (0.5, 0)
    """
    work = _Work(op, metrics, ask, path)
    with work.begun(budget):
        items = gather(work.thunks(dataset, work.now), limit)
    return Evaluation(name_of(op), tuple(items), confidence)


async def aevaluate(
    op: Member,
    dataset: Iterable[Mapping[str, Any]],
    metrics: Metrics,
    *,
    ask: str | Callable[[Mapping[str, Any]], Any] = "question",
    limit: int = 16,
    path: str | PathLike[str] | None = None,
    budget: Budget | None = None,
    confidence: float = 0.95,
) -> Evaluation:
    """As `evaluate`, awaited: `op` by its awaitable form, and metrics too."""
    work = _Work(op, metrics, ask, path)
    with work.begun(budget):
        items = await agather(list(work.thunks(dataset, work.awaited)), limit)
    return Evaluation(name_of(op), tuple(items), confidence)


class _Work:
    """One evaluation: what is asked of each item, and where it is written down."""

    def __init__(
        self,
        op: Member,
        metrics: Metrics,
        ask: str | Callable[[Mapping[str, Any]], Any],
        path: str | PathLike[str] | None,
    ) -> None:
        self._op, self._ask, self._metrics = member(op), ask, _named(metrics)
        about = {
            "op": _told(op),
            "ask": ask if isinstance(ask, str) else _told(ask),
            "metrics": [*self._metrics],
        }
        self._notes = None if path is None else _Notes(Path(path), about)
        self._accounts: dict[int, _Account] = {}

    @contextmanager
    def begun(self, budget: Budget | None) -> Iterator[None]:
        """Count what calls use, for as long as the block lasts."""
        stop = subscribe(self._charge, CallFinished, CallFailed)
        try:
            with create_context(**({} if budget is None else {"models": {"budget": budget}})):
                yield
        finally:
            stop()
            if self._notes is not None:
                self._notes.close()

    def thunks(
        self, dataset: Iterable[Mapping[str, Any]], do: Callable[[int, str, Any], Any]
    ) -> Iterator[Any]:
        """Yield what is to be done for each item."""
        seen: Counter[str] = Counter()
        for index, item in enumerate(dataset):
            digest = hashlib.sha256(_as_json(item, sort=True).encode()).hexdigest()[:16]
            seen[digest] += 1
            yield _Later(do, index, f"{digest}-{seen[digest]}", item)

    def now(self, index: int, key: str, item: Mapping[str, Any]) -> Item:
        if (known := self._known(index, key, item)) is not None:
            return known
        begun, answer, scores = time.perf_counter(), None, dict[str, float]()
        with create_context() as mine:
            account = self._accounts[id(mine.scope)] = _Account()
            error = seconds = None
            try:
                answer = run(self._op, self._asked(item))
                seconds = time.perf_counter() - begun
                for name, metric in self._metrics.items():
                    scores[name] = float(run(metric, answer, item))
            except Exception as failure:
                error = failure
        return self._done(index, key, item, answer, scores, error, seconds, begun, account, id(mine.scope))

    async def awaited(self, index: int, key: str, item: Mapping[str, Any]) -> Item:
        if (known := self._known(index, key, item)) is not None:
            return known
        begun, answer, scores = time.perf_counter(), None, dict[str, float]()
        with create_context() as mine:
            account = self._accounts[id(mine.scope)] = _Account()
            error = seconds = None
            try:
                answer = await arun(self._op, self._asked(item))
                seconds = time.perf_counter() - begun
                for name, metric in self._metrics.items():
                    scores[name] = float(await arun(metric, answer, item))
            except Exception as failure:
                error = failure
        return self._done(index, key, item, answer, scores, error, seconds, begun, account, id(mine.scope))

    def _asked(self, item: Mapping[str, Any]) -> Any:
        if not isinstance(self._ask, str):
            return self._ask(item)
        if self._ask not in item:
            raise KeyError(
                f"This item has no field {self._ask!r}, only {', '.join(map(repr, item))}: say ask=..."
            )
        return item[self._ask]

    def _known(self, index: int, key: str, item: Mapping[str, Any]) -> Item | None:
        found = None if self._notes is None else self._notes.found.get(key)
        if found is None or found["error"] is not None:
            return None
        return Item.read(index, item, found)

    def _done(
        self,
        index: int,
        key: str,
        item: Mapping[str, Any],
        answer: Any,
        scores: dict[str, float],
        error: Exception | None,
        seconds: float | None,
        begun: float,
        account: _Account,
        scope: int,
    ) -> Item:
        del self._accounts[scope]
        said = None if error is None else scrub(f"{type(error).__name__}: {error}")
        took = time.perf_counter() - begun if seconds is None else seconds
        used = account.calls, account.input_tokens, account.output_tokens, account.cost, account.unpriced
        made = Item(index, item, answer, scores if error is None else {}, said, took, *used)
        if self._notes is not None:
            self._notes.write(key, made)
        return made

    def _charge(self, event: CallFinished | CallFailed) -> None:
        if event.kind != "model":
            return
        for scope in event.scope.lineage():
            account = self._accounts.get(id(scope))
            if account is not None:
                account.add(event)


class _Account:
    """What the model calls of one item used."""

    def __init__(self) -> None:
        self.calls = self.input_tokens = self.output_tokens = self.unpriced = 0
        self.cost = Decimal(0)
        self._lock = threading.Lock()

    def add(self, event: CallFinished | CallFailed) -> None:
        with self._lock:
            self.calls += 1
            if event.usage is not None:
                self.input_tokens += event.usage.input_tokens or 0
                self.output_tokens += event.usage.output_tokens or 0
            if event.cost is not None:
                self.cost += event.cost
            elif isinstance(event, CallFinished):
                self.unpriced += 1


class _Later:
    """What is to be done for one item, once its turn comes."""

    def __init__(self, do: Callable[[int, str, Any], Any], *args: Any) -> None:
        self._do, self._args = do, args

    def __call__(self) -> Any:
        return self._do(*self._args)


class _Notes:
    """A file of lines of JSON: what the evaluation is about, then each item that is done."""

    def __init__(self, path: Path, about: dict[str, Any]) -> None:
        self.found: dict[str, dict[str, Any]] = {}
        self._lock = threading.Lock()
        whole = self._read(path, about)
        self._file = path.open("r+b" if whole else "w+b")
        self._file.truncate(whole)  # a line that was being written when the last run ended
        self._file.seek(whole)
        if not whole:
            self._line({"evaluation": about})

    def _read(self, path: Path, about: dict[str, Any]) -> int:
        """Take what the file has; return how many bytes of it are whole lines."""
        data = path.read_bytes() if path.exists() else b""
        whole = data.rfind(b"\n") + 1
        for number, line in enumerate(data[:whole].splitlines()):
            try:
                row: Any = json.loads(line)
                if number:
                    self.found[row["item"]] = row
                elif row["evaluation"] != about:
                    was = row["evaluation"]
                    differing = ", ".join(name for name in about if was.get(name) != about[name])
                    raise ValueError(
                        f"{path} was written by an evaluation with another {differing}. Give this one its own file."
                    )
            except (KeyError, TypeError, json.JSONDecodeError) as error:
                raise ValueError(f"{path}, line {number + 1}, was not written by an evaluation.") from error
        return whole

    def write(self, key: str, item: Item) -> None:
        self._line({"item": key, **item.row()})

    def _line(self, row: dict[str, Any]) -> None:
        with self._lock:
            if not self._file.closed:
                self._file.write(_as_json(row).encode() + b"\n")
                self._file.flush()

    def close(self) -> None:
        with self._lock:
            self._file.close()


def _named(metrics: Metrics) -> dict[str, Metric]:
    if isinstance(metrics, Mapping):
        return dict(cast("dict[str, Metric]", metrics))
    several: Sequence[Metric] = [metrics] if callable(metrics) else metrics
    named: dict[str, Metric] = {}
    for metric in several:
        name = getattr(metric, "__name__", type(metric).__name__).replace("<lambda>", "score")
        if name in named:
            raise ValueError(f"Two metrics are called {name!r}: name them by a mapping.")
        named[name] = metric
    return named


def _told(thing: Any) -> str:
    """Return a description that is the same in the next process."""
    return scrub(re.sub(r" at 0x[0-9a-fA-F]+", "", thing if isinstance(thing, str) else repr(thing)))


def _as_json(value: Any, *, sort: bool = False) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=sort, default=_told)
