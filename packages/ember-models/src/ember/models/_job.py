"""One call on its way: what it is, and the account of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ember.core import events
from ember.core.events import CallFailed, CallFinished, CallRetried, CallStarted, Scope, Usage
from ember.core.externals import current_call
from ember.core.suggest import nearest

from . import _log
from ._call import Call, EmbedCall, Policy
from ._provider import BaseProvider, Endpoint, Transport
from ._transport import HttpTransport
from .errors import AuthenticationError, ModelError, ModelNotFound

if TYPE_CHECKING:
    from ._budget import Hold
    from ._fallback import Fallback
    from ._gate import Pass
    from ._keep import Keep
    from ._tools import Toolbox

_C = TypeVar("_C", Call, EmbedCall)

_http = HttpTransport()
_wrapped: Callable[[Transport], Transport] | None = None


@contextmanager
def between(wrap: Callable[[Transport], Transport]) -> Iterator[None]:
    """Have what `wrap` makes of a transport take its place, for all calls of the process: as recordings do."""
    global _wrapped
    before, _wrapped = _wrapped, wrap
    try:
        yield
    finally:
        _wrapped = before


@dataclass(frozen=True, slots=True)
class Job(Generic[_C]):
    """A call that knows who serves it: everything the engine needs, fixed when the user called.

    `key_source` says where the key came from, for errors; `parse` makes the value of a schema from the answer's text,
    and `reask` is how often the model may be asked again if it cannot; `spent` are the seconds that went into answers
    which did not fit; `tools` checks the arguments of the tools that the model calls; `fallback` are the models to ask
    when this one fails; `hold` is its place in the budgets in force, if there are any; `http` takes the place of HTTP
    as Ember speaks it; `keep` is where the answer is kept; `tags` are the labels under which the
    ledger books it, None if it does not.
    """

    provider: BaseProvider
    call: _C
    endpoint: Endpoint
    key_source: str
    policy: Policy
    scope: Scope
    parse: Callable[[str], Any] | None = None
    reask: int = 0
    tools: Toolbox | None = None
    spent: float = 0.0
    fallback: Fallback | None = None
    hold: Hold | None = None
    http: Transport | None = field(default=None, repr=False)
    keep: Keep | None = None
    tags: tuple[tuple[str, str], ...] | None = None

    @property
    def transport(self) -> Transport:
        transport = self.provider.transport or self.http or _http
        return transport if _wrapped is None else _wrapped(transport)

    def explained(self, error: ModelError) -> ModelError:
        """Return `error` with what only the engine knows: who was asked for what, with whose key."""
        error.provider = error.provider or self.provider.name
        error.model = error.model or self.call.model
        if isinstance(error, AuthenticationError) and self.key_source not in error.problem:
            error.problem = f"{error.problem} ({self.key_source})"
        if isinstance(error, ModelNotFound) and "Did you mean" not in error.problem:
            others = (model for model in self.provider.known_models if model != self.call.model)
            if near := nearest(self.call.model, others):
                error.problem = f"{error.problem} Did you mean {' or '.join(map(repr, near))}?"
        return error


class Watch:
    """The account of one call: events, duration, and the errors' finishing touch. It begins when the call is made."""

    __slots__ = (
        "_begun",
        "_job",
        "_number",
        "_over",
        "_parent",
        "admitted",
        "cost",
        "heads",
        "requests",
        "usage",
    )

    def __init__(self, job: Job[Any]) -> None:
        self._job = job
        self._number, self._parent = events.next_call(), current_call()
        self._begun: float | None = None
        self._over = False
        self.admitted: Pass | None = None  # where there is a limit on tokens, which is told what was used
        self.requests = 0
        self.heads: Mapping[str, str] | None = None  # the headers of the last reply
        self.usage: Usage | None = None
        self.cost: Decimal | None = None

    def begin(self) -> None:
        """Start the clock and tell so; once."""
        if self._begun is None:
            self._begun = time.perf_counter()
            if events.listening(CallStarted):
                events.emit(CallStarted(*self._facts()))

    def _facts(self) -> tuple[int, int | None, str, str, float, Scope]:
        job = self._job
        name = f"{job.provider.name}/{job.call.model}"
        return self._number, self._parent, "model", name, time.time(), job.scope

    def seconds(self) -> float:
        """Return how long the call has run."""
        return time.perf_counter() - (self._begun or 0.0)

    def retried(self, error: ModelError, delay: float, attempt: int) -> None:
        """Tell that `attempt` failed and another follows after `delay` seconds."""
        if events.listening(CallRetried):
            name = type(error).__name__
            events.emit(CallRetried(*self._facts(), attempt=attempt, delay=delay, error=name))

    def finished(self, text: str | None = None, *, cached: bool = False) -> float:
        """Tell that the call answered, with `text` if that is what it asked for; return its duration in seconds."""
        self._over = True
        seconds = time.perf_counter() - (self._begun or 0.0)
        tokens = None if self.usage is None else self.usage.total_tokens
        if self.admitted is not None and tokens is not None:
            self.admitted.tokens = tokens
        if self._job.hold is not None:
            self._job.hold.settle(self.usage, self.cost, answered=True)
        _log.answered(self._job, seconds, self.requests, tokens, text)
        events.emit(
            CallFinished(
                *self._facts(),
                duration=seconds,
                usage=self.usage,
                cost=self.cost,
                requests=self.requests,
                cached=cached,
                tags=self._job.tags,
            )
        )
        return seconds

    def failed(self, error: BaseException) -> None:
        """Tell that the call ended without an answer, once. Tokens known to have been used are charged all the same."""
        if not self._over and self._begun is not None:
            self._over = True
            seconds, name = time.perf_counter() - self._begun, type(error).__name__
            if isinstance(error, ModelError):
                error.usage, error.cost = self.usage, self.cost
            if self._job.hold is not None:
                self._job.hold.settle(self.usage, self.cost, answered=False)
            _log.failed(self._job, seconds, self.requests, error)
            events.emit(
                CallFailed(
                    *self._facts(),
                    duration=seconds,
                    error=name,
                    usage=self.usage,
                    cost=self.cost,
                    requests=self.requests,
                    tags=self._job.tags,
                )
            )

    def __enter__(self) -> Watch:
        self.begin()
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is not None:
            self.failed(error)
            if isinstance(error, ModelError):
                self._job.explained(error)
