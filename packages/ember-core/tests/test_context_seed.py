"""The programs a newcomer finds in the documentation of the context, as they stand there."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest

from ember.context import create_context, get_context, with_context


def test_the_configuration_program(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-from-environment")
    ctx = get_context()

    api_key = ctx.get_credential("openai", "OPENAI_API_KEY")
    assert api_key == "sk-from-environment"

    with create_context(models={"default": "gpt-4"}) as child_ctx:
        assert child_ctx.get_config("models.default") == "gpt-4"
    assert ctx.get_config("models.default") is None

    with with_context(models={"temperature": 0.9}):
        assert get_context().get_config("models.temperature") == 0.9

    assert ctx.get_config("models.default", "gpt-3.5-turbo") == "gpt-3.5-turbo"
    ctx.set_config("models.temperature", 0.7)
    ctx.save()

    with with_context(models={"temperature": 0.9, "max_tokens": 2000}):
        assert get_context().get_config("models.max_tokens") == 2000
        assert get_context().get_config("models.temperature") == 0.9
    assert get_context().get_config("models.temperature") == 0.7
    assert (home / "config.yaml").read_text() == "models:\n  temperature: 0.7\n"


def test_the_credentials_program(home: Path) -> None:
    ctx = get_context()
    with create_context(credentials={"openai_api_key": "sk-temp-key"}):
        assert get_context().get_credential("openai", "OPENAI_API_KEY") == "sk-temp-key"
    assert ctx.get_credential("openai", "OPENAI_API_KEY") is None

    ctx.set_config("credentials.openai_api_key", "sk-prod-key")
    ctx.save()
    assert (home / "config.yaml").read_text() == 'credentials:\n  openai_api_key: "sk-prod-key"\n'
    assert (home / "config.yaml").stat().st_mode & 0o777 == 0o600
    ctx.reload(discard=True)
    assert ctx.get_credential("openai", "OPENAI_API_KEY") == "sk-prod-key"


def test_the_asyncio_program(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async def process_with_model(text: str) -> str:
        ctx = get_context()
        model = ctx.get_config("models.default")
        task = asyncio.current_task()
        assert task is not None
        print(f"Task {task.get_name()}: Using {model}")
        await asyncio.sleep(0.1)
        return f"Processed '{text}' with {model}"

    async def main() -> None:
        async def task_with_context(name: str, model: str, text: str) -> str:
            with create_context(models={"default": model}):
                return await process_with_model(text)

        results = await asyncio.gather(
            task_with_context("task1", "gpt-4", "Hello"),
            task_with_context("task2", "claude-3-opus", "World"),
            task_with_context("task3", "gemini-pro", "Async"),
        )
        for result in results:
            print(result)

    asyncio.run(main())
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(": ")[2] for line in lines[:3]] == [
        "Using gpt-4",
        "Using claude-3-opus",
        "Using gemini-pro",
    ]
    assert lines[3:] == [
        "Processed 'Hello' with gpt-4",
        "Processed 'World' with claude-3-opus",
        "Processed 'Async' with gemini-pro",
    ]


def test_the_threading_program(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def worker(name: str, model: str) -> None:
        with create_context(models={"default": model}):
            ctx = get_context()
            print(f"{name}: Using {ctx.get_config('models.default')}")

    threads = [
        threading.Thread(target=worker, args=("Worker1", "gpt-4")),
        threading.Thread(target=worker, args=("Worker2", "claude-3")),
    ]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert sorted(capsys.readouterr().out.splitlines()) == ["Worker1: Using gpt-4", "Worker2: Using claude-3"]
