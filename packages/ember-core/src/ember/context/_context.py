"""`EmberContext`: what is configured, seen from one place in the program."""

from __future__ import annotations

import reprlib
from collections.abc import Iterator, Mapping
from contextvars import Token
from types import MappingProxyType
from typing import Any, Final, Literal, NamedTuple, NoReturn, TypeAlias, TypeVar, cast, overload

from ember.core.errors import ConfigError
from ember.core.events import ROOT as PROCESS, Scope
from ember.core.notice import say_once

from . import _environment
from ._credentials import Found, names, usable
from ._explain import CONFIG, CONTEXT, CREDENTIALS, DEFAULT, ENVIRONMENT, Explanation, Origin
from ._schema import LIVE, Table, accept, defaults, is_live, node_at, parse_key, sections, unknown_key
from ._settings import settings
from ._tree import (
    EMPTY,
    Path,
    Tree,
    conceal,
    dotted,
    grow,
    is_tree,
    kind,
    leaves,
    look_up,
    mentions,
    merge,
    thaw,
)

_T = TypeVar("_T")
_TextKey: TypeAlias = Literal["models.default", "models.system"]
_NumberKey: TypeAlias = Literal["models.temperature", "models.top_p", "models.timeout"]
_WholeKey: TypeAlias = Literal["models.max_tokens", "models.seed"]

_MISSING: Final = object()
# Of the section "models". Its other settings say how an answer is come by, and `fallback` what is done without one.
_ANSWERS: Final = ("default", "aliases", "system", "temperature", "top_p", "max_tokens", "stop", "seed")
# Sections the environment has a say in: what is computed of them holds only until a variable changes.
_LIVE: Final = frozenset({"providers", "credentials"})


class Entry:
    """One entering of a block: what identifies its context in every copy of the chain. See `_blocks`."""

    __slots__ = ("__weakref__", "label", "token")

    def __init__(self, label: str, token: Token[None]) -> None:
        self.label = label
        self.token: Token[None] | None = token


class Level(NamedTuple):
    """What one block says of a key, or the process: `owner` is the block as it was entered, None for the process."""

    owner: object
    source: str
    value: Any


class _View:
    """What a context has computed from one version of the settings."""

    __slots__ = ("levels", "live", "sections", "values", "version")

    def __init__(self, version: int) -> None:
        self.version = version
        self.sections: dict[str, Tree] = {}
        self.values: dict[str, Any] = {}
        self.levels: dict[str, tuple[Level, ...]] = {}
        # Sections that depend on the environment, with the text of the variable they were computed from.
        self.live: dict[str, tuple[str | None, Tree]] = {}


class EmberContext:
    """Configuration and credentials, as they are inside the blocks a piece of code runs in.

    The layers, highest first: the overrides of the blocks around the code, innermost first; the environment; what
    `set_config` changed in this process; `~/.ember/config.yaml`; `~/.ember/credentials.yaml`; built-in defaults.
    A context never changes, but what it shows follows `set_config`, `reload` and the environment. It may be used from
    any thread. `get_context()` gives the one in force.

    `scope` is what the calls made in it are charged to, `parent` the context around it (None for the process's own).
    """

    __slots__ = ("__weakref__", "_entry", "_overrides", "_view", "parent", "scope")

    def __init__(
        self,
        parent: EmberContext | None = None,
        overrides: Tree = EMPTY,
        scope: Scope = PROCESS,
        entry: Entry | None = None,
    ) -> None:
        self.parent, self.scope = parent, scope
        self._overrides, self._entry = overrides, entry
        self._view = _View(-1)

    @overload
    def get_config(self, key: _TextKey, default: None = None) -> str | None: ...
    @overload
    def get_config(self, key: _TextKey, default: str) -> str: ...
    @overload
    def get_config(self, key: _NumberKey, default: None = None) -> float | None: ...
    @overload
    def get_config(self, key: _NumberKey, default: float) -> float: ...
    @overload
    def get_config(self, key: _WholeKey, default: None = None) -> int | None: ...
    @overload
    def get_config(self, key: _WholeKey, default: int) -> int: ...
    @overload
    def get_config(self, key: str, default: None = None) -> Any: ...
    @overload
    def get_config(self, key: str, default: _T) -> _T: ...

    def get_config(self, key: str, default: Any = None) -> Any:
        """Return what `key` is set to, or `default`.

        A section, or part of one, is a read-only mapping; lists are tuples; a credential is a masked `Secret`
        (`get_credential` gives it in clear). Raises ConfigError if `key` is no key at all or what is set is of another
        type than `default`, and ConfigFileError if config.yaml is wrong. A key the schema does not know is said once.

        >>> get_context().get_config("models.timeout")
        600.0
        >>> get_context().get_config("models.default", "gpt-4")
        'gpt-4'
        """
        view = self._current_view()
        value = view.values.get(key, _MISSING)
        if value is _MISSING:
            value = self._get(key, view)
        if value is None:
            return default
        if default is not None and type(value) is not type(default):
            return _like(default, value, key)
        return value

    def set_config(self, key: str, value: Any) -> None:
        """Set `key` for the whole process, in the layer of config.yaml; None takes it out. `save()` makes it last.

        Raises UnknownKey, with what may be meant, for a key the schema does not have, ConfigError for a value of the
        wrong type, and InvalidCredential for a key that cannot be one. If a layer above hides the new value, a
        ConfigWarning says which.

        >>> get_context().set_config("models.temperature", 0.7)
        >>> get_context().get_config("models.temperature")
        0.7
        """
        value = conceal(value, tuple(key.split(".")))
        path = parse_key(key)
        value = accept(path, value, "set_config")
        for leaf, given in leaves(value, path):
            if given is not None and is_live(leaf):
                raise ConfigError(f"{dotted(leaf)} {LIVE} It cannot be set for good.")
        settings.change(path, value)
        for leaf, _ in leaves(value, path):
            hiding = next(self._above(leaf), None)
            if hiding is not None and value is not None:
                say_once(
                    f"{dotted(leaf)} was set, but {hiding.source} ({hiding.layer}) sets it too, and stands above what "
                    f"set_config changes."
                )

    def save(self) -> None:
        """Write what `set_config` changed in this process to `~/.ember/config.yaml` (mode 0600), and nothing else.

        Overrides and the environment never reach the disk; comments, order and what other processes saved stay. Raises
        StorageError if the file cannot be written safely, ConfigFileError if what stands there cannot be read.
        """
        settings.save()

    def reload(self, *, discard: bool = False) -> None:
        """Read the files again when next needed. What `set_config` changed stays, unless `discard` takes it back."""
        settings.reload(discard=discard)

    def get_credential(self, provider: str, env_var: str | None = None) -> str | None:
        """Return the API key of `provider` in clear, or None if there is none. This is the one door out.

        Looked for in the overrides (`credentials={"<provider>_api_key": ...}`), in the environment (`env_var`, then
        `<PROVIDER>_API_KEY`), in config.yaml and in credentials.yaml; blank counts as absent. Raises InvalidCredential,
        which never shows it, for one that cannot be a key.
        """
        found = self.find_credential(provider, *(() if env_var is None else (env_var,)))
        return None if found is None else found.secret.reveal()

    def find_credential(self, provider: str, *variables: str) -> Found | None:
        """Return the API key of `provider` still wrapped, with the layer and the source it was found in.

        `variables` are looked at before the provider's variable by convention.
        """
        for origin in self._keys(provider, variables):
            if origin.value is not None:
                return Found(usable(origin.value, provider, origin.source), origin.layer, origin.source)
        return None

    def section(self, name: str) -> Mapping[str, Any]:
        """Return a whole section, all layers merged, as a read-only mapping; `providers.<name>` counts as one.

        Names nobody sets and that have no default are not in it. Raises UnknownKey if there is no such section.

        >>> get_context().section("logging")
        mappingproxy({'content': False})
        """
        view = self._current_view()
        found = view.sections.get(name)
        return self._section(name, view) if found is None else found

    def levels(self, key: str) -> tuple[Level, ...]:
        """Return what each block around the code says of `key` by itself, innermost first, and last the process.

        For settings that hold side by side, where others hide one another. Levels that say nothing are left out. An
        `owner` is the same object for as long as its block is entered, and another each time it is.
        """
        view = self._current_view()
        found = view.levels.get(key)
        if found is None:
            path = parse_key(key)
            said = [
                Level(context._entry, context._label(), look_up(context._overrides, path))
                for context in self._lineage()
                if context._entry is not None
            ]
            said.append(Level(None, CONFIG, look_up(settings.tree(), path)))
            found = view.levels[key] = tuple(level for level in said if level.value is not None)
        return found

    def explain(self, key: str) -> Explanation:
        """Return the value of `key` with the layer and the file, variable or block it comes from, and what it hides.

        >>> print(get_context().explain("models.timeout"))
        models.timeout = 600.0 from default (built in)
        """
        path = parse_key(key)
        node = node_at(path)
        if node is None and (path[0] in sections() or not mentions(settings.tree(), path)):
            raise unknown_key(path)
        origins = [*self._above(path), *self._below(path)]
        # None takes away what the layers below it say, down to the built-in default.
        hidden = next((at for at, origin in enumerate(origins) if origin.value is None), len(origins))
        seen = [*origins[:hidden], *(origin for origin in origins[hidden:] if origin.layer == DEFAULT)]
        first, *others = seen or [Origin(None, DEFAULT, "not set")]
        if isinstance(node, Table) or is_tree(first.value):
            raise ConfigError(f"{key} is not one setting but holds several: ask for one of those.")
        return Explanation(key, first.value, first.layer, first.source, tuple(others))

    def __fingerprint__(self) -> object:
        """Say what of it changes the answers of models: what they are asked with where a call says nothing itself."""
        models = self.section("models")
        return tuple((key, thaw(models[key])) for key in _ANSWERS if models.get(key) not in (None, EMPTY))

    def __repr__(self) -> str:
        blocks = [
            f"{context._label()}({_shown(context._overrides)})"
            for context in self._lineage()
            if context.parent
        ]
        unsaved = f" with {settings.unsaved} unsaved" if settings.unsaved else ""
        layers = [*blocks, ENVIRONMENT, CONFIG + unsaved, CREDENTIALS, "defaults"]
        return f"<EmberContext: {' > '.join(layers)}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "An EmberContext is not pickled: it may hold keys. Call get_context() in the other process."
        )

    def _lineage(self) -> Iterator[EmberContext]:
        context: EmberContext | None = self
        while context is not None:
            yield context
            context = context.parent

    def _label(self) -> str:
        return "" if self._entry is None else self._entry.label

    def _current_view(self) -> _View:
        view = self._view
        if view.version != settings.version:
            view = self._view = _View(settings.version)
        return view

    def _get(self, key: str, view: _View) -> Any:
        path = parse_key(key)
        section, *rest = path
        if section not in sections():  # of a plugin that is not loaded, perhaps
            value = look_up(settings.tree(), path)
        elif section == "credentials" and rest:
            return next((origin.value for origin in (*self._above(path), *self._below(path))), None)
        elif section == "providers" and rest:
            return look_up(self._provider(rest[0], view), tuple(rest[1:]))
        else:
            value = look_up(self.section(section), tuple(rest))
        if value is None and node_at(path) is None:
            say_once(str(unknown_key(path)))
        elif section not in _LIVE:
            view.values[key] = value
        return value

    def _section(self, name: str, view: _View) -> Tree:
        if name.startswith("providers."):
            return self._provider(name.removeprefix("providers."), view)
        if name not in sections():
            raise unknown_key((name,))
        below = cast("Tree", settings.tree().get(name, EMPTY))
        if name == "credentials":
            below = merge(settings.credentials().get(name, EMPTY), below)
        merged = merge(defaults(name), self._laid_over(below, (name,)))
        if name == "providers":
            return MappingProxyType({provider: self._provider(provider, view) for provider in merged})
        if name not in _LIVE:
            view.sections[name] = merged
        return merged

    def _provider(self, provider: str, view: _View) -> Tree:
        url = _environment.base_url(provider)
        known = view.live.get(provider)
        if known is not None and known[0] == url:
            return known[1]
        path = parse_key(f"providers.{provider}")
        if len(path) != 2:
            raise unknown_key(path)
        below = cast("Tree", look_up(settings.tree(), path) or EMPTY)
        merged = self._laid_over(merge(below, _environment.overlay(provider)), path)
        view.live[provider] = (url, merged)
        return merged

    def _laid_over(self, below: Tree, path: Path) -> Tree:
        """Return `below` with what the blocks say of `path` laid over it, outermost first."""
        for context in reversed([*self._lineage()]):
            if mentions(context._overrides, path):
                below = merge(
                    below, look_up(context._overrides, path) or MappingProxyType(dict.fromkeys(below))
                )
        return below

    def _keys(self, provider: str, variables: tuple[str, ...]) -> Iterator[Origin]:
        """Yield the keys of `provider`, highest layer first; a layer is looked into when those above are used up."""
        called = names(provider)
        for context in self._lineage():
            own = cast("Tree", context._overrides.get("credentials", EMPTY))
            yield from (Origin(own[name], CONTEXT, context._label()) for name in called if name in own)
        for variable in dict.fromkeys((*variables, _environment.key_variable(provider))):
            yield Origin(_environment.key(variable), ENVIRONMENT, variable)
        for layer, tree in ((CONFIG, settings.tree), (CREDENTIALS, settings.credentials)):
            for name in called:
                path = ("credentials", name)
                yield from _origin(tree(), path, layer)

    def _above(self, path: Path) -> Iterator[Origin]:
        """Yield what the blocks and the environment say of `path`, highest first."""
        for context in self._lineage():
            if mentions(context._overrides, path):
                yield Origin(look_up(context._overrides, path), CONTEXT, context._label())
        yield from _environment.origins(path)

    def _below(self, path: Path) -> Iterator[Origin]:
        """Yield what the files and the defaults say of `path`, highest first."""
        yield from _origin(settings.tree(), path, CONFIG)
        yield from _origin(settings.credentials() if path[0] == "credentials" else EMPTY, path, CREDENTIALS)
        default = look_up(grow(path[:1], defaults(path[0])), path)
        if default is not None:
            yield Origin(default, DEFAULT, "built in")


def _origin(tree: Tree, path: Path, layer: str) -> Iterator[Origin]:
    value = look_up(tree, path)
    if value is not None:
        yield Origin(value, layer, settings.source(layer, path))


def _like(default: object, value: object, key: str) -> object:
    """Return `value` as the type `default` has, which is what a caller who gives a default counts on."""
    wanted = type(default)
    if isinstance(default, (int, float)) and isinstance(value, (int, float)):
        if (wanted is bool) is isinstance(value, bool):
            return int(value) if wanted is int and value == int(value) else value
    elif isinstance(value, wanted) or (is_tree(default) and is_tree(value)):
        return thaw(value) if wanted is dict else value
    elif wanted is list and isinstance(value, tuple):
        return thaw(cast("object", value))
    raise ConfigError(f"{key} is set to {kind(value)}, where the program that asks expects {kind(default)}.")


def _shown(overrides: Tree) -> str:
    return ", ".join(f"{name}={reprlib.repr(thaw(value))}" for name, value in overrides.items())


ROOT: Final = EmberContext()
