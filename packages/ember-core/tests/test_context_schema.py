"""What may be set: keys, types, and what is said about those that may not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ember.context import ConfigWarning, Setting, create_context, get_context, register_section, with_context
from ember.core.errors import AlreadyRegistered, ConfigError, ConfigFileError, UnknownKey


def write(home: Path, text: str, name: str = "config.yaml") -> Path:
    home.mkdir(mode=0o700, exist_ok=True)
    (home / name).write_text(text)
    (home / name).chmod(0o600)
    get_context().reload()
    return home / name


@pytest.mark.parametrize(
    "key", ["", ".", "a..b", "../x", "__class__", "models.__class__", "models.", " models", "a\nb"]
)
def test_what_is_no_key_is_refused_everywhere(home: Path, key: str) -> None:
    ctx = get_context()
    with pytest.raises(ConfigError, match="is not a configuration key"):
        ctx.get_config(key)
    with pytest.raises(ConfigError, match="is not a configuration key"):
        ctx.explain(key)
    with pytest.raises(ConfigError, match="is not a configuration key"):
        ctx.set_config(key, 1)


@pytest.mark.parametrize(
    ("key", "meant"),
    [
        ("models.defualt", "models.default"),
        ("model.default", "models.default"),
        ("modles", "models"),
        ("temperature", "models.temperature"),
        ("credentials.openai", "credentials.openai_api_key"),
        ("credentials.OPENAI_API_KEY", "credentials.openai_api_key"),
        ("credentials.openai_key", "credentials.openai_api_key"),
        ("logging.contents", "logging.content"),
        ("MODELS.Default", "models.default"),
    ],
)
def test_an_unknown_key_is_refused_with_what_may_be_meant(home: Path, key: str, meant: str) -> None:
    with pytest.raises(UnknownKey) as caught:
        get_context().set_config(key, "x")
    assert caught.value.suggestions[0] == meant
    assert f"Did you mean '{meant}'" in str(caught.value)


def test_a_block_refuses_unknown_keys_when_it_is_made(home: Path) -> None:
    with pytest.raises(UnknownKey, match=r"models\.temperature"):
        create_context(models={"temprature": 1})
    with pytest.raises(UnknownKey, match=r"'model'.*'models'"):
        with_context(model={"default": "x"})
    with pytest.raises(UnknownKey, match=r"Did you mean 'models\.temperature'"):
        with_context(temperature={"x": 1})


@pytest.mark.parametrize(
    ("key", "value", "problem"),
    [
        ("models.temperature", "hot", "expects a number, got text"),
        ("models.temperature", -1, "at least 0"),
        ("models.temperature", float("nan"), "expects a number"),
        ("models.temperature", True, "expects a number, got true or false"),
        ("models.top_p", 1.5, "between 0 and 1"),
        ("models.max_tokens", 1.5, "whole number"),
        ("models.temperature", "1e400", "expects a number, got inf"),
        ("models.timeout", 10**400, "expects a number"),
        ("models.seed", "9" * 5000, "expects a whole number"),
        ("models.max_tokens", 0, "at least 1"),
        ("models.max_tokens", "many", "whole number, got text"),
        ("models.default", 4, "expects text, got a whole number"),
        ("models.default", ["a"], "expects text, got a list"),
        ("models.stop", [1], "list of texts"),
        ("models.aliases", "x", "mapping"),
        ("models.aliases.fast", 1, "expects text"),
        ("models", 3, "mapping"),
        ("logging.content", "perhaps", "true or false"),
        ("providers.openai", "http://x", "mapping"),
        ("providers.openai.timeout", "soon", "expects a number"),
        ("providers.openai.extra", object(), "expects text, numbers, lists or mappings"),
        ("providers.openai.extra", {1: "x"}, "a name that is not text"),
        ("providers.openai.api_key", "sk-misplaced", "credentials.openai_api_key"),
        ("providers.openai.headers", {"API-KEY": "sk-misplaced"}, "credentials.openai_api_key"),
        ("credentials.openai_api_key", 12345, "expects the key as text"),
    ],
)
def test_a_value_of_the_wrong_sort_is_refused_by_set_and_by_blocks(
    home: Path, key: str, value: Any, problem: str
) -> None:
    with pytest.raises(ConfigError, match=problem) as caught:
        get_context().set_config(key, value)
    assert str(caught.value).startswith(key)
    assert "misplaced" not in str(caught.value)
    section, *rest = key.split(".")
    for name in reversed(rest):
        value = {name: value}
    with pytest.raises(ConfigError, match=problem):
        create_context(**{section: value})


@pytest.mark.parametrize(
    ("key", "given", "kept"),
    [
        ("models.temperature", 1, 1.0),
        ("models.temperature", "0.7", 0.7),
        ("models.max_tokens", 1000.0, 1000),
        ("models.max_tokens", "1000", 1000),
        ("models.stop", "END", ("END",)),
        ("models.stop", ["a", "b"], ("a", "b")),
        ("logging.content", "true", True),
        ("logging.content", False, False),
        ("providers.local.path", Path("/models/x.gguf"), "/models/x.gguf"),
        ("providers.local.options", {"a": [1, {"b": None}]}, {"a": (1, {"b": None})}),
        ("models.aliases.gpt-4.1", "openai/gpt-4.1-2025-04-14", "openai/gpt-4.1-2025-04-14"),
    ],
)
def test_a_value_is_kept_as_the_schema_types_it(home: Path, key: str, given: Any, kept: Any) -> None:
    ctx = get_context()
    ctx.set_config(key, given)
    assert ctx.get_config(key) == kept
    assert type(ctx.get_config(key)) is type(kept) or isinstance(kept, dict)
    ctx.save()
    ctx.reload(discard=True)
    assert ctx.get_config(key) == kept


def test_a_mapping_that_holds_itself_is_refused(home: Path) -> None:
    endless: dict[str, Any] = {}
    endless["x"] = endless
    with pytest.raises(ConfigError, match="nested more than 50 deep"):
        get_context().set_config("providers.openai.extra", endless)


def test_setting_a_mapping_merges_it(home: Path) -> None:
    ctx = get_context()
    ctx.set_config("models.aliases", {"a": "x", "b": "y"})
    ctx.set_config("models", {"aliases": {"b": "z"}, "seed": 1})
    assert ctx.section("models") == {
        "timeout": 600.0,
        "max_retries": 2,
        "seed": 1,
        "aliases": {"a": "x", "b": "z"},
    }
    ctx.set_config("models.aliases", None)
    assert ctx.section("models")["aliases"] == {}
    ctx.set_config("models.aliases.c", "w")
    assert ctx.section("models")["aliases"] == {"c": "w"}


def test_a_wrong_type_in_a_file_is_an_error_with_its_line(home: Path) -> None:
    path = write(home, "# mine\nmodels:\n  default: gpt-4\n  temperature: warm\n")
    with pytest.raises(ConfigFileError) as caught:
        get_context().get_config("models.default")
    assert str(caught.value) == f"{path}:4:3: models.temperature expects a number, got text"
    assert (caught.value.line, caught.value.column) == (4, 3)
    path.write_text("models: {default: mended}\n")
    assert get_context().get_config("models.default") == "mended"


def test_a_key_kept_in_the_wrong_place_of_a_file_is_an_error_that_says_the_right_one(home: Path) -> None:
    write(home, "providers:\n  openai:\n    api_key: sk-misplaced\n")
    with pytest.raises(ConfigFileError, match=r"config\.yaml:3:5: .*credentials\.openai_api_key") as caught:
        get_context().section("models")
    assert "misplaced" not in str(caught.value)


def test_an_unknown_key_in_a_file_is_warned_of_once_and_ignored(home: Path) -> None:
    path = write(home, "models:\n  temprature: 1\n  seed: 3\nmodles: {default: x}\n")
    with pytest.warns(ConfigWarning) as warned:
        assert get_context().section("models") == {
            "timeout": 600.0,
            "max_retries": 2,
            "aliases": {},
            "seed": 3,
        }
    assert [str(warning.message) for warning in warned] == [
        f"{path}:2: Ember has no configuration key 'models.temprature'. Did you mean 'models.temperature'? "
        f"It is ignored.",
        f"{path}:4: Ember has no configuration key 'modles'. Did you mean 'models'? It is ignored.",
    ]
    get_context().reload()
    get_context().section("models")  # another warning would be an error here


def test_an_unknown_key_in_credentials_is_warned_of_without_repeating_what_may_be_a_key(home: Path) -> None:
    write(home, "sk-proj-0123456789abcdefghij: openai\n", "credentials.yaml")
    with pytest.warns(ConfigWarning, match=r"credentials\.…") as warned:
        assert get_context().get_credential("openai") is None
    assert "0123456789" not in str(warned[0].message)


def test_a_section_nobody_knows_may_be_a_plugins_and_is_kept(home: Path) -> None:
    write(home, "quantum:\n  qubits: 5\n")
    ctx = get_context()
    assert ctx.get_config("quantum.qubits") == 5
    assert ctx.section("models")["timeout"] == 600.0
    with pytest.raises(UnknownKey):
        ctx.section("quantum")
    with pytest.raises(UnknownKey):
        ctx.set_config("quantum.qubits", 6)


def test_asking_for_a_key_nobody_knows_gives_the_default_and_says_so_once(home: Path) -> None:
    with pytest.warns(ConfigWarning, match=r"'models\.fault'.*'models\.default'"):
        assert get_context().get_config("models.fault", "x") == "x"
    assert get_context().get_config("models.fault") is None


def test_a_plugin_adds_a_section_whose_keys_are_checked(home: Path) -> None:
    path = write(home, "cluster:\n  workers: many\n")
    assert get_context().get_config("cluster.workers") == "many"
    keys = {"workers": Setting(int, 4, low=1), "address": Setting(str)}
    try:
        with pytest.raises(
            ConfigFileError, match=r"config\.yaml:2:3: cluster\.workers expects a whole number"
        ):
            register_section("cluster", keys)
            get_context().section("cluster")
    finally:
        path.write_text("cluster:\n  address: here\n  further: {anything: 1}\n")
    ctx = get_context()
    ctx.reload()
    assert ctx.section("cluster") == {"workers": 4, "address": "here", "further": {"anything": 1}}
    ctx.set_config("cluster.workers", "8")
    assert ctx.get_config("cluster.workers") == 8
    with create_context(cluster={"workers": 1}) as inner:
        assert inner.get_config("cluster.workers") == 1
    register_section("cluster", keys)
    with pytest.raises(AlreadyRegistered):
        register_section("cluster", {"workers": Setting(str)})


@pytest.mark.parametrize(
    ("name", "keys"),
    [("a b", {}), ("_x", {}), ("one", {"a.b": Setting(int)}), ("two", {"a": Setting(int, 0, low=1)})],
)
def test_a_section_that_cannot_be_is_refused(home: Path, name: str, keys: dict[str, Setting]) -> None:
    with pytest.raises(ConfigError):
        register_section(name, keys)
    with pytest.raises(UnknownKey):
        get_context().section("one")


def test_a_section_is_known_by_name_and_a_providers_part_by_one_more(home: Path) -> None:
    ctx = get_context()
    assert ctx.section("providers.unheard-of") == {}
    for name in ("model", "providers.a.b", "models.aliases"):
        with pytest.raises(ConfigError):
            ctx.section(name)


def test_a_default_is_given_back_as_the_type_it_has(home: Path) -> None:
    ctx = get_context()
    ctx.set_config(
        "providers.x", {"number": 2, "half": 0.5, "texts": ["a"], "map": {"k": 1}, "text": "t", "on": True}
    )
    assert ctx.get_config("providers.x.number", 1.5) == 2
    assert ctx.get_config("providers.x.half", 1) == 0.5
    assert ctx.get_config("providers.x.texts", ["z"]) == ["a"]
    assert ctx.get_config("providers.x.map", {"z": 0}) == {"k": 1}
    assert type(ctx.get_config("models.timeout", 60)) is int
    for key, default in (("text", 1), ("number", "x"), ("on", 1), ("number", True), ("map", [1])):
        with pytest.raises(ConfigError, match="where the program that asks expects"):
            ctx.get_config(f"providers.x.{key}", default)
