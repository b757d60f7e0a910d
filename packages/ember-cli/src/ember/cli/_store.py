"""The one writer: keys to credentials.yaml, base URLs and the default model to config.yaml, in that order.

A process killed between the two has stored the key and not yet its base URL; setting up again completes it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from ember.context import create_context, get_context
from ember.core import files
from ember.core.home import home, prepare
from ember.core.secrets import Secret

from ._vendors import variables

CONFIG: Final = "config.yaml"
CREDENTIALS: Final = "credentials.yaml"

_nothing: Final[Mapping[str, Any]] = {}


@dataclass(slots=True)
class Committed:
    """What was written: the files, and what the user should know about it."""

    files: list[Path] = field(default_factory=list[Path])
    notes: list[str] = field(default_factory=list[str])


def commit(
    credentials: Mapping[str, Secret] = _nothing,
    base_urls: Mapping[str, str | None] = _nothing,
    default_model: str | None = None,
) -> Committed:
    """Store keys and base URLs by provider (None: the vendor's own), and the default model.

    A key in config.yaml, which would stand above the new one, is taken out. Raises InvalidCredential for what cannot be
    a key, before anything is written, and StorageError or ConfigFileError for files that cannot be.
    """
    context = get_context()
    context.reload(discard=True)
    names = {f"{provider}_api_key": key for provider, key in credentials.items()}
    with create_context(credentials=names):  # refuses what cannot be a key
        pass
    done = Committed()
    changes: dict[str, object] = {}
    for provider, url in base_urls.items():
        if url is not None or _stands_in_config(f"providers.{provider}.base_url"):
            changes[f"providers.{provider}.base_url"] = url
    if default_model is not None:
        changes["models.default"] = default_model
    for provider in credentials:
        for name in _spellings(provider):
            if _stands_in_config(f"credentials.{name}"):
                changes[f"credentials.{name}"] = None
                done.notes.append(
                    f"config.yaml had another key for {provider}, which would have been used instead; it was taken out."
                )
    if credentials:
        done.files.append(write_credentials(names, remove=_other_spellings(credentials)))
    if changes:
        write_config(changes)
        done.files.append(home() / CONFIG)
    context.reload(discard=True)
    for provider in credentials:
        done.notes += [
            f"{variable} is set in your environment, and stands above {CREDENTIALS}: it is what calls use."
            for variable in variables(provider)
            if os.environ.get(variable, "").strip()
        ]
    return done


def write_config(changes: Mapping[str, object]) -> None:
    """Set keys in config.yaml, or with None take them out. Raises what `set_config` and `save` do."""
    _load_editor()
    context = get_context()
    try:
        for key, value in changes.items():
            context.set_config(key, value)
        context.save()
    except BaseException:
        context.reload(discard=True)
        raise


def write_credentials(keys: Mapping[str, Secret], *, remove: tuple[str, ...] = ()) -> Path:
    """Set keys, by their names, in credentials.yaml, and take out those in `remove`; return its path."""
    from ember.core import yamlfile

    _load_editor()
    path = prepare(home()) / CREDENTIALS
    with files.lock(path):
        old = files.read(path)
        gone = [((name,), None) for name in remove]
        new = yamlfile.edit(old, [*(((name,), key) for name, key in keys.items()), *gone], path)
        if old is None or new.data != old.data or old.mode & 0o077:
            files.replace(path, new)
    return path


def _load_editor() -> None:
    # A tenth of a second on a slow machine. Under the lock, others would wait for it.
    import_module("ruamel.yaml")


def _spellings(provider: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys((f"{provider}_api_key", f"{provider.replace('-', '_')}_api_key")))


def _other_spellings(credentials: Mapping[str, Secret]) -> tuple[str, ...]:
    return tuple(name for provider in credentials for name in _spellings(provider)[1:])


def _stands_in_config(key: str) -> bool:
    said = get_context().explain(key)
    return CONFIG in (said.layer, *(origin.layer for origin in said.shadowed))


def remove(key: str) -> list[Path]:
    """Take `key` out of the files it stands in; return those that were changed."""
    gone: list[Path] = []
    section, _, name = key.partition(".")
    path = home() / CREDENTIALS
    if section == "credentials" and (old := files.read(path)) is not None:
        write_credentials({}, remove=(name,))
        if (new := files.read(path)) is not None and new.data != old.data:
            gone.append(path)
    if _stands_in_config(key):
        write_config({key: None})
        gone.append(home() / CONFIG)
    get_context().reload(discard=True)
    return gone
