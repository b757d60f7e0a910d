"""The process's settings: the two files, and what `set_config` has changed since. One store, shared by all threads."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, cast

from ember.core import files
from ember.core.errors import ConfigFileError, StorageError
from ember.core.home import home, prepare
from ember.core.notice import say_once

from ._explain import CONFIG, CREDENTIALS
from ._schema import Setting, add_section, check, resembles_section, sections, unknown_key
from ._tree import EMPTY, Misfit, Path as Keys, Tree, conceal, dotted, freeze, leaves, merge, thaw


@dataclass(frozen=True, slots=True)
class _File:
    """One settings file as it was read: what it says, keys wrapped, and the same once checked against the schema."""

    path: Path | None
    raw: Tree = field(default_factory=lambda: EMPTY, repr=False)
    tree: Tree = field(default_factory=lambda: EMPTY, repr=False)
    places: Mapping[Keys, tuple[int, int]] = field(default_factory=lambda: MappingProxyType({}), repr=False)

    def source(self, keys: Keys) -> str:
        """Return the file and line `keys` stand at."""
        line = self.places.get(keys)
        return f"{self.path}:{line[0]}" if line else str(self.path)


class Settings:
    """What is true for the whole process, below the environment and the blocks a context is in.

    `version` grows with every change; whoever keeps something computed from the settings compares it. Files are read
    when first needed, and again on `reload()`. Writers take the lock; readers take what is there.
    """

    def __init__(self) -> None:
        self.version = 0
        self._config: _File | None = None
        self._credentials: _File | None = None
        self._merged: tuple[int, Tree] | None = None
        # What set_config has set and save() has not written: replaced, never mutated. Order matters, and None removes.
        self._changes: Mapping[Keys, Any] = MappingProxyType({})
        self.renew_locks()

    def renew_locks(self) -> None:
        """Start with free locks, for a forked child: in it, the thread that may have held one does not exist."""
        self._lock = threading.RLock()
        self._saving = threading.Lock()

    def tree(self) -> Tree:
        """Return the layer of config.yaml: the file, with what `set_config` changed.

        Raises ConfigFileError if the file is wrong, each time until it is mended.
        """
        merged = self._merged
        if merged is not None and merged[0] == self.version:
            return merged[1]
        with self._lock:
            tree = self._config_file().tree
            if self._changes:
                tree = _applied(tree, self._changes)
            self._merged = (self.version, tree)
            return tree

    def credentials(self) -> Tree:
        """Return the layer of credentials.yaml, which holds the section `credentials` and nothing else."""
        return self._credentials_file().tree

    def source(self, layer: str, keys: Keys) -> str:
        """Return where `keys` were set in one of the files' layers."""
        if layer == CREDENTIALS:
            return self._credentials_file().source(keys)
        if any(keys[: len(changed)] == changed for changed in self._changes):
            return "set_config in this process, not saved"
        return self._config_file().source(keys)

    @property
    def unsaved(self) -> int:
        """How many keys `set_config` has changed since the last `save()`."""
        return len(self._changes)

    def change(self, keys: Keys, value: Any) -> None:
        """Set what stands at `keys` in the layer of config.yaml: a checked, frozen value, or None to take it out."""
        with self._lock:
            changes = dict(self._changes)
            for path, leaf in leaves(value, keys):
                for older in [known for known in changes if known[: len(path)] == path]:
                    del changes[older]
                changes[path] = leaf
            self._changes = MappingProxyType(changes)
            self.version += 1

    def reload(self, *, discard: bool) -> None:
        """Forget what the files said, and, with `discard`, what `set_config` changed and `save()` has not written."""
        with self._lock:
            self._config = self._credentials = None
            if discard:
                self._changes = MappingProxyType({})
            self.version += 1

    def recheck(self) -> None:
        """Check what the files said against the schema again, which has a new section."""
        with self._lock:
            self.version += 1
            with contextlib.suppress(ConfigFileError):  # told to whoever next asks for a setting
                file, self._config = self._config, None
                self._config = None if file is None else _checked(file)

    def save(self) -> None:
        """Write what `set_config` changed into config.yaml, and nothing else."""
        with self._saving:
            changes = self._changes
            if not changes:
                return
            from ember.core import yamlfile

            path = prepare(home()) / CONFIG
            with files.lock(path):
                # Read again: another process may have saved since we read, and its changes stay.
                old = files.read(path)
                new = yamlfile.edit(old, [(keys, thaw(value)) for keys, value in changes.items()], path)
                written = _checked(_parsed(path, new, ()))
                if old is None or new.data != old.data or old.mode & 0o077:
                    files.replace(path, new)
            with self._lock:
                self._config = written
                # What another thread has set meanwhile is still to be saved.
                self._changes = MappingProxyType(
                    {
                        keys: value
                        for keys, value in self._changes.items()
                        if changes.get(keys, self) is not value
                    }
                )
                self.version += 1

    def _config_file(self) -> _File:
        with self._lock:
            if self._config is None:
                self._config = _checked(_read(CONFIG, ()))
            return self._config

    def _credentials_file(self) -> _File:
        with self._lock:
            if self._credentials is None:
                self._credentials = _checked(_read(CREDENTIALS, ("credentials",)))
            return self._credentials


def _read(name: str, under: Keys) -> _File:
    try:
        path = home() / name
    except StorageError:
        # EMBER_HOME set wrongly is the user's mistake, to be told. No home at all is how some containers run.
        if os.environ.get("EMBER_HOME", "").strip():
            raise
        return _File(None)
    content = files.read(path)
    if content is None:
        return _File(path)
    file = _parsed(path, content, under)
    if content.mode & 0o077 and "credentials" in file.raw:
        say_once(f"{path} holds keys, and other users of this machine can read it. Run: chmod 600 {path}")
    elif content.mode & 0o022:
        say_once(f"{path} can be changed by other users of this machine. Run: chmod 600 {path}")
    return file


def _parsed(path: Path, content: files.Content, under: Keys) -> _File:
    from ember.core import yamlfile  # only once there is a file

    document = yamlfile.load(content, path)
    places = {(*under, *keys): place for keys, place in document.places.items()}
    raw: Tree = document.tree
    for name in under:
        raw = {name: raw} if raw else {}
    return _File(path, cast("Tree", conceal(raw)), places=MappingProxyType(places))


def _checked(file: _File) -> _File:
    """Return `file` with its tree checked: wrong types are errors, unknown keys are left out with a warning."""

    def complain(keys: Keys) -> None:
        say_once(f"{file.source(keys)}: {unknown_key(keys)} It is ignored.")

    tree: dict[str, Any] = {}
    problem: Misfit | None = None
    try:
        for name, value in file.raw.items():
            if name in sections():
                tree[name] = check((name,), value, complain)
            elif resembles_section(name):
                complain((name,))
            else:  # perhaps of a plugin that nothing has loaded yet: it registers its section when it is
                tree[name] = freeze(value, (name,))
    except Misfit as misfit:
        problem = misfit
    if problem is not None:
        line, column = file.places.get(problem.path, (None, None))
        raise ConfigFileError(file.path or Path(), f"{dotted(problem.path)} {problem.problem}", line, column)
    # Merging leaves out what is None: a key with nothing behind it in a file is one nobody has filled in.
    return _File(file.path, file.raw, merge(EMPTY, tree), file.places)


def _applied(tree: Tree, changes: Mapping[Keys, Any]) -> Tree:
    changed = cast("dict[str, Any]", thaw(tree))
    for keys, value in changes.items():
        level = changed
        for name in keys[:-1]:
            inner = level.get(name)
            if not isinstance(inner, dict):
                inner = level[name] = {}
            level = cast("dict[str, Any]", inner)
        if value is None:
            level.pop(keys[-1], None)
        else:
            level[keys[-1]] = value
    return cast("Tree", freeze(changed))


settings: Final = Settings()
with contextlib.suppress(AttributeError):  # no fork on this system
    os.register_at_fork(after_in_child=settings.renew_locks)


def register_section(name: str, keys: Mapping[str, Setting]) -> None:
    """Add a section of settings, for a plugin, when it is loaded.

    The declared `keys` are checked and have defaults; further keys pass unchecked. Registering the same section again
    changes nothing. Raises AlreadyRegistered if another one has the name.

    >>> register_section("fleet", {"workers": Setting(int, 4, "how many processes to start")})
    >>> get_context().get_config("fleet.workers")
    4
    """
    if add_section(name, keys):
        settings.recheck()
