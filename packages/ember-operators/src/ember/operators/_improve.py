"""Answers that are scored or checked, and asked for again until they are good enough."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ._ask import choose, is_model, question_of
from ._attempts import Attempt, tell_retry, with_attempts
from ._ensemble import samples
from ._fields import prompt
from ._retry import repeatable
from ._steps import Budget, Do, Member, Stepped, Steps, Together, answered, attempt
from .errors import Rejected


class BestOfN(Stepped, kw_only=False):
    """Ask `op` the same `n` times at once, and return the answer with the highest `score`; of equals, the first.

    `score` is called with an answer and says a number. With `threshold`, the first answer that reaches it is enough,
    and the rest is cancelled. Calls that fail are left out; if all do, the first one's error escapes, with `.attempts`.
    With `seed`, each call is given one: `seed`, `seed + 1` and so on; not every provider knows seeds.

    >>> import itertools
    >>> lengths = itertools.cycle(["a", "aaa", "aa"])
    >>> BestOfN(lambda question: next(lengths), score=len, n=3)("?")
    'aaa'
    """

    op: Member
    score: Callable[[Any], float]
    n: int = 5
    threshold: float | None = None
    seed: int | None = None
    limit: int | None = None
    budget: Budget | None = None

    def steps(self, *args: Any, **kwargs: Any) -> Steps[Any]:
        scored = [Do(_Scored(one, self.score)) for one in samples(self.op, self.n, self.seed, args, kwargs)]
        threshold = self.threshold

        def reached(ended: list[Attempt | None]) -> bool:
            return threshold is not None and any(one.value[0] >= threshold for one in answered(ended))

        enough = None if threshold is None else reached
        ended: list[Attempt | None] = yield Together(scored, self.limit, keep=True, enough=enough)
        there = answered(ended)
        if not there:
            raise with_attempts(next(one.error for one in ended if one is not None and one.error), ended)
        return max((one.value for one in there), key=lambda pair: pair[0])[1]  # the first of equals


class _Scored(Stepped, kw_only=False):
    """A call, and the score of what it answers."""

    do: Do
    score: Callable[[Any], float]

    def steps(self) -> Steps[tuple[float, Any]]:
        answer = yield self.do
        return (yield Do(self.score, (answer,))), answer


class Refine(Stepped, kw_only=False):
    """Ask `op` up to `n` times, each time telling it how good its last answer was, and return the best answer.

    `score` is called with an answer and says a number; at `threshold` it ends. `feedback(answer, score, *args,
    **kwargs)` returns the argument of the next attempt; without it, the last answer and its score are put below the
    question.

    >>> longer = lambda text: text + "!"
    >>> Refine(longer, score=len, threshold=6, feedback=lambda answer, score, question: answer)("hey")
    'hey!!!'
    """

    op: Member
    score: Callable[[Any], float]
    n: int = 3
    threshold: float | None = None
    feedback: Callable[..., Any] | None = None
    instruction: str = prompt("Your last answer, and how good it was. Write a better one.")
    budget: Budget | None = None

    def steps(self, *args: Any, **kwargs: Any) -> Steps[Any]:
        if self.n < 1:
            raise ValueError(f"n is how often to ask, at least 1; got {self.n!r}.")
        asked, named, best = args, kwargs, None
        tried: list[Attempt] = []
        for number in range(1, self.n + 1):
            tried.append((yield from attempt(number, Do(self.op, asked, named))))
            if (error := tried[-1].error) is not None:
                raise with_attempts(error, tried)
            answer = tried[-1].value
            score = yield Do(self.score, (answer,))
            if best is None or score > best[0]:
                best = score, answer
            if self.threshold is not None and score >= self.threshold:
                break
            if self.feedback is not None:
                asked, named = ((yield Do(self.feedback, (answer, score, *args), kwargs)),), {}
            else:
                question = question_of(args, kwargs)
                asked = (f"{question}\n\n{self.instruction}\nAnswer: {answer}\nScore: {score:.3g}",)
                named = {}
        assert best is not None
        return best[1]


class Verifier(Stepped, kw_only=False):
    """Ask `op`, have the answer checked, and ask again with the objection, up to `attempts` times.

    `check` is called with the answer: None or True lets it pass, a text is an objection, False one without reasons,
    and so is a ValueError it raises. Or it is a model, which is asked whether the answer is right. If no answer passes,
    a `Rejected` error has the last one, the objection, and all `.attempts`.

    >>> def short(answer):
    ...     if len(answer) > 4:
    ...         return "too long"
    >>> Verifier(lambda question: "four" if "too long" in question else "four point nil", check=short)("2 + 2?")
    'four'
    """

    op: Member
    check: Callable[[Any], Any] | str | None
    attempts: int = 3
    instruction: str = prompt("Is this answer right?")
    budget: Budget | None = None

    def __post_init__(self) -> None:
        if self.attempts < 1:
            raise ValueError(f"attempts is how often to ask in all, at least 1; got {self.attempts!r}.")

    def steps(self, *args: Any, **kwargs: Any) -> Steps[Any]:
        asked, named, tried = args, kwargs, list[Attempt]()
        answer, objection = None, ""
        for number in range(1, self.attempts + 1):
            one = yield from attempt(number, Do(self.op, asked, named))
            tried.append(one)
            if one.error is not None:
                raise with_attempts(one.error, tried)
            answer = one.value
            objection = yield from self._objection(answer, args, kwargs)
            if objection is None:
                return answer
            if number < self.attempts:
                tell_retry(number, 0.0, Rejected(answer, objection, number), self)
            asked = (f"{question_of(args, kwargs)}\n\nNot this answer: {answer}\nBecause: {objection}",)
            named = {}
        raise with_attempts(Rejected(answer, objection, len(tried)), tried)

    def _objection(self, answer: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Steps[Any]:
        if is_model(self.check):
            asked = f"{question_of(args, kwargs)}\nAnswer: {answer}\n\n{self.instruction}"
            verdict = yield choose(self.check, asked, ["yes", "no"])
            return None if verdict == "yes" else "It was found to be wrong."
        try:
            found = yield Do(self.check, (answer,))
        except ValueError as error:
            if not repeatable(error):
                raise
            return str(error) or "It did not pass the check."
        return None if found is None or found is True else found or "It did not pass the check."
