"""`make live` spends what it says and no more; at a local server, in place of the vendors' own."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from ember.models import ModelRegistry
from ember.models.testing import LocalServer, Said, fitting, schema_in
from live import CHEAPEST
from workspace import ROOT

KEYS = {"openai": "OPENAI", "anthropic": "ANTHROPIC", "google": "GEMINI"}
PATHS = {"openai": "/v1", "anthropic": "", "google": ""}


@pytest.fixture
def vendors() -> Iterator[LocalServer]:
    """All the vendors, on this machine: a model that does as the suite asks."""
    with LocalServer() as server:

        def say(prompt: str) -> str:
            asked = server.requests[-1].json
            if "tools" in asked:
                done = "tool_use_id" in str(asked) or "tool_call_id" in str(asked)
                done = done or "functionResponse" in str(asked)
                return "The sum is 5." if done else Said("", add={"a": 2, "b": 3})
            schema = schema_in(asked)
            return prompt if schema is None else json.dumps(fitting(schema))

        server.answer = say
        yield server


def live(
    vendors: LocalServer, home: Path, *keys: str, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run what `make live` runs, with the keys of some providers."""
    clean = {name: value for name, value in os.environ.items() if name not in ("CI", "EMBER_HOME")}
    for provider, path in PATHS.items():
        clean[f"{provider.upper()}_BASE_URL"] = f"{vendors.url}{path}"
    for provider in keys:
        clean[f"{KEYS[provider]}_API_KEY"] = f"sk-{provider}-0123456789abcdef"
    return subprocess.run(
        [sys.executable, str(ROOT / "tools" / "live.py")],
        env={**clean, "EMBER_HOME": str(home / "ember"), **environment},
        capture_output=True,
        text=True,
        timeout=100,
    )


def test_every_provider_with_a_key_is_asked_and_what_that_cost_is_told(
    vendors: LocalServer, tmp_path: Path
) -> None:
    done = live(vendors, tmp_path, *KEYS)
    assert done.returncode == 0, done.stdout + done.stderr
    cents = re.findall(r"(\w+): (\d+) calls, ([\d.]+) of at most 1 cents", done.stdout)
    assert [name for name, _, _ in cents] == list(KEYS)
    calls = sum(account.calls for account in vendors.ledger.values())
    (total,) = re.findall(r"make live: (\d+) calls, ([\d.]+) cents in all", done.stdout)
    assert int(total[0]) == sum(int(count) for _, count, _ in cents) == calls
    assert 0 < Decimal(total[1]) < 1
    assert {"sk-openai-0123456789abcdef", "sk-google-0123456789abcdef"} < set(vendors.ledger)


def test_who_has_no_key_is_skipped_by_name_and_asked_nothing(vendors: LocalServer, tmp_path: Path) -> None:
    done = live(vendors, tmp_path, "anthropic")
    assert done.returncode == 0, done.stdout + done.stderr
    for provider in ("openai", "google"):
        assert done.stdout.count(f"{provider}: skipped, no key is set") == 1
    assert set(vendors.ledger) == {"sk-anthropic-0123456789abcdef"}


def test_it_stops_when_the_cent_is_spent(vendors: LocalServer, tmp_path: Path) -> None:
    # A vendor who counts 0.2 cents for every answer. Five of them are a cent, and none is asked for after that.
    usage = {"prompt_tokens": 20_000, "completion_tokens": 16, "total_tokens": 20_016}
    message = {"role": "assistant", "content": "Hello."}
    choice = {"index": 0, "finish_reason": "stop", "message": message}
    vendors.replies(json={"model": "gpt-4.1-nano", "choices": [choice], "usage": usage})
    done = live(vendors, tmp_path, "openai")
    assert done.returncode == 1
    assert "BudgetExceeded" in done.stdout
    (cents,) = re.findall(r"openai: 5 calls, ([\d.]+) of at most 1 cents", done.stdout)
    assert Decimal("0.9") < Decimal(cents) < Decimal("1.1")


def test_it_does_not_run_in_ci(vendors: LocalServer, tmp_path: Path) -> None:
    done = live(vendors, tmp_path, *KEYS, CI="true")
    assert (done.returncode, vendors.requests) == (2, [])
    assert "not in CI" in done.stderr


@pytest.mark.parametrize("provider", CHEAPEST)
def test_the_models_it_asks_are_known_ones(provider: str) -> None:
    assert {model for model in CHEAPEST[provider] if model} <= set(ModelRegistry.get(provider).known_models)
