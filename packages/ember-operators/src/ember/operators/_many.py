"""Questions that are taken apart, discussed, or searched through."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from ._ask import question_of
from ._fields import prompt
from ._steps import Budget, Do, Member, Stepped, Steps, Together
from ._vote import majority


class MapReduce(Stepped, kw_only=False):
    """Take a question apart with `split`, call `op` with all parts at once, and return `reduce` of the list of answers.

    Without `split`, the argument itself is gone through. At most `limit` parts are worked on at once.

    >>> MapReduce(len, reduce=sum, split=str.split)("how many letters")
    14
    """

    op: Member
    reduce: Member
    split: Callable[..., Iterable[Any]] | None = None
    limit: int | None = None
    budget: Budget | None = None

    def steps(self, *args: Any, **kwargs: Any) -> Steps[Any]:
        parts = args[0] if self.split is None else (yield Do(self.split, args, kwargs))
        answers = yield Together([Do(self.op, (part,)) for part in parts], self.limit)
        return (yield Do(self.reduce, (answers,)))


class Debate(Stepped, kw_only=False):
    """Ask all `members` at once; then, for `rounds` - 1 more rounds, show each what the others said; then decide.

    `decide` makes one answer of those of the last round, in order: by default it is the `majority`. From the second
    round on, a member is asked with one text: the question, the answers, and `instruction`. (Du et al., "Improving
    Factuality and Reasoning in Language Models through Multiagent Debate", 2023.)

    >>> stubborn, polite = lambda text: "blue", lambda text: "blue" if "said: blue" in text else "green"
    >>> Debate([polite, stubborn, polite])("What colour is the sea?")
    'blue'
    """

    members: Sequence[Member]
    rounds: int = 2
    decide: Member = majority
    instruction: str = prompt("These are others' answers. Think about them, then answer the question.")
    limit: int | None = None
    budget: Budget | None = None

    def steps(self, *args: Any, **kwargs: Any) -> Steps[Any]:
        if self.rounds < 1:
            raise ValueError(f"rounds is how often all are asked, at least 1; got {self.rounds!r}.")
        answers: list[Any] = yield Together([Do(one, args, kwargs) for one in self.members], self.limit)
        for _ in range(self.rounds - 1):
            question = question_of(args, kwargs)
            asked = [self._told(question, answers, place) for place in range(len(answers))]
            calls = [Do(one, (text,)) for one, text in zip(self.members, asked, strict=True)]
            answers = yield Together(calls, self.limit)
        return (yield Do(self.decide, (answers,)))

    def _told(self, question: str, answers: list[Any], place: int) -> str:
        others = [f"Member {n + 1} said: {said}" for n, said in enumerate(answers) if n != place]
        own = f"You said: {answers[place]}"
        return "\n".join([question, "", *others, own, "", self.instruction])


class TreeSearch(Stepped, kw_only=False):
    """Look for the best state by beam search: from each state that is kept `expand` gives the next ones.

    `score` says how good a state is; the `beam` best are kept, of equals those seen first, for `depth` levels, or until
    one is `done`. Returns the best state that was seen. States of a level are expanded, and scored, at once. (Yao et
    al., "Tree of Thoughts", 2023, is this with a model in `expand` and in `score`.)

    >>> towards = lambda state: -abs(24 - state)
    >>> TreeSearch(expand=lambda n: [n + 3, n * 2], score=towards, beam=2, depth=4)(3)
    24
    """

    expand: Member
    score: Callable[[Any], float]
    beam: int = 3
    depth: int = 3
    done: Callable[[Any], Any] | None = None
    limit: int | None = None
    budget: Budget | None = None

    def steps(self, state: Any) -> Steps[Any]:
        if self.beam < 1 or self.depth < 1:
            raise ValueError(f"beam and depth are at least 1; got {self.beam!r} and {self.depth!r}.")
        kept, best = [state], ((yield Do(self.score, (state,))), state)
        for _ in range(self.depth):
            families: list[Iterable[Any]] = yield Together(
                [Do(self.expand, (one,)) for one in kept], self.limit
            )
            states = [child for family in families for child in family]
            if not states:
                break
            scores: list[float] = yield Together([Do(self.score, (one,)) for one in states], self.limit)
            # Sorting is stable: of equals, the first seen stays the first.
            ranked = sorted(zip(scores, states), key=lambda pair: -pair[0])
            if ranked[0][0] > best[0]:
                best = ranked[0]
            if self.done is not None:
                for _, one in ranked:
                    if (yield Do(self.done, (one,))):
                        return one
            kept = [one for _, one in ranked[: self.beam]]
        return best[1]
