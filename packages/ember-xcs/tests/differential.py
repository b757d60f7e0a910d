"""Run a program plainly and under `jit`, and tell how they differ."""

from __future__ import annotations

import asyncio
import contextlib
import io
import linecache
import random
import sys
import threading
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import FrameType, ModuleType
from typing import Any
from zlib import crc32

from ember.core.externals import external
from ember.xcs import jit
from ember.xcs._run import Abandoned


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


def answer(prompt: str, fail: int) -> str | None:
    """What the model answers: the same for the same prompt; None for a failure, of `fail` percent."""
    code = crc32(prompt.encode())
    if code % 100 < fail:
        return None
    return ["yes", "no", f"<{prompt[-14:]}>", f"{code % 1000} a", "e o", "x" * (code % 9)][code % 6]


def execute(text: str, name: str, world: World, run: Callable[[Any], Any]) -> dict[str, Any]:
    """Run `program` of `text`, as `run` makes of it; return everything that can be seen of it."""
    linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
    lock = threading.Lock()

    @external
    async def ask(prompt: str) -> str:
        with lock:
            world.calls.append(prompt)
        code = crc32(prompt.encode())
        if world.delay:
            await asyncio.sleep((code >> 8) % 5 * 0.0006)
        found = answer(prompt, world.fail)
        if found is None:
            raise namespace["Boom"](f"no {prompt[-10:]}")
        return found

    def effect(what: str) -> None:
        world.log.append(f"{what}")

    effect.__code__ = effect.__code__.replace(co_filename="<library>")
    module = sys.modules["random_program"] = ModuleType("random_program")
    namespace: dict[str, Any] = vars(module)
    namespace.update(ask=ask, effect=effect)
    exec(compile(text, name, "exec"), namespace)
    xs, d, obj = ["one", "two a", "three"], {"k": "v"}, namespace["Thing"]()
    out = io.StringIO()
    random.seed(7)
    with contextlib.redirect_stdout(out):
        try:
            result: Any = ("returned", run(namespace["program"])(xs, d, obj))
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
    return {
        "result": repr(result), "stdout": out.getvalue(), "log": list(world.log), "xs": repr(xs), "d": repr(d),
        "obj": repr((obj.n, obj.items, obj.last)), "total": namespace["total"], "settings": repr(namespace["settings"]),
        "random": repr(random.random()),
    }  # fmt: skip


def compare(text: str, name: str, fail: int = 4, limit: int | None = None) -> list[str]:
    """Return how the program under `jit` differs from the plain one; nothing if it does not."""
    plain = World(delay=False, fail=fail)
    with _noting_exceptions(name, plain):
        expected = execute(text, name, plain, lambda f: f)
    jitted = World(delay=True, fail=fail)
    found = execute(text, name, jitted, lambda f: jit(max_concurrency=limit)(f))
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
