"""Run a program plainly and under `jit`, and tell how they differ."""

# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false, reportUnknownMemberType=false

from __future__ import annotations

import asyncio
import contextlib
import inspect
import io
import linecache
import random
import re
import signal
import sys
import threading
import traceback
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import FrameType, FunctionType, ModuleType
from typing import Any
from zlib import crc32

from ember.core.externals import external
from ember.xcs import jit
from ember.xcs._program import forget
from ember.xcs._tasks import Abandoned

reasons: Counter[str] = Counter()
"""How many programs were not lowered, by the reason; without one those that were."""


class TooLong(BaseException):
    """A program did not end."""


@contextlib.contextmanager
def _ends(seconds: int) -> Iterator[None]:
    """Raise `TooLong` in what goes on for longer."""

    def alarm(number: int, frame: FrameType | None) -> None:
        raise TooLong

    signal.signal(signal.SIGALRM, alarm)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)


@dataclass
class World:
    """What the program's calls do, and what they were."""

    delay: bool
    fail: int = 4
    calls: list[str] = field(default_factory=list[str])
    log: list[str] = field(default_factory=list[str])
    failed: bool = False
    raised: bool = False
    trace: str = ""


def without_addresses(text: str) -> str:
    """Return `text` as it would be wherever its objects lie."""
    return re.sub(r"0x[0-9a-f]{6,}", "0x", text)


def answer(prompt: str, fail: int) -> str | None:
    """What the model answers: the same for the same prompt; None for a failure, of `fail` percent."""
    code = crc32(prompt.encode())
    if code % 100 < fail:
        return None
    return ["yes", "no", f"<{prompt[-14:]}>", f"{code % 1000} a", "e o", "x" * (code % 9)][code % 6]


def execute(text: str, name: str, world: World, run: Callable[[Any], Any]) -> dict[str, Any]:
    """Run `program` of `text`, as `run` makes of it; return everything that can be seen of it."""
    forget()  # what was known of the program before, whose functions look the same
    linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
    lock = threading.Lock()

    @external
    async def ask(prompt: str) -> str:
        prompt = without_addresses(prompt) if type(prompt) is str else prompt
        with lock:
            world.calls.append(prompt if type(prompt) is str else without_addresses(f"{prompt!r}"))
        code = crc32(prompt.encode())
        if world.delay:
            await asyncio.sleep((code >> 8) % 5 * 0.0006)
        found = answer(prompt, world.fail)
        if found is None:
            raise namespace["Boom"](f"no {prompt[-10:]}")
        return found

    def begun(prompt: str) -> int:
        prompt = without_addresses(prompt)
        with lock:
            world.calls.append(prompt)
        if answer(prompt, world.fail) is None:
            raise namespace["Boom"](f"no {prompt[-10:]}")
        return crc32(prompt.encode())

    async def pause(code: int) -> None:
        if world.delay:
            await asyncio.sleep((code >> 8) % 5 * 0.0006)

    @external
    async def fetch(what):  # type: ignore[no-untyped-def]  # so that what it returns is not known
        await pause(crc32(f"{what}".encode()))
        return made(begun(f"fetch {what}"), f"{what}".split(" ")[0], namespace)

    @external
    async def look(things, more=""):  # type: ignore[no-untyped-def]
        await pause(crc32(f"{more}".encode()))
        text = f"{things}{more}"  # read late: the program may have changed it meanwhile
        begun(f"look {text}")
        return f"{len(things)} {text[-9:]}"

    @external
    def slow(prompt: str) -> str:
        return f"s{begun(f'slow {prompt}') % 100} {prompt[:4]}"

    def effect(what: object) -> None:
        world.log.append(f"{what}")

    effect.__code__ = effect.__code__.replace(co_filename="<library>")
    module = sys.modules["random_program"] = ModuleType("random_program")
    namespace: dict[str, Any] = vars(module)
    namespace.update(ask=ask, effect=effect, fetch=fetch, look=look, slow=slow)
    exec(compile(text, name, "exec"), namespace)
    xs, d, obj = (
        ["one", "two a", "three"],
        {"k": "v"},
        namespace["Thing"]() if "Thing" in namespace else namespace["Node"]("obj", ["i"]),
    )
    out = io.StringIO()
    random.seed(7)
    with contextlib.redirect_stdout(out):
        try:
            given = run(namespace["program"])(xs, d, obj)
            result: Any = ("returned", asyncio.run(given) if inspect.iscoroutine(given) else given)
        except (Exception, Abandoned) as error:
            result = ("raised", type(error).__name__, str(error))
            world.failed = True
            if type(error).__name__ in (
                "Abandoned",
                "Stuck",
                "AttributeError",
                "NameError",
                "SystemError",
                "LookupError",
            ):
                world.log.append("")
                result = (*result, "")
                world.trace = traceback.format_exc()
    shared = [
        namespace[name] for name in ("memo", "history", "collect", "gather", "Node") if name in namespace
    ]
    seen = {
        "result": shape(result), "stdout": out.getvalue(), "log": list(world.log),
        "graph": shape([result, xs, d, obj, namespace["total"], namespace["settings"], shared]),
        "random": repr(random.random()),
    }  # fmt: skip
    return {key: without_addresses(f"{one}") for key, one in seen.items()}


def shape(value: object) -> str:
    """Tell everything that `value` reaches, and what in it is the same object."""
    seen: dict[int, int] = {}

    def told(one: Any) -> str:
        if one is None or isinstance(one, (str, int, float)):
            return f"{one!r}"
        if id(one) in seen:
            return f"#{seen[id(one)]}"
        number = seen[id(one)] = len(seen)
        kept.append(one)
        name = type(one).__name__
        if isinstance(one, (list, tuple, deque)):
            inside = ", ".join(map(told, one))
        elif isinstance(one, dict):
            inside = ", ".join(f"{told(key)}: {told(item)}" for key, item in one.items())
        elif isinstance(one, (set, frozenset)):
            inside = ", ".join(sorted(map(repr, one)))
        elif isinstance(one, BaseException):
            given: tuple[Any, ...] = one.args
            inside = told([*given, one.__cause__, one.__context__, one.__suppress_context__])
        elif isinstance(one, FunctionType):
            inside = told([one.__name__, one.__defaults__])
        elif isinstance(one, type):
            inside = told([item for key, item in vars(one).items() if key in ("count", "shared")])
        else:
            inside = told(vars(one)) if hasattr(one, "__dict__") else ""
        return f"{name}#{number}({inside})"

    kept: list[object] = []
    return told(value)


def made(code: int, kind: str, namespace: dict[str, Any]) -> Any:
    """Return something of the kind that is asked for, or of any."""
    kinds = ("dict", "list", "int", "none", "str", "box", "node")
    match kind if kind in kinds else kinds[code % 7]:
        case "dict":
            return {"name": f"n{code % 10}", "k": code % 5, "a": [f"{code % 7}", "e"]}
        case "list":
            return [f"l{code % 10}", "a", {"name": "in"}][: code % 3 + 1]
        case "int":
            return code % 9
        case "none":
            return None
        case "box":
            return namespace["Box"](f"b{code % 10}", ["x"])
        case "node":
            node = object.__new__(namespace["Node"])  # without effects of its own
            vars(node).update(name=f"o{code % 10}", items=["y", "z"][: code % 3], meta={})
            return node
        case _:
            return f"t{code % 1000}"


def compare(text: str, name: str, fail: int = 4, limit: int | None = None) -> list[str]:
    """Return how the program under `jit` differs from the plain one; nothing if it does not."""
    plain = World(delay=False, fail=fail)
    try:
        with _ends(5), _noting_exceptions(name, plain):
            expected = execute(text, name, plain, lambda f: f)
    except TooLong:
        return []  # as it stands, it goes on for ever
    jitted = World(delay=True, fail=fail)

    def run(function: Any) -> Any:
        made = jit(max_concurrency=limit)(function)
        reasons[made.reason] += 1
        return made

    try:
        with _ends(60):
            found = execute(text, name, jitted, run)
    except TooLong:
        return ["it does not end", traceback.format_exc()[-3000:]]
    wrong = [
        f"{key}: plain {expected[key]!s:.300} | jit {found[key]!s:.300}"
        for key in expected
        if expected[key] != found[key]
    ]
    before, after = Counter(plain.calls), Counter(jitted.calls)
    if before - after:
        wrong.append(f"calls that were not made: {list(before - after)[:5]}")
    if not plain.raised and after - before:
        wrong.append(f"calls that plain Python does not make: {list(after - before)[:5]}")
    if wrong and jitted.trace:
        wrong.append(jitted.trace)
    return wrong


@contextlib.contextmanager
def _noting_exceptions(name: str, world: World) -> Iterator[None]:
    """Note whether the program raises anything, handled or not: what comes after it may have been sent."""

    def note(frame: FrameType, event: str, arg: object) -> Any:
        if frame.f_code.co_filename == name:
            if event == "exception":
                world.raised = True
            return note
        return None

    before = sys.gettrace()
    sys.settrace(note)
    try:
        yield
    finally:
        sys.settrace(before)
