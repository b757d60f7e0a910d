"""`@op`: a function that composes."""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import MethodType
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, Protocol, Self, TypeVar, overload

from ._contract import checked_function, names_around

if TYPE_CHECKING:
    from ._compose import Chain

P = ParamSpec("P")
R = TypeVar("R")
_S = TypeVar("_S")
_P = ParamSpec("_P")

if TYPE_CHECKING:

    class _Partial(Generic[P, R]):
        __name__: str
        __qualname__: str
        func: Callable[P, R]

        def __init__(self, function: Callable[P, R]) -> None: ...
        def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R: ...

else:
    # A partial without arguments is the cheapest callable object there is: C calls the function, 20 ns later.
    class _Partial(functools.partial):
        __class_getitem__ = classmethod(lambda cls, _: cls)


class Function(_Partial[P, R]):
    """A function under `@op`: called, inspected, pickled and bound to instances as it was, and `>>` composes it."""

    if not TYPE_CHECKING:

        def __new__(cls, function):
            made = super().__new__(cls, function)
            functools.update_wrapper(made, function)
            return made

    @property
    def __ember_jit__(self) -> Callable[P, R]:
        """The function itself, for those who look into code."""
        return self.func

    async def acall(self, *args: Any, **kwargs: Any) -> Any:
        """Call and await: in a thread with the caller's context, unless the function is `async` itself."""
        from ._calling import arun

        return await arun(self.func, *args, **kwargs)

    def __rshift__(self, other: Callable[..., Any]) -> Chain:
        from ._compose import chained

        return chained(self, other)

    def __rrshift__(self, other: Callable[..., Any]) -> Chain:
        from ._compose import chained

        return chained(other, self)

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...
    @overload
    def __get__(
        self: Function[Concatenate[_S, _P], R], instance: _S, owner: type | None = None
    ) -> Function[_P, R]: ...
    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        return self if instance is None else Function(MethodType(self.func, instance))

    def __reduce__(self) -> Any:
        function: Any = self.func
        if type(function) is MethodType:
            return getattr, (function.__self__, function.__name__)
        return self.__qualname__  # by reference, as functions are

    def __repr__(self) -> str:
        return f"<op {self.__qualname__}>"


class _Decorator(Protocol):
    def __call__(self, function: Callable[P, R], /) -> Function[P, R]: ...


@overload
def op(function: Callable[P, R], /) -> Function[P, R]: ...
@overload
def op(*, validate: bool = ...) -> _Decorator: ...
def op(function: Any = None, /, *, validate: bool = False) -> Any:
    """Make an operator of a function, `async` or not: it stays what it is, and composes with `>>`.

    With `validate`, arguments and answer are validated by the type hints; what does not fit raises `SpecMismatch`.

    >>> @op
    ... def shout(text: str) -> str:
    ...     return text.upper()
    >>> shout("hi")
    'HI'
    >>> (str.strip >> shout)(" hi ")
    'HI'
    """

    def make(function: Any) -> Any:
        kinds: tuple[Any, ...] = (staticmethod, classmethod)
        for kind in kinds:
            if type(function) is kind:
                return kind(make(function.__func__))
        if not callable(function) or isinstance(function, type):
            raise TypeError(f"@op is for functions, not for {function!r:.80}. Derive classes from Operator.")
        return Function(checked_function(function, names) if validate else function)

    names = names_around(1) if validate else {}
    return make if function is None else make(function)
