"""What `ember.xcs` raises on purpose.

EmberError
└── GradientThroughCall (TypeError)   a gradient was asked of something that makes an external call
"""

from __future__ import annotations

from ember.core.errors import EmberError


class GradientThroughCall(EmberError, TypeError):
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
