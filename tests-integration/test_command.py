"""The `ember` command with models and providers: what is there, whether it works, and how it fails."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command_line import Command

from ember.models.testing import LocalServer

KEY = "sk-test-0123456789abcdef7777"
VENDORS = {"openai": "/v1", "anthropic": "", "google": ""}


@pytest.fixture
def openai(server: LocalServer, ember_home: Path, monkeypatch: pytest.MonkeyPatch) -> LocalServer:
    """A local server that stands for OpenAI, with a key in the environment."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_BASE_URL", f"{server.url}/v1")
    return server


def test_models_are_listed_one_on_a_line(command: Command) -> None:
    code, out, err = command("models", "--provider", "anthropic")
    assert (code, err) == (0, "") and "anthropic/claude-haiku-4-5\n" in out
    assert all(line.startswith("anthropic/") for line in out.splitlines())
    assert json.loads(command("models", "--provider", "local", "--json")[1]) == [
        {"id": "local/smollm2", "provider": "local"}
    ]
    assert command("models", "--provider", "anthropc") == (
        2,
        "",
        "error: there is no provider 'anthropc'. Did you mean 'anthropic'? Those here: openai, anthropic, google, "
        "local, ollama, compatible, vllm, lmstudio, llama-server.\n",
    )


def test_a_server_is_asked_for_its_models_only_live(command: Command, openai: LocalServer) -> None:
    command("models", "--provider", "openai")
    assert not openai.requests
    assert command("models", "--provider", "openai", "--live") == (
        0,
        "openai/local-small\nopenai/local-large\n",
        "",
    )
    assert openai.requests[0].key == KEY


def test_providers_are_listed_with_the_end_of_the_key_and_where_calls_go(
    command: Command, openai: LocalServer
) -> None:
    code, out, err = command("models", "--providers")
    assert (code, err) == (0, "")
    assert out.splitlines()[1].split() == ["openai", "…7777", "OPENAI_API_KEY", f"{openai.url}/v1"]
    assert out.splitlines()[2].split() == ["anthropic", "missing", "https://api.anthropic.com"]
    found = json.loads(command("models", "--providers", "--json")[1])
    assert found[0] == {
        "provider": "openai",
        "needs_key": True,
        "key": {"set": True, "hint": "…7777"},
        "key_source": "OPENAI_API_KEY",
        "base_url": f"{openai.url}/v1",
        "base_url_source": "providers.openai.base_url",
        "problem": None,
    }


def test_a_model_is_shown_with_its_price_and_its_key(command: Command, openai: LocalServer) -> None:
    code, out, err = command("models", "show", "gpt-4o")
    assert (code, err) == (0, "")
    assert out.startswith(
        "model          openai/gpt-4o\nknown by name  yes\ninput          2.5 USD per million tokens\n"
    )
    assert "…7777 (OPENAI_API_KEY)" in out
    found = json.loads(command("models", "show", "smollm2", "--json")[1])
    assert (found["id"], found["input_usd_per_million_tokens"]) == ("local/smollm2", "0")
    code, out, err = command("models", "show", "gpt4o")
    assert (code, out) == (2, "") and "Did you mean 'gpt-4o'" in err


def test_every_provider_that_is_set_up_is_checked_free_of_charge(
    command: Command, server: LocalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, path in VENDORS.items():
        monkeypatch.setenv(f"{name.upper()}_API_KEY", KEY)
        monkeypatch.setenv(f"{name.upper()}_BASE_URL", f"{server.url}{path}")
    code, out, err = command("test", "--json")
    assert (code, err) == (0, "")
    found = json.loads(out)
    assert [(one["provider"], one["outcome"], one["models"], one["key"]) for one in found] == [
        (name, "ok", 2, {"set": True, "hint": "…7777"}) for name in VENDORS
    ]
    assert {request.method for request in server.requests} == {"GET"}
    assert all(0 < one["milliseconds"] < 10_000 for one in found)


@pytest.mark.parametrize(
    ("status", "outcome", "code"),
    [
        (401, "refused", 4),
        (403, "limited", 0),
        (429, "limited", 0),
        (500, "unreachable", 5),
        (404, "failed", 5),
    ],
)
def test_each_way_a_check_fails_is_told_apart(
    command: Command, openai: LocalServer, status: int, outcome: str, code: int
) -> None:
    openai.replies(status, text=f"no, {KEY}")
    ended, out, err = command("test", "--provider", "openai", "--json")
    assert ended == code and json.loads(out)[0]["outcome"] == outcome
    assert KEY not in out + err


def test_a_server_that_does_not_answer_is_not_waited_for(command: Command, openai: LocalServer) -> None:
    openai.latency = 30
    code, out, _ = command("test", "--timeout", "0.3")
    assert code == 5 and out.splitlines()[1].split()[:2] == ["openai", "unreachable"]
    openai.stop()
    code, out, _ = command("test", "--timeout", "5")
    assert code == 5 and "unreachable" in out


def test_a_missing_key_is_4_with_what_to_do(command: Command) -> None:
    assert command("test") == (
        4,
        "",
        "error: no provider is set up. `ember setup` does it; `ember run smollm2` needs none.\n",
    )
    code, out, err = command("test", "--model", "gpt-4o")
    assert (code, out) == (4, "") and "OPENAI_API_KEY" in err and "`ember setup --provider openai`" in err
    code, out, err = command("test", "--provider", "openai")
    assert code == 4 and "missing" in out


def test_a_model_is_called_for_real(command: Command, openai: LocalServer) -> None:
    openai.replies(200, text="ready")
    code, out, err = command("test", "--model", "gpt-4o-mini", "--json")
    found = json.loads(out)
    assert (code, err, found["ok"], found["answer"]) == (0, "", True, "ready")
    assert found["input_tokens"] > 0 and found["output_tokens"] == 1 and float(found["cost_usd"]) > 0
    code, out, err = command("test", "--model", "gpt-4o-mini")
    assert (code, err) == (0, "") and "answered 'ready': 5 tokens in, 1 out, 0.0000" in out
    openai.replies(401)
    code, out, err = command("test", "--model", "gpt-4o-mini", "--json")
    assert code == 4 and json.loads(out)["error"] == "AuthenticationError"
    openai.replies(503)
    assert command("test", "--model", "gpt-4o-mini", "--timeout", "2")[0] == 5


def test_a_model_that_cannot_be_pulled_is_guessed_at(command: Command) -> None:
    assert command("models", "pull", "smollm") == (
        2,
        "",
        "error: 'smollm' cannot be pulled. Did you mean 'smollm2'? Those that can: smollm2.\n",
    )
