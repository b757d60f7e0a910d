"""The architecture's examples that call models, through the providers that are really installed for those names."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest

from ember.api import models
from ember.context import create_context, get_context, with_context
from ember.models import Response
from ember.models.testing import LocalServer

KEY = "sk-0123456789abcdef"


@pytest.fixture
def vendors(ember_home: Path, server: LocalServer, monkeypatch: pytest.MonkeyPatch) -> LocalServer:
    """OpenAI, Anthropic and Google, on this machine."""
    for vendor, path in (("OPENAI", "/v1"), ("ANTHROPIC", ""), ("GOOGLE", "")):
        monkeypatch.setenv(f"{vendor}_API_KEY", f"{KEY}-{vendor.lower()}")
        monkeypatch.setenv(f"{vendor}_BASE_URL", f"{server.url}{path}")
    return server


def test_one_line_calls_the_vendor_that_the_name_belongs_to(vendors: LocalServer) -> None:
    assert models("gpt-4", "Hello world") == models("claude-3-opus", "Hello world") == "Hello world"
    assert models("gemini-pro", "Hello world") == "Hello world"
    first, second, third = vendors.requests
    assert (first.path, first.json["model"], first.key) == ("/v1/chat/completions", "gpt-4", f"{KEY}-openai")
    assert (second.path, second.json["model"], second.key) == (
        "/v1/messages",
        "claude-3-opus",
        f"{KEY}-anthropic",
    )
    assert (third.path, third.key) == ("/v1/models/gemini-pro:generateContent", f"{KEY}-google")


def test_an_instance_keeps_its_temperature(vendors: LocalServer) -> None:
    gpt4 = models.instance("gpt-4", temperature=0.7)
    assert isinstance(gpt4("Hello"), Response)
    assert vendors.requests[0].json["temperature"] == 0.7


def test_a_child_context_and_an_override_reach_the_wire_and_end(vendors: LocalServer) -> None:
    ctx = get_context()
    ctx.set_config("models.temperature", 0.7)
    with create_context(models={"default": "gpt-4"}):
        models(None, "Hello")
    with with_context(models={"temperature": 0.9, "max_tokens": 2000}):
        models("gpt-4", "Write a creative story")
    models("gpt-4", "Summarize this document")
    sent = [(r.json["model"], r.json["temperature"], r.json.get("max_tokens")) for r in vendors.requests]
    assert sent == [("gpt-4", 0.7, None), ("gpt-4", 0.9, 2000), ("gpt-4", 0.7, None)]


def test_a_runtime_key_reaches_the_wire_and_ends(vendors: LocalServer) -> None:
    with create_context(credentials={"openai_api_key": "sk-temp-key"}):
        models("gpt-4", "Hello")
    models("gpt-4", "Hello")
    assert [r.key for r in vendors.requests] == ["sk-temp-key", f"{KEY}-openai"]


def test_tasks_with_different_models_reach_different_vendors(vendors: LocalServer) -> None:
    async def task_with_context(model: str, text: str) -> str:
        with create_context(models={"default": model}):
            await asyncio.sleep(0.01)
            return await models.acall(None, text)

    async def main() -> list[str]:
        return list(
            await asyncio.gather(
                task_with_context("gpt-4", "Hello"),
                task_with_context("claude-3-opus", "World"),
                task_with_context("gemini-pro", "Async"),
            )
        )

    assert asyncio.run(main()) == ["Hello", "World", "Async"]
    assert {(r.path, r.json.get("model")) for r in vendors.requests} == {
        ("/v1/chat/completions", "gpt-4"),
        ("/v1/messages", "claude-3-opus"),
        ("/v1/models/gemini-pro:generateContent", None),
    }


def test_threads_with_different_models_reach_different_vendors(vendors: LocalServer) -> None:
    def worker(name: str, model: str) -> None:
        with create_context(models={"default": model}):
            models(None, name)

    threads = [
        threading.Thread(target=worker, args=("Worker1", "gpt-4")),
        threading.Thread(target=worker, args=("Worker2", "claude-3")),
    ]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    sent = {(r.path, r.json["model"], r.json["messages"][0]["content"]) for r in vendors.requests}
    assert sent == {("/v1/chat/completions", "gpt-4", "Worker1"), ("/v1/messages", "claude-3", "Worker2")}


def test_both_vendors_stream_and_are_charged(vendors: LocalServer) -> None:
    with create_context() as here:
        for model in ("gpt-4", "claude-3-opus"):
            stream = models.stream(model, "one two three")
            assert "".join(stream) == "one two three" == stream.response
    used = models.usage(here)
    books = vendors.ledger.values()
    assert used.calls == 2 and used.output_tokens == sum(account.output_tokens for account in books)
