"""Which layer gives a value: overrides, environment, config.yaml with what was set, credentials.yaml, defaults."""

from __future__ import annotations

import json
from contextlib import ExitStack
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from ember.context import ConfigWarning, create_context, get_context, with_context
from ember.core.errors import ConfigError, StorageError, UnknownKey


def write(home: Path, name: str, text: str) -> Path:
    home.mkdir(mode=0o700, exist_ok=True)
    path = home / name
    path.write_text(text)
    path.chmod(0o600)
    get_context().reload()
    return path


def test_without_files_the_defaults_hold(home: Path) -> None:
    assert get_context().get_config("models.default") is None
    assert get_context().get_config("models.default", "gpt-3.5-turbo") == "gpt-3.5-turbo"
    assert get_context().section("models") == {"timeout": 600.0, "max_retries": 2, "aliases": {}}
    assert not home.exists()


def test_a_file_overrides_a_default_and_a_block_overrides_the_file(home: Path) -> None:
    write(home, "config.yaml", "models:\n  timeout: 30\n  default: gpt-4\n")
    assert get_context().get_config("models.timeout") == 30.0
    with with_context(models={"timeout": 5}) as inner:
        assert inner.get_config("models.timeout") == 5.0
        assert inner.get_config("models.default") == "gpt-4"
    assert get_context().get_config("models.timeout") == 30.0


def test_what_is_set_stands_above_the_file_and_below_a_block(home: Path) -> None:
    write(home, "config.yaml", "models:\n  temperature: 0.1\n")
    get_context().set_config("models.temperature", 0.2)
    assert get_context().get_config("models.temperature") == 0.2
    with create_context(models={"temperature": 0.3}) as inner:
        assert inner.get_config("models.temperature") == 0.3


def test_inner_blocks_inherit_deeply_from_outer_ones(home: Path) -> None:
    write(
        home,
        "config.yaml",
        "models:\n  aliases: {fast: openai/gpt-4o-mini}\nproviders:\n  openai: {timeout: 9}\n",
    )
    with create_context(models={"default": "a", "aliases": {"best": "x/y"}}):
        with with_context(
            models={"temperature": 1}, providers={"openai": {"base_url": "http://127.0.0.1:1"}}
        ) as inner:
            models = inner.section("models")
            assert models["default"] == "a"
            assert models["temperature"] == 1.0
            assert models["aliases"] == {"fast": "openai/gpt-4o-mini", "best": "x/y"}
            assert inner.section("providers") == {
                "openai": {"timeout": 9.0, "base_url": "http://127.0.0.1:1"}
            }


def test_none_in_a_block_takes_a_setting_away_down_to_its_default(home: Path) -> None:
    write(home, "config.yaml", "models:\n  max_tokens: 100\n  timeout: 5\n  aliases: {a: b}\n")
    with with_context(models={"max_tokens": None, "timeout": None, "aliases": {"a": None}}) as inner:
        assert inner.section("models") == {"timeout": 600.0, "max_retries": 2, "aliases": {}}
        assert inner.get_config("models.max_tokens", 7) == 7
        with with_context(models={"max_tokens": 3}) as innermost:
            assert innermost.get_config("models.max_tokens") == 3


def test_none_for_a_provider_takes_away_all_that_layers_below_say_of_it(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(home, "config.yaml", "providers:\n  openai: {timeout: 5}\n")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1")
    with with_context(providers={"openai": None}) as ctx:
        assert ctx.section("providers.openai") == {}
        assert ctx.get_config("providers.openai.base_url") is None
        assert ctx.section("providers") == {}
    assert len(get_context().section("providers.openai")) == 2


def test_a_thousand_blocks_inside_each_other_are_not_too_many(home: Path) -> None:
    ctx = get_context()
    with ExitStack() as stack:
        for number in range(2_000):
            ctx = stack.enter_context(with_context(models={"seed": number}))
        assert ctx.get_config("models.seed") == 1_999
        assert ctx.section("providers.openai") == {}
    assert get_context().parent is None


def test_setting_none_takes_a_key_out_of_the_configuration(home: Path) -> None:
    path = write(home, "config.yaml", "models:\n  seed: 1\n  max_tokens: 100\n")
    get_context().set_config("models.max_tokens", None)
    assert get_context().get_config("models.max_tokens") is None
    get_context().save()
    assert path.read_text() == "models:\n  seed: 1\n"


def test_a_key_with_nothing_behind_it_in_a_file_is_not_set(home: Path) -> None:
    write(home, "config.yaml", "models:\n  timeout:\n  default:\nproviders:\n")
    assert get_context().section("models") == {"timeout": 600.0, "max_retries": 2, "aliases": {}}
    assert get_context().get_config("providers.openai.base_url") is None


def test_a_base_url_in_the_environment_beats_the_file_and_loses_to_a_block(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(home, "config.yaml", "providers:\n  my-host:\n    base_url: http://file\n    timeout: 4\n")
    ctx = get_context()
    assert ctx.section("providers.my-host") == {"base_url": "http://file", "timeout": 4.0}
    monkeypatch.setenv("MY_HOST_BASE_URL", " http://environment ")
    assert ctx.section("providers.my-host") == {"base_url": "http://environment", "timeout": 4.0}
    assert ctx.get_config("providers.my-host.base_url") == "http://environment"
    with with_context(providers={"my-host": {"base_url": "http://block"}}) as inner:
        assert inner.get_config("providers.my-host.base_url") == "http://block"
        assert inner.get_config("providers.my-host.timeout") == 4.0
    monkeypatch.setenv("MY_HOST_BASE_URL", "  ")
    assert ctx.get_config("providers.my-host.base_url") == "http://file"


def test_the_environment_is_read_anew_each_time(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with create_context(models={"default": "a"}) as inner:
        for url in ("http://one", "http://two"):
            monkeypatch.setenv("OPENAI_BASE_URL", url)
            assert inner.section("providers.openai")["base_url"] == url
        monkeypatch.delenv("OPENAI_BASE_URL")
        assert inner.section("providers.openai") == {}


@pytest.mark.parametrize("layers", list(product([True, False], repeat=4)))
def test_the_highest_layer_that_has_a_key_gives_it(
    home: Path, monkeypatch: pytest.MonkeyPatch, layers: tuple[bool, bool, bool, bool]
) -> None:
    in_block, in_environment, in_config, in_credentials = layers
    write(home, "config.yaml", "credentials:\n  openai_api_key: sk-config\n" if in_config else "")
    write(home, "credentials.yaml", "openai_api_key: sk-credentials\n" if in_credentials else "")
    if in_environment:
        monkeypatch.setenv("OPENAI_API_KEY", "sk-environment")
    names = ("block", "environment", "config", "credentials")
    expected = next((f"sk-{name}" for name, there in zip(names, layers) if there), None)
    with create_context(credentials={"openai_api_key": "sk-block"} if in_block else {}) as ctx:
        assert ctx.get_credential("openai", "OPENAI_API_KEY") == expected


@pytest.mark.parametrize("blank", ["", "   ", "\n"])
def test_a_blank_key_is_an_absent_one_in_every_layer(
    home: Path, monkeypatch: pytest.MonkeyPatch, blank: str
) -> None:
    write(home, "config.yaml", f"credentials:\n  openai_api_key: {json.dumps(blank)}\n")
    write(home, "credentials.yaml", "openai_api_key: sk-lowest\n")
    monkeypatch.setenv("OPENAI_API_KEY", blank)
    with create_context(credentials={"openai_api_key": blank}) as ctx:
        assert ctx.get_credential("openai", "OPENAI_API_KEY") == "sk-lowest"
        found = ctx.find_credential("openai")
    assert found is not None
    assert (found.layer, found.source) == ("credentials.yaml", f"{home / 'credentials.yaml'}:1")


def test_explain_names_layer_and_place_and_what_is_hidden(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(home, "config.yaml", "# mine\nmodels:\n  default: gpt-4\n")
    with create_context(models={"default": "claude"}):
        with with_context(models={"default": "gemini"}) as inner:
            found = inner.explain("models.default")
    assert (found.value, found.layer, found.source) == ("gemini", "context", "with_context")
    assert [(origin.value, origin.layer, origin.source) for origin in found.shadowed] == [
        ("claude", "context", "create_context"),
        ("gpt-4", "config.yaml", f"{path}:3"),
    ]
    assert str(found).splitlines() == [
        "models.default = 'gemini' from context (with_context)",
        "  instead of 'claude' from context (create_context)",
        f"  instead of 'gpt-4' from config.yaml ({path}:3)",
    ]


def test_explain_follows_the_environment_what_was_set_and_what_was_taken_away(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ctx = get_context()
    ctx.set_config("providers.openai.base_url", "http://127.0.0.1:8000")
    assert ctx.explain("providers.openai.base_url").source == "set_config in this process, not saved"
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9000")
    found = ctx.explain("providers.openai.base_url")
    assert (found.value, found.layer, found.source) == (
        "http://127.0.0.1:9000",
        "environment",
        "OPENAI_BASE_URL",
    )
    assert ctx.explain("models.timeout").layer == "default"
    assert ctx.explain("models.seed").source == "not set"
    ctx.set_config("models.timeout", 5)
    with with_context(models={"timeout": None}) as inner:
        assert inner.explain("models.timeout").value == 600.0
        assert inner.explain("models.timeout").layer == "default"


def test_explain_wants_one_setting_that_exists(home: Path) -> None:
    for several in ("models", "models.aliases", "providers.openai"):
        with pytest.raises(ConfigError, match="holds several"):
            get_context().explain(several)
    with pytest.raises(UnknownKey):
        get_context().explain("elsewhere.key")
    with pytest.raises(UnknownKey, match=r"models\.default"):
        get_context().explain("models.defualt")


def test_setting_what_a_layer_above_hides_warns_once_and_names_it(
    home: Path, monkeypatch: pytest.MonkeyPatch, recwarn: pytest.WarningsRecorder
) -> None:
    monkeypatch.setenv("LAYERED_BASE_URL", "http://127.0.0.1")
    ctx = get_context()
    with pytest.warns(ConfigWarning, match=r"LAYERED_BASE_URL \(environment\)"):
        ctx.set_config("providers.layered.base_url", "http://localhost")
    ctx.set_config("providers.layered.base_url", "http://localhost:2")
    assert not recwarn.list
    assert ctx.get_config("providers.layered.base_url") == "http://127.0.0.1"
    with with_context(models={"top_p": 0.5}) as inner:
        with pytest.warns(ConfigWarning, match=r"models\.top_p was set, but with_context \(context\)"):
            inner.set_config("models.top_p", 0.1)


def test_a_set_value_is_seen_by_contexts_made_before(home: Path) -> None:
    with create_context(models={"default": "a"}) as inner:
        assert inner.get_config("models.temperature") is None
        get_context().set_config("models.temperature", 0.5)
        assert inner.get_config("models.temperature") == 0.5


def test_reload_reads_files_again_and_keeps_what_was_set_unless_told(home: Path) -> None:
    ctx = get_context()
    write(home, "config.yaml", "models: {seed: 1}\n")
    assert ctx.get_config("models.seed") == 1
    (home / "config.yaml").write_text("models: {seed: 2}\n")
    ctx.set_config("models.default", "kept")
    assert ctx.get_config("models.seed") == 1
    ctx.reload()
    assert (ctx.get_config("models.seed"), ctx.get_config("models.default")) == (2, "kept")
    ctx.reload(discard=True)
    assert ctx.get_config("models.default") is None


def test_what_is_handed_in_may_change_afterwards_and_what_is_handed_out_may_not(home: Path) -> None:
    mine: dict[str, Any] = {"default": "gpt-4", "stop": ["a"], "aliases": {"x": "y"}}
    block = create_context(models=mine)
    mine["default"] = "changed"
    mine["stop"].append("b")
    with block as ctx:
        models = ctx.section("models")
        assert models["default"] == "gpt-4"
        assert models["stop"] == ("a",)
        handed_out: list[Any] = [models, models["aliases"], ctx.get_config("models")]
        for mapping in handed_out:
            with pytest.raises(TypeError):
                mapping["default"] = "mine"
    assert get_context().get_config("models.default") is None


def test_ember_home_must_be_absolute_and_may_be_under_the_users_home(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMBER_HOME", "here")
    with pytest.raises(StorageError, match="absolute"):
        get_context().get_config("models.default")
    write(home, "config.yaml", "models: {default: found}\n")
    monkeypatch.setenv("HOME", str(home.parent))
    monkeypatch.setenv("EMBER_HOME", "~/ember")
    get_context().reload()
    assert get_context().get_config("models.default") == "found"
