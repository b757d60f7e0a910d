"""The architecture's own examples that call models, as they are written there, seen from the server's side."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from acme import KEY

from ember.api import models
from ember.context import create_context, get_context, with_context
from ember.models import Response
from ember.models.testing import LocalServer

Script = Callable[..., "CompletedProcess[str]"]


def test_a_model_is_called_without_setting_anything_up(acme: LocalServer) -> None:
    response = models("gpt-4", "Hello world")

    assert response == "Hello world"
    (request,) = acme.requests
    assert request.path == "/v1/chat/completions"
    assert request.json == {"model": "gpt-4", "messages": [{"role": "user", "content": "Hello world"}]}
    assert request.key == KEY


def test_an_instance_is_a_reusable_configuration(acme: LocalServer) -> None:
    gpt4 = models.instance("gpt-4", temperature=0.7)

    assert [gpt4("One"), gpt4("Two")] == ["One", "Two"]
    assert [(sent.json["model"], sent.json["temperature"]) for sent in acme.requests] == [("gpt-4", 0.7)] * 2


def test_a_child_context_gives_all_calls_in_the_block_its_default_model(acme: LocalServer) -> None:
    get_context().set_config("models.default", "gpt-3.5-turbo")

    with create_context(models={"default": "gpt-4"}) as child_ctx:
        models(None, "Hello")
        assert get_context() is child_ctx
    models(None, "Hello")

    assert [sent.json["model"] for sent in acme.requests] == ["gpt-4", "gpt-3.5-turbo"]


def test_a_temporary_override_reaches_the_request_and_ends_with_its_block(acme: LocalServer) -> None:
    with with_context(models={"temperature": 0.9}):
        models("gpt-4", "Write a poem")
    models("gpt-4", "Write a poem")

    assert [sent.json.get("temperature") for sent in acme.requests] == [0.9, None]


def test_configured_settings_hold_before_and_after_an_override(acme: LocalServer) -> None:
    ctx = get_context()
    ctx.set_config("models.temperature", 0.7)
    ctx.save()

    with with_context(models={"temperature": 0.9, "max_tokens": 2000}):
        models("gpt-4", "Write a creative story")
    models("gpt-4", "Summarize this document")

    settings = [(sent.json.get("temperature"), sent.json.get("max_tokens")) for sent in acme.requests]
    assert settings == [(0.9, 2000), (0.7, None)]


def test_tasks_are_isolated_down_to_the_wire(acme: LocalServer) -> None:
    async def task_with_context(key: str, model: str, text: str) -> str:
        with create_context(models={"default": model}, credentials={"everything_api_key": key}):
            await asyncio.sleep(0.01)
            assert get_context().get_config("models.default") == model
            return await models.acall(None, text)

    async def main() -> list[str]:
        results = await asyncio.gather(
            task_with_context("sk-of-task-1", "gpt-4", "Hello"),
            task_with_context("sk-of-task-2", "claude-3-opus", "World"),
            task_with_context("sk-of-task-3", "gemini-pro", "Async"),
        )
        return list(results)

    assert asyncio.run(main()) == ["Hello", "World", "Async"]
    sent = {(r.json["model"], r.key, r.json["messages"][0]["content"]) for r in acme.requests}
    assert sent == {
        ("gpt-4", "sk-of-task-1", "Hello"),
        ("claude-3-opus", "sk-of-task-2", "World"),
        ("gemini-pro", "sk-of-task-3", "Async"),
    }


def test_threads_are_isolated_down_to_the_wire(acme: LocalServer) -> None:
    def worker(name: str, model: str) -> None:
        with create_context(models={"default": model}, credentials={"everything_api_key": f"sk-of-{name}"}):
            models(None, name)

    threads = [
        threading.Thread(target=worker, args=("Worker1", "gpt-4")),
        threading.Thread(target=worker, args=("Worker2", "claude-3")),
    ]
    for t in threads:
        t.start()
    for t in threads:
        t.join()

    sent = {(r.json["model"], r.key, r.json["messages"][0]["content"]) for r in acme.requests}
    assert sent == {("gpt-4", "sk-of-Worker1", "Worker1"), ("claude-3", "sk-of-Worker2", "Worker2")}


def test_a_runtime_key_is_used_in_its_block_only(openai_like: LocalServer) -> None:
    with create_context(credentials={"openai_api_key": "sk-temp-key"}):
        models("gpt-4", "Hello")
    models("gpt-4", "Hello")

    assert [sent.key for sent in openai_like.requests] == ["sk-temp-key", KEY]


def test_a_saved_key_is_used_by_a_process_that_starts_later(
    openai_like: LocalServer, script: Script, ember_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    monkeypatch.delenv("OPENAI_BASE_URL")
    ctx = get_context()
    ctx.set_config("credentials.openai_api_key", "sk-prod-key")
    # Beside its key: one from the environment would not be trusted with a key from the file.
    ctx.set_config("providers.openai.base_url", f"{openai_like.url}/v1")
    ctx.save()

    done = script('register(OpenAILike)\nprint(models("gpt-4", "Hello"))')

    assert done.stdout == "Hello\n", done.stderr
    assert openai_like.requests[0].key == "sk-prod-key"
    assert (ember_home / "config.yaml").stat().st_mode & 0o777 == 0o600


def test_a_function_annotated_to_return_text_returns_text(acme: LocalServer) -> None:
    def summarize(text: str) -> str:
        return models("gpt-4", f"Summarize: {text}")

    summary = summarize("a long story")
    assert type(summary) is Response
    assert summary == "Summarize: a long story"


def test_every_setting_of_a_context_reaches_the_request(acme: LocalServer) -> None:
    settings = {
        "temperature": 0.5,
        "top_p": 0.9,
        "max_tokens": 7,
        "stop": ["END"],
        "seed": 3,
        "system": "Be kind.",
    }
    with create_context(models=settings):
        models("gpt-4", "Hello")

    body = acme.requests[0].json
    assert body["messages"][0] == {"role": "system", "content": "Be kind."}
    assert {name: body[name] for name in settings if name != "system"} == {
        name: value for name, value in settings.items() if name != "system"
    }


def test_a_base_url_and_a_timeout_reach_the_call_from_every_layer(
    acme: LocalServer, ember_home: Path, script: Script
) -> None:
    call = """
        import time
        register(Everything)
        started = time.monotonic()
        try:
            models("gpt-4", "Hello")
        except TimeoutError as error:
            print("timeout", 0.2 <= time.monotonic() - started <= 15)
    """
    elsewhere = "http://127.0.0.1:1/v1"
    ember_home.mkdir(mode=0o700)
    acme.replies(fault="hang")

    # The file: a base URL and a timeout.
    file = ember_home / "config.yaml"
    file.write_text(
        f"models:\n  timeout: 0.3\nproviders:\n  everything:\n    base_url: {acme.url}/from-file\n"
    )
    file.chmod(0o600)
    assert script(call, EVERYTHING_BASE_URL="").stdout == "timeout True\n"
    assert acme.requests[-1].path == "/from-file/chat/completions"

    # The environment goes before the file ...
    assert script(call, EVERYTHING_BASE_URL=f"{acme.url}/from-env").stdout == "timeout True\n"
    assert acme.requests[-1].path == "/from-env/chat/completions"

    # ... and a context before both.
    block = f"""
        from ember.context import create_context
        url = {acme.url!r} + "/from-context"
        with create_context(
            models={{"timeout": 0.4}},
            providers={{"everything": {{"base_url": url}}}},
            credentials={{"everything_api_key": "sk-of-the-block"}},
        ):
    """
    indented = "\n".join(f"    {line}" for line in call.splitlines())
    assert script(block + indented, EVERYTHING_BASE_URL=elsewhere).stdout == "timeout True\n"
    assert acme.requests[-1].path == "/from-context/chat/completions"


def test_the_timeout_of_a_provider_goes_before_that_of_all_models(acme: LocalServer) -> None:
    acme.replies(fault="hang")
    with create_context(models={"timeout": 60}, providers={"everything": {"timeout": 0.2}}):
        try:
            models("gpt-4", "Hello")
        except TimeoutError as error:
            assert "0.2 s" in str(error)
        else:
            raise AssertionError("the call answered")
