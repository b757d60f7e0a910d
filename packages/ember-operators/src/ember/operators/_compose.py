"""Operators made of others: one after the other, and side by side. Members may be any callables, and models by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from ember.context import create_context
from ember.core import gather

from ._calling import Budget, Member, agather, arun, run, waited
from ._operator import Operator
from ._whole import calls

__ember_lower__ = True  # xcs.jit looks into our code as into the user's: members' calls overlap


class Chain(Operator, kw_only=False):
    """Call `ops` one after the other, each with what the one before returned. `a >> b` is `Chain((a, b))`.

    The first is called with whatever the chain is. Without members, it returns its argument. With a `budget`, that is
    what the model calls of one run may use in all.

    >>> Chain((str.strip, str.title))("  hello ")
    'Hello'
    """

    ops: Sequence[Member]
    budget: Budget | None = None
    __ember_calls__ = property(calls)

    def call(self, *args: Any, **kwargs: Any) -> Any:
        if self.budget is not None:
            with create_context(models={"budget": self.budget}):
                return Chain(self.ops)(*args, **kwargs)
        if not self.ops:
            return _itself(*args, **kwargs)
        value = run(self.ops[0], *args, **kwargs)
        for member in self.ops[1:]:
            value = run(member, value)
        return value

    async def acall(self, *args: Any, **kwargs: Any) -> Any:
        if self.budget is not None:
            with create_context(models={"budget": self.budget}):
                return await Chain(self.ops).acall(*args, **kwargs)
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
    earliest in order is raised. With a `budget`, that is what the model calls of one run may use in all.

    >>> Parallel({"upper": str.upper, "length": len})("ember")
    {'upper': 'EMBER', 'length': 5}
    """

    ops: Sequence[Member] | Mapping[str, Member]
    limit: int | None = None
    budget: Budget | None = None
    __ember_calls__ = property(calls)

    def call(self, *args: Any, **kwargs: Any) -> Any:
        if self.budget is not None:
            with create_context(models={"budget": self.budget}):
                return Parallel(self.ops, self.limit)(*args, **kwargs)
        members = list(self.ops.values()) if isinstance(self.ops, Mapping) else list(self.ops)
        # Partials of what is known before the first is called: nothing of ours stands between one call and the next.
        thunks = [partial(waited(member), *args, **kwargs) for member in members]
        answers = gather(tuple(thunks), self.limit)
        return dict(zip(self.ops, answers)) if isinstance(self.ops, Mapping) else answers

    async def acall(self, *args: Any, **kwargs: Any) -> Any:
        if self.budget is not None:
            with create_context(models={"budget": self.budget}):
                return await Parallel(self.ops, self.limit).acall(*args, **kwargs)
        members = list(self.ops.values()) if isinstance(self.ops, Mapping) else list(self.ops)
        answers = await agather([_athunk(member, args, kwargs) for member in members], self.limit)
        return dict(zip(self.ops, answers)) if isinstance(self.ops, Mapping) else answers


def _athunk(member: Member, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Callable[[], Any]:
    return lambda: arun(member, *args, **kwargs)


def chained(first: Callable[..., Any], second: Callable[..., Any]) -> Chain:
    """Return `first >> second`. Chains in it are laid open, so that `>>` is associative."""
    members: list[Member] = []
    for one in (first, second):
        if not callable(one):
            raise TypeError(f"`>>` composes callables, and {one!r:.80} is none.")
        if isinstance(one, Chain) and type(one) is Chain and one.budget is None:
            members.extend(one.ops)
        else:
            members.append(one)
    return Chain(tuple(members))
