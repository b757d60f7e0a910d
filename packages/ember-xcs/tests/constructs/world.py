"""What the programs of this folder are run in: calls that are recorded, may fail, and can be held until others came.

A program is an ordinary function. `@program("a b", "c d e")` takes it into the tests and says which of its calls are
under way at the same time: those whose prompts begin with `a` and `b`, and so on. Nothing here looks at a clock: such a
call is held until the others of its group came, and only a failing test comes to the end of its patience.
"""

# What is put back is of whatever type.
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

from __future__ import annotations

import asyncio
import contextlib
import copy
import inspect
import io
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar
from zlib import crc32

from ember.xcs import external, jit

PATIENCE: Final = 20.0


class Refused(Exception):
    """A call failed."""


class Other(Exception):
    """Something else failed."""


class Thing:
    """An object of a user's class, handed to programs."""

    def __init__(self, name: str = "thing") -> None:
        self.name = name
        self.notes: list[str] = []
        self.count = 0

    def note(self, text: str) -> str:
        self.notes.append(text)
        self.count += 1
        return f"{self.name}:{text}"

    @property
    def label(self) -> str:
        return f"<{self.name} {self.count}>"

    def __repr__(self) -> str:
        return f"Thing({getattr(self, 'name', None)!r}, {self.notes!r}, {self.count!r}, {sorted(vars(self))})"


@dataclass
class World:
    """What happens in one run."""

    fails: str | None = None
    hangs: str | None = None
    stops: str | None = None
    stop: Callable[[], object] = lambda: None
    later: float = 0.0
    groups: tuple[frozenset[str], ...] = ()
    calls: list[str] = field(default_factory=list[str])
    effects: list[str] = field(default_factory=list[str])
    under_way: int = 0
    arrived: set[str] = field(default_factory=set[str])
    missing: list[str] = field(default_factory=list[str])
    bells: dict[frozenset[str], asyncio.Event] = field(default_factory=dict[frozenset[str], asyncio.Event])


world: ContextVar[World] = ContextVar("world")
_lock = threading.Lock()


async def _answer(prompt: str) -> str:
    here = world.get()
    with _lock:
        here.calls.append(prompt)
        here.under_way += 1
    try:
        if here.stops == prompt:
            await asyncio.sleep(here.later)
            here.stop()
            await asyncio.sleep(60)
        label = prompt.split(" ", 1)[0]
        for group in here.groups:
            if label in group:
                await _gathered(here, group, label)
        for _ in range(0 if here.groups else crc32(prompt.encode()) % 5):
            await asyncio.sleep(0)
        if here.hangs == prompt:
            async with asyncio.timeout(0.002):
                await asyncio.sleep(60)
        if here.fails == prompt:
            raise Refused(f"no {prompt}")
        return prompt.upper()
    finally:
        with _lock:
            here.under_way -= 1


async def _gathered(here: World, group: frozenset[str], label: str) -> None:
    here.arrived.add(label)
    bell = here.bells.setdefault(group, asyncio.Event())
    if group <= here.arrived:
        bell.set()
    try:
        await asyncio.wait_for(bell.wait(), PATIENCE)
    except TimeoutError:
        bell.set()
        here.missing.append(f"{label} waited in vain for {' '.join(sorted(group - here.arrived))}")


@external
async def ask(prompt: str) -> str:
    return await _answer(prompt)


@external
async def count(prompt: str) -> int:
    return len(await _answer(prompt))


@external
async def rows(prompt: str) -> list[str]:
    return (await _answer(prompt)).split()


@external
async def record(prompt: str) -> dict[str, Any]:
    text = await _answer(prompt)
    return {"text": text, "words": text.split(), "size": len(text)}


def effect(what: object) -> None:
    """Something that others can see, in code that nobody may look into."""
    world.get().effects.append(f"{what}")


effect.__code__ = effect.__code__.replace(co_filename="<library>")


F = TypeVar("F", bound=Callable[..., Any])


# Programs ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Program:
    """A function, and which of its calls are under way together."""

    function: Callable[..., Any]
    groups: tuple[frozenset[str], ...]
    raises: bool
    order: str
    together: bool

    def __str__(self) -> str:
        return f"{self.function.__module__.rpartition('.')[2]}-{self.function.__name__}"


PROGRAMS: Final[list[Program]] = []


def program(*groups: str, raises: bool = False, order: str = "", together: bool = False) -> Callable[[F], F]:
    """Take a function into the tests.

    `raises`: it raises on its way, so calls after that may have been sent. `together`: it is concurrent without jit,
    and where a call fails the others may or may not be sent. `order`: what `explain` says is kept in order.
    """

    def take(function: F) -> F:
        PROGRAMS.append(
            Program(function, tuple(frozenset(one.split()) for one in groups), raises, order, together)
        )
        return function

    return take


GIVEN: Final[dict[str, Callable[[], Any]]] = {
    "xs": lambda: ["p", "q", "r"],
    "d": lambda: {"k": "v"},
    "tags": lambda: {"s"},
    "thing": Thing,
}
"""What programs are given, by the names of their parameters."""


def run(function: Callable[..., Any], like: Callable[..., Any], here: World) -> dict[str, Any]:
    """Call `function` in `here`, with what `like` takes, and return everything that can be seen of it."""
    token = world.set(here)
    given = {name: GIVEN[name]() for name in inspect.signature(like).parameters}
    out = io.StringIO()
    random.seed(11)
    module = inspect.getmodule(like)
    assert module is not None
    kept = {name: copy.deepcopy(vars(module)[name]) for name in getattr(module, "STATE", ())}
    try:
        with contextlib.redirect_stdout(out):
            result = _outcome(function, given)
        seen = {name: repr(vars(module)[name]) for name in kept}
    finally:
        world.reset(token)
        for name, value in kept.items():
            _put_back(vars(module), name, value)
    return {
        "result": result, "stdout": out.getvalue(), "effects": list(here.effects), "given": repr(given),
        "random": random.random(), "globals": seen,
    }  # fmt: skip


def _put_back(namespace: dict[str, Any], name: str, before: Any) -> None:
    """Give a global variable its value back: a container that functions refer to stays the one it is."""
    now: Any = namespace[name]
    if isinstance(before, list):
        now[:] = before
    elif isinstance(before, (int, str)):
        namespace[name] = before
    else:
        held: dict[str, Any] = now if isinstance(before, dict) else vars(now)
        held.clear()
        held.update(before if isinstance(before, dict) else vars(before))


def _outcome(function: Callable[..., Any], given: dict[str, Any]) -> str:
    try:
        result = function(**given)
        if inspect.iscoroutine(result):
            result = asyncio.run(result)
        if inspect.isgenerator(result):
            result = ["what it gave", *result]
        return f"returned {result!r} of {type(result).__name__}"
    except (Refused, Other, ExceptionGroup, ArithmeticError, LookupError, TypeError, ValueError, AssertionError,
            AttributeError, NameError, RuntimeError, OSError, StopIteration) as error:  # fmt: skip
        return f"raised {told(error)}"


def told(error: BaseException | None) -> str:
    """Type, message, cause and parts of an exception."""
    if error is None:
        return "None"
    parts: tuple[BaseException, ...] = getattr(error, "exceptions", ())
    inner = [told(one) for one in parts]
    return f"{type(error).__name__}({error}) {inner} from {told(error.__cause__)}"


def differences(
    one: Program, fails: str | None = None, limit: int | None = None, hangs: str | None = None
) -> list[str]:
    """Return how the program under `jit` differs from the plain one, if the call of this prompt fails or hangs."""
    plain, jitted = World(fails=fails, hangs=hangs), World(fails=fails, hangs=hangs)
    expected = run(one.function, one.function, plain)
    found = run(jit(max_concurrency=limit)(one.function), one.function, jitted)
    wrong = [
        f"{key}: plain {expected[key]} | jit {found[key]}" for key in expected if expected[key] != found[key]
    ]
    before, after = Counter(plain.calls), Counter(jitted.calls)
    if before - after and not (one.together and (fails or hangs)):
        wrong.append(f"not called: {dict(before - after)}")
    if fails is None and hangs is None and not one.raises and after - before:
        wrong.append(f"called besides: {dict(after - before)}")
    settle(jitted)
    if jitted.under_way:
        wrong.append(f"{jitted.under_way} calls are still under way")
    return wrong


def settle(here: World) -> None:
    """Wait until cancelled calls have ended: on another thread, a moment later."""
    end = time.monotonic() + 20
    while here.under_way and time.monotonic() < end:
        time.sleep(0.0005)


def prompts(one: Program) -> Iterator[str]:
    """Return the prompts that the plain program sends, each once."""
    here = World()
    run(one.function, one.function, here)
    return iter(dict.fromkeys(here.calls))


def alone(one: Program) -> list[str]:
    """Return which calls that belong together were not under way together."""
    here = World(groups=one.groups)
    run(jit(one.function), one.function, here)
    never = {label for group in one.groups for label in group} - here.arrived
    return [*here.missing, *(f"{label} was never called" for label in sorted(never))]


def interrupted(one: Program, prompt: str) -> list[str]:
    """Return what is wrong after Ctrl-C while the program waits, the call of `prompt` being under way."""
    main = threading.main_thread().ident
    assert main is not None
    here = World(stops=prompt, stop=lambda: signal.pthread_kill(main, signal.SIGINT), later=0.002)
    try:
        return [f"it went on: {run(jit(one.function), one.function, here)['result']}"]
    except KeyboardInterrupt:
        return _left(here)


def cancelled(one: Program, prompt: str) -> list[str]:
    """Return what is wrong after the awaited program was cancelled while the call of `prompt` was under way."""
    here = World()
    here.stops = prompt

    def awaited(**given: Any) -> Any:
        async def main() -> Any:
            task = asyncio.ensure_future(jit(one.function).aio(**given))
            loop = asyncio.get_running_loop()
            here.stop = lambda: loop.call_soon_threadsafe(task.cancel)
            await asyncio.wait({task}, timeout=PATIENCE)
            if not task.done():
                return "nothing: it did not hear of it"
            return await task

        return asyncio.run(main())

    try:
        return [f"it went on: {run(awaited, one.function, here)['result']}"]
    except asyncio.CancelledError:
        return _left(here)


def _left(here: World) -> list[str]:
    settle(here)
    return [f"{here.under_way} calls are still under way"] if here.under_way else []
