"""What an operator takes and gives: its specs, or the type hints of its function. Compiled at its first call."""

from __future__ import annotations

import functools
import inspect
import sys
import typing
from collections.abc import Callable, Mapping
from types import FrameType
from typing import TYPE_CHECKING, Any, Final

from ._calling import is_async

if TYPE_CHECKING:
    from ._spec import Spec

__ember_lower__ = True

_UNSAID: Final = inspect.Parameter.empty


class Contract:
    """What goes into one function or operator, and what comes out. `inputs` and `answer` raise `SpecMismatch`."""

    def inputs(self, owner: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Return arguments as they are to be passed on: a tuple and a dict."""
        raise NotImplementedError

    def answer(self, owner: Any, value: Any) -> Any:
        """Return an answer as it is to be given."""
        raise NotImplementedError


class BySpec(Contract):
    """By `input_spec` and `output_spec`, of the class or, where these are fields, of the instance."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._specs: dict[str, tuple[Any, Spec]] = {}  # compiled, with the type they were compiled from

    def _spec(self, owner: Any, side: str) -> Spec | None:
        kind = getattr(owner, side, None)
        if kind is None:
            return None
        known = self._specs.get(side)
        if known is not None and known[0] is kind:
            return known[1]
        from ._spec import spec_of

        made = spec_of(kind)
        self._specs[side] = (kind, made)
        return made

    def inputs(self, owner: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        spec = self._spec(owner, "input_spec")
        if spec is None:
            return args, kwargs
        if len(args) > 1 or (args and kwargs):
            raise TypeError(
                f"{self._name} takes one value that fits {spec.name}, or its fields by keyword; got {len(args)} "
                f"positional arguments{' and keywords' if kwargs else ''}."
            )
        return (spec.taken(args[0] if args else kwargs, self._name, "input"),), {}

    def answer(self, owner: Any, value: Any) -> Any:
        spec = self._spec(owner, "output_spec")
        return value if spec is None else spec.taken(value, self._name, "output")


class ByHints(Contract):
    """By the type hints of a function: each argument by its own, the answer by what it says it returns."""

    def __init__(self, function: Callable[..., Any], names: Mapping[str, Any], bound: int = 0) -> None:
        self._function, self._name = function, function.__qualname__
        self._bound = bound  # how many of its arguments come with the method
        self._local: Mapping[str, Any] | None = (
            names  # what the function sees where it was made, until compiled
        )
        self._made: tuple[tuple[Any, ...], Any, dict[str, Any], Any, Any] | None = None

    def _compiled(self) -> tuple[tuple[Any, ...], Any, dict[str, Any], Any, Any]:
        if self._made is None:
            from ._spec import spec_of

            hints = self._hints()
            by_position: list[Any] = []
            by_name: dict[str, Any] = {}
            rest = others = None
            parameters = list(inspect.signature(self._function).parameters.items())
            for name, parameter in parameters[self._bound :]:
                hint = hints.get(name, _UNSAID)
                spec = None if hint is _UNSAID or hint is Any else (name, spec_of(hint))
                if parameter.kind is parameter.VAR_POSITIONAL:
                    rest = spec
                elif parameter.kind is parameter.VAR_KEYWORD:
                    others = spec
                else:
                    if parameter.kind is not parameter.KEYWORD_ONLY:
                        by_position.append(spec)
                    if parameter.kind is not parameter.POSITIONAL_ONLY:
                        by_name[name] = spec
            returns = hints.get("return", _UNSAID)
            answer = None if returns is _UNSAID or returns is Any else spec_of(returns)
            self._made, self._local = (tuple(by_position), rest, by_name, others, answer), None
        return self._made

    def _hints(self) -> dict[str, Any]:
        try:
            return typing.get_type_hints(self._function, localns=self._local, include_extras=True)
        except NameError as error:
            raise TypeError(
                f"{self._name} is to be validated by its type hints, and one of them cannot be resolved: {error}. "
                "Define or import what it names where the function is, not only for type checkers."
            ) from None

    def inputs(self, owner: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        by_position, rest, by_name, others, _ = self._compiled()
        name = self._name
        taken = [
            value if spec is None else spec[1].taken(value, name, "input", spec[0])
            for value, spec in zip(args, by_position)
        ]
        for value in args[len(by_position) :]:
            taken.append(value if rest is None else rest[1].taken(value, name, "input", rest[0]))
        words = {
            key: value
            if (spec := by_name.get(key, others)) is None
            else spec[1].taken(value, name, "input", key)
            for key, value in kwargs.items()
        }
        return taken, words

    def answer(self, owner: Any, value: Any) -> Any:
        spec = self._compiled()[4]
        return value if spec is None else spec.taken(value, self._name, "output")


def checked_method(call: Callable[..., Any], contract: Contract, reasks: bool) -> Callable[..., Any]:
    """Return the `__call__` or `acall` of an operator: `call`, between a look at what goes in and at what comes out.

    With `reasks`, the operator's `reask(error, *args, **kwargs)` is asked once for an answer that fits.
    """
    if is_async(call):

        @functools.wraps(call)
        async def achecked(self: Any, /, *args: Any, **kwargs: Any) -> Any:
            given, words = contract.inputs(self, args, kwargs)
            value = await call(self, *given, **words)
            try:
                return contract.answer(self, value)
            except ValueError as error:
                if not reasks or not _is_mismatch(error):
                    raise
                again = self.reask(error, *given, **words)
                return contract.answer(self, await again if inspect.isawaitable(again) else again)

        return achecked

    @functools.wraps(call)
    def checked(self: Any, /, *args: Any, **kwargs: Any) -> Any:
        given, words = contract.inputs(self, args, kwargs)
        value = call(self, *given, **words)
        if not reasks:
            return contract.answer(self, value)
        try:
            return contract.answer(self, value)
        except ValueError as error:
            if not _is_mismatch(error):
                raise
            return contract.answer(self, self.reask(error, *given, **words))

    return checked


def _is_mismatch(error: ValueError) -> bool:
    from .errors import SpecMismatch

    return isinstance(error, SpecMismatch)


def checked_function(function: Callable[..., Any], names: Mapping[str, Any]) -> Callable[..., Any]:
    """Return `function`, its arguments and its answer validated by its type hints."""
    contract = ByHints(function, names)
    if is_async(function):

        @functools.wraps(function)
        async def achecked(*args: Any, **kwargs: Any) -> Any:
            given, words = contract.inputs(None, args, kwargs)
            return contract.answer(None, await function(*given, **words))

        return achecked

    @functools.wraps(function)
    def checked(*args: Any, **kwargs: Any) -> Any:
        given, words = contract.inputs(None, args, kwargs)
        return contract.answer(None, function(*given, **words))

    return checked


def names_around(depth: int) -> dict[str, Any]:
    """Return the local names of the code that is `depth` calls up, for hints that name them; {} at module level."""
    frame: FrameType | None = sys._getframe(depth + 1)  # pyright: ignore[reportPrivateUsage]
    found: dict[str, Any] = {}
    while frame is not None and frame.f_locals is not frame.f_globals:
        found = {**frame.f_locals, **found}
        frame = frame.f_back if not frame.f_code.co_flags & inspect.CO_OPTIMIZED else None  # a class's body
    return found
