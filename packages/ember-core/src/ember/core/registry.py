"""One registry for every kind of resource: names to things, registered by hand or found as plugins."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeVar

from . import plugins
from .errors import AlreadyRegistered, NotRegistered, PluginError
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
        self._lock = threading.Lock()
        self._things: dict[str, T] = {}
        # One lock a name while its plugin loads: a slow plugin holds up those who asked for it, and nobody else.
        self._loading: dict[str, threading.Lock] = {}

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
            if self._things.pop(name, None) is None:
                raise NotRegistered(self.kind, name)

    def get(self, name: str) -> T:
        """Return the thing called `name`, loading its plugin if need be.

        Raises `NotRegistered`, with the nearest names, if there is none, and `PluginError` if its plugin is broken or
        contested.
        """
        thing = self._things.get(name)  # one dict lookup: needs no lock
        if thing is not None:
            return thing
        plugin = plugins.find(self._group, name) if self._group is not None else None
        if plugin is None:
            raise NotRegistered(self.kind, name, nearest(name, self.names()), self._advice)
        with self._lock:
            loading = self._loading.setdefault(name, threading.Lock())
        with loading:
            if name not in self._things:
                thing = self._made(plugin)
                with self._lock:
                    self._things.setdefault(name, thing)
            return self._things[name]

    def _made(self, plugin: plugins.Plugin) -> T:
        found = plugin.load()
        if self._make is None:
            return found  # type: ignore[no-any-return]  # what a plugin names is only known at run time
        try:
            return self._make(found)
        except Exception as error:  # a plugin boundary: a stranger's constructor
            problem = f"is no usable {self.kind} ({type(error).__name__}: {error})."
            raise PluginError(plugin.group, plugin.name, plugin.distribution, problem) from error

    def loaded(self) -> tuple[T, ...]:
        """Return what is registered or loaded, in that order; loads nothing."""
        with self._lock:
            return tuple(self._things.values())

    def names(self) -> tuple[str, ...]:
        """Return all names, registered or installed, sorted; loads nothing."""
        found = plugins.installed(self._group) if self._group is not None else {}
        with self._lock:
            return tuple(sorted({*self._things, *found}))

    def __contains__(self, name: object) -> bool:
        return name in self.names()

    def __iter__(self) -> Iterator[str]:
        return iter(self.names())

    def __len__(self) -> int:
        return len(self.names())
