"""What can go wrong in XCS itself. A program's own exceptions pass unchanged.

EmberError
└── XCSError
    ├── Stuck                 nothing can go on: a fault of the scheduler, told with its tasks
    └── GradientThroughCall   a gradient was asked through an external call
"""

from __future__ import annotations

from ember.core.errors import EmberError


class XCSError(EmberError):
    """XCS could not do what was asked of it."""


class Stuck(XCSError):
    """Nothing of the program can go on and no call is under way. `tasks` says what waits for what."""

    def __init__(self, tasks: str) -> None:
        super().__init__(tasks)
        self.tasks = tasks

    def __str__(self) -> str:
        return (
            "The program cannot go on, and no call is under way. This is a fault of XCS: without @jit the program "
            f"runs. Please report it, with these tasks:\n{self.tasks}"
        )


class GradientThroughCall(XCSError):
    """A gradient cannot go through an external call. Carries `call`, the call's name, and `problem`."""

    def __init__(self, call: str, problem: str = "") -> None:
        super().__init__(call, problem)
        self.call = call
        self.problem = problem or (
            "has no derivative, and a zero in its place would be wrong without a word. If its answer is to count as a "
            f"constant, write xcs.stop_gradient({call})(...)."
        )

    def describe(self) -> str:
        return f"The external call {self.call}, made under xcs.grad, {self.problem}"
