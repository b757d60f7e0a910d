"""The errors of operators.

EmberError
└── SpecMismatch (ValueError)         what went in, or what came out, does not fit the spec
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
