"""Streams of model calls: what is paid for, what is asked again, and what it all cost."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from ember.api import models
from ember.context import with_context
from ember.core.journal import Journal
from ember.data import stream
from ember.models import Response, errors
from ember.models.testing import LocalServer

KEY = "sk-0123456789abcdef"


@pytest.fixture
def openai(ember_home: Path, server: LocalServer, monkeypatch: pytest.MonkeyPatch) -> LocalServer:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_BASE_URL", f"{server.url}/v1")
    return server


def asked(server: LocalServer) -> Counter[str]:
    return Counter(request.json["messages"][-1]["content"] for request in server.requests)


NIGHT = """
import sys
from ember.api import models
from ember.data import stream

def label(row):
    return {"question": row, "answer": models("gpt-4", row)}

async def label_async(row):
    return {"question": row, "answer": await models.acall("gpt-4", row)}

function = {"label": label, "label_async": label_async, "model": models.instance("gpt-4")}[sys.argv[2]]
rows = stream([f"question {n}" for n in range(40)]).map_concurrent(function, 8, journal=sys.argv[1])
print(sum(1 for row in rows))
"""


@pytest.mark.parametrize(
    "form", ["label", *(pytest.param(form, marks=pytest.mark.long) for form in ("label_async", "model"))]
)
def test_no_call_is_paid_twice_though_the_program_is_killed_again_and_again(
    openai: LocalServer, tmp_path: Path, form: str
) -> None:
    openai.latency = 0.6
    path, program = tmp_path / "night.journal", tmp_path / "night.py"
    program.write_text(NIGHT)
    command = [sys.executable, str(program), str(path), form]
    for kept in (8, 24):
        process = subprocess.Popen(command, stdout=subprocess.PIPE)
        until = time.monotonic() + 60
        # All of a wave are answered together, and the next is under way for the better part of a second.
        while Journal(path).stats().entries < kept and process.poll() is None and time.monotonic() < until:
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        process.communicate()
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("40\n", "")
    assert openai.ledger[KEY].calls == 40
    assert set(asked(openai)) == {f"question {n}" for n in range(40)}
    before = len(openai.requests)
    assert subprocess.run(command, capture_output=True, text=True, timeout=60).stdout == "40\n"
    assert len(openai.requests) == before


def test_what_a_journal_gives_back_is_the_answer_with_its_usage_and_cost(
    openai: LocalServer, tmp_path: Path
) -> None:
    chain = stream(["What is the capital of France?"]).map_concurrent(
        models.instance("gpt-4"), journal=tmp_path / "j"
    )
    first, second = chain.first(), chain.first()
    assert isinstance(second, Response)
    assert (second, second.usage, second.cost, second.model) == (first, first.usage, first.cost, first.model)
    assert len(openai.requests) == 1


def test_transport_errors_429_and_5xx_are_retried_by_the_engine_alone(openai: LocalServer) -> None:
    openai.replies(429, {"retry-after": "0"}).then(503).then(fault="drop").then()
    with with_context(models={"max_retries": 5}):
        rows = stream(["a"]).map_concurrent(lambda row: models("gpt-4", row), retries=3).to_list()
    assert rows == ["a"]
    assert len(openai.requests) == 4


def test_what_the_engine_gave_up_is_not_asked_for_again_by_the_stream(openai: LocalServer) -> None:
    openai.replies(500)
    with with_context(models={"max_retries": 0}), pytest.raises(errors.ProviderUnavailable):
        stream(["a"]).map_concurrent(lambda row: models("gpt-4", row), retries=3).to_list()
    assert len(openai.requests) == 1


def test_a_context_around_a_stream_reaches_every_call_in_it(openai: LocalServer) -> None:
    async def ask(row: str) -> Any:
        return await models.acall("gpt-4", row)

    def ask_and_wait(row: str) -> Any:
        return models("gpt-4", row)

    functions: list[Any] = [ask_and_wait, ask, models.instance("gpt-4")]
    for function in functions:
        rows = stream([f"q{n}" for n in range(6)]).map_concurrent(function, 3)
        with with_context(models={"temperature": 0.25}):
            rows.to_list()
    assert {request.json.get("temperature") for request in openai.requests} == {0.25}
    assert len(openai.requests) == 18


def test_the_summary_says_what_the_calls_cost(openai: LocalServer) -> None:
    rows = stream([f"question {n}" for n in range(5)]).map_concurrent(models.instance("gpt-4"), 2).collect()
    assert rows.summary.calls == 5
    assert rows.summary.cost == sum((row.cost for row in rows), Decimal(0)) > 0


def test_a_refused_key_ends_the_run_whatever_is_done_with_rows_that_fail(openai: LocalServer) -> None:
    openai.replies(401).then(401).then(401).then(401)
    with pytest.raises(errors.AuthenticationError):
        stream([f"q{n}" for n in range(100)]).map_concurrent(
            models.instance("gpt-4"), 2, on_error="skip"
        ).to_list()
    assert len(openai.requests) < 20


def test_a_budget_ends_the_run_and_what_was_paid_for_is_kept(openai: LocalServer, tmp_path: Path) -> None:
    def ask(row: str) -> Response:
        return models("gpt-4", row)

    questions = [f"question {n}" for n in range(50)]
    rows = stream(questions).map_concurrent(ask, 2, journal=tmp_path / "j", on_error="skip")
    with with_context(models={"budget": {"calls": 10}}), pytest.raises(errors.BudgetExceeded):
        rows.to_list()
    assert openai.ledger[KEY].calls == 10
    assert rows.count() == 50
    assert openai.ledger[KEY].calls == 50
