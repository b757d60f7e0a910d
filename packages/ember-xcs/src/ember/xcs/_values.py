"""What lowered code holds: pending computations, containers of the run's own, and which values are plain data."""

# Values here are the user's, of whatever type; what isinstance leaves of them is partly unknown to pyright.
# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false, reportUnknownMemberType=false
# pyright: reportUnknownLambdaType=false

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from types import FunctionType, MethodType
from typing import Any, Final, cast

from . import _effects as effects
from ._pending import Pending
from ._run import Run, local
from ._tasks import Flight, Scope

SCALARS = effects.SCALARS


def running() -> Run | None:
    """Return the run of this thread, if there is one."""
    return cast("Run | None", local.run)


class Lazy(Pending):
    """A computation on values that are not there yet: done when they are."""

    __slots__ = ("args", "function", "left")

    def __init__(
        self, run: Run, function: Callable[..., Any], args: tuple[Any, ...], left: int, kind: type | None
    ) -> None:
        super().__init__(run, kind)
        self.function: Callable[..., Any] | None = function
        self.args, self.left = args, left


PENDING: Final = frozenset({Pending, Flight, Lazy})


class Fresh:
    """A container that the run made and that nothing outside of it can reach: it may hold pending values.

    `nested` is what is in it besides plain values. If it is `live`, that is a view, of an object's attributes say, and
    nobody has to keep it up to date. `coming` are pending values in it that no footprint
    has come to yet.
    """

    __slots__ = ("coming", "live", "nested", "object", "scope")

    def __init__(self, made: Any, scope: Scope) -> None:
        self.object, self.scope = made, scope
        self.nested: Any = None
        self.live = False
        self.coming: list[Pending] | None = None

    def keep(self, value: Any) -> None:
        """Note that `value` is in it, which is not live."""
        kind = type(value)
        if kind in PENDING and not value.done:
            if value.kind not in SCALARS:
                self.coming = [] if self.coming is None else self.coming
                self.coming.append(value)
            return
        thing = value.value if kind in PENDING else value
        if type(thing) in SCALARS:
            return
        if self.nested is None:
            self.nested = [thing]
        elif not self.nested or self.nested[-1] is not thing:
            self.nested.append(thing)


def own_object(value: Any, run: Run | None = None) -> Fresh | None:
    """Return what is held of an object of a user's class that the run made, None for anything else."""
    run = running() if run is None else run
    held = run.fresh.get(id(value)) if run is not None else None
    return held if held is not None and held.live and held.object is value else None


def hold_object(run: Run, made: Any) -> None:
    """Take an object that lowered code made: nothing outside knows it."""
    held = Fresh(made, run.current.scope)
    held.nested, held.live = vars(made).values(), True
    run.hold(held)


def is_fixed(value: Any) -> bool:
    """Whether nothing in `value` can ever change."""
    kind = type(value)
    return (
        kind in SCALARS
        or isinstance(value, str)
        or (kind is tuple and all(type(one) in SCALARS for one in value))
    )


def take(run: Run, made: Any, scope: Scope) -> Any:
    """Take a list or dict computed from what never changes, and those in it: nobody else can know them."""
    held = Fresh(made, scope)
    for one in made.values() if type(made) is dict else made:
        held.keep(one)
        if type(one) in (list, dict):
            take(run, one, scope)
    run.hold(held)
    return made


def look_again(run: Run, value: Any, seen: set[int]) -> None:
    """Note anew what is in the run's own containers that `value` reaches: code that is not lowered has changed them."""
    held = run.fresh.get(id(value)) if type(value) not in SCALARS else None
    if held is None or held.object is not value or id(value) in seen:
        return
    seen.add(id(value))
    if type(value) in effects.CONTAINERS:
        held.nested = held.coming = None
        for one in list(value.values() if type(value) in effects.DICTS else value):
            held.keep(one)
    for one in list(held.nested or ()):
        look_again(run, one, seen)


def is_data(value: Any) -> bool:
    """Whether operators and methods of `value` are Python's own, and so only compute."""
    kind = type(value)
    return (
        kind in SCALARS
        or kind in effects.CONTAINERS
        or isinstance(value, str)
        or kind in _DATA
        or kind.__module__ in _DATA_MODULES
    )


_DATA: Final = frozenset({bytearray, memoryview, type(len), object})
_DATA_MODULES: Final = frozenset(
    {"numpy", "jaxlib._jax", "jaxlib.xla_extension", "decimal", "fractions", "datetime", "re", "operator"}
)


METHODS: Final = frozenset({MethodType, type(len)})
"""What is bound to an object, which it brings along."""


def plain_deep(thing: Any, within: tuple[int, ...] = ()) -> bool:
    """Whether operators and methods of `thing`, and of all that is in it, are Python's own."""
    kind = type(thing)
    if kind in SCALARS or id(thing) in within:
        return True
    if kind in (list, tuple, set, frozenset):
        within = (*within, id(thing))
        return all(plain_deep(one, within) for one in thing)
    if kind in effects.DICTS:
        within = (*within, id(thing))
        return all(plain_deep(one, within) for pair in thing.items() for one in pair)
    return is_data(thing)


def has_pending(value: Any, within: tuple[int, ...] = ()) -> bool:
    """Whether `value` is pending, or a container of the run in which something is. `within`: a list may hold itself."""
    kind = type(value)
    if kind in PENDING:
        return True
    if kind in SCALARS or id(value) in within:
        return False
    if kind is list or kind is tuple or kind is set or kind is frozenset or kind in effects.DICTS:
        within = (*within, id(value))
        items = value.values() if kind in effects.DICTS else value
        return any(type(one) not in SCALARS and has_pending(one, within) for one in items)
    if kind in _VIEWS:
        return any(map(has_pending, list(value)))
    held = own_object(value)
    return held is not None and any(has_pending(one, (*within, id(value))) for one in list(held.nested))


_VIEWS: Final = frozenset({type({}.values()), type({}.items())})


def captured(function: FunctionType) -> list[Any]:
    """Return what a function brings along: captured variables and defaults, those of functions among them too."""
    if function.__closure__ is None:
        given, words = function.__defaults__, function.__kwdefaults__
        if given is None and words is None:
            return []
        brought = [*(given or ()), *(words.values() if words else ())]
        if FunctionType not in map(type, brought):
            return brought
    seen = {id(function)}
    found: list[Any] = []
    left = [function]
    while left:
        one = left.pop()
        inside: list[Any] = [*(one.__defaults__ or ()), *(one.__kwdefaults__ or {}).values()]
        for cell in one.__closure__ or ():
            with suppress(ValueError):
                inside.append(cell.cell_contents)
        for value in inside:
            if type(value) is not FunctionType:
                found.append(value)
            elif id(value) not in seen:
                seen.add(id(value))
                left.append(value)
    return found
