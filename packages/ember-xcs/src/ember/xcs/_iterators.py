"""Iterators in lowered code: generators of the user's, and what Python's own functions make of containers.

Every step of an iterator changes it, and a generator's may do anything its body does. So iterators that the program
made are held as its containers are: a step waits for tasks before it that may step the same one.

A generator function is lowered like any other, but its body stays one generator. Who goes over it in lowered code steps
that one, in the task that it is in itself: what the body does stands in the order of the program, a call in it need not
have ended when the element is handed on, and nothing is done before it is asked for. Everybody else sees a generator
around it (`_seen`), whose elements have their values.
"""

# Values here are the user's, of whatever type; what isinstance leaves of them is partly unknown to pyright.
# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false, reportUnknownMemberType=false
# pyright: reportUnknownLambdaType=false

from __future__ import annotations

import functools
from collections.abc import Callable, Generator, Iterator
from types import FunctionType, GeneratorType
from typing import Any, Final, TypeAlias

from . import _effects as effects
from ._apart import apart
from ._containers import new
from ._memory import settle
from ._order import await_turn, content, reach
from ._pending import Entry, Pending
from ._program import Program, program_of
from ._run import Run, local
from ._tasks import CHANGES, OBJECTS, PARTS, SHARED, SHARED_FROM, WRITES, Abandoned, Scope, Task, owner_of
from ._values import SCALARS, Fresh

_Generator: TypeAlias = "GeneratorType[Any, Any, Any]"


class Held(Fresh):
    """An iterator that the run made. `inner` is what lowered code steps.

    `flags` say what a generator's steps may do; None for what is no lowered generator.
    """

    __slots__ = ("flags", "inner")

    def __init__(self, made: Any, scope: Scope, inner: Any, flags: int | None) -> None:
        super().__init__(made, scope)
        self.inner, self.flags = inner, flags


class _Variables:
    """What a generator has in its variables now."""

    def __init__(self, generator: _Generator) -> None:
        self._generator = generator

    def __iter__(self) -> Iterator[Any]:
        frame = self._generator.gi_frame
        return iter(()) if frame is None else iter(list(frame.f_locals.values()))


def held_iterator(run: Run, value: Any) -> Held | None:
    """Return what is held of an iterator that the run made, None for anything else."""
    if not run.stepping or type(value) in SCALARS:
        return None
    held = run.fresh.get(id(value))
    return held if type(held) is Held and held.object is value else None


def hold_iterator(run: Run, made: Any, sources: Any, inner: Any = None, flags: int | None = None) -> Any:
    """Take an iterator that lowered code made, over `sources`."""
    if run.fresh.get(id(made)) is None:
        run.stepping = True
        held = Held(made, run.current.scope, made if inner is None else inner, flags)
        held.nested = sources
        run.hold(held)
    return made


def footprints(run: Run, task: Task, found: set[int], changes: set[int], later: list[Pending]) -> None:
    """Note, for a task that is about to wait, what the iterators it has may still change."""
    looked: set[int] = set()
    while left := (found | changes) - looked:
        looked |= left
        for key in left:
            held = run.fresh.get(key)
            if type(held) is not Held:
                continue
            changes.add(key)
            if not held.flags:  # a step changes nothing but the iterator
                continue
            inside: set[int] = set()
            reach(held.nested, inside, later, run)
            for value in held.nested:
                if type(value) not in SCALARS and not content(value, inside):
                    task.writes = True
            changes |= inside
            task.writes = task.writes or bool(held.flags & (WRITES | OBJECTS | PARTS))
            task.shared = (*task.shared, *SHARED[held.flags >> SHARED_FROM])


Run.iterators = staticmethod(footprints)


# Generators -----------------------------------------------------------------------------


def begin(
    run: Run, function: FunctionType, program: Program, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """Call a lowered generator function: nothing of its body is run yet."""
    inner = program.twin(function)(*args, **kwargs)
    flags = program.flags | (CHANGES if program.changed else 0)
    return hold_iterator(
        run, _shown(inner, function.__name__, function.__qualname__), _Variables(inner), inner, flags
    )


def generator(make: Callable[[], _Generator], flags: int) -> Any:
    """A generator expression."""
    inner = make()
    made = _shown(inner, inner.__name__, make.__qualname__.removesuffix("<lambda>") + inner.__name__)
    return hold_iterator(local.run, made, (make,), inner, flags)


def alone(function: FunctionType, program: Program, args: Any, kwargs: Any, limit: int | None) -> Any:
    """Call a lowered generator function outside of any program: each step is one of its own."""
    inner = program.twin(function)(*args, **kwargs)
    return _shown(inner, function.__name__, function.__qualname__, limit)


def is_generator(function: FunctionType) -> bool:
    """Whether `function` is a generator function that is lowered."""
    program = program_of(function)
    return program.lowered and program.generator


def through(function: Callable[..., Any], name: str) -> Callable[..., list[Any]]:
    """Return a function that goes over all that a generator function gives, as one program."""

    def whole(*args: Any, **kwargs: Any) -> list[Any]:
        from ._jit import perform_as_lowered

        def program() -> list[Any]:
            run: Run = local.run
            made = local.run.lowered_call(function, *args, **kwargs)
            return list(eaten(run, made))

        program.__qualname__ = name
        return perform_as_lowered(program, (), {})

    return whole


def _shown(inner: Any, name: str, qualname: str, limit: int | None = None) -> Any:
    made: Any = _seen(inner, limit)
    next(made)  # from here on it takes what is sent, and closes what is in it
    made.__name__, made.__qualname__ = name, qualname
    return made


def _seen(inner: _Generator, limit: int | None) -> Generator[Any, Any, Any]:
    """The generator that other code sees."""
    value: Any = None
    while True:
        sent = error = None
        try:
            sent = yield value
        except GeneratorExit:
            inner.close()
            raise
        except BaseException as thrown:
            error = thrown
        run: Run | None = local.run
        if run is not None and not run.over:
            ended, value = settle(run, _advanced(inner, sent, error))
        else:
            from ._jit import alone_as_lowered

            ended, value = alone_as_lowered(_advanced, (inner, sent, error), limit)
        if ended:
            return value


def _advanced(inner: _Generator, sent: Any, error: BaseException | None) -> tuple[bool, Any]:
    try:
        return False, inner.send(sent) if error is None else inner.throw(error)
    except StopIteration as stop:
        return True, stop.value


def steps(run: Run, held: Held) -> Generator[Any, Any, Any]:
    """Go over an iterator in lowered code: elements may be pending."""
    sent: Any = None
    while True:
        try:
            one = advance(held, sent)
        except StopIteration as stop:
            return stop.value
        sent = yield one


def advance(held: Held, sent: Any = None) -> Any:
    """Make one step, in its turn. Raises StopIteration at the end."""
    _await_turn(held)
    run: Run = local.run
    task, before = run.current, run.current.last
    one = next(held.inner) if sent is None else held.inner.send(sent)
    if held.flags is not None and task is run.current:
        # Where a call that the step made fails, the generator has ended: there Python would have left it.
        begun = task.first if before is None or owner_of(before) is not task else before.next
        while begun is not None:
            run.then(begun, functools.partial(_failed, held, begun))
            begun = begun.next
    return one


def _failed(held: Held, entry: Entry) -> None:
    if entry.error is not None and not isinstance(entry.error, Abandoned):
        held.inner = iter(())


def _await_turn(held: Held) -> None:
    run: Run = local.run
    if run.fresh.get(id(held.object)) is not held:  # meanwhile it was handed to somebody
        run.barrier()
        return
    run.drain_out_to(held.scope)
    if run.suspended:
        await_turn(run, held.object, True)
        if held.flags is None:  # what it goes over may be changed meanwhile
            for source in held.nested:
                if type(source) not in SCALARS:
                    await_turn(run, source)


def delegate(value: Any) -> Any:
    """What stands behind `yield from`."""
    run: Run = local.run
    value = run.force(value)
    held = held_iterator(run, value)
    if held is not None:
        return steps(run, held)
    if type(value) in SCALARS or type(value) in effects.CONTAINERS:
        from ._control import iterate

        return iterate(value)
    return _delegated(value)


def _delegated(thing: Any) -> Generator[Any, Any, Any]:
    """Everything that is done to this generator is done to the one it stands for, in the order of the program."""
    local.run.barrier()
    inner: Any = iter(thing)
    do: Callable[[], Any] = functools.partial(next, inner)
    while True:
        local.run.barrier()
        try:
            one = do()
        except StopIteration as stop:
            return stop.value
        try:
            sent = yield one
            do = (
                functools.partial(next, inner)
                if sent is None
                else functools.partial(inner.send, settle(local.run, sent))
            )
        except GeneratorExit:
            if hasattr(inner, "close"):
                inner.close()
            raise
        except BaseException as error:
            if not hasattr(inner, "throw"):
                raise
            do = functools.partial(inner.throw, error)


# What is done with iterators -----------------------------------------------------------------------------


def over_iterators(run: Run, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Call a function of Python's that reads its arguments, iterators of ours among them."""
    if function in _LOOKING:
        return function(*args, **kwargs)
    if function is iter and len(args) == 1:
        return args[0]
    return apart(run, _eaten, (function, args, kwargs), (*args, *kwargs.values()))


_LOOKING: Final = frozenset({type, isinstance, issubclass, id, bool, callable, hasattr, repr, hash})


def _eaten(run: Run, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    if function in (any, all):
        held = held_iterator(run, args[0])
        assert held is not None
        from ._control import test

        for one in steps(run, held):
            if test(one) is (function is any):
                return function is any
        return function is all
    return local.run.lowered_call(function, *[eaten(run, arg) for arg in args], **kwargs)


def eaten(run: Run, value: Any) -> Any:
    """Return the elements of an iterator of ours as a list; anything else as it is."""
    held = held_iterator(run, value)
    return value if held is None else new(list(steps(run, held)))


def next_of(run: Run, args: tuple[Any, ...]) -> Any:
    """`next(iterator)`, of one of ours."""
    return apart(run, _next, args, args)


def _next(run: Run, thing: Any, *default: Any) -> Any:
    thing = run.force(thing)
    held = held_iterator(run, thing)
    if held is None:
        run.barrier()
        return next(settle(run, thing), *default)
    try:
        return advance(held)
    except StopIteration:
        if default:
            return default[0]
        raise


def method_of(run: Run, thing: Any, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """`thing.send(...)` and its like, of an iterator of ours."""
    return apart(run, _method, (thing, name, args, kwargs), (thing, *args))


def _method(run: Run, thing: Any, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    held = held_iterator(run, thing)
    if held is None:
        run.barrier()
        return getattr(thing, name)(*[settle(run, arg) for arg in args], **kwargs)
    if name == "__next__" or (name == "send" and args and args[0] is None):
        return advance(held)
    if name == "send" and hasattr(held.inner, "send"):
        return advance(held, *args)
    _await_turn(held)
    run.drain()
    return getattr(thing, name)(*[settle(run, arg) for arg in args], **kwargs)


# Mapping and filtering ---------------------------------------------------------------------


def mapping_over(by: Any, sources: tuple[Any, ...], flags: int) -> Any:
    """`map(by, *sources)`, to be gone over at once."""
    from ._control import iterate

    def mapped() -> Generator[Any, Any, Any]:
        function = local.run.force(by)
        for given in zip(*[iterate(one) for one in sources]):  # as map does
            yield local.run.lowered_call(function, *given)

    inner = mapped()
    return hold_iterator(local.run, _shown(inner, "map", "map"), (by, *sources), inner, flags)
