"""Operators as classes: fields to hold what they are made of, `call` to say what they do."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ember.core.pool import in_pool

from ._calling import is_async
from ._module import Module

if TYPE_CHECKING:
    from ._compose import Chain

__ember_lower__ = True


class Operator(Module):
    """A piece of a program with a `call`; calling the operator *is* calling that.

    >>> class Greet(Operator):
    ...     greeting: str = "Hello"
    ...
    ...     def call(self, name: str) -> str:
    ...         return f"{self.greeting}, {name}!"
    >>> Greet(greeting="Hi")("Ada")
    'Hi, Ada!'
    >>> (Greet() >> str.upper)("Ada")
    'HELLO, ADA!'
    """

    def call(self, *args: Any, **kwargs: Any) -> Any:
        """Do it. Every operator says how."""
        raise NotImplementedError(
            f"{type(self).__qualname__} has no `call`: write `def call(self, ...)` in it."
        )

    async def acall(self, *args: Any, **kwargs: Any) -> Any:
        """Do it, awaited. Unless an operator says how, `call` runs in a thread, with the caller's context."""
        if is_async(type(self).__call__):
            return await self(*args, **kwargs)
        return await in_pool(self, args, kwargs)

    if TYPE_CHECKING:

        def __call__(self, *args: Any, **kwargs: Any) -> Any: ...

    else:
        __call__ = call

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "call" in vars(cls):
            setattr(cls, "__call__", vars(cls)["call"])  # noqa: B010

    def __rshift__(self, other: Callable[..., Any]) -> Chain:
        from ._compose import chained

        return chained(self, other)

    def __rrshift__(self, other: Callable[..., Any]) -> Chain:
        from ._compose import chained

        return chained(other, self)
