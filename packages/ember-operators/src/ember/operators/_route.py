"""One member of several, by what the question is or by how good a cheaper answer was."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ._ask import choose, is_model, question_of
from ._attempts import Attempt, with_attempts
from ._fields import prompt
from ._steps import Budget, Do, Member, Stepped, Steps, attempt
from .errors import NoRoute


class Router(Stepped, kw_only=False):
    """Call the one of `routes` whose name `by` says, and return its answer.

    `by` is a function of the question, or a model (a name, or one that `models.instance` made), which chooses among
    the names. A name that is no route goes to `default`; without one it is a `NoRoute` error.

    >>> route = Router({"long": str.upper, "short": str.title}, by=lambda text: "long" if len(text) > 9 else "short")
    >>> route("the sea")
    'The Sea'
    """

    routes: Mapping[str, Member]
    by: Callable[..., Any] | str
    default: Member | None = None
    instruction: str = prompt("Which of these does this belong to?")
    budget: Budget | None = None

    def steps(self, *args: Any, **kwargs: Any) -> Steps[Any]:
        names = list(self.routes)
        if is_model(self.by):
            asked = f"{question_of(args, kwargs)}\n\n{self.instruction} {', '.join(names)}"
            chosen = yield choose(self.by, asked, names)
        else:
            chosen = yield Do(self.by, args, kwargs)
        if chosen in self.routes:
            return (yield Do(self.routes[chosen], args, kwargs))
        if self.default is None:
            raise NoRoute(chosen, tuple(names))
        return (yield Do(self.default, args, kwargs))


class Cascade(Stepped, kw_only=False):
    """Call `members` from the cheapest to the best until `accept` likes an answer, and return that.

    `accept` is called with the answer. The last member's is returned whatever it is like. (Chen, Zaharia and Zou,
    "FrugalGPT", 2023.)

    >>> Cascade([lambda q: "?", lambda q: "Because."], accept=lambda answer: len(answer) > 3)("Why?")
    'Because.'
    """

    members: Sequence[Member]
    accept: Callable[[Any], Any]
    budget: Budget | None = None

    def steps(self, *args: Any, **kwargs: Any) -> Steps[Any]:
        if not self.members:
            raise ValueError("A Cascade has no members: there is nobody to ask.")
        tried: list[Attempt] = []
        for number, one in enumerate(self.members, 1):
            tried.append((yield from attempt(number, Do(one, args, kwargs))))
            if (error := tried[-1].error) is not None:
                raise with_attempts(error, tried)
            if number < len(self.members) and (yield Do(self.accept, (tried[-1].value,))):
                break
        return tried[-1].value
