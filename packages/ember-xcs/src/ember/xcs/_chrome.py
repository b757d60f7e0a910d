"""Runs as Chrome trace events, for chrome://tracing and Perfetto."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ._ir import Call, Graph


def chrome(runs: Sequence[Graph]) -> dict[str, Any]:
    """Return `runs` in the Trace Event Format (JSON object form): a process per run, a thread per lane of calls."""
    found: list[dict[str, Any]] = []
    start = min((run.started for run in runs), default=0.0)
    for number, run in enumerate(runs, 1):
        shift = (run.started - start) * 1e6
        found.append(
            {"ph": "M", "pid": number, "tid": 0, "name": "process_name", "args": {"name": run.function}}
        )
        found.append(
            {"ph": "M", "pid": number, "tid": 0, "name": "thread_name", "args": {"name": "the program"}}
        )
        found.append(_span(number, 0, run.function, "run", shift, run.seconds, {"calls": len(run.calls)}))
        for lane, calls in enumerate(lanes(run.calls), 1):
            for call in calls:
                assert call.sent is not None
                found.append(
                    _span(
                        number,
                        lane,
                        call.label,
                        call.kind,
                        shift + call.sent * 1e6,
                        call.seconds,
                        _facts(call),
                    )
                )
        lane_of = {call.index: lane for lane, calls in enumerate(lanes(run.calls), 1) for call in calls}
        for place, edge in enumerate(run.edges):
            source, target = run.calls[edge.source], run.calls[edge.target]
            if target.sent is None or source.sent is None:
                continue
            flow = {"cat": edge.kind, "name": edge.kind, "id": f"{number}.{place}", "pid": number}
            found.append(
                {**flow, "ph": "s", "tid": lane_of[source.index], "ts": shift + (source.ended - 1e-9) * 1e6}
            )
            found.append(
                {**flow, "ph": "f", "bp": "e", "tid": lane_of[target.index], "ts": shift + target.sent * 1e6}
            )
    return {"traceEvents": found, "displayTimeUnit": "ms"}


def lanes(calls: Sequence[Call]) -> list[list[Call]]:
    """Return the calls that were sent in as few lanes as show each by itself."""
    from heapq import heappop, heappush

    made: list[list[Call]] = []
    free: list[tuple[float, int]] = []
    for call in sorted(
        (call for call in calls if call.sent is not None), key=lambda one: (one.sent or 0.0, one.index)
    ):
        assert call.sent is not None
        if free and free[0][0] <= call.sent:
            _, lane = heappop(free)
        else:
            lane = len(made)
            made.append([])
        made[lane].append(call)
        heappush(free, (call.ended, lane))
    return made


def _span(
    run: int, lane: int, name: str, kind: str, at: float, seconds: float, facts: dict[str, Any]
) -> dict[str, Any]:
    span = {"ph": "X", "pid": run, "tid": lane, "name": name, "cat": kind, "ts": at, "dur": seconds * 1e6}
    return {**span, "args": facts}


def _facts(call: Call) -> dict[str, Any]:
    facts = {
        "call": call.index,
        "site": str(call.site) if call.site is not None else None,
        "outcome": call.error or call.outcome,
        "waited for a turn (ms)": round((call.sent - call.ready) * 1000, 3)
        if call.sent is not None
        else None,
        "input_tokens": call.input_tokens,
        "output_tokens": call.output_tokens,
        "cost (USD)": None if call.cost is None else str(call.cost),
        "arguments": call.arguments,
        "answer": call.answer,
    }
    return {name: value for name, value in facts.items() if value is not None}
