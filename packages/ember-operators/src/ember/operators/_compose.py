"""Operators made of others: one after the other, and side by side. Members may be any callables, `async` ones too."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from ember.core import gather

from ._calling import agather, arun, run, waited
from ._operator import Operator

__ember_lower__ = True  # xcs.jit looks into our code as into the user's: members' calls overlap


class Chain(Operator, kw_only=False):
    """Call `ops` one after the other, each with what the one before returned. `a >> b` is `Chain((a, b))`.

    The first is called with whatever the chain is. Without members, it returns its argument.

    >>> Chain((str.strip, str.title))("  hello ")
    'Hello'
    """

    ops: Sequence[Callable[..., Any]]

    def call(self, *args: Any, **kwargs: Any) -> Any:
        if not self.ops:
            return _itself(*args, **kwargs)
        value = run(self.ops[0], *args, **kwargs)
        for member in self.ops[1:]:
            value = run(member, value)
        return value

    async def acall(self, *args: Any, **kwargs: Any) -> Any:
        if not self.ops:
            return _itself(*args, **kwargs)
        value = await arun(self.ops[0], *args, **kwargs)
        for member in self.ops[1:]:
            value = await arun(member, value)
        return value


def _itself(value: Any) -> Any:
    return value


class Parallel(Operator, kw_only=False):
    """Call all of `ops`, a list or a dict, with the same arguments at the same time; return a list or dict alike.

    At most `limit` run at once (all, if not given). When one raises, the others are cancelled and the exception
    earliest in order is raised.

    >>> Parallel({"upper": str.upper, "length": len})("ember")
    {'upper': 'EMBER', 'length': 5}
    """

    ops: Sequence[Callable[..., Any]] | Mapping[str, Callable[..., Any]]
    limit: int | None = None

    def call(self, *args: Any, **kwargs: Any) -> Any:
        members = list(self.ops.values()) if isinstance(self.ops, Mapping) else list(self.ops)
        # Partials of what is known before the first is called: nothing of ours stands between one call and the next.
        thunks = [partial(waited(member), *args, **kwargs) for member in members]
        answers = gather(tuple(thunks), self.limit)
        return dict(zip(self.ops, answers)) if isinstance(self.ops, Mapping) else answers

    async def acall(self, *args: Any, **kwargs: Any) -> Any:
        members = list(self.ops.values()) if isinstance(self.ops, Mapping) else list(self.ops)
        answers = await agather([_athunk(member, args, kwargs) for member in members], self.limit)
        return dict(zip(self.ops, answers)) if isinstance(self.ops, Mapping) else answers


def _athunk(member: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Callable[[], Any]:
    return lambda: arun(member, *args, **kwargs)


def chained(first: Callable[..., Any], second: Callable[..., Any]) -> Chain:
    """Return `first >> second`. Chains in it are laid open, so that `>>` is associative."""
    members: list[Callable[..., Any]] = []
    for one in (first, second):
        if not callable(one):
            raise TypeError(f"`>>` composes callables, and {one!r:.80} is none.")
        members.extend(one.ops if isinstance(one, Chain) and type(one) is Chain else (one,))
    return Chain(tuple(members))
