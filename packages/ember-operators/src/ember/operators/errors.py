"""The errors of operators.

EmberError
├── SpecMismatch (ValueError)         what went in, or what came out, does not fit the spec
├── CannotSave (ValueError)           a module holds what is never written to a file
├── CannotLoad (ValueError)           a file does not fit the module that is to be loaded
├── Rejected (ValueError)             no answer passed a Verifier's check
├── NoRoute (LookupError)             a Router was told a route that it does not have
├── StepLimit                         an Agent still asked for tools in its last step
├── GradientThroughModel (TypeError)  JAX was to differentiate through a model's answer
└── NotationError (ValueError)        a text is no network notation; the message points at the place

What the members of an operator raise escapes as it is, with `attempts` where several were made.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from ember.core import EmberError


class Problem(NamedTuple):
    """One thing wrong with a value: `where` in it (empty: all of it), what was `expected`, and what was `got`."""

    where: str
    expected: str
    got: str


class SpecMismatch(EmberError, ValueError):
    """A value does not fit a spec. Carries `operator`, `side` ("input" or "output"), `spec` and `problems`.

    The value itself is `value`, which is not in the message, and not kept when the error is pickled.
    """

    value: Any = None

    def __init__(self, operator: str, side: str, spec: str, problems: tuple[Problem, ...]) -> None:
        super().__init__(operator, side, spec, problems)
        self.operator, self.side, self.spec, self.problems = operator, side, spec, problems

    def describe(self) -> str:
        lines = "; ".join(
            f"{f'`{one.where}`: ' if one.where else ''}{one.expected}, got {one.got}" for one in self.problems
        )
        return f"The {self.side} of {self.operator} does not fit {self.spec}: {lines}."

    def __reduce__(self) -> tuple[Any, ...]:
        return (type(self), (self.operator, self.side, self.spec, self.problems))


class CannotSave(EmberError, ValueError):
    """A module holds what is never written to a file. Carries `path`, of the field, and `problem`."""

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(path, problem)
        self.path, self.problem = path, problem

    def describe(self) -> str:
        return (
            f"The module is not saved: `{self.path}` {self.problem}. Leave it out, and give it after loading."
        )


class CannotLoad(EmberError, ValueError):
    """A file does not fit the module that is to be loaded. Carries `file` and `problems`."""

    def __init__(self, file: str, problems: tuple[str, ...]) -> None:
        super().__init__(file, problems)
        self.file, self.problems = file, problems

    def describe(self) -> str:
        return f"{self.file} is not loaded: {'; '.join(self.problems)}."


class Rejected(EmberError, ValueError):
    """No answer passed its check. Carries the last `answer`, what was its `objection`, and `attempts`."""

    def __init__(self, answer: object, objection: str, times: int) -> None:
        super().__init__(answer, objection, times)
        self.answer, self.objection, self.times = answer, objection, times

    def describe(self) -> str:
        tries = "The answer" if self.times == 1 else f"None of {self.times} answers"
        verb = "did not pass" if self.times == 1 else "passed"
        return f"{tries} {verb} the check. The last objection: {self.objection}"


class NoRoute(EmberError, LookupError):
    """What chooses the route named one that there is not. Carries `chosen` and `routes`."""

    def __init__(self, chosen: object, routes: tuple[str, ...]) -> None:
        super().__init__(chosen, routes)
        self.chosen, self.routes = chosen, routes

    def describe(self) -> str:
        named = ", ".join(map(repr, self.routes))
        return f"There is no route {self.chosen!r}, only {named}. Give the Router that route, or a `default`."


class StepLimit(EmberError):
    """An agent still asked for tools in its last step. Carries `steps` and `messages`, the conversation so far."""

    def __init__(self, steps: int, messages: object) -> None:
        super().__init__(steps, messages)
        self.steps, self.messages = steps, messages

    def describe(self) -> str:
        return f"The model still asks for tools in step {self.steps}, which was the last. Allow more with max_steps=."


class GradientThroughModel(EmberError, TypeError):
    """A gradient was asked for through the call of a model, which has none. Carries `name`."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name

    def describe(self) -> str:
        return (
            f"JAX is differentiating through {self.name}, whose answer was called for: it has no gradient, "
            "and zeros would be a lie. Log calls first, and train on what was logged: LearnedRouter.loss and "
            "LearnedRouter.fit show how."
        )


class NotationError(EmberError, ValueError):
    """A text is no network notation. Carries `text`, `position` (from 0) and `problem`; the message points at it."""

    def __init__(self, text: str, position: int, problem: str) -> None:
        super().__init__(text, position, problem)
        self.text, self.position, self.problem = text, position, problem

    def describe(self) -> str:
        return f"{self.problem}\n  {self.text}\n  {' ' * self.position}^"
