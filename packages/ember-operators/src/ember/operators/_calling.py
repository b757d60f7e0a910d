"""Call a member of a composition, whatever it is: an operator, a model, a function, `async` or not."""

# pyright: reportUnknownArgumentType=false
# What is left of Any once isinstance has looked at it is partly unknown to pyright.

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Final, TypeAlias, TypeVar, cast

from ember.core import resolve
from ember.core.externals import External
from ember.core.marks import mark
from ember.core.pool import in_pool

__ember_lower__ = True

_COROUTINE: Final = (
    0x80  # inspect.CO_COROUTINE: its functions are strangers to xcs, which would wait before them
)


Member: TypeAlias = Callable[..., Any] | str
"""What can be put into an operator: an operator, any callable, `async` or not, or the name of a model."""

Budget: TypeAlias = float | Mapping[str, Any]
"""What an operator's model calls may use in all: US dollars, or `usd`, `tokens`, `calls` (docs/models.md, Budgets)."""

F = TypeVar("F", bound=Callable[..., Any])


def computes(function: F) -> F:
    """Tell xcs that `function` reads what it is given and changes nothing, so that no call need end before it."""
    function.__dict__["__ember_computes__"] = True
    return function


@computes
def is_async(member: Any) -> bool:
    """Whether calling `member` gives something to await."""
    member = mark(member, "__ember_jit__", member)
    code: Any = mark(member, "__code__")
    if code is None:
        inner = mark(member, "func")  # a partial
        if inner is not None and not isinstance(member, type):
            return is_async(inner)
        code = getattr(getattr(type(member), "__call__", None), "__code__", None)  # noqa: B004
    return code is not None and bool(code.co_flags & _COROUTINE)


def run(member: Member, *args: Any, **kwargs: Any) -> Any:
    """Call `member` and wait for its answer. One that is `async` runs on Ember's I/O loop.

    >>> run(str.upper, "hi")
    'HI'
    """
    return waited(member)(*args, **kwargs)


@computes
def waited(member: Member) -> Callable[..., Any]:
    """Return `member` as it is called to be waited for. A name stands for the model of that name."""
    if isinstance(member, str):
        return cast("Callable[..., Any]", resolve("model", member))
    return Awaited(member) if is_async(member) else member


async def arun(member: Member, *args: Any, **kwargs: Any) -> Any:
    """Call `member` and await its answer: by its `acall` or `aio`, or in a thread, with the caller's context."""
    if isinstance(member, str):
        member = cast("Callable[..., Any]", resolve("model", member))
    form = mark(member, "acall") or mark(member, "aio")
    if form is not None:
        return await form(*args, **kwargs)
    if is_async(member):
        return await member(*args, **kwargs)
    return await in_pool(member, args, kwargs)


class Awaited(External[..., Any]):
    """An `async` member of a composition that is called and waited for."""

    kind = "operator"

    def __init__(self, member: Callable[..., Any]) -> None:
        self._member = member
        self.name = getattr(member, "__qualname__", type(member).__qualname__)

    def run(self, *args: Any, **kwargs: Any) -> Any:
        from ember.core import loop  # asyncio: not before the first of them

        return loop.run(self.arun(*args, **kwargs), self.name)

    async def arun(self, *args: Any, **kwargs: Any) -> Any:
        return await self._member(*args, **kwargs)


async def agather(thunks: Iterable[Callable[[], Awaitable[Any]]], limit: int | None = None) -> list[Any]:
    """Await all of `thunks` together and return their results in order: `ember.core.gather`, awaited.

    At most `limit` run at once. When one raises, no further one is started, the others are cancelled, and once all have
    ended the exception earliest in order is raised.
    """
    import asyncio

    if limit is not None and limit < 1:
        raise ValueError(f"limit is how many run at once, at least 1; got {limit!r}.")
    places = asyncio.Semaphore(limit) if limit is not None else None

    async def one(thunk: Callable[[], Awaitable[Any]]) -> Any:
        if places is None:
            return await thunk()
        async with places:
            return await thunk()

    tasks = [asyncio.ensure_future(one(thunk)) for thunk in thunks]
    try:
        return list(await asyncio.gather(*tasks))
    except BaseException:
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
        for answer in ended:
            if isinstance(answer, BaseException) and not isinstance(answer, asyncio.CancelledError):
                raise answer from None
        raise
