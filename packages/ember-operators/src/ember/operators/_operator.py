"""Operators as classes: fields to hold what they are made of, `call` to say what they do."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, ParamSpec, Protocol, Self, TypeVar, overload

from ember.core.pool import in_pool

from ._calling import is_async, run
from ._contract import ByHints, BySpec, Contract, checked_method, names_around
from ._fields import roles
from ._module import Module

if TYPE_CHECKING:
    from ._compose import Chain

    P = ParamSpec("P")
    R_co = TypeVar("R_co", covariant=True)

    class _Specified(Protocol[R_co]):
        @property
        def input_spec(self) -> Any: ...
        @property
        def call(self) -> Callable[..., R_co]: ...

    class _Callable(Protocol[P, R_co]):
        def call(self, *args: P.args, **kwargs: P.kwargs) -> R_co: ...

    class _Awaited(Protocol):
        @property
        def output_spec(self) -> Any: ...
        @property
        def call(self) -> Callable[..., Coroutine[Any, Any, Any]]: ...

    class _SpecifiedBoth(Protocol[R_co]):
        @property
        def input_spec(self) -> Any: ...
        @property
        def output_spec(self) -> type[R_co]: ...

    class _SpecifiedOutput(Protocol[P, R_co]):
        @property
        def output_spec(self) -> type[R_co]: ...
        def call(self, *args: P.args, **kwargs: P.kwargs) -> Any: ...

    class _Call:
        """To type checkers, calling an operator is calling its `call`; one with an `input_spec` takes anything, and one
        with an `output_spec` gives that.
        """

        @overload
        def __get__(self, instance: None, owner: Any) -> Self: ...
        @overload
        def __get__(self, instance: _Awaited, owner: Any) -> Callable[..., Any]: ...
        @overload
        def __get__(self, instance: _SpecifiedBoth[R_co], owner: Any) -> Callable[..., R_co]: ...
        @overload
        def __get__(self, instance: _SpecifiedOutput[P, R_co], owner: Any) -> Callable[P, R_co]: ...
        @overload
        def __get__(self, instance: _Specified[R_co], owner: Any) -> Callable[..., R_co]: ...
        @overload
        def __get__(self, instance: _Callable[P, R_co], owner: Any) -> Callable[P, R_co]: ...
        def __get__(self, instance: Any, owner: Any) -> Any: ...
        def __call__(self, *args: Any, **kwargs: Any) -> Any: ...


__ember_lower__ = True


class Operator(Module):
    """A piece of a program with a `call`; calling the operator *is* calling that.

    With an `input_spec` (a pydantic model, dataclass, TypedDict or any other type) it takes one value, JSON text
    included, or keywords, and `call(self, inputs)` gets what they make; what it returns becomes an `output_spec`. Both
    stand in the class, or are fields. `class Name(Operator, validate=True)` takes the type hints of `call` instead.
    What does not fit raises `SpecMismatch`; an operator with a `reask(self, error, inputs)` is asked once more before
    an answer is given up.

    >>> class Greet(Operator):
    ...     greeting: str = "Hello"
    ...
    ...     def call(self, name: str) -> str:
    ...         return f"{self.greeting}, {name}!"
    >>> Greet(greeting="Hi")("Ada")
    'Hi, Ada!'
    >>> (Greet() >> str.upper)("Ada")
    'HELLO, ADA!'
    >>> class Sum(Operator):
    ...     input_spec = list[int]
    ...     output_spec = int
    ...
    ...     def call(self, inputs: list[int]) -> int:
    ...         return sum(inputs)
    >>> Sum()([1, 2]), Sum()("[1, 2]")
    (3, 3)
    """

    def call(self, *args: Any, **kwargs: Any) -> Any:
        """Do it. Every operator says how, here or in `acall`, which then runs on Ember's I/O loop."""
        if type(self).acall is not Operator.acall:
            return run(self.acall, *args, **kwargs)
        raise NotImplementedError(
            f"{type(self).__qualname__} has no `call`: write `def call(self, ...)` in it."
        )

    async def acall(self, *args: Any, **kwargs: Any) -> Any:
        """Do it, awaited. Unless an operator says how, `call` runs in a thread, with the caller's context."""
        if is_async(type(self).__call__):
            return await self(*args, **kwargs)
        return await in_pool(self, args, kwargs)

    if TYPE_CHECKING:
        __call__ = _Call()
    else:
        __call__ = call
        _ember_call = True

    def __init_subclass__(cls, *, validate: bool = False, **options: Any) -> None:
        super().__init_subclass__(**options)
        _choose_call(cls, ByHints(cls.call, names_around(1), bound=1) if validate else None)

    def __rshift__(self, other: Callable[..., Any]) -> Chain:
        from ._compose import chained

        me: Any = self  # whether an Operator is a Callable, mypy 2.4.1 asks itself until its stack is used up
        return chained(me, other)

    def __rrshift__(self, other: Callable[..., Any]) -> Chain:
        from ._compose import chained

        me: Any = self
        return chained(other, me)


def _choose_call(cls: type[Operator], contract: Contract | None) -> None:
    """Give a class its `__call__`, once: `call` itself, or what validates around it."""
    for base in cls.__mro__:
        if "__call__" in vars(base):
            if not vars(base).get("_ember_call"):
                return  # one that the user wrote
            break
    found: Any = cls.call
    fields = roles(cls)
    sides = ("input_spec", "output_spec")
    of_instances = any(name in fields for name in sides)
    if contract is None and (of_instances or any(getattr(cls, name, None) is not None for name in sides)):
        contract = BySpec(cls.__qualname__, of_instances=of_instances)
    if contract is not None:
        reasks = hasattr(cls, "reask")
        if "acall" in vars(cls):
            setattr(cls, "acall", checked_method(vars(cls)["acall"], contract, reasks))  # noqa: B010
        found = checked_method(found, contract, reasks)
    setattr(cls, "__call__", found)  # noqa: B010
    setattr(cls, "_ember_call", True)  # noqa: B010
