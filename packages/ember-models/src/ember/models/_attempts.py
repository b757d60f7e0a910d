"""The attempts at one call, and what the calls to one endpoint share: retry quota, circuit breaker, gates.

All of it lives on the I/O loop. A call enters, makes an attempt, leaves; and where the attempt failed, asks whether to
enter again. Nothing above the engine repeats a call that was given up here.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from ember.core.loop import io_loop

from ._breaker import Breaker
from ._call import Call
from ._gate import Gate, Pass
from ._limits import left, rest, silent
from ._parts import characters
from ._retry import LONGEST_WAIT, OVERLOADS, THROTTLES, Again, Quota, decide
from .errors import ConnectionFailed, ModelError, ProviderUnavailable

if TYPE_CHECKING:
    from ._job import Job, Watch

_MOST_LANES: Final = 1_000


class Lane:
    """What all calls to one endpoint with one key share. Each of its models has a gate of its own."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.quota = Quota()
        self.breaker = Breaker(clock)
        self.gates: dict[str, Gate] = {}

    def gate(self, model: str) -> Gate:
        """Return the gate of `model`."""
        gate = self.gates.get(model)
        if gate is None:
            gate = self.gates[model] = Gate(self._clock)
        return gate

    @property
    def idle(self) -> bool:
        return not any(gate.in_flight or gate.waiting for gate in self.gates.values())


class _Lanes:
    """The lanes of this process, by provider, base URL and key; the longest unused go when there are too many."""

    def __init__(self) -> None:
        self.lanes: OrderedDict[tuple[object, ...], Lane] = OrderedDict()

    def of(self, job: Job[Any]) -> Lane:
        key = (job.provider.name, job.endpoint.base_url, job.endpoint.key)
        lane = self.lanes.get(key)
        if lane is None:
            lane = self.lanes[key] = Lane(asyncio.get_running_loop().time)
            for old, other in list(self.lanes.items())[: max(0, len(self.lanes) - _MOST_LANES)]:
                if other.idle:
                    del self.lanes[old]
        else:
            self.lanes.move_to_end(key)
        return lane


async def _forget(lanes: _Lanes) -> None:
    lanes.lanes.clear()


def _lanes() -> _Lanes:
    return io_loop().resource("lanes", _Lanes, _forget)


class Attempts:
    """One call's attempts: enter, leave, and whether to enter again. On the I/O loop."""

    def __init__(self, job: Job[Any], watch: Watch) -> None:
        self._job, self._watch = job, watch
        self._lane = _lanes().of(job)
        self._gate = self._lane.gate(job.call.model)
        self._loop = asyncio.get_running_loop()
        self.deadline = self._loop.time() + job.policy.timeout - job.spent
        self._made = 0  # at this request: others of the same call are counted by the watch, with these
        self._pass: Pass | None = None
        self._price = 0
        self._silent = False

    async def enter(self) -> None:
        """Wait for admission. Raises `ProviderUnavailable` where the breaker lets nobody through."""
        job, hold = self._job, self._job.hold
        if hold is not None:
            hold.check()
        # A call that was served before goes first: another attempt, or another answer in place of one that did not fit.
        first = self._made > 0 or (self._watch.requests > 0 and isinstance(job.call, Call))
        limits = job.policy.limits
        self._pass = await self._gate.enter(limits, _tokens(job), first=first)
        if limits.tpm is not None:
            self._watch.admitted = self._pass
        if hold is not None:
            try:
                hold.reserve()  # now, and not before it waited: those that were ahead have used some of the budget
            except ModelError:
                self._go_back()
                raise
        wait = self._lane.breaker.refuses()
        if wait is not None:
            self._go_back()
            raise ProviderUnavailable(
                f"{self._lane.breaker.failures} requests in a row have failed, so this endpoint is left alone for "
                f"{wait:.1f} s. No request was made.",
                retry_after=round(wait, 1),
            )

        self._made += 1

    def _go_back(self) -> None:
        """Give the place back without having sent anything."""
        if self._pass is not None:
            self._gate.leave(self._pass)
            self._pass = None

    def heard(self, headers: Mapping[str, str]) -> None:
        """Take note of what a reply's headers say about limits."""
        self._silent = silent(headers)
        if self._pass is None or self._silent:
            return
        now = time.time()
        asked = now - (self._loop.time() - self._pass.at)
        seconds = rest(headers, now, asked)
        if seconds:
            self._gate.close_for(seconds)
        remaining = left(headers, now, asked)
        if remaining is not None:
            self._gate.heard(self._pass, remaining)

    def leave(self, error: BaseException | None) -> None:
        """Give the place back, and tell the breaker and the gate how it went; only the first call counts."""
        admitted, self._pass = self._pass, None
        if admitted is None:
            return
        if error is None:
            self._lane.quota.give_back(self._price)
            self._lane.breaker.answered()
            if self._silent:
                self._gate.unheard()
        elif not isinstance(error, ModelError):
            self._lane.breaker.undecided()
        elif isinstance(error, ConnectionFailed) or (
            error.status is not None and error.status >= 500 and error.status not in THROTTLES
        ):
            self._lane.breaker.failed()
        elif error.status is not None:
            self._lane.breaker.answered()
        else:
            self._lane.breaker.undecided()
        if isinstance(error, ModelError) and error.status in OVERLOADS:
            asked = error.retry_after
            wait = asked if asked and asked <= LONGEST_WAIT else None
            self._gate.leave(admitted, overloaded=True, wait=wait)  # the others would be told the same
        else:
            self._gate.leave(admitted, answered=error is None)

    async def again(self, error: ModelError) -> bool:
        """After a failed attempt: wait and return True if another is to be made, else return False at once."""
        decision = decide(
            self._made,
            error,
            most=self._job.policy.max_retries + 1,
            now=self._loop.time(),
            deadline=self.deadline,
            quota=self._lane.quota.left,
            random=random.random,
        )
        if not isinstance(decision, Again):
            return False
        self._price = decision.price
        self._lane.quota.take(decision.price)
        self._watch.retried(error, decision.delay, self._made)
        await asyncio.sleep(decision.delay)
        return True


def _tokens(job: Job[Any]) -> int:
    """Return about how many tokens a request will use: four `characters` each, and what the answer may have."""
    call = job.call
    if isinstance(call, Call):
        said = sum(characters(message.content) for message in call.messages) + len(call.system or "")
        return said // 4 + 1 + (call.max_tokens or 0) * (call.n or 1)
    return sum(len(text) for text in call.texts) // 4 + 1


@dataclass(frozen=True, slots=True)
class Health:
    """How the calls to one model at one endpoint fare.

    `breaker` is "closed" (all is well), "open" (left alone after failures) or "half-open"; `failures` counts those in a
    row. `limit` is how many calls may be under way at once, as overload has taught; None: no limit was needed.
    `retry_quota` is what is left of 500.
    """

    provider: str
    base_url: str
    model: str
    breaker: str
    failures: int
    in_flight: int
    waiting: int
    limit: int | None
    retry_quota: int


async def health() -> tuple[Health, ...]:
    """Return how the endpoints used so far fare; on the I/O loop."""
    return tuple(
        Health(
            str(key[0]),
            str(key[1]),
            model,
            lane.breaker.state,
            lane.breaker.failures,
            gate.in_flight,
            gate.waiting,
            None if gate.limit is None else int(gate.limit),
            lane.quota.left,
        )
        for key, lane in _lanes().lanes.items()
        for model, gate in lane.gates.items()
    )
