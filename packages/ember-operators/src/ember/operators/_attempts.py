"""What an operator tried: as values, on the error that finally escapes, and as events."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from ember.core import events, scrub
from ember.core.externals import current_call, inside

_E = TypeVar("_E", bound=BaseException)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One call that an operator made: its `number` from 1, `who` was called, and what came of it.

    `seconds` is how long it took (None under `@xcs.jit`, whose trace knows), and `error` None where `value` is the
    result. If it was an operator that failed, `attempts` are what that one had tried.
    """

    number: int
    who: str
    seconds: float | None
    value: Any = None
    error: BaseException | None = None
    attempts: tuple[Attempt, ...] = ()

    def __str__(self) -> str:
        came = "answered" if self.error is None else f"{type(self.error).__name__}: {self.error}"
        took = "" if self.seconds is None else f", {self.seconds:.3g} s"
        return scrub(f"{self.number}. {self.who}{took}: {came}")


def with_attempts(error: _E, attempts: Iterable[Attempt | None]) -> _E:
    """Return `error` with `attempts` attached: as its attribute of that name, and as a note in its traceback."""
    inner: tuple[Attempt, ...] = getattr(error, "attempts", ())
    made = tuple(
        replace(one, attempts=inner) if inner and one.error is error else one
        for one in attempts
        if one is not None
    )
    with suppress(AttributeError, TypeError):  # an exception with slots; the note still says it
        error.attempts = made  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    if len(made) > 1:
        error.add_note("\n  ".join(["Attempts:", *map(str, made)]))
    return error


@contextmanager
def observed(operator: object) -> Iterator[None]:
    """Tell the start and the end of an operator's run to those who listen; calls made in it name it as their parent."""
    if not any(
        map(
            events.listening, (events.CallStarted, events.CallFinished, events.CallFailed, events.CallRetried)
        )
    ):
        yield
        return
    number, scope, began = events.next_call(), events.current_scope(), time.perf_counter()
    parent, name = current_call(), type(operator).__name__

    def facts() -> tuple[int, int | None, str, str, float, events.Scope]:
        return number, parent, "operator", name, time.time(), scope

    events.emit(events.CallStarted(*facts()))
    try:
        with inside(number):
            yield
    except BaseException as error:
        seconds = time.perf_counter() - began
        events.emit(events.CallFailed(*facts(), duration=seconds, error=type(error).__name__, requests=0))
        raise
    events.emit(events.CallFinished(*facts(), duration=time.perf_counter() - began, requests=0))


def tell_retry(attempt: int, delay: float, error: BaseException, operator: object) -> None:
    """Tell listeners that `attempt` (from 1) failed and another follows after `delay` seconds."""
    number = current_call()
    if number is not None and events.listening(events.CallRetried):
        scope, name = events.current_scope(), type(operator).__name__
        why = type(error).__name__
        events.emit(
            events.CallRetried(
                number, None, "operator", name, time.time(), scope, attempt=attempt, delay=delay, error=why
            )
        )
