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
    """A gradient was asked of a function that makes an external call, which has none."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name

    def __str__(self) -> str:
        return (
            f"There is no gradient through the external call {self.name!r}. Make it outside of the function, or through "
            "xcs.stop_gradient if it is a constant to the gradient."
        )
