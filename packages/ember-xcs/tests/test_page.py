"""The page of a trace needs nothing else, escapes everything, and reads at a thousand calls."""

from __future__ import annotations

import asyncio
from html.parser import HTMLParser
from pathlib import Path

import pytest

from ember import xcs

EVIL = "<script>alert('x')</script><img src=x onerror=alert(1)>\"'&"
VOID = {"meta", "img", "br", "link", "input", "rect", "path"}


@xcs.external
async def ask(question: str) -> str:
    await asyncio.sleep(0.002)
    if "fail" in question:
        raise ValueError(question)
    return f"the answer to {question}"


class Reader(HTMLParser):
    """Checks that tags are closed in order, and collects what the page would load or run."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.loads: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.loads += [
            f"{tag} {name}" for name, _ in attrs if name in ("src", "href") or name.startswith("on")
        ]
        if tag in ("script", "link", "iframe", "object", "embed"):
            self.loads.append(tag)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def read(trace: xcs.Trace, tmp_path: Path) -> tuple[str, str]:
    trace.save(tmp_path / "run.html")
    page = (tmp_path / "run.html").read_text("utf-8")
    reader = Reader()
    reader.feed(page)
    reader.close()
    assert reader.open == []
    assert reader.loads == []
    assert "url(" not in page
    assert "@import" not in page
    assert "default-src 'none'" in page
    return page, " ".join(reader.text)


def test_a_saved_page_holds_timeline_graph_cost_and_what_was_kept_in_order(tmp_path: Path) -> None:
    @xcs.jit
    def program() -> str:
        return ask("".join(ask(word) for word in "ab"))

    with xcs.trace() as trace:
        program()
    page, text = read(trace, tmp_path)
    for heading in ("Timeline", "Graph", "Cost", "Kept in order", "critical path"):
        assert heading in text
    assert "prefers-color-scheme:dark" in page
    assert "max-width:640px" in page
    assert "width=device-width" in page
    assert "test_page.py" in text


def test_everything_that_comes_from_a_program_is_escaped(tmp_path: Path) -> None:
    @xcs.external
    async def evil(question: str) -> str:
        return question

    evil.name = EVIL

    def program() -> str:
        return evil(EVIL)

    program.__qualname__ = program.__name__ = "program"
    with xcs.trace(prompts=True) as trace:
        xcs.jit(program)()
    page, text = read(trace, tmp_path)
    assert "<script" not in page
    assert "<img" not in page
    assert EVIL in text


def test_prompts_and_answers_are_in_the_page_only_if_asked_for(tmp_path: Path) -> None:
    @xcs.jit
    def program() -> str:
        return ask("my diary")

    with xcs.trace() as without:
        program()
    with xcs.trace(prompts=True) as with_prompts:
        program()
    assert "my diary" not in read(without, tmp_path)[0]
    page, text = read(with_prompts, tmp_path)
    assert "the answer to my diary" in text
    assert page.count("my diary") == 2


def test_a_thousand_calls_are_a_few_rows(tmp_path: Path) -> None:
    @xcs.jit
    def program() -> str:
        return ask("".join([ask(ask(str(number))[:3]) for number in range(500)]))

    with xcs.trace() as trace:
        program()
    page, text = read(trace, tmp_path)
    assert len(trace.runs[0].calls) == 1001
    assert "ask ×500" in text
    assert page.count("<rect") < 20
    assert len(page) < 400_000


def test_failed_and_cancelled_calls_show_as_such(tmp_path: Path) -> None:
    @xcs.jit
    def program() -> list[str]:
        return [ask("a"), ask("fail"), ask("c")]

    with xcs.trace() as trace, pytest.raises(ValueError, match="fail"):
        program()
    page, text = read(trace, tmp_path)
    assert "It ended with ValueError" in text
    assert "1 failed" in text
    assert 'class="bar c0 failed' in page


def test_several_runs_stand_below_each_other_and_many_are_summed_up(tmp_path: Path) -> None:
    @xcs.jit
    def program(word: str) -> str:
        return ask(word)

    with xcs.trace() as trace:
        for number in range(25):
            program(str(number))
    _, text = read(trace, tmp_path)
    assert "25 runs" in text
    assert "And 5 more runs" in text


def test_a_trace_without_runs_says_so(tmp_path: Path) -> None:
    with xcs.trace() as trace:
        pass
    assert "No jitted function ran" in read(trace, tmp_path)[1]


def test_a_notebook_gets_the_same_without_a_document_around_it() -> None:
    @xcs.jit
    def program() -> str:
        return ask("a")

    with xcs.trace() as trace:
        program()
    html = trace._repr_html_()  # pyright: ignore[reportPrivateUsage]  # by this name notebooks look for it
    assert html.startswith("<div>")
    assert "<html" not in html
    assert "body {" not in html
    assert "Timeline" in html
