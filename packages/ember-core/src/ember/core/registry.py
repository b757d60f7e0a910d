"""One registry for every kind of resource: names to things, registered by hand or found as plugins."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeVar
from weakref import WeakSet

from . import plugins
from .errors import AlreadyRegistered, NotRegistered
from .suggest import nearest

T = TypeVar("T")


class Registry(Generic[T]):
    """Things of one kind by name, thread-safe and lazy.

    `register` adds a thing. Names that nobody registered are looked for among the plugins of `group`; one is loaded
    when it is first asked for, and `make` turns what its entry point names into the thing.

    >>> shapes = Registry[int]("shape")
    >>> shapes.register("square", 4)
    >>> shapes.get("square"), shapes.names()
    (4, ('square',))
    >>> shapes.get("sqare")
    Traceback (most recent call last):
    ember.core.errors.NotRegistered: No shape named 'sqare' is registered. Did you mean 'square'?
    """

    def __init__(
        self, kind: str, *, group: str | None = None, make: Callable[[Any], T] | None = None, advice: str = ""
    ) -> None:
        self.kind, self._group, self._make, self._advice = kind, group, make, advice
        self._things: dict[str, T] = {}
        self._unlock()
        _registries.add(self)

    def _unlock(self) -> None:
        self._lock = threading.Lock()
        # One lock a name while its plugin loads: a slow plugin holds up those who asked for it, and nobody else. One
        # that asks for itself meanwhile gets Python's error about a module half imported, and does not wait for ever.
        self._loading: dict[str, threading.RLock] = {}

    def register(self, name: str, thing: T, *, replace: bool = False) -> None:
        """Add `thing` under `name`. Raises `AlreadyRegistered` if the name is taken, by a plugin too."""
        taken = not replace and self._group is not None and bool(plugins.installed(self._group).get(name))
        with self._lock:
            if not replace and (taken or name in self._things):
                raise AlreadyRegistered(self.kind, name)
            self._things[name] = thing

    def unregister(self, name: str) -> None:
        """Take out what `register` added. Raises `NotRegistered` if nothing was."""
        with self._lock:
            if name not in self._things:
                raise NotRegistered(self.kind, name)
            del self._things[name]

    def get(self, name: str) -> T:
        """Return the thing called `name`, loading its plugin if need be.

        Raises `NotRegistered`, with the nearest names, if there is none, and `PluginError` if its plugin is broken or
        contested.
        """
        try:
            return self._things[name]  # one dict lookup: needs no lock
        except KeyError:
            pass
        plugin = plugins.find(self._group, name) if self._group is not None else None
        if plugin is None:
            raise NotRegistered(self.kind, name, nearest(name, self.names()), self._advice)
        with self._lock:
            loading = self._loading.setdefault(name, threading.RLock())
        with loading:
            if name not in self._things:
                thing = self._made(plugin)
                with self._lock:
                    return self._things.setdefault(name, thing)
            return self._things[name]

    def _made(self, plugin: plugins.Plugin) -> T:
        found = plugin.load()
        if self._make is None:
            return found  # type: ignore[no-any-return]  # what a plugin names is only known at run time
        try:
            return self._make(found)
        except Exception as error:  # a plugin boundary
            raise plugin.broken(f"is no usable {self.kind} ({type(error).__name__}: {error}).") from error

    def loaded(self) -> tuple[T, ...]:
        """Return what is registered or loaded, in that order; loads nothing."""
        with self._lock:
            return tuple(self._things.values())

    def names(self) -> tuple[str, ...]:
        """Return all names, registered or installed, sorted; loads nothing."""
        found = () if self._group is None else plugins.installed(self._group)
        with self._lock:
            return tuple(sorted({*self._things, *found}))

    def __contains__(self, name: object) -> bool:
        if name in self._things:  # one dict lookup: needs no lock
            return True
        return self._group is not None and name in plugins.installed(self._group)

    def __iter__(self) -> Iterator[str]:
        return iter(self.names())

    def __len__(self) -> int:
        return len(self.names())


_registries: WeakSet[Registry[Any]] = WeakSet()


def _after_fork() -> None:
    for registry in tuple(_registries):
        registry._unlock()  # pyright: ignore[reportPrivateUsage]  # another thread of the parent may have held them


os.register_at_fork(after_in_child=_after_fork)
