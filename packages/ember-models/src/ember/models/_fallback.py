"""Other models, asked in turn when the first one fails with what they need not fail with.

Each is a call of its own, with its own attempts, events and place at the gate; all of them share the one deadline of
the call that the user made. A model that others wait behind may take its equal share of the time that is left, so that
one which hangs does not take all of it.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias, TypeVar, cast

from ember.core.errors import ConfigError, CredentialError, EmberError, PluginError

from . import _engine
from ._call import Call
from ._job import Job
from ._response import Response
from .errors import (
    BudgetExceeded,
    ConnectionFailed,
    InvalidResponse,
    ModelError,
    ModelTimeout,
    ProviderUnavailable,
    RateLimitError,
)

Causes: TypeAlias = tuple[type[ModelError], ...]

CAUSES: Final[Causes] = (
    RateLimitError,
    ProviderUnavailable,
    ConnectionFailed,
    ModelTimeout,
    InvalidResponse,
)
"""What makes the next model be asked, unless the call says otherwise: failures of one provider, not of the request."""


@dataclass(frozen=True, slots=True)
class Fallback:
    """The models to ask after the first, and the errors that make it so.

    An error in the place of a model says why that one cannot be asked here: it has no key, for example.
    """

    others: tuple[Job[Call] | EmberError, ...]
    causes: Causes

    @classmethod
    def of(
        cls, first: Job[Call], names: Iterable[str], causes: Causes, make: Callable[[str], Job[Call]]
    ) -> Fallback:
        """Return the fallback of `first` to `names`; `make` gives the call of a name.

        What is wrong with the program (a name nobody serves, a parameter one of them does not have) is raised here,
        before anything is sent. What is wrong with the surroundings (a missing key) leaves a model out. A model that is
        the same as one before it would fail the same way, and is left out too.
        """
        others: list[Job[Call] | EmberError] = []
        seen = {_identity(first)}
        for name in names:
            try:
                other = make(name)
                _engine.encoded(other, other.provider.encode)
            except (CredentialError, PluginError, ConfigError) as error:
                others.append(bare(error))
                continue
            except Exception as error:
                error.add_note(f"This is about the fallback {name!r}.")
                raise
            if _identity(other) not in seen:
                seen.add(_identity(other))
                others.append(other)
        return cls(tuple(others), causes)


def causes(value: Any) -> Causes:
    """Return what `fallback_on` gives: one class of `ModelError`, or a tuple of them; None is the default."""
    if value is None:
        return CAUSES
    classes = cast("tuple[object, ...]", value if isinstance(value, tuple) else (value,))
    if not all(isinstance(cls, type) and issubclass(cls, ModelError) for cls in classes):
        raise TypeError(f"fallback_on is a class of ModelError or a tuple of them; got {value!r}.")
    return cast(Causes, classes)


def _identity(job: Job[Call]) -> tuple[object, ...]:
    return job.provider.name, job.call.model, job.endpoint.base_url, job.endpoint.key


class Turns:
    """The models of one call in turn: which is asked now, what those before it failed with."""

    def __init__(self, first: Job[Call], fallback: Fallback) -> None:
        self._total = first.policy.timeout
        self._causes, self._left = fallback.causes, deque(fallback.others)
        self._begun: float | None = None
        self._first: ModelError | None = None
        self.failures: list[EmberError] = []
        self.withheld = 0.0
        """Seconds that are left to the others, for as long as the model of `job` has said nothing."""
        self.job = self._within_share(first)

    def begin(self) -> None:
        """Start the clock, once."""
        if self._begun is None:
            self._begun = time.monotonic()

    def _seconds_left(self) -> float:
        return self._total - (0.0 if self._begun is None else time.monotonic() - self._begun)

    def _within_share(self, job: Job[Call]) -> Job[Call]:
        left = self._seconds_left()
        waiting = sum(isinstance(other, Job) for other in self._left)
        shared = waiting > 0 and issubclass(ModelTimeout, self._causes)
        share = min(job.policy.timeout, left / (waiting + 1) if shared else left)
        self.withheld = min(job.policy.timeout, left) - share
        return replace(job, policy=replace(job.policy, timeout=share), fallback=None)

    def failed(self, error: ModelError) -> None:
        """Take the failure of the model that was asked; `job` is the next one then. Raises if there is none for it."""
        share = self.job.policy.timeout
        if isinstance(error, ModelTimeout) and share < self._total:
            error.problem = (
                f"no complete answer within {share:.3g} s, its share of the {self._total:g} s of this call."
            )
        if isinstance(
            error, BudgetExceeded
        ):  # whoever watches the money is to hear of it, and nobody else is asked
            error.failures = tuple(self.failures)
            raise error
        self.failures.append(error)
        if isinstance(error, self._causes):
            while self._left and self._seconds_left() > 0:
                other = self._left.popleft()
                if isinstance(other, Job):
                    bare(error)
                    self._first = self._first or error
                    self.job = self._within_share(other)
                    return
                self.failures.append(other)
        # The first one's, since that is the model the user asked for; it says what the others failed with.
        first = error if self._first is None else self._first
        first.failures = tuple(failure for failure in self.failures if failure is not first)
        raise first from first.__cause__

    def answered(self, response: Response) -> Response:
        """Return the answer, with what was tried before it."""
        response.failures = tuple(self.failures)
        if self._begun is not None:
            response.latency = time.monotonic() - self._begun
        return response


def complete(job: Job[Call], fallback: Fallback) -> Response:
    """Ask one model after another, and wait for the first answer."""
    turns = Turns(job, fallback)
    turns.begin()
    while True:
        try:
            return turns.answered(_engine.complete(turns.job))
        except ModelError as error:
            turns.failed(error)


async def acomplete(job: Job[Call], fallback: Fallback) -> Response:
    """Ask one model after another, and await the first answer."""
    turns = Turns(job, fallback)
    turns.begin()
    while True:
        try:
            return turns.answered(await _engine.acomplete(turns.job))
        except ModelError as error:
            turns.failed(error)


_E = TypeVar("_E", bound=EmberError)


def bare(error: _E) -> _E:
    """Return `error` without tracebacks: it is kept with the answer, and their frames hold prompts and sockets."""
    link: BaseException | None = error
    while link is not None:
        link.__traceback__, link = None, link.__cause__ or link.__context__
    return error
