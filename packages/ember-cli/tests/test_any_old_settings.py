"""Whatever old files hold, migrating them ends with files that can be read, and with nothing left to migrate."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from command_runs import Run
from hypothesis import HealthCheck, given, settings, strategies as st

from ember.context import get_context

KEY = "sk-any-0123456789abcdef4444"
NAMES = [
    "models",
    "model",
    "providers",
    "credentials",
    "registry",
    "model_registry",
    "openai",
    "anthropic",
    "api_keys",
    "default",
    "key",
    "api_key",
    "apiKey",
    "baseURL",
    "base_url",
    "envKey",
    "version",
    "_migrated",
    "temperature",
    "timeout",
    "aliases",
    "gpt-4.1",
    "usage",
    "ledger",
    "tags",
    "logging",
    "zebra",
    "Stripes",
    "openai_api_key",
    "approvalMode",
    "name",
]
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 10**6),
    st.floats(allow_nan=False, allow_infinity=False, width=32),
    st.sampled_from(
        [
            KEY,
            f"{KEY}5",
            "${OPENAI_API_KEY}",
            "",
            " ",
            "two words",
            "https://any.example/v1",  # nobody else's: where it stands for a key, this process masks it from then on
            "1.0",
            "yes",
            "é",
        ]
    ),
    st.text(max_size=8),
)
names = st.one_of(st.sampled_from(NAMES), st.text(min_size=1, max_size=6))
trees = st.dictionaries(
    names,
    st.recursive(
        VALUES,
        lambda inner: st.one_of(st.lists(inner, max_size=2), st.dictionaries(names, inner, max_size=4)),
        max_leaves=8,
    ),
    max_size=6,
)


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(config=trees, credentials=trees)
def test_whatever_old_files_hold(
    ember: Run, ember_home: Path, config: dict[str, Any], credentials: dict[str, Any]
) -> None:
    shutil.rmtree(ember_home, ignore_errors=True)
    ember_home.mkdir(mode=0o700)
    (ember_home / "config.json").write_text(json.dumps(config))
    (ember_home / "credentials").write_text(json.dumps(credentials))
    code, planned, err = ember("configure", "migrate", "--dry-run")
    assert KEY not in planned + err and "should not happen" not in err
    code, done, err = ember("configure", "migrate")
    assert "should not happen" not in err, err
    if code:  # refused whole, with what is wrong, and nothing changed
        assert (ember_home / "config.json").exists() and not (ember_home / "config.yaml").exists()
        return
    assert done == planned
    assert ember("configure", "migrate", "--check") == (0, "", "There is nothing to migrate.\n")
    get_context().reload(discard=True)
    for section in ("models", "providers", "credentials", "usage", "logging"):
        get_context().section(section)
    code, out, err = ember("configure", "list", "--json")
    assert code == 0 and KEY not in out + err


@pytest.mark.parametrize("text", ["", "null", "[]", "1", '"text"', "{", '{"a": NaN}', "\ufeff{}", "{}" * 2])
def test_what_is_no_object_is_refused_or_empty(ember: Run, ember_home: Path, text: str) -> None:
    ember_home.mkdir(mode=0o700)
    (ember_home / "config.json").write_text(text)
    code, _, err = ember("configure", "migrate")
    assert code in (0, 1) and "should not happen" not in err
    assert (ember_home / "config.json").exists() is bool(code)
