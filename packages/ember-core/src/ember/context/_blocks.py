"""Which context is in force, and the `with` blocks that change it.

One ContextVar holds the innermost context; each context knows the one around it. Leaving a block takes that block's
context out of the chain wherever it stands, instead of putting back what was in force before: generators leave their
blocks in any order, and sometimes in another task than they entered them in.
"""

# pyright: reportPrivateUsage=false
# Blocks and contexts are one mechanism in two files; a context's place in the chain is nobody else's business.

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from types import MappingProxyType, TracebackType
from typing import Any, Final
from weakref import WeakSet

from ember.core.events import Scope, charge_to

from ._context import ROOT, EmberContext, Entry
from ._schema import accept
from ._tree import EMPTY, Tree, conceal, merge

_current: Final[ContextVar[EmberContext]] = ContextVar("ember.context", default=ROOT)
# Only its tokens matter: resetting one works in the execution context it was made in and nowhere else, so that it tells
# whether a block is left where it was entered.
_here: Final[ContextVar[None]] = ContextVar("ember.context.here")
# Blocks left elsewhere than they were entered: their contexts are still in force there, until somebody looks.
_left_elsewhere: Final[WeakSet[Entry]] = WeakSet()
_any_left_elsewhere = False


def get_context() -> EmberContext:
    """Return the context in force here: that of the innermost block around the caller, or the process's own.

    Tasks, and whatever runs in `contextvars.copy_context()`, start in the context of the code that starts them; a bare
    `threading.Thread` starts in the process's own.
    """
    context = _current.get()
    return _tidied(context) if _any_left_elsewhere else context


charge_to(lambda: get_context().scope)


def create_context(**overrides: Mapping[str, Any]) -> ContextBlock:
    """Return a block with these sections laid over the configuration, and a usage scope of its own.

    It acts inside `with` or `async with`, on everything called from there, and gives the new context. Calls made in it
    are charged to it and to the contexts around it. Nothing of it is ever saved. Raises UnknownKey or ConfigError at
    once for what does not fit the schema, InvalidCredential for a key that cannot be one.

    >>> with create_context(models={"default": "gpt-4"}) as child:
    ...     get_context().get_config("models.default"), get_context() is child
    ('gpt-4', True)
    """
    overrides = conceal(overrides)
    return ContextBlock(_accepted(overrides, "create_context"), "create_context", own_scope=True)


def with_context(**overrides: Mapping[str, Any]) -> ContextBlock:
    """Return a block with these sections laid over the configuration; calls in it are charged as outside it.

    Otherwise it is as `create_context`.

    >>> with with_context(models={"temperature": 0.9}):
    ...     get_context().get_config("models.temperature")
    0.9
    """
    overrides = conceal(overrides)
    return ContextBlock(_accepted(overrides, "with_context"), "with_context", own_scope=False)


class ContextBlock:
    """What `create_context` and `with_context` return. May be entered any number of times, also at once."""

    __slots__ = ("_entries", "_label", "_overrides", "_own_scope")

    def __init__(self, overrides: Tree, label: str, *, own_scope: bool) -> None:
        self._overrides, self._label, self._own_scope = overrides, label, own_scope
        self._entries: list[Entry] = []

    def __enter__(self) -> EmberContext:
        parent = get_context()
        scope = Scope(parent.scope) if self._own_scope else parent.scope
        entry = Entry(self._label, _here.set(None))
        context = EmberContext(parent, self._overrides, scope, entry)
        self._entries.append(entry)
        _current.set(context)
        return context

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        global _any_left_elsewhere
        context = _current.get()
        entry = self._entered_last(context)
        if entry is None:
            return
        self._entries.remove(entry)
        _current.set(_without(context, entry))
        if not _entered_here(entry):
            _left_elsewhere.add(entry)
            _any_left_elsewhere = True

    async def __aenter__(self) -> EmberContext:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, traceback)

    def __repr__(self) -> str:
        return f"<{self._label} block, entered {len(self._entries)} times>"

    def _entered_last(self, context: EmberContext | None) -> Entry | None:
        """Return the entry to leave: the innermost of this block's in force here, else the only one there is."""
        while context is not None:
            if context._entry is not None and context._entry in self._entries:
                return context._entry
            context = context.parent
        return self._entries[0] if len(self._entries) == 1 else None


def _without(context: EmberContext, entry: Entry) -> EmberContext:
    """Return the chain of `context` less the one that `entry` brought; those inside it keep scope and identity."""
    inside: list[EmberContext] = []
    outer = context
    while outer._entry is not entry:
        if outer.parent is None:
            return context
        inside.append(outer)
        outer = outer.parent
    rest = outer.parent or ROOT
    for inner in reversed(inside):
        rest = EmberContext(rest, inner._overrides, inner.scope, inner._entry)
    return rest


def _tidied(context: EmberContext) -> EmberContext:
    """Take out of the chain what was entered here and left elsewhere."""
    global _any_left_elsewhere
    tidy = context
    for outer in context._lineage():
        if outer._entry is not None and outer._entry in _left_elsewhere and _entered_here(outer._entry):
            _left_elsewhere.discard(outer._entry)
            tidy = _without(tidy, outer._entry)
    if tidy is not context:
        _current.set(tidy)
    _any_left_elsewhere = bool(_left_elsewhere)
    return tidy


def _entered_here(entry: Entry) -> bool:
    if entry.token is not None:
        try:
            _here.reset(entry.token)
        except ValueError:  # the token was made in another execution context
            return False
        entry.token = None  # it would keep everything alive that the execution context holds
    return True


def _accepted(overrides: Mapping[str, Any], source: str) -> Tree:
    accepted = {name: accept((name,), value, source) for name, value in overrides.items()}
    if "credentials" in accepted:  # a blank key is an absent one, so that the layers below are asked
        accepted["credentials"] = merge(EMPTY, accepted["credentials"] or EMPTY)
    return MappingProxyType({name: value for name, value in accepted.items() if value is not None})
