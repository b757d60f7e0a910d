"""Every error that ember-core raises, in one tree.

    EmberError
    ├── ConfigError (ValueError)          a setting, or the file it stands in, is wrong
    │   ├── ConfigFileError               ... with the file, line and column
    │   └── UnknownKey                    ... no such key; with the nearest names
    ├── StorageError (OSError)            Ember's home cannot be read or written safely
    ├── CredentialError                   an API key is missing or malformed
    │   ├── CredentialNotFound (LookupError)
    │   └── InvalidCredential (ValueError)
    ├── NotRegistered (LookupError)       a registry has no such name
    ├── AlreadyRegistered (ValueError)    ... or has it already
    ├── PluginError                       an installed plugin cannot be used
    └── BlockedLoop (RuntimeError)        blocking where only `await` can work

    ConfigWarning (UserWarning)           ... and what is wrong with a setting, but does not stop anyone

Messages say what happened, why, and what to do. The constructor's arguments stay in `args`, so every error survives
pickling, and none of them carries a secret.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, cast

from .secrets import scrub


class EmberError(Exception):
    """The root of everything Ember raises on purpose.

    `systemic` says that the fault lies with the program, the account or the machine and not with this one call: the
    next would fail the same, so going on with the rest of a batch is in vain.
    """

    systemic: ClassVar[bool] = False

    def __str__(self) -> str:
        return scrub(self.describe())

    def __repr__(self) -> str:
        return scrub(super().__repr__())

    def __reduce__(self) -> tuple[Any, ...]:
        # The process that unpickles this does not know our secrets: here is the last chance to mask them.
        return cast("tuple[Any, ...]", _masked(super().__reduce__()))

    def describe(self) -> str:
        """Return the message, before known secrets are masked in it."""
        return str(self.args[0]) if self.args else ""


def _masked(value: object) -> object:
    if isinstance(value, str):
        return scrub(value)
    if isinstance(value, tuple):
        return tuple(map(_masked, cast("tuple[object, ...]", value)))
    if isinstance(value, dict):
        return {key: _masked(inner) for key, inner in cast("dict[str, object]", value).items()}
    return value


class ConfigError(EmberError, ValueError):
    """A setting is wrong."""

    systemic = True


class ConfigFileError(ConfigError):
    """A configuration file cannot be used as it stands. Carries `path`, `line` and `column` (1-based, or None)."""

    def __init__(self, path: Path, problem: str, line: int | None = None, column: int | None = None) -> None:
        super().__init__(path, problem, line, column)
        self.path, self.problem, self.line, self.column = path, problem, line, column

    def describe(self) -> str:
        place = "".join(f":{n}" for n in (self.line, self.column) if n is not None)
        return f"{self.path}{place}: {self.problem}"


class UnknownKey(ConfigError):
    """There is no such configuration key."""

    def __init__(self, key: str, suggestions: tuple[str, ...] = ()) -> None:
        super().__init__(key, suggestions)
        self.key, self.suggestions = key, suggestions

    def describe(self) -> str:
        hint = f" Did you mean {' or '.join(map(repr, self.suggestions))}?" if self.suggestions else ""
        return f"Ember has no configuration key {self.key!r}.{hint}"


class ConfigWarning(UserWarning):
    """Something about a setting, or a file of settings, that its owner should know. Each is said once per process."""


class StorageError(EmberError, OSError):
    """Ember's home directory, or a file in it, cannot be read or written safely."""

    systemic = True


class CredentialError(EmberError):
    """An API key is missing or malformed."""

    systemic = True


class CredentialNotFound(CredentialError, LookupError):
    """No API key for a provider. Carries `provider` and `looked_in`, the places searched, in order."""

    def __init__(self, provider: str, looked_in: tuple[str, ...], variable: str | None = None) -> None:
        super().__init__(provider, looked_in, variable)
        self.provider, self.looked_in = provider, looked_in
        self.variable = variable or f"{provider.upper().replace('-', '_')}_API_KEY"

    def describe(self) -> str:
        return (
            f"No API key for provider {self.provider!r}. Looked in: {'; '.join(self.looked_in)}. Export "
            f"{self.variable}, or keep it in a file with "
            f"get_context().set_config('credentials.{self.provider}_api_key', ...) and save()."
        )


class InvalidCredential(CredentialError, ValueError):
    """An API key was found, and cannot be one: it holds whitespace, control or non-ASCII characters."""


class NotRegistered(EmberError, LookupError):
    """A registry has no such name. Carries `kind`, `name` and `suggestions`."""

    systemic = True

    def __init__(self, kind: str, name: str, suggestions: tuple[str, ...] = (), advice: str = "") -> None:
        super().__init__(kind, name, suggestions, advice)
        self.kind, self.name, self.suggestions, self.advice = kind, name, suggestions, advice

    def describe(self) -> str:
        hint = f" Did you mean {' or '.join(map(repr, self.suggestions))}?" if self.suggestions else ""
        advice = f" {self.advice}" if self.advice else ""
        return f"No {self.kind} named {self.name!r} is registered.{hint}{advice}"


class AlreadyRegistered(EmberError, ValueError):
    """A name is taken, and was not asked to be replaced."""

    def __init__(self, kind: str, name: str) -> None:
        super().__init__(kind, name)
        self.kind, self.name = kind, name

    def describe(self) -> str:
        return f"A {self.kind} named {self.name!r} is registered already. Pass replace=True if that is meant."


class PluginError(EmberError):
    """An installed plugin cannot be used. Carries `group`, `name` and `distribution`."""

    systemic = True

    def __init__(self, group: str, name: str, distribution: str, problem: str) -> None:
        super().__init__(group, name, distribution, problem)
        self.group, self.name, self.distribution, self.problem = group, name, distribution, problem

    def describe(self) -> str:
        return f"The plugin {self.name!r} ({self.group}) of distribution {self.distribution!r} {self.problem}"


class BlockedLoop(EmberError, RuntimeError):
    """A blocking call was made on Ember's own I/O loop, which every call in flight waits for. Carries `name`."""

    systemic = True

    def __init__(self, name: str, instead: str = "") -> None:
        super().__init__(name, instead)
        self.name, self.instead = name, instead or f"await {name}.aio(...)"

    def describe(self) -> str:
        return (
            f"{self.name}(...) blocks, and was called on Ember's I/O loop, which must never wait. "
            f"Write `{self.instead}` there."
        )
