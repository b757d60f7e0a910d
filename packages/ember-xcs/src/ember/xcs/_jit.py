"""`jit`: a plain function, run at its critical path."""

# What is jitted may be anything that can be called.
# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false, reportUnknownMemberType=false

from __future__ import annotations

import functools
from collections.abc import Callable
from types import FunctionType, MethodType
from typing import Any, Generic, ParamSpec, TypeVar, cast, overload

from ember.core.externals import External, handling

from ._grad import differentiating
from ._memory import local, settle
from ._program import program_of
from ._run import Run

P = ParamSpec("P")
R = TypeVar("R")


class Jitted(Generic[P, R]):
    """A function under `jit`: called as before, with independent external calls under way at once."""

    def __init__(self, function: Callable[P, R], max_concurrency: int | None = None) -> None:
        functools.update_wrapper(self, function)
        self.__ember_jit__ = function
        self._max_concurrency = max_concurrency

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        function = self.__ember_jit__
        if getattr(local, "run", None) is not None:
            return function(*args, **kwargs)  # within a run: its handler sees to the calls
        if differentiating():
            return function(*args, **kwargs)  # a handler of our own would hide the calls from the gradient's
        plain: Any = function
        bound: tuple[Any, ...] = ()
        if type(plain) is MethodType:
            plain, bound = plain.__func__, (plain.__self__,)
        elif type(plain) is not FunctionType and not isinstance(plain, External):
            own = getattr(type(plain), "__call__", None)  # noqa: B004  # the function itself
            if type(own) is FunctionType:
                plain, bound = own, (plain,)
        if type(plain) is not FunctionType:
            return function(*args, **kwargs)
        program = program_of(plain)
        if not program.lowered:
            return function(*args, **kwargs)
        return cast(R, _run(program.twin(plain), (*bound, *args), kwargs, self._max_concurrency))

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        if instance is None:
            return self
        bound = self.__ember_jit__.__get__(instance, owner)
        return Jitted(bound, self._max_concurrency)

    def __repr__(self) -> str:
        return f"<jit {getattr(self, '__qualname__', self.__ember_jit__)}>"


def _run(twin: FunctionType, args: tuple[Any, ...], kwargs: dict[str, Any], limit: int | None) -> Any:
    run = Run(limit)
    local.run = run
    try:
        with handling(run):
            try:
                value = twin(*args, **kwargs)
            except BaseException:
                run.drain()
                raise
            run.drain()
            return settle(run, value)
    finally:
        run.close()
        local.run = None


@overload
def jit(function: Callable[P, R], /) -> Jitted[P, R]: ...
@overload
def jit(*, max_concurrency: int | None = ...) -> Callable[[Callable[P, R]], Jitted[P, R]]: ...
def jit(function: Any = None, /, *, max_concurrency: int | None = None) -> Any:
    """Run a plain sequential function in the time of its critical path."""
    if function is None:
        return functools.partial(Jitted, max_concurrency=max_concurrency)
    return Jitted(function, max_concurrency)
