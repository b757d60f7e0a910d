"""Values that are not there yet.

A `Pending` stands for the result of an external call, of a computation on such results, or of a task that waits. It
lives in lowered code only: whatever leaves that code (an argument of a library, something printed or stored, the
result) is settled first. Should one be seen by other code all the same, asking it anything waits for the value.
"""

# Values here are the user's, of whatever type; what isinstance leaves of them is partly unknown to pyright.
# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false, reportUnknownMemberType=false
# pyright: reportUnknownLambdaType=false

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from ._switching import Switching
    from ._tasks import Task


class Entry:
    """Something in the program-order log of a task that may still fail: a pending value, or a task that waits.

    Entries leave the log when they succeed, so that what stands before one is what may still come in its way.
    """

    __slots__ = ("done", "error", "next", "owner", "prev", "seq", "value", "waiters")

    def __init__(self) -> None:
        self.done = False
        self.value: Any = None
        self.error: BaseException | None = None
        self.waiters: list[Any] | None = None
        self.owner: Task | None = None
        self.prev: Entry | None = None
        self.next: Entry | None = None
        self.seq = 0


class Pending(Entry):
    """A value that is not there yet. `kind` is the type it is known to have, None if that is not known."""

    __slots__ = ("kind", "maker", "run")

    def __init__(self, run: Switching, kind: type | None = None) -> None:
        super().__init__()
        self.run = run
        self.kind = kind
        self.maker: Task | Pending | None = None
        """The task whose result it is, or what it stands for: while it is not there, it may be what that may be."""

    def __repr__(self) -> str:
        return f"<pending {self.kind.__name__ if self.kind else 'value'}>"

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self.run.force(self), name)


class Unbound:
    """What a local variable holds that has no value yet."""

    def __repr__(self) -> str:
        return "<unbound>"


UNBOUND: Final = Unbound()


def _forcing(function: Callable[..., Any]) -> Callable[..., Any]:
    def forced(self: Pending, *others: Any) -> Any:
        force = self.run.force
        return function(force(self), *(force(o) if type(o) is Pending else o for o in others))

    return forced


_ONE: Final[tuple[Callable[..., Any], ...]] = (
    bool, iter, len, str, hash, int, float, complex, abs, operator.index, operator.neg, operator.pos, operator.invert,
    round, reversed,
)  # fmt: skip
for _function in _ONE:
    setattr(Pending, f"__{_function.__name__}__", _forcing(_function))
for _name in [
    "add",
    "sub",
    "mul",
    "truediv",
    "floordiv",
    "mod",
    "pow",
    "matmul",
    "lshift",
    "rshift",
    "and",
    "or",
    "xor",
]:
    _operation = getattr(operator, f"__{_name}__")
    setattr(Pending, f"__{_name}__", _forcing(_operation))
    setattr(Pending, f"__r{_name}__", _forcing(lambda a, b, f=_operation: f(b, a)))
for _name in ["eq", "ne", "lt", "le", "gt", "ge", "getitem", "contains"]:
    setattr(Pending, f"__{_name}__", _forcing(getattr(operator, f"__{_name}__")))
Pending.__format__ = _forcing(format)  # type: ignore[method-assign]
Pending.__call__ = _forcing(lambda function, *args: function(*args))  # type: ignore[method-assign]
