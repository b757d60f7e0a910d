"""Several answers to one question: all of them, or the one that most of them give."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any

from ._attempts import Attempt, with_attempts
from ._steps import Budget, Do, Member, Stepped, Steps, Together, answered, traced
from ._vote import decided, majority, normal, tally
from .errors import GradientThroughModel


class Ensemble(Stepped, kw_only=False):
    """Ask all `members` the same at once, and return their answers in order, or what `aggregate` makes of that list.

    When one raises, the others are cancelled. With `need`, the first so many that answer are enough: failures count
    only if fewer remain, the rest is cancelled, and the answers still are in the members' order. At most `limit` run
    at once.

    >>> Ensemble([str.upper, str.title])("the sea")
    ['THE SEA', 'The Sea']
    >>> Ensemble([len, len, str.split], aggregate=lambda answers: answers[0])("the sea")
    7
    """

    members: Sequence[Member]
    aggregate: Callable[[list[Any]], Any] | None = None
    need: int | None = None
    limit: int | None = None
    budget: Budget | None = None

    def steps(self, *args: Any, **kwargs: Any) -> Steps[Any]:
        calls = [Do(one, args, kwargs) for one in self.members]
        if self.need is None:
            answers = yield Together(calls, self.limit)
        else:
            answers = yield from first(self.need, calls, self.limit)
        return answers if self.aggregate is None else (yield Do(self.aggregate, (answers,)))


def first(need: int, calls: list[Do], limit: int | None = None) -> Steps[list[Any]]:
    """Return the answers of the first `need` calls that have one, in the calls' order."""
    if not 1 <= need <= len(calls):
        raise ValueError(
            f"need is how many answers are enough, from 1 to {len(calls)} (the members); got {need}."
        )
    spare = len(calls) - need

    def enough(ended: list[Attempt | None]) -> bool:
        failed = sum(one is not None and one.error is not None for one in ended)
        return len(answered(ended)) >= need or failed > spare

    ended: list[Attempt | None] = yield Together(calls, limit, keep=True, enough=enough)
    there = answered(ended)
    if len(there) < need:
        raise with_attempts(
            next(one.error for one in ended if one is not None and one.error is not None), ended
        )
    return [one.value for one in there[:need]]


class MajorityVote(Stepped, kw_only=False):
    """Ask all `members` at once, and return the answer that most of them give; of a tie, the one seen first.

    Answers are the same where `key` is: by default without regard to case, space and outer punctuation. `weights` has a
    number for each member (arrays learn, see `fit_vote_weights`). With `early`, what cannot change the result any more
    is cancelled; which of the equal answers is returned then depends on who was first.

    >>> MajorityVote([lambda x: "Paris", lambda x: "Rome", lambda x: "paris."])("The capital of France?")
    'Paris'
    """

    members: Sequence[Member]
    weights: Sequence[float] | Any | None = None
    key: Callable[[Any], Hashable] = normal
    early: bool = False
    limit: int | None = None
    budget: Budget | None = None

    def steps(self, *args: Any, **kwargs: Any) -> Steps[Any]:
        if self.weights is not None and (traced(self.weights) or any(map(traced, self.weights))):
            raise GradientThroughModel("a vote")
        calls = [Do(one, args, kwargs) for one in self.members]
        return (yield from voted(calls, self.weights, self.key, self.early, self.limit))


def voted(
    calls: list[Do],
    weights: Sequence[float] | None,
    key: Callable[[Any], Hashable],
    early: bool,
    limit: int | None,
) -> Steps[Any]:
    """Return the answer that most of `calls` give."""
    each = [1.0] * len(calls) if weights is None else [float(weight) for weight in weights]
    if len(each) != len(calls):
        raise ValueError(f"{len(calls)} members have {len(each)} weights: one each is needed.")
    if not early:
        answers: list[Any] = yield Together(calls, limit)
        return majority(answers, each, key)

    def clear(ended: list[Attempt | None]) -> bool:
        if any(one is not None and one.error is not None for one in ended):
            return True  # and it escapes, as it does without `early`
        there = answered(ended)
        votes = tally([one.value for one in there], [each[one.number - 1] for one in there], key)
        left = sum(weight for weight, one in zip(each, ended) if one is None and weight > 0)
        return decided(votes, left)

    ended: list[Attempt | None] = yield Together(calls, limit, keep=True, enough=clear)
    for one in ended:
        if one is not None and one.error is not None:
            raise with_attempts(one.error, ended)
    there = answered(ended)
    return majority([one.value for one in there], [each[one.number - 1] for one in there], key)


class SelfConsistency(Stepped, kw_only=False):
    """Ask `op` the same question `n` times, and return what most of the answers come to.

    `extract` takes from an answer what is voted on and returned: the number at the end of a chain of thought, say. With
    `seed`, each call is given one: `seed`, `seed + 1` and so on; not every provider knows seeds. (Wang et al.,
    "Self-Consistency Improves Chain of Thought Reasoning in Language Models", 2023.)

    >>> import itertools
    >>> thoughts = itertools.cycle(["6 and 6 is 12", "it is 12", "that makes 13"])
    >>> SelfConsistency(lambda question: next(thoughts), n=3, extract=lambda text: text.split()[-1])("6 + 6?")
    '12'
    """

    op: Member
    n: int = 5
    extract: Callable[[Any], Any] | None = None
    seed: int | None = None
    key: Callable[[Any], Hashable] = normal
    early: bool = False
    limit: int | None = None
    budget: Budget | None = None

    def steps(self, *args: Any, **kwargs: Any) -> Steps[Any]:
        calls = samples(self.op, self.n, self.seed, args, kwargs)
        extract = self.extract
        if extract is None:
            return (yield from voted(calls, None, self.key, self.early, self.limit))
        winner = yield from voted(
            calls, None, lambda answer: self.key(extract(answer)), self.early, self.limit
        )
        return extract(winner)


def samples(
    op: Member | None, n: int, seed: int | None, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> list[Do]:
    """Return `n` calls of `op`, each with a seed of its own if there is one."""
    if n < 1:
        raise ValueError(f"n is how many answers are asked for, at least 1; got {n!r}.")
    seeds: list[dict[str, Any]] = [{} if seed is None else {"seed": seed + number} for number in range(n)]
    return [Do(op, args, {**own, **kwargs}) for own in seeds]
