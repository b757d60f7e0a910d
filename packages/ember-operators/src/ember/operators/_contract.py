"""What an operator takes and gives: its specs, or the type hints of its function. Compiled at its first call."""

from __future__ import annotations

import functools
import inspect
import sys
import typing
from collections.abc import Callable, Mapping
from types import FrameType
from typing import Any, Final

from ._calling import computes, is_async

__ember_lower__ = True

_UNSAID: Final = inspect.Parameter.empty


Take = Callable[[Any], Any]
"""Returns a value as a spec has it; raises `SpecMismatch`."""


class Contract:
    """What goes into one function or operator, and what comes out."""

    @computes
    def inputs(self, owner: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Return arguments as they are to be passed on: by position, and by name."""
        raise NotImplementedError

    @computes
    def answer(self, owner: Any, value: Any) -> Any:
        """Return an answer as it is to be given."""
        raise NotImplementedError


class BySpec(Contract):
    """By `input_spec` and `output_spec`, of the class or, where these are fields, of the instance."""

    def __init__(self, name: str, *, of_instances: bool) -> None:
        self._name, self._of_instances = name, of_instances
        # What was compiled of the last types seen; of instances, with these types.
        self._take: Take | None = None
        self._give: Take | None = None
        self._kinds: dict[str, Any] = {}

    @computes
    def inputs(self, owner: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        take = self._take
        if take is None or self._of_instances:
            take = self._take = self._look(owner, "input", take)
        if len(args) == 1 and not kwargs:
            return (take(args[0]),), kwargs
        if take is _as_it_is:
            return args, kwargs
        if args:
            raise TypeError(
                f"{self._name} takes one value that fits its input_spec, or the fields of one by keyword; it was "
                f"given {len(args)} by position{' and keywords' if kwargs else ''}."
            )
        return (take(kwargs),), {}

    @computes
    def input(self, owner: Any, value: Any) -> Any:
        """Return one value as it is to be passed on: `inputs`, for what is almost always given."""
        take = self._take
        if take is None or self._of_instances:
            take = self._take = self._look(owner, "input", take)
        return take(value)

    @computes
    def answer(self, owner: Any, value: Any) -> Any:
        give = self._give
        if give is None or self._of_instances:
            give = self._give = self._look(owner, "output", give)
        return give(value)

    def _look(self, owner: Any, side: str, known: Take | None) -> Take:
        kind = getattr(owner, f"{side}_spec", None)
        if known is None or self._kinds[side] is not kind:
            known = _as_it_is if kind is None else _compiled(kind, self._name, side)
            self._kinds[side] = kind
        return known


def _as_it_is(value: Any) -> Any:
    return value


def _compiled(kind: Any, name: str, side: str, where: str = "") -> Take:
    from ._spec import spec_of

    return spec_of(kind).taker(name, side, where)


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
            hints = self._hints()
            by_position: list[Any] = []
            by_name: dict[str, Any] = {}
            rest, others = None, _UNSAID
            parameters = list(inspect.signature(self._function).parameters.items())
            for name, parameter in parameters[self._bound :]:
                hint = hints.get(name, _UNSAID)
                spec = self._take(hint, "input", name)
                if parameter.kind is parameter.VAR_POSITIONAL:
                    rest = spec
                elif parameter.kind is parameter.VAR_KEYWORD:
                    others = hint
                else:
                    if parameter.kind is not parameter.KEYWORD_ONLY:
                        by_position.append(spec)
                    if parameter.kind is not parameter.POSITIONAL_ONLY:
                        by_name[name] = spec
            answer = self._take(hints.get("return", _UNSAID), "output")
            self._made, self._local = (tuple(by_position), rest, by_name, others, answer), None
        return self._made

    def _take(self, hint: Any, side: str, where: str = "") -> Take | None:
        return None if hint is _UNSAID or hint is Any else _compiled(hint, self._name, side, where)

    def _hints(self) -> dict[str, Any]:
        try:
            return typing.get_type_hints(self._function, localns=self._local, include_extras=True)
        except NameError as error:
            raise TypeError(
                f"{self._name} is to be validated by its type hints, and one of them cannot be resolved: {error}. "
                "Define or import what it names where the function is, not only for type checkers."
            ) from None

    @computes
    def inputs(self, owner: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        by_position, rest, by_name, others, _ = self._compiled()
        taken = [value if take is None else take(value) for value, take in zip(args, by_position)]
        for value in args[len(by_position) :]:
            taken.append(value if rest is None else rest(value))
        words = {key: self._word(by_name, others, key, value) for key, value in kwargs.items()}
        return taken, words

    def _word(self, by_name: dict[str, Take | None], others: Any, key: str, value: Any) -> Any:
        take = by_name[key] if key in by_name else self._take(others, "input", key)
        return value if take is None else take(value)

    @computes
    def answer(self, owner: Any, value: Any) -> Any:
        take = self._compiled()[4]
        return value if take is None else take(value)


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

    if isinstance(contract, BySpec) and not reasks:
        by_spec = contract

        @functools.wraps(call)
        def checked_by_spec(self: Any, /, *args: Any, **kwargs: Any) -> Any:
            if len(args) == 1 and not kwargs:
                return by_spec.answer(self, call(self, by_spec.input(self, args[0])))
            given, words = by_spec.inputs(self, args, kwargs)
            return by_spec.answer(self, call(self, *given, **words))

        return checked_by_spec

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
