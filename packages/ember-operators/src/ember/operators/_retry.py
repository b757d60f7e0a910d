"""What to do when a call fails or takes too long: the same again, another, or no more."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ember.core import EmberError

from ._attempts import Attempt, tell_retry, with_attempts
from ._steps import Budget, Do, Member, Stepped, Steps, Together, attempt, member, name_of
from .errors import Rejected, SpecMismatch

Errors = type[Exception] | tuple[type[Exception], ...]


class Retry(Stepped, kw_only=False):
    """Call `op` again when it fails with one of the errors `on`, up to `attempts` times in all.

    What the engine gave up on is never repeated here, whatever `on` says: a model call has had its retries
    (`max_retries=`), and what it raises escapes at once. That leaves what your own code raises, and answers that do not
    fit. `feedback(error, *args, **kwargs)` returns the argument of the next attempt, so that a model can be told what
    was wrong. Before the second attempt it waits `delay` seconds, and twice as long before each one after.

    The error that escapes is the last one, with all `.attempts`.

    >>> answers = iter(["twelve", "12"])
    >>> Retry(lambda question: int(next(answers)), on=ValueError)("How many?")
    12
    """

    op: Member
    attempts: int = 3
    on: Errors = Exception
    feedback: Callable[..., Any] | None = None
    delay: float = 0.0
    budget: Budget | None = None

    def __post_init__(self) -> None:
        if self.attempts < 1:
            raise ValueError(f"attempts is how often to call in all, at least 1; got {self.attempts!r}.")

    def steps(self, *args: Any, **kwargs: Any) -> Steps[Any]:
        tried: list[Attempt] = []
        for number in range(1, self.attempts + 1):
            one = yield from attempt(number, Do(self.op, args, kwargs))
            if one.error is None:
                return one.value
            tried.append(one)
            if number == self.attempts or not isinstance(one.error, self.on) or not repeatable(one.error):
                break
            wait = self.delay * 2 ** (number - 1)
            tell_retry(number, wait, one.error, self)
            if wait > 0:
                yield pause(wait)
            if self.feedback is not None:
                args, kwargs = ((yield Do(self.feedback, (one.error, *args), kwargs)),), {}
        raise with_attempts(_error(tried[-1]), tried)


def repeatable(error: BaseException) -> bool:
    """Whether a call that failed so may be made again: not if the engine gave it up, or a budget forbids it."""
    cause: BaseException | None = error
    while cause is not None:
        ours = isinstance(cause, Rejected) or (isinstance(cause, SpecMismatch) and cause.side == "output")
        if isinstance(cause, EmberError) and not ours:
            return False
        cause = cause.__cause__
    return True


class Fallback(Stepped, kw_only=False):
    """Call `members` in turn until one answers, and return its answer.

    The next is called when one fails with one of the errors `on`. With `hedge`, it is also called when nobody has
    answered for so many seconds (0: all at once), the first answer counts, and the others are cancelled.

    If all fail, the last one's error escapes, with all `.attempts`.

    >>> Fallback([int, float, str])("1.5")
    1.5
    """

    members: Sequence[Member]
    on: Errors = Exception
    hedge: float | None = None
    budget: Budget | None = None

    def steps(self, *args: Any, **kwargs: Any) -> Steps[Any]:
        if not self.members:
            raise ValueError("A Fallback has no members: there is nobody to ask.")
        calls = [Do(one, args, kwargs) for one in self.members]
        if self.hedge is not None:
            return (yield from self._hedged(calls, self.hedge))
        tried: list[Attempt] = []
        for number, do in enumerate(calls, 1):
            one = yield from attempt(number, do)
            if one.error is None:
                return one.value
            tried.append(one)
            if not isinstance(one.error, self.on):
                break
            if number < len(calls):
                tell_retry(number, 0.0, one.error, self)
        raise with_attempts(_error(tried[-1]), tried)

    def _hedged(self, calls: list[Do], after: float) -> Steps[Any]:
        def enough(ended: list[Attempt | None]) -> bool:
            there = [one for one in ended if one is not None]
            return any(one.error is None or not isinstance(one.error, self.on) for one in there)

        ended: list[Attempt | None] = yield Together(calls, keep=True, enough=enough, every=after)
        tried = [one for one in ended if one is not None]
        for one in tried:
            if one.error is None:
                return one.value
        fatal = [one for one in tried if not isinstance(one.error, self.on)]
        raise with_attempts(_error((fatal or tried)[-1]), tried)


class Timeout(Stepped, kw_only=False):
    """Call `op`, and raise TimeoutError if it has not answered after `seconds`.

    External calls in it are cancelled then. Plain functions run in a thread, which cannot be interrupted: one that
    computes or sleeps is left behind and its result dropped.

    >>> import time
    >>> Timeout(lambda: time.sleep(0.2), seconds=0.01)()
    Traceback (most recent call last):
    ...
    TimeoutError: ... took more than 0.01 s.
    """

    op: Member
    seconds: float
    budget: Budget | None = None

    def __post_init__(self) -> None:
        if self.seconds <= 0:
            raise ValueError(f"seconds is how long the call may take, more than 0; got {self.seconds!r}.")

    def steps(self, *args: Any, **kwargs: Any) -> Steps[Any]:
        from ._race import Limited  # asyncio: not before it is needed

        return (yield Do(Limited(member(self.op), self.seconds, name_of(self.op)), args, kwargs))


def pause(seconds: float) -> Do:
    """Return the step that waits so long, and holds up nothing else."""
    from ._race import Pause

    return Do(Pause(), (seconds,))


def _error(failed: Attempt) -> BaseException:
    assert failed.error is not None
    return failed.error
