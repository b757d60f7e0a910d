"""A model that looks at answers: to pick the best, or to write a better one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ._ask import choose, labels, question_of
from ._fields import prompt
from ._steps import Budget, Do, Member, Stepped, Steps, Together
from ._vote import normal


class Judge(Stepped, kw_only=False):
    """Ask all `members` at once, then have `model` say which answer is the best, and return that answer.

    The model sees the question and the answers with letters, and chooses a letter. Answers that are the same are shown
    once; if all are, nobody judges. `model` is a name (None: the default model), or a callable that takes a prompt and
    `choices=`. A judge is asked in the order of the members and may prefer a place: `MajorityVote` does not.

    >>> last = lambda prompt, choices: choices[-1]
    >>> Judge([lambda q: "It reflects the sea.", lambda q: "It scatters light."], model=last)("Why is the sky blue?")
    'It scatters light.'
    """

    members: Sequence[Member]
    model: Member | None = None
    instruction: str = prompt("Which of these answers is the best? Reply with its letter.")
    limit: int | None = None
    budget: Budget | None = None

    def steps(self, *args: Any, **kwargs: Any) -> Steps[Any]:
        answers: list[Any] = yield Together([Do(one, args, kwargs) for one in self.members], self.limit)
        different = {normal(answer): answer for answer in reversed(answers)}
        shown = [different[key] for key in dict.fromkeys(map(normal, answers))]
        if len(shown) == 1:
            return shown[0]
        letters = labels(len(shown))
        asked = f"{question_of(args, kwargs)}\n\n{_listed(letters, shown)}\n\n{self.instruction}"
        letter = yield choose(self.model, asked, letters)
        return shown[letters.index(str(letter))]


class Synthesize(Stepped, kw_only=False):
    """Ask all `members` at once, then have `model` write one answer from theirs, and return that.

    >>> join = lambda prompt: " and ".join(line[3:] for line in prompt.splitlines() if line[1:3] == ". ")
    >>> Synthesize([lambda q: "salt", lambda q: "water"], model=join)("What is in the sea?")
    'salt and water'
    """

    members: Sequence[Member]
    model: Member | None = None
    instruction: str = prompt("Write the best answer to the question, using what is right in these answers.")
    limit: int | None = None
    budget: Budget | None = None

    def steps(self, *args: Any, **kwargs: Any) -> Steps[Any]:
        answers: list[Any] = yield Together([Do(one, args, kwargs) for one in self.members], self.limit)
        listed = _listed(labels(len(answers)), answers)
        return (yield Do(self.model, (f"{question_of(args, kwargs)}\n\n{listed}\n\n{self.instruction}",)))


def _listed(letters: Sequence[str], answers: Sequence[Any]) -> str:
    return "\n".join(f"{letter}. {answer}" for letter, answer in zip(letters, answers))
