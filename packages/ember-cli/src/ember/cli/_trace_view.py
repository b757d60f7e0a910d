"""`ember trace view FILE`: a run in the terminal, or its page in a browser."""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any, Final, NamedTuple, cast

import click

from . import _show
from ._exits import FAILED, USAGE, Failure
from ._group import command

_WIDTH: Final = 40
_MOST_ROWS: Final = 60


class Span(NamedTuple):
    """One call, or a run: in microseconds from the beginning of the file."""

    run: int
    lane: int
    name: str
    kind: str
    at: float
    took: float


@command(examples="        ember trace view run.json\n        ember trace view run.html")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print {runs, calls, seconds, work_seconds, by_name}.")
def view(file: Path, as_json: bool) -> None:
    """Show a run that `xcs.trace()` recorded.

    A file of Chrome trace events (`json.dump(t.to_chrome(), ...)`) is drawn here, a line for each call; a page
    (`t.save("run.html")`) is opened in your browser, or its address printed where there is no terminal.
    """
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        said = error.strerror if isinstance(error, OSError) else "it is not text"
        raise Failure(f"{file} cannot be read: {said}.", USAGE) from None
    if text.lstrip()[:1] == "<":
        _open(file)
        return
    spans = _spans(text, file)
    calls = [span for span in spans if span.kind != "run"]
    runs = [span for span in spans if span.kind == "run"] or calls
    begun, ended = min(one.at for one in runs), max(one.at + one.took for one in runs)
    work, counted = sum(one.took for one in calls), Counter(one.name for one in calls)
    seconds = {name: sum(one.took for one in calls if one.name == name) / 1e6 for name in counted}
    longest = sorted(seconds, key=lambda name: -seconds[name])
    if as_json:
        _show.as_json(
            {
                "runs": len({one.run for one in spans}),
                "calls": len(calls),
                "seconds": (ended - begun) / 1e6,
                "work_seconds": work / 1e6,
                "by_name": [
                    {"name": name, "calls": counted[name], "seconds": seconds[name]} for name in longest
                ],
            }
        )
        return
    _draw(spans, begun, max(ended - begun, 1e-9))
    together = (
        f", {work / (ended - begun):.1f} times as fast as one call after another"
        if work > ended - begun
        else ""
    )
    _show.line(f"\n{len(calls)} calls in {_time(ended - begun)}; one by one {_time(work)}{together}")
    _show.table(
        ("CALL", "TIMES", "TOGETHER"),
        [(_clean(name), str(counted[name]), _time(seconds[name] * 1e6)) for name in longest],
    )


def _draw(spans: list[Span], begun: float, length: float) -> None:
    shown = sorted(spans, key=lambda one: (one.run, one.lane, one.at))[:_MOST_ROWS]
    width = min(32, max(len(_clean(one.name)) for one in shown))
    for one in shown:
        start = min(_WIDTH - 1, int((one.at - begun) / length * _WIDTH))
        bar = max(1, min(_WIDTH - start, round(one.took / length * _WIDTH)))
        drawn = (" " * start + ("-" if one.kind == "run" else "#") * bar).ljust(_WIDTH)
        _show.line(f"{_clean(one.name)[:width].ljust(width)} |{drawn}| {_time(one.took)}")
    if len(spans) > _MOST_ROWS:
        _show.line(f"... and {len(spans) - _MOST_ROWS} more")


def _spans(text: str, file: Path) -> list[Span]:
    try:
        read: Any = json.loads(text)
        events = cast("list[dict[str, Any]]", read["traceEvents"] if isinstance(read, dict) else read)
        spans = [
            Span(
                int(one.get("pid", 0)),
                int(one.get("tid", 0)),
                str(one["name"]),
                str(one.get("cat", "")),
                float(one["ts"]),
                float(one["dur"]),
            )
            for one in events
            if one.get("ph") == "X"
        ]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise Failure(
            f"{file} holds no Chrome trace events. `json.dump(t.to_chrome(), file)` writes them.", FAILED
        ) from None
    if not spans:
        raise Failure(f"{file} holds no run: nothing took any time in it.", FAILED)
    return spans


def _open(file: Path) -> None:
    url = file.resolve().as_uri()
    if sys.stdout.isatty():
        import webbrowser

        if webbrowser.open(url):
            return
    _show.line(url)


def _time(microseconds: float) -> str:
    return f"{microseconds / 1e6:.2f} s" if microseconds >= 1e6 else f"{microseconds / 1e3:.1f} ms"


def _clean(name: str) -> str:
    short = name.rpartition("<locals>.")[2]
    return "".join(char if char.isprintable() else "?" for char in short)
