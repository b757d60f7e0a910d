"""Tasks: pieces of the program that can wait, in program order, and what of them is known to others."""

# Values here are the user's, of whatever type; what isinstance leaves of them is partly unknown to pyright.
# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false, reportUnknownMemberType=false
# pyright: reportUnknownLambdaType=false

from __future__ import annotations

from collections.abc import Callable, Iterable, Set as AbstractSet
from contextvars import Context
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from greenlet import greenlet

from ember.core.externals import External
from ember.core.loop import Started

from ._pending import Entry, Pending

if TYPE_CHECKING:
    from ._run import Run

WRITES: Final = 1
"""A flag of tasks: it may change anything that others can reach."""
SCOPED: Final = 2
"""A flag of tasks: it is a `try` or a `with`."""
OBJECTS: Final = 4
"""A flag of tasks: it calls methods of its inputs; those that are objects of a user's class may change anything."""


CHANGES: Final = 8
"""A flag of tasks: it may change its inputs."""


HARMLESS: Final = 16
"""A flag of tasks: all that it does beside external calls is to compute. What it calls is not looked at again."""


PARTS: Final = 32
"""A flag of tasks: it calls what frozen objects among its inputs are made of."""


SHARED_FROM: Final = 6
SHARED: Final[list[tuple[int, ...]]] = [()]
_SHARED_NUMBERS: Final[dict[tuple[int, ...], int]] = {(): 0}


def shared_flag(globals_: Iterable[str]) -> int:
    """Return what says, among the flags of a task, that it may change the content of these global variables."""
    key = tuple(sorted(int(one[1:]) for one in globals_))
    number = _SHARED_NUMBERS.get(key)
    if number is None:
        number = _SHARED_NUMBERS[key] = len(SHARED)
        SHARED.append(key)
    return number << SHARED_FROM


Ids: TypeAlias = set[int]
_NOTHING: Final[frozenset[int]] = frozenset()


class Abandoned(BaseException):
    """Thrown into a task that stands after a failure: it never ran. Handlers of lowered code let it pass."""


class Scope:
    """The innermost `try` or `with` that code runs in: what is changed in there shows outside when it fails."""

    __slots__ = ("parent",)

    def __init__(self, parent: Scope | None) -> None:
        self.parent = parent

    def encloses(self, other: Scope | None) -> bool:
        """Whether `other` is this scope or lies in it."""
        while other is not None:
            if other is self:
                return True
            other = other.parent
        return False

    def first_without(self, other: Scope) -> Scope:
        """Return the outermost `try` or `with` around this code, or itself, that `other` does not lie in."""
        found = self
        while found.parent is not None and not found.parent.encloses(other):
            found = found.parent
        return found


class Task(Entry):
    """A piece of the program, in program order, that can wait while others go on. It stands in its parent's log."""

    __slots__ = (
        "back",
        "changed",
        "dead",
        "depth",
        "fiber",
        "finished",
        "first",
        "flags",
        "gives",
        "handled",
        "inputs",
        "into",
        "keeps",
        "keys",
        "last",
        "lines",
        "merged",
        "outer",
        "outside",
        "parent",
        "reach",
        "result",
        "scope",
        "shallow",
        "shared",
        "start",
        "thrown",
        "waiting",
        "what",
        "writes",
    )  # fmt: skip

    def __init__(self, parent: Task | None, scope: Scope, what: str = "") -> None:
        super().__init__()
        self.parent, self.scope, self.what = parent, scope, what
        self.outer = None if parent is None else parent.scope
        self.start: tuple[Callable[..., Any], tuple[Any, ...]] | None = None
        self.depth: int = 0 if parent is None else parent.depth + 1
        self.first: Entry | None = None
        self.last: Entry | None = None
        self.merged: Task | None = None
        self.back: greenlet | None = None
        self.fiber: greenlet | None = None
        self.waiting: Entry | None = None
        self.handled: BaseException | None = None
        self.thrown: BaseException | None = None
        self.result: Pending | None = None
        self.dead = self.finished = False
        self.writes = False
        self.lines: tuple[Line, ...] = ()
        self.keys: tuple[int, ...] = ()
        self.into = 0
        self.keeps: tuple[Any, ...] = ()
        self.inputs: tuple[Any, ...] = ()
        self.flags = self.changed = 0
        self.shared: tuple[int, ...] = ()
        self.gives, self.outside, self.shallow = -1, True, False
        self.reach: AbstractSet[int] = _NOTHING


class Line:
    """Waiting tasks in the order of the program."""

    __slots__ = ("tasks",)

    def __init__(self) -> None:
        self.tasks: list[Task] = []

    def join(self, task: Task) -> None:
        """Take `task` in, where it stands in the program: mostly at the end."""
        tasks = self.tasks
        if not tasks or is_earlier(tasks[-1], task):
            tasks.append(task)
        else:
            tasks.insert(self._count_before(task), task)

    def last_before(self, task: Task) -> Task | None:
        """Return the last one that stands before where `task` is now."""
        tasks = self.tasks
        if not tasks or not is_earlier(tasks[0], task):
            return None
        count = self._count_before(task)
        return tasks[count - 1] if count else None

    def _count_before(self, task: Task) -> int:
        low, high = 0, len(self.tasks)
        while low < high:
            middle = (low + high) // 2
            if is_earlier(self.tasks[middle], task):
                low = middle + 1
            else:
                high = middle
        return low


class Flight(Pending):
    """The pending result of an external call."""

    __slots__ = ("args", "context", "external", "job", "kwargs")

    def __init__(
        self,
        run: Run,
        external: External[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        kind: type | None,
    ) -> None:
        super().__init__(run, kind)
        self.external, self.args, self.kwargs = external, args, kwargs
        self.job: Started | None = None
        self.context: Context | None = None

    def begun(self, job: Started) -> None:
        """Take what makes the call, before it can begin: an interruption from then on finds it."""
        self.job = job


class Turn(Pending):
    """What the caller's event loop has to do before the program can go on. `cancel` passes on that it is not wanted."""

    __slots__ = ("cancel",)

    def __init__(self, run: Run, cancel: Callable[[BaseException], object]) -> None:
        super().__init__(run)
        self.cancel = cancel


def owner_of(entry: Entry) -> Task | None:
    """Return the task in whose log `entry` stands now."""
    task = entry.owner
    while task is not None and task.merged is not None:
        task = entry.owner = task.merged
    return task


def parent_of(task: Task) -> Task | None:
    """Return the task in which `task` was begun, or the one that has taken that one's place."""
    parent = task.parent
    while parent is not None and parent.merged is not None:
        parent = task.parent = parent.merged
    return parent


def is_earlier(one: Task, other: Task) -> bool:
    """Whether what `one` has still to do stands before where `other` is now."""
    chain: dict[Task, Task | None] = {}
    below: Task | None = None
    task: Task | None = other
    while task is not None:
        chain[task] = below
        below, task = task, parent_of(task)
    below, task = None, one
    while task is not None and task not in chain:
        below, task = task, parent_of(task)
    if task is None or below is None:  # another run's, or an ancestor: what it has to do comes later
        return False
    mine = chain[task]
    return mine is None or below.seq < mine.seq
