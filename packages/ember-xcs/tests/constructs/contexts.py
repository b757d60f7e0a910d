"""`with`: entering and leaving happen in the order of the program; calls inside overlap."""

# These are programs as users write them, with what strict checkers would have told them.
# pyright: reportPossiblyUnboundVariable=false, reportConstantRedefinition=false, reportUnnecessaryIsInstance=false
# pyright: reportUnknownLambdaType=false, reportUnknownVariableType=false, reportUnknownMemberType=false
# pyright: reportUnknownArgumentType=false, reportMatchNotExhaustive=false, reportUnnecessaryComparison=false

from __future__ import annotations

import contextlib
import io
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ember.context import get_context, with_context

from .world import Other, Refused, ask, effect, program


class Room:
    """A context manager of a user's."""

    def __init__(self, name: str, *, swallows: bool = False) -> None:
        self.name, self.swallows = name, swallows

    def __enter__(self) -> str:
        effect(f"enter {self.name}")
        return self.name

    def __exit__(self, kind: object, error: object, trace: object) -> bool | None:
        effect(f"leave {self.name} {error}")
        return self.swallows


@contextlib.contextmanager
def hall(name: str) -> Iterator[str]:
    effect(f"into {name}")
    try:
        yield name
    finally:
        effect(f"out of {name}")


@program("a b")
def calls_in_a_with() -> object:
    with Room("one") as name:
        a, b = ask(f"a {name}"), ask("b")
    return a, b, ask("c")


@program("a b")
def several_managers() -> object:
    with Room("one") as first, hall("two") as second, contextlib.nullcontext("three") as third:
        return [ask(f"a {first} {second}"), ask(f"b {third}")]


@program("a b", raises=True)
def a_manager_that_swallows() -> object:
    out: list[Any] = []
    with Room("quiet", swallows=True):
        out.append(ask("a") + ask("b"))
        if out:
            raise Other("x")
    return out, ask("c")


@program("a b", raises=True)
def a_manager_that_does_not() -> object:
    with Room("loud"), hall("inner"):
        first = ask("a") + ask("b")
        raise Other(first)


@program("a b")
def contexts_of_ember() -> object:
    def tone() -> object:
        return get_context().get_config("models.temperature")

    out: list[object] = [ask("a"), tone()]
    with with_context(models={"temperature": 0.5}):
        out += [ask("b"), tone()]
    return [*out, tone()]


@program("a b")
def locks() -> object:
    lock, out = threading.Lock(), []
    with lock:
        out.append(ask("a"))
        out.append(ask("b"))
    return out, lock.locked()


@program("a b")
def files() -> object:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "out.txt"
        with path.open("w") as file:
            file.write(ask("a"))
            file.write(ask("b"))
        with path.open("a") as file:
            print(ask("c"), file=file)
        return path.read_text()


@program("a b")
def output_that_is_caught() -> object:
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        print(ask("a"))
        print(ask("b"))
    print("outside")
    return out.getvalue()


@program("a b")
def exit_stacks() -> object:
    with contextlib.ExitStack() as stack:
        names = [stack.enter_context(Room(name)) for name in ("one", "two")]
        stack.callback(effect, "called back")
        return [ask(f"a {names}"), ask("b")]


@program("a b", raises=True)
def a_with_in_a_try() -> object:
    try:
        with hall("one"):
            a, b = ask("a"), ask("b")
            effect(a + b)
            raise Other(b)
    except (Other, Refused) as error:
        return f"{error} {ask('c')}"


class Passage:
    """A context manager that swallows nothing."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __enter__(self) -> str:
        effect(f"enter {self.name}")
        return self.name

    def __exit__(self, *error: object) -> None:
        effect(f"leave {self.name} {error[1]}")


@contextlib.contextmanager
def logged(name: str) -> Iterator[str]:
    effect(f"into {name}")
    try:
        yield name
    except Refused as error:
        effect(f"{name}: {error}")
        raise
    finally:
        effect(f"out of {name}")


@contextlib.contextmanager
def forgiving(name: str) -> Iterator[str]:
    try:
        yield name
    except Refused as error:
        effect(f"{name}: {error}")


DOOR = threading.Lock()


@program("a b")
def variables_of_a_with_that_swallows_nothing() -> object:
    with Passage("one") as name:
        a = ask(f"a {name}")
        b = ask("b")
    return a, b, ask(f"c {a}{b}")


@program("a b")
def variables_of_a_with_of_a_generator() -> object:
    with logged("one") as name:
        a = ask(f"a {name}")
        b = ask("b")
    return a, b


@program("a b")
def variables_of_a_with_a_lock() -> object:
    with DOOR:
        a = ask("a")
        b = ask("b")
    lock = threading.RLock()
    with lock, contextlib.nullcontext():
        c = ask(f"c {a}")
    return a, b, c


@program("a b", "c d")
def variables_of_a_with_a_file() -> object:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x"
        path.write_text("text")
        with open(path) as file:
            a = ask(f"a {file.read()}")
            b = ask("b")
        with with_context():
            c = ask(f"c {a}")
            d = ask(f"d {b}")
    return a, b, c, d


@program(raises=True)
def variables_of_a_with_that_swallows() -> object:
    a = b = "none"
    with forgiving("one"):
        a = ask("a")
        b = ask(f"b {a}")
        if b:
            raise Refused("c")
    return a, b


@program("a b")
def variables_of_a_with_in_a_try() -> object:
    a = b = "none"
    try:
        with Passage("one"):
            a = ask("c")
            b = ask(f"d {a}")
    except Refused:
        pass
    return a, b, [ask("a"), ask("b")]


class Draft(io.StringIO):
    """A file that swallows."""

    def __exit__(self, *error: Any) -> Any:
        return isinstance(error[1], Exception)


@program(raises=True)
def variables_of_a_with_a_file_that_swallows() -> object:
    a = b = "none"
    with Draft():
        a = ask("a")
        b = ask(f"b {a}")
        if b:
            raise Refused("c")
    return a, b
