"""What may be configured: the sections, their keys, the type of each, and what unknown keys resemble."""

from __future__ import annotations

import math
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final, TypeAlias, cast

from ember.core.errors import AlreadyRegistered, ConfigError, UnknownKey
from ember.core.secrets import Secret
from ember.core.suggest import nearest

from ._credentials import provider_of, stripped, usable
from ._tree import EMPTY, Misfit, Path, Tree, dotted, freeze, holds_key, is_tree, kind, leaves


class Live:
    """The type of a setting that is an object of the program: code gives it to a block, no file or variable can."""


SettingType: TypeAlias = type[str] | type[int] | type[float] | type[bool] | type[list[str]] | type[object]


@dataclass(frozen=True, slots=True)
class Setting:
    """One key of a section: its type, the value it has when nobody sets it, and what it is for.

    `type` is `str`, `int`, `float`, `bool`, `list` (of texts; one text counts as a list of one), or `object` for any
    plain value. Numbers may be bounded by `low` and `high`, both inclusive. A number with `switch` may be true or false
    instead.
    """

    type: SettingType
    default: Any = None
    about: str = ""
    low: float | None = None
    high: float | None = None
    switch: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """A level of keys. `other` says what any further name holds; without it there are no further names."""

    keys: Mapping[str, Setting | Table] = field(default_factory=lambda: EMPTY)
    other: Setting | Table | None = None


Node: TypeAlias = Setting | Table
ANYTHING: Final = Setting(object)

LIVE: Final = (
    "is an object of a program, which code gives to a call, create_context(...) or with_context(...)."
)
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_:/@+-]*")
_OPEN_NAME: Final = re.compile(r"[A-Za-z0-9](?!.*\.\.)[A-Za-z0-9_:/@+.-]*")
_CREDENTIAL: Final = re.compile(r"[a-z0-9][a-z0-9_-]*_api_key")

_MODELS: Final = Table(
    {
        "default": Setting(str, about="the model that `models(None, ...)` calls"),
        "system": Setting(str, about="the system prompt"),
        "temperature": Setting(float, low=0, about="sampling temperature"),
        "top_p": Setting(float, low=0, high=1, about="nucleus sampling: the share of probability kept"),
        "max_tokens": Setting(int, low=1, about="the most tokens an answer may have"),
        "stop": Setting(list, about="texts at which an answer ends"),
        "seed": Setting(int, about="seed of the sampling, where the provider has one"),
        "timeout": Setting(
            float, 600.0, low=0.001, about="total seconds a call may take, all attempts included"
        ),
        "max_retries": Setting(
            int, 2, low=0, about="how often a call is made again after a failure that may pass"
        ),
        "max_concurrency": Setting(
            int, low=1, about="the most calls under way at once to one model with one key"
        ),
        "rpm": Setting(float, low=1, about="requests a minute, to one model with one key"),
        "tpm": Setting(float, low=1, about="tokens a minute, to one model with one key"),
        "cache": Setting(
            float, low=0.001, switch=True, about="whether answers are kept on disk, or how old one may be"
        ),
        "cache_size": Setting(int, low=0, about="bytes that all answers on disk may take"),
        "fallback": Setting(list, about="models to ask in turn when the one that was called fails"),
        "budget": Table(
            {
                "usd": Setting(float, low=0, about="the most US dollars that calls may cost"),
                "tokens": Setting(int, low=0, about="the most tokens that calls may read and write"),
                "calls": Setting(int, low=0, about="the most calls that may be answered"),
                "allow_unknown": Setting(bool, about="whether calls may be made whose use cannot be counted"),
            }
        ),
        "http_client": Setting(
            Live, about="the HTTP client that calls travel by: an object, so only in a block"
        ),
        "aliases": Table(other=Setting(str, about="another name for a model")),
    }
)
_PROVIDER: Final = Table(
    {
        "base_url": Setting(str, about="where the provider's API is"),
        "timeout": Setting(float, low=0.001, about="total seconds a call to this provider may take"),
        "max_retries": Setting(int, low=0, about="as models.max_retries, for this provider"),
        "max_concurrency": Setting(int, low=1, about="as models.max_concurrency, for this provider"),
        "rpm": Setting(float, low=1, about="as models.rpm, for this provider"),
        "tpm": Setting(float, low=1, about="as models.tpm, for this provider"),
        "cache": Setting(float, low=0.001, switch=True, about="as models.cache, for this provider"),
        "fallback": Setting(list, about="as models.fallback, for calls to this provider"),
        "http_client": Setting(Live, about="as models.http_client, for this provider"),
        "embed_texts": Setting(int, low=1, about="the most texts of one request for embeddings"),
        "allow_http": Setting(bool, about="whether plain http:// may leave this machine"),
        "api": Setting(str, about="which of its APIs to speak, where a provider has several"),
    },
    other=ANYTHING,
)
_CREDENTIALS: Final = Table(other=Setting(str, about="the provider's API key"))
_LOGGING: Final = Table({"content": Setting(bool, False, about="whether prompts and answers may be logged")})

_USAGE: Final = Table(
    {
        "ledger": Setting(bool, False, about="whether what calls use is added up on disk"),
        "tags": Table(other=Setting(str, about="a label under which the ledger books calls")),
    }
)
_DATA: Final = Table(
    {
        "fetched_size": Setting(
            int,
            50_000_000_000,
            low=0,
            about="bytes that copies of data sets' files elsewhere may take on disk",
        ),
        "retry_pause": Setting(
            float,
            0.5,
            low=0,
            about="seconds before a file elsewhere is asked for again; twice as many each time",
        ),
    }
)

# Replaced, never mutated: readers take no lock.
_sections: Mapping[str, Table] = MappingProxyType(
    {
        "models": _MODELS,
        "providers": Table(other=_PROVIDER),
        "credentials": _CREDENTIALS,
        "usage": _USAGE,
        "data": _DATA,
        "logging": _LOGGING,
    }
)
_adding: Final = threading.Lock()
_default_values: dict[str, Tree] = {}


def sections() -> Mapping[str, Table]:
    """Return every section there is, with those plugins have added."""
    return _sections


def add_section(name: str, keys: Mapping[str, Setting]) -> bool:
    """Add a section; return whether that changed anything. See `ember.context.register_section`."""
    global _sections
    if not name.isidentifier() or name.startswith("_"):
        raise ConfigError(
            f"A configuration section cannot be named {name!r}: use letters, digits and underscores."
        )
    for key, setting in keys.items():
        if not _NAME.fullmatch(key):
            raise ConfigError(
                f"A configuration key cannot be named {key!r}: use letters, digits and underscores."
            )
        try:
            _fit(setting, (name, key), freeze(setting.default))
        except Misfit as misfit:
            raise ConfigError(f"The default of {name}.{key} {misfit.problem}.") from None
    table = Table(MappingProxyType(dict(keys)), other=ANYTHING)
    with _adding:
        known = _sections.get(name)
        if known is not None and known != table:
            raise AlreadyRegistered("configuration section", name)
        _sections = MappingProxyType({**_sections, name: table})
    return known is None


def defaults(section: str) -> Tree:
    """Return the built-in values of a section."""
    known = _default_values.get(section)
    if known is None and section in _sections:
        known = _default_values[section] = _defaults(_sections[section])
    return known or EMPTY


def _defaults(table: Table) -> Tree:
    values: dict[str, Any] = {}
    for name, node in table.keys.items():
        if isinstance(node, Table):
            inner = _defaults(node)
            if inner or node.other is not None:  # names to come have a place; settings nobody made have none
                values[name] = inner
        elif node.default is not None:
            values[name] = freeze(node.default)
    return MappingProxyType(values)


def parse_key(key: str) -> Path:
    """Return the path a dotted key means. ConfigError if it is no key at all, whatever the schema.

    In a map of names to single values the rest of the key is the name, dots and all.

    >>> parse_key("models.aliases.gpt-4.1")
    ('models', 'aliases', 'gpt-4.1')
    """
    parts = key.split(".")
    if not all(map(_NAME.fullmatch, parts)):
        raise ConfigError(f"{key!r} is not a configuration key. Keys look like 'models.default'.")
    node: Node | None = _sections.get(parts[0])
    for depth, part in enumerate(parts[1:], 1):
        if not isinstance(node, Table):
            break
        if part not in node.keys and isinstance(node.other, Setting) and node.other is not ANYTHING:
            return (*parts[:depth], ".".join(parts[depth:]))
        node = node.keys.get(part, node.other)
    return tuple(parts)


def node_at(path: Path) -> Node | None:
    """Return what the schema says of `path`, or None if it knows no such key."""
    section, *rest = path
    if section == "credentials" and rest:
        return _CREDENTIALS.other if len(rest) == 1 and _CREDENTIAL.fullmatch(rest[0]) else None
    node: Node | None = _sections.get(section)
    for name in rest:
        if isinstance(node, Table):
            further = node.other if node.other is ANYTHING or _OPEN_NAME.fullmatch(name) else None
            node = node.keys.get(name, further)
        elif node is not ANYTHING:
            return None
    return node


def unknown_key(path: Path) -> UnknownKey:
    """Return the error for a key the schema does not have, with the keys that may be meant."""
    *above, name = path
    if above == ["credentials"]:
        return UnknownKey(dotted(path), (f"credentials.{_credential_meant(name)}",))
    level = node_at(tuple(above)) if above else Table(_sections)
    if isinstance(level, Table):
        siblings = tuple(dotted((*above, near)) for near in nearest(name, level.keys))
        if siblings:
            return UnknownKey(dotted(path), siblings)
    known = list(_known_keys())
    namesakes = tuple(key for key in known if key.rpartition(".")[2] == name)
    return UnknownKey(dotted(path), namesakes[:3] or nearest(dotted(path), known))


def resembles_section(name: str) -> bool:
    """Whether `name` is likely a misspelt section, rather than that of a plugin nothing has loaded yet."""
    return name not in _sections and bool(nearest(name, _sections))


def check(path: Path, value: Any, on_unknown: Callable[[Path], None]) -> Any:
    """Return `value` as the schema wants it at `path`: frozen, of the right type, keys wrapped as secrets.

    Raises Misfit where it does not fit. `on_unknown` is called with each unknown path below a known one, which is
    left out when that returns.
    """
    node = node_at(path)
    if node is None:
        on_unknown(path)
        return None
    return _check(node, path, freeze(value, path, is_live), on_unknown)


def is_live(path: Path) -> bool:
    """Whether what stands at `path` is an object of the program."""
    node = node_at(path)
    return isinstance(node, Setting) and node.type is Live


def accept(path: Path, value: Any, source: str) -> Any:
    """Return `value`, which a caller gave for `path`, as `check` does; `source` says how, for errors.

    Raises UnknownKey, ConfigError or InvalidCredential. Keys are wrapped already: see `conceal`.
    """

    def refuse(below: Path) -> None:
        raise unknown_key(below)

    try:
        checked = check(path, value, refuse)
    except Misfit as misfit:
        raise ConfigError(f"{dotted(misfit.path)} {misfit.problem}.") from None
    for below, leaf in leaves(checked, path):
        if isinstance(leaf, Secret):
            usable(leaf, provider_of(below[-1]), source)
    return checked


def _check(node: Node, path: Path, value: Any, on_unknown: Callable[[Path], None]) -> Any:
    if isinstance(node, Setting):
        return _fit(node, path, value)
    if value is None:
        return None
    if not is_tree(value):
        raise Misfit(path, f"expects a mapping of names to values, got {kind(value)}")
    checked: dict[str, Any] = {}
    for name, inner in value.items():
        below = (*path, name)
        if node_at(below) is None:
            on_unknown(below)
        else:
            checked[name] = _check(node.keys.get(name) or node.other or ANYTHING, below, inner, on_unknown)
    return MappingProxyType(checked)


def _fit(setting: Setting, path: Path, value: Any) -> Any:
    if holds_key(path):
        return _fit_key(path, value)
    if setting.type is object:
        for below, leaf in leaves(value, path):
            if holds_key(below):
                _fit_key(below, leaf)
        return value
    if value is None:
        return None
    if setting.type is Live:
        if is_tree(value) or type(value) in (str, bool, int, float, tuple):
            raise Misfit(path, f"{LIVE} It cannot be written down, as {kind(value)} or otherwise")
        return value
    if setting.type is list:
        texts = (value,) if isinstance(value, str) else value
        if isinstance(texts, tuple) and all(
            isinstance(text, str) for text in cast("tuple[object, ...]", texts)
        ):
            return cast("tuple[str, ...]", texts)
        raise Misfit(path, f"expects a list of texts, got {kind(value)}")
    if setting.type is str:
        if isinstance(value, str):
            return value
        raise Misfit(path, f"expects text, got {kind(value)} (in a file, put it in quotes)")
    if setting.type is bool or setting.switch:
        found = _SWITCHES.get(value.strip().lower()) if isinstance(value, str) else value
        if isinstance(found, bool):
            return found
        if not setting.switch:
            raise Misfit(path, f"expects true or false, got {kind(value)}")
    return _fit_number(setting, path, value)


_SWITCHES: Final[Mapping[str, bool]] = {"true": True, "false": False, "yes": True, "no": False}


def _fit_number(setting: Setting, path: Path, value: Any) -> int | float:
    whole = setting.type is int
    wanted = ("true, false or " if setting.switch else "") + ("a whole number" if whole else "a number")
    try:
        # The command line and the environment have nothing but text.
        number: Any = (int if whole else float)(value) if isinstance(value, str) else value
        usable_number = (
            not isinstance(number, bool) and math.isfinite(number) and (not whole or int(number) == number)
        )
    except (TypeError, ValueError, OverflowError):
        number, usable_number = None, False
    if not usable_number:
        raise Misfit(path, f"expects {wanted}, got {number if isinstance(number, float) else kind(value)}")
    low, high = setting.low, setting.high
    if (low is not None and number < low) or (high is not None and number > high):
        raise Misfit(
            path,
            f"must be {f'at least {low}' if high is None else f'between {low} and {high}'}, not {number}",
        )
    return int(number) if whole else float(number)


def _fit_key(path: Path, value: Any) -> Secret | None:
    if path[0] != "credentials":
        name = path[1] if len(path) > 2 else "<provider>"
        raise Misfit(path, f"is not where keys are kept. Write it as credentials.{name}_api_key")
    if value is None:
        return None
    if not isinstance(value, Secret):
        raise Misfit(path, f"expects the key as text, got {kind(value)} (in a file, put it in quotes)")
    return stripped(value)


def known_settings() -> Mapping[str, Setting]:
    """Return every setting there is by its key, for what shows or completes them.

    Names that users choose stand as `<name>`: "providers.<name>.base_url".

    >>> known_settings()["models.aliases.<name>"].about
    'another name for a model'
    """
    return MappingProxyType(dict(_settings_in(Table(_sections), "")))


def _settings_in(table: Table, prefix: str) -> Iterator[tuple[str, Setting]]:
    for name, node in (*table.keys.items(), ("<name>", table.other)):
        if isinstance(node, Table):
            yield from _settings_in(node, f"{prefix}{name}.")
        elif node is not None and node is not ANYTHING:
            yield prefix + ("<name>_api_key" if table is _CREDENTIALS else name), node


def _known_keys(table: Table | None = None, prefix: str = "") -> Iterator[str]:
    for name, node in (_sections if table is None else table.keys).items():
        yield prefix + name
        if isinstance(node, Table):
            yield from _known_keys(node, f"{prefix}{name}.")


def _credential_meant(given: str) -> str:
    name = re.sub(r"[^a-z0-9_-]", "_", given.lower())
    if len(name) > 24:
        return "<provider>_api_key"
    return name if name.endswith("_api_key") else f"{re.sub('_?(api)?_?key$', '', name)}_api_key"
