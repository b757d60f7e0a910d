"""What settings looked like in older programs, read into keys and settings of today's. Pure: no file is touched.

- `credentials`, JSON: `{"openai": {"api_key": "...", "created_at": "..."}}`
- `config.json`: settings of any of the shapes below, with `version` and `_migrated` as marks of its own
- config.yaml of version "1.0": `providers.openai.api_key`
- `registry:` or `model_registry:`, with `providers: openai: api_keys: default: key: "${OPENAI_API_KEY}"`
- camelCase, as agents' tools write it: `model`, `apiKey`, `baseURL`, `envKey`, `approvalMode`
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, cast

from ember.context import create_context
from ember.core.errors import ConfigError, CredentialError
from ember.core.secrets import Secret

from ._settings import SECTIONS, may_be_a_plugins

Keys = tuple[str, ...]

_MARKS: Final = frozenset({"version", "_migrated", "_version", "schema_version"})
_REGISTRIES: Final = ("registry", "model_registry")
_PLACEHOLDER: Final = re.compile(r"\$\{?\w+\}?|<[^>]*>|")
# What a provider's section may call its key, and what never was a setting of Ember's.
_KEY_NAMES: Final = ("api_key", "apikey", "key", "token")
_PROVIDERS: Final = {"gemini": "google", "deepmind": "google", "claude": "anthropic"}
_RENAMED: Final = {
    "base_url": "base_url",
    "baseurl": "base_url",
    "api_base": "base_url",
    "endpoint": "base_url",
}


@dataclass(slots=True)
class Old:
    """What an old file says. `place` is the file's name; `gone` are keys to be taken out of it where it stays."""

    place: str
    keys: dict[str, Secret] = field(default_factory=dict[str, Secret], repr=False)
    settings: dict[Keys, Any] = field(default_factory=dict[Keys, Any], repr=False)
    left_out: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    gone: list[Keys] = field(default_factory=list[Keys])


def credentials_file(tree: Mapping[str, Any], place: str) -> Old:
    """Read the JSON file `credentials`."""
    old = Old(place)
    for provider, said in tree.items():
        fields = cast("Mapping[str, Any]", said) if isinstance(said, Mapping) else {"api_key": said}
        if provider.startswith("_") or provider in _MARKS:
            continue
        if not _take_key(old, provider, fields.get("api_key"), provider):
            old.left_out.append((provider, "there is no key in it"))
    return old


def settings_file(tree: Mapping[str, Any], place: str, *, today: bool) -> Old:
    """Read settings of any old shape. `today`: the file is config.yaml, where what is right already stays as it is."""
    old = Old(place)
    for name, value in tree.items():
        if name in _MARKS:
            old.gone.append((name,))
        elif name in _REGISTRIES:
            old.gone.append((name,))
            _registry(old, name, value)
        elif _snake(name) == "providers" and isinstance(value, Mapping):
            _providers(old, cast("Mapping[str, Any]", value), today=today)
        elif name == "credentials" and isinstance(value, Mapping):
            if not today:
                _credentials(old, cast("Mapping[str, Any]", value))
        elif today and (name in SECTIONS or isinstance(value, Mapping)):
            continue  # as it should be, or a plugin's
        elif name == "model" and isinstance(value, str):
            old.gone.append((name,))
            _take(old, ("models", "default"), value, name)
        elif name in SECTIONS and isinstance(value, Mapping):
            for keys, leaf in _leaves(cast("Mapping[str, Any]", value), (name,)):
                _take(old, keys, leaf, ".".join(keys))
        elif isinstance(value, Mapping) and _snake(name) == name and may_be_a_plugins(name):
            for keys, leaf in _leaves(cast("Mapping[str, Any]", value), (name,)):
                old.settings[keys] = leaf  # a plugin's section
        elif not today:
            old.left_out.append((name, "no setting of Ember's"))
    return old


def _providers(old: Old, providers: Mapping[str, Any], *, today: bool) -> None:
    for provider, said in providers.items():
        if not isinstance(said, Mapping):
            if not today:
                old.left_out.append((f"providers.{provider}", "no settings are in it"))
            continue
        for name, value in cast("Mapping[str, Any]", said).items():
            where = f"providers.{provider}.{name}"
            here: Keys = ("providers", provider, name)
            snake = _snake(name)
            if snake in _KEY_NAMES or snake == "api_key":
                old.gone.append(here)
                _take_key(old, provider, value, where)
            elif snake in ("env_key", "api_key_env"):
                old.gone.append(here)
                old.left_out.append((where, "the variable of a key is known by the provider's name"))
            elif snake in _RENAMED and (name != "base_url" or not today):
                old.gone.append(here)
                _take(old, ("providers", provider, "base_url"), value, where)
            elif not today:
                for keys, leaf in _leaves({snake: value}, ("providers", provider)):
                    _take(old, keys, leaf, where)


def _registry(old: Old, name: str, value: Any) -> None:
    nothing: dict[str, Any] = {}
    tree = cast("Mapping[str, Any]", value) if isinstance(value, Mapping) else nothing
    providers: Any = tree.get("providers")
    for other in tree:
        if other != "providers":
            old.left_out.append((f"{name}.{other}", "no setting of Ember's"))
    if not isinstance(providers, Mapping):
        return
    for provider, said in cast("Mapping[str, Any]", providers).items():
        fields = dict(cast("Mapping[str, Any]", said)) if isinstance(said, Mapping) else {}
        keys: Any = fields.pop("api_keys", None)
        where = f"{name}.providers.{provider}.api_keys"
        for label, held in cast("Mapping[str, Any]", keys).items() if isinstance(keys, Mapping) else ():
            key: Any = cast("Mapping[str, Any]", held).get("key") if isinstance(held, Mapping) else held
            if label == "default":
                _take_key(old, provider, key, f"{where}.default")
            else:
                old.left_out.append((f"{where}.{label}", "Ember keeps one key for each provider"))
        _providers(old, {provider: fields}, today=False)


def _credentials(old: Old, tree: Mapping[str, Any]) -> None:
    for name, value in tree.items():
        provider = re.sub(r"_?(api)?_?key$", "", _snake(name))
        _take_key(old, provider, value, f"credentials.{name}")


def _take_key(old: Old, provider: str, value: Any, where: str) -> bool:
    text = value.strip() if isinstance(value, str) else ""
    if _PLACEHOLDER.fullmatch(text):
        if text:
            old.left_out.append((where, "it stands for a variable, which is read anyway"))
        return bool(text)
    provider = provider.lower()
    key, name = Secret(text), f"{_PROVIDERS.get(provider, provider)}_api_key"
    try:
        create_context(credentials={name: key})
    except (ConfigError, CredentialError):
        old.left_out.append((where, "what stands there cannot be a key"))
        return True
    old.keys[name] = key
    return True


def _take(old: Old, keys: Keys, value: Any, where: str) -> None:
    """Take a setting, if Ember has it and the value fits."""
    if isinstance(value, str) and value and _PLACEHOLDER.fullmatch(value):
        old.left_out.append((where, "it stands for a variable"))
        return
    tree: Any = value
    for name in reversed(keys[1:]):
        tree = {name: tree}
    try:
        create_context(**{keys[0]: tree})
    except (ConfigError, CredentialError) as error:
        said = type(error).__name__ != "UnknownKey"
        old.left_out.append((where, "its value does not fit" if said else "no setting of Ember's"))
        return
    if value is not None:
        old.settings[keys] = value


def _leaves(tree: Mapping[str, Any], above: Keys) -> Iterator[tuple[Keys, Any]]:
    for name, value in tree.items():
        if isinstance(value, Mapping):
            yield from _leaves(cast("Mapping[str, Any]", value), (*above, name))
        else:
            yield (*above, name), value


def _snake(name: str) -> str:
    """Return a camelCase name as Ember writes it.

    >>> _snake("baseURL"), _snake("apiKey"), _snake("base_url")
    ('base_url', 'api_key', 'base_url')
    """
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
