"""What the checkers infer of gather, events, resolve and registries."""

from collections.abc import Callable
from decimal import Decimal
from functools import partial
from typing import Any, assert_type

from ember.core import (
    CallFailed,
    CallFinished,
    CallStarted,
    Event,
    Registry,
    Usage,
    external,
    gather,
    resolve,
    subscribe,
)


@external
async def length(text: str) -> int:
    return len(text)


@external
async def nothing() -> None: ...


# gather

assert_type(gather([partial(length, "a"), partial(length, "b")]), list[int])
assert_type(gather((partial(str, n) for n in range(3)), limit=2), list[str])
assert_type(gather([partial(length, "a")], return_exceptions=True), list[int | Exception])
gather([1, 2])  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
gather([partial(length, "a")], limit="2")  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
gather([length])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]

# events


def on_any(event: Event) -> None:
    assert_type(event.parent, int | None)


def on_end(event: CallFinished) -> None:
    assert_type(event.usage, Usage | None)
    assert_type(event.cost, Decimal | None)


def on_either(event: CallFinished | CallFailed) -> None:
    assert_type(event.duration, float)


assert_type(subscribe(on_any), Callable[[], None])
assert_type(subscribe(on_end, CallFinished), Callable[[], None])
subscribe(on_any, CallStarted, CallFinished, CallFailed)
subscribe(on_either, CallFinished, CallFailed)
subscribe(on_end, CallStarted)  # type: ignore[arg-type]  # pyright: ignore[reportCallIssue, reportArgumentType]
subscribe(on_end)  # type: ignore[arg-type]  # pyright: ignore[reportCallIssue, reportArgumentType]

# resolve: only the sibling knows what it is

assert_type(resolve("model", "gpt-4"), Any)
resolve("model")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]

# registries

shapes = Registry[int]("shape")
assert_type(shapes.get("square"), int)
assert_type(shapes.names(), tuple[str, ...])
assert_type(shapes.loaded(), tuple[int, ...])
assert_type(list(shapes), list[str])
shapes.register("square", "four")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def made(found: Any) -> bytes:
    return bytes(found)


assert_type(Registry("file", group="ember.engines", make=made), Registry[bytes])
