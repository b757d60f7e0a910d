"""The architecture's examples of XCS, over real calls."""

from __future__ import annotations

from pathlib import Path

import pytest

from ember.api import models, xcs
from ember.models.testing import LocalServer


@pytest.fixture
def vendor(ember_home: Path, server: LocalServer, monkeypatch: pytest.MonkeyPatch) -> LocalServer:
    """OpenAI, on this machine, and not too quick."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-0123456789abcdef")
    monkeypatch.setenv("OPENAI_BASE_URL", f"{server.url}/v1")
    server.latency = 0.1
    return server


def pipeline(data: list[str]) -> list[str]:
    found: list[str] = []
    for item in data:
        short = models("gpt-4", f"short {item}")
        if "b" in short:
            short = models("gpt-4", f"shorter {item}")
        found.append(short.upper())
    return found


@xcs.jit
def complex_workflow(data: list[str]) -> list[str]:
    # Automatically optimized
    return pipeline(data)


def process(item: str) -> str:
    return models("gpt-4", item)


def test_a_jitted_workflow_answers_as_the_plain_one_with_its_calls_at_once(vendor: LocalServer) -> None:
    data = ["a", "b", "c", "d"]
    plain = pipeline(data)
    assert vendor.high_water == 1
    assert complex_workflow(data) == plain == ["SHORT A", "SHORTER B", "SHORT C", "SHORT D"]
    assert vendor.high_water == 4


def test_vmap_runs_a_batch_at_once(vendor: LocalServer) -> None:
    results = xcs.vmap(process)(["one", "two", "three"])
    assert results == ["one", "two", "three"]
    assert vendor.high_water == 3


def test_the_context_around_a_jitted_call_reaches_every_request(vendor: LocalServer) -> None:
    from ember.context import with_context

    with with_context(models={"temperature": 0.25}):
        complex_workflow(["a", "b"])
    assert {request.json["temperature"] for request in vendor.requests} == {0.25}
