"""What must wait for what: programs that once went ahead too early. Each means what it means without `jit`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from types import FunctionType
from typing import Any

import pytest

from ember.xcs import explain, external, jit


@external
async def ask(prompt: str) -> str:
    await asyncio.sleep(0.005)
    return prompt.upper()


@dataclass
class Box:
    name: str
    items: list[str] = field(default_factory=list[str])

    def __iadd__(self, other: str) -> Box:
        self.items.append(other)
        return self


class Counted:
    count = 0

    def __init__(self, name: str) -> None:
        self.name = name
        Counted.count += 1

    def __or__(self, other: list[str]) -> Counted:
        self.name += "+"
        Counted.count *= 2
        return Counted(self.name + other[0])

    @classmethod
    def made(cls, name: str) -> Counted:
        return cls(name)


@external
async def find(name: str) -> Any:
    await asyncio.sleep(0.005)
    return Box(name)


memo: dict[str, str] = {}


def remember(key: str) -> str:
    if key not in memo:
        memo[key] = ask(f"memo {key}")
    return memo[key]


def test_what_a_record_holds_is_there_when_it_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    @jit
    def program() -> str:
        box = Box(ask("a"))
        print(box)
        return f"{box}"

    assert program() == "Box(name='A', items=[])"
    assert capsys.readouterr().out == "Box(name='A', items=[])\n"


def test_equal_functions_of_two_modules_have_their_own_globals() -> None:
    for _ in range(2):
        own: dict[str, str] = {}
        namespace: dict[str, Any] = {**globals(), "memo": own}
        function = FunctionType(remember.__code__, namespace)

        @jit
        def program(function: Callable[[str], str] = function) -> str:
            Counted.count += len(ask("x"))
            return function("k")

        assert program() == "MEMO K"
        assert own == {"k": "MEMO K"}
    assert memo == {}


def test_a_variable_that_held_an_object_before_the_loop_holds_it_in_the_loop() -> None:
    @jit
    def program(words: list[str]) -> int:
        items: list[str] = []
        box = Box("b", items)
        for word in words:
            if len(words) > 5:
                break
            box += ask(word)
        return len(items)

    assert program(["a", "b"]) == 2


def test_what_a_function_has_captured_is_changed_in_turn() -> None:
    def counter() -> Callable[[str], str]:
        state = [0]

        def step(word: str) -> str:
            state[0] += 1
            return f"{state[0]} {ask(word)}"

        return step

    @jit
    def program(words: list[str]) -> list[str]:
        step = counter()
        step(ask("-".join(words)))
        return [step(word) for word in words]

    assert program(["a", "b"]) == ["2 A", "3 B"]


def test_views_of_dicts_go_with_the_dict() -> None:
    @jit
    def program() -> list[tuple[str, str]]:
        answers = {"a": ask("a")}
        pairs = answers.items()
        answers["b"] = ask("b")
        return sorted(pairs)

    assert program() == [("a", "A"), ("b", "B")]


def test_an_assertion_that_fails_has_its_text() -> None:
    @jit
    def program() -> None:
        assert len(ask("a")) > 1, ask("too short")

    with pytest.raises(AssertionError) as caught:
        program()
    assert caught.value.args == ("TOO SHORT",)
    assert type(caught.value.args[0]) is str


def test_attributes_of_classes_are_changed_in_turn() -> None:
    before = Counted.count

    @jit
    def program(words: list[str]) -> int:
        for word in words:
            if ask(word) != "B":
                Counted.count += 1
        return Counted.count

    assert program(["a", "b", "c"]) == before + 2


@external
async def fetch(what: str, seconds: float = 0.001) -> Any:
    await asyncio.sleep(seconds)
    return [what]


@external
async def shown(*things: Any) -> str:
    return f"{things}"


def test_a_list_that_has_come_is_written_out_with_what_is_pending_in_it() -> None:
    @jit
    def program() -> list[str]:
        made: list[list[str]] = []
        for one in [fetch("a"), fetch("b")]:
            made.append([ask(word) for word in one])
        return [word for inner in made if ask(f"is it {inner}") for word in inner]

    calls: list[str] = []

    @external
    async def noted(prompt: str) -> str:
        calls.append(prompt)
        return "yes"

    @jit
    def asking() -> list[Any]:
        found = fetch("a")
        inner = [ask(word) for word in found]
        return [one for one in [inner] if noted(f"is it {one}")]

    assert program() == ["A", "B"]
    assert asking() == [["A"]]
    assert calls == ["is it ['A']"]


def test_a_text_of_two_answers_has_the_first_as_it_was() -> None:
    @jit
    def program() -> tuple[str, str, list[str]]:
        early, late = fetch("early"), fetch("late", 0.02)
        both = f"{early} {late}"
        same = early + late
        early.append("more")
        return both, f"{same}", early

    assert program() == ("['early'] ['late']", "['early', 'late']", ["early", "more"])


def test_a_call_is_given_two_answers_as_they_were() -> None:
    @jit
    def program() -> tuple[str, list[str]]:
        early, late = fetch("early"), fetch("late", 0.02)
        found = shown(early, late)
        early.append("more")
        return found, early

    assert program() == ("(['early'], ['late'])", ["early", "more"])


def test_a_list_that_is_asked_whether_it_is_another_may_hold_the_answer() -> None:
    @jit
    def program(words: list[str]) -> list[Any]:
        made: list[Any] = []
        one = words if ask("a") == "a" else made
        made.append(one is made)
        return made

    assert program(["a"]) == [True]


def test_an_operator_of_a_class_does_what_it_does_in_its_turn() -> None:
    def program() -> int:
        Counted.count = 1
        first = Counted("n")
        made = first | [ask("a")]
        Counted.count += 1
        return Counted.count * 100 + len(first.name) * 10 + len(made.name)

    assert jit(program)() == program()


def test_an_iterator_over_a_list_comes_to_what_was_appended_while_others_waited() -> None:
    @jit
    def program(words: list[str]) -> list[list[str]]:
        made: list[str] = []
        try:
            moving = iter(made)
            words[0] = ask("a")
            made.append("x")
            return [list(moving), words]
        finally:
            made.append("y")

    assert program(["b"]) == [["x"], ["A"]]


def test_what_is_in_a_list_that_has_come_is_filled_in_before_it_is_told() -> None:
    @jit
    def program() -> str:
        one = [ask("a")] if ask("b") else []
        if ask("c") == "c":
            return ""
        return ask(f"{one}")

    assert program() == "['A']"


def test_an_attribute_is_what_was_stored_in_an_object_that_is_still_to_come() -> None:
    @jit
    def program() -> str:
        found = find("a")
        found.name = "b"
        return ask(found.name)

    assert program() == "B"


def test_what_a_class_method_changes_is_changed_in_turn() -> None:
    def program(words: list[str]) -> int:
        Counted.count = len(ask("x"))
        made = Counted.made(ask(*words[:1]))
        Counted.count *= 2
        return Counted.count * 10 + len(made.name)

    assert jit(program)(["ab"]) == program(["ab"])


def test_what_a_return_in_a_loop_gives_is_known_before_the_with_around_it_is_left() -> None:
    words: list[str] = []

    class Noting:
        def __enter__(self) -> None:
            words.append("in")

        def __exit__(self, *error: object) -> None:
            words.append("out")

        def __repr__(self) -> str:
            return "-".join(words)

    @jit
    def program(noting: Noting) -> str:
        with noting:
            for word in ("a", "b"):
                ask(word)
                return repr(noting)
        return ""

    assert program(Noting()) == "in"


def test_what_fails_in_a_handler_has_what_is_handled_for_its_context() -> None:
    @external
    async def fail(word: str) -> str:
        raise ValueError(word)

    @jit
    def program() -> str:
        try:
            try:
                fail("a")
            except ValueError:
                fail("b")
        except ValueError as error:
            return f"{error} {error.__context__}"
        return ""

    assert program() == "b a"


def test_a_list_in_a_list_is_changed_in_its_turn() -> None:
    @jit
    def program() -> str:
        words = ["a"]
        with suppress(KeyError):
            pair: list[Any] = [ask("b"), words]
            ask(str(pair[0]))
            pair[1].append("c")
        return ask(f"{words}")

    assert program() == "['A', 'C']"


def test_what_a_function_has_captured_and_returns_is_changed_in_its_turn() -> None:
    @jit
    def program() -> str:
        words = ["a"]
        with suppress(KeyError):

            def choose(word: str) -> list[str]:
                return words if ask(word) else []

            made = choose("b")
            made.append("c")
        return ask(f"{words[:2]}")

    assert program() == "['A', 'C']"


def test_what_is_in_an_object_of_others_is_changed_in_its_turn() -> None:
    class Shelf:
        def __init__(self) -> None:
            self.words = ["a"]

        def __setitem__(self, place: int, word: str) -> None:
            self.words[place] = word

    @jit
    def program(shelf: Shelf, words: list[str]) -> str:
        for word in "bc":
            if ask(word):
                shelf[0] = word
        return ask(f"{words}")

    shelf = Shelf()
    assert program(shelf, shelf.words) == "['C']"


class Rack:
    def __init__(self, words: list[str]) -> None:
        self.words = words
        self.note: Any = None

    def __call__(self, word: str) -> str:
        self.words.append(word)
        return ask(word)

    def __repr__(self) -> str:
        return f"Rack({self.note!r})"


def test_what_is_still_to_be_stored_in_an_object_is_changed_with_it() -> None:
    @jit
    def program(shelf: Rack) -> str:
        words = ["a"]
        ask("first")
        shelf.words = words
        pair = {"words": words}
        with suppress(KeyError):
            shelf("b")
            ask(ask("c"))
        return ask(f"{pair}")

    assert program(Rack([])) == "{'WORDS': ['A', 'B']}"


def test_what_is_still_to_be_put_into_a_list_is_not_changed_before_it_is_read() -> None:
    @jit
    def program(other: Rack) -> str:
        shelf = Rack([])
        out: list[Any] = []
        if len(ask("a")):
            out.append(ask("b"))
        out.append(shelf)
        other.note = ask(f"{out}")
        shelf.note = other.words
        return f"{out} {other.note}"

    assert program(Rack([])) == "['B', Rack([])] ['B', RACK(NONE)]"


def test_operators_of_a_class_do_what_they_do_in_their_turn_where_a_decision_waits() -> None:
    def program(first: Counted) -> int:
        Counted.count = 1
        made = first
        if ask("a"):
            made = first | ["b"]
        Counted.count += 1
        return Counted.count * 10 + len(made.name)

    assert jit(program)(Counted("n")) == program(Counted("n"))


def test_what_is_still_to_be_stored_in_an_object_is_read_before_it_changes() -> None:
    @jit
    def program() -> str:
        outer, inner = Box("outer"), Box("inner")
        if ask("a") == "A":
            outer.name = inner  # type: ignore[assignment]
        text = f"{outer} {ask('b')}"
        inner.items.append("later")
        return text

    assert program() == "Box(name=Box(name='inner', items=[]), items=[]) B"


def test_what_a_loop_without_calls_puts_into_a_list_is_read_before_it_changes() -> None:
    @jit
    def program() -> str:
        out: list[list[str]] = []
        words = [["a"], [ask("b")]]
        for word in words:
            out.append(word)
        text = f"{out} {ask('c')}"
        words[0].append("later")
        words[1].append("later")
        return text

    assert program() == "[['a'], ['B']] C"


def test_a_list_that_is_still_to_be_put_into_another_is_written_out_before_it_changes() -> None:
    def program() -> list[Any]:
        out: list[Any] = [ask("a")]
        inner = ["l"]
        for _ in range(2):
            pair = [f"{out}", inner]
            inner.append("more")
            out.append(pair)
        return out

    assert jit(program)() == program()


def test_a_variable_of_a_function_around_the_program_is_as_it_was_where_the_program_failed() -> None:
    count = 0

    @external
    async def refuse(prompt: str) -> str:
        raise ValueError(prompt)

    def counted(prompt: str) -> str:
        nonlocal count
        count += 1
        return refuse(prompt)

    @jit
    def program() -> None:
        counted("a")
        counted("b")

    with pytest.raises(ValueError, match=r"^a$"):
        program()
    assert count == 1


def test_what_fails_in_a_task_begun_in_a_handler_has_what_is_handled_for_its_context() -> None:
    @external
    async def failing(prompt: str) -> str:
        await asyncio.sleep(0.001)
        raise ValueError(prompt)

    def program(words: list[str]) -> list[str]:
        seen: list[str] = []
        for word in words:
            try:
                if failing(word):
                    seen.append("no")
            except ValueError:
                try:
                    try:
                        words.pop(-9)
                    except KeyError:
                        seen.append("no")
                    finally:
                        seen.append(ask(word))
                except IndexError as error:
                    seen.append(repr(error.__context__))
                try:
                    try:
                        raise LookupError(ask("inner"))
                    except LookupError:
                        raise OSError(ask("outer")) from None
                except OSError as error:
                    inner = error.__context__
                    assert inner is not None
                    seen += [repr(inner), repr(inner.__context__)]
        return seen

    assert jit(program)(["a", "b"]) == program(["a", "b"])


def test_a_variable_that_may_still_be_an_object_from_outside_is_changed_before_its_list_is_read() -> None:
    class Heap:
        def __init__(self, items: list[str]) -> None:
            self.items = items

        def __iadd__(self, other: str) -> Heap:
            self.items += [other]
            return self

        def __delitem__(self, place: int) -> None:
            del self.items[place]

    def program(box: Box) -> list[int]:
        items = ["l"]
        seen: list[int] = []
        heap = Heap(items)
        for _ in range(3):
            heap += ask("c")
            if box.items:
                del heap[0]
            seen.append(len(items))
            if len(items) % 3 == 2:
                break
        return seen

    assert jit(program)(Box("b", ["i"])) == program(Box("b", ["i"])) == [1, 1, 1]


def test_what_fails_later_in_the_program_is_no_context_of_what_fails_before() -> None:
    @external
    async def failing(prompt: str) -> str:
        await asyncio.sleep(0.001)
        raise ValueError(prompt)

    def program(words: list[str]) -> list[str]:
        seen: list[str] = []
        try:
            failing("first")
            words.pop(-9)
        except ValueError as error:
            seen.append(repr(error.__context__))
            try:
                failing("second")
                words.pop(-9)
            except ValueError as inner:
                seen.append(repr(inner.__context__))
        return seen

    assert jit(program)(["a"]) == program(["a"]) == ["None", "ValueError('first')"]


def test_a_call_is_given_a_tuple_that_is_in_itself_as_it_is() -> None:
    @external
    async def look(things: list[Any]) -> str:
        await asyncio.sleep(0)
        return f"{things} {things[0] is things[1]}"

    def program() -> str:
        inner: list[Any] = []
        pair = (inner, "b")
        inner.append(pair)
        return look([pair, pair])

    assert jit(program)() == program()


def test_a_list_still_to_come_is_printed_before_it_changes(capsys: pytest.CaptureFixture[str]) -> None:
    def copied(things: list[Any]) -> list[Any]:
        return [*things] if ask("a") == "A" else things

    def program() -> list[Any]:
        inner = ["l"]
        out = copied([inner])
        print(out)
        inner.append(ask("b"))
        return out

    plain, said = program(), capsys.readouterr().out
    assert jit(program)() == plain
    assert capsys.readouterr().out == said


def test_what_a_function_gives_late_is_read_in_a_list_before_it_changes() -> None:
    def program() -> tuple[list[str], list[Any]]:
        inner = ["l"]

        def late(text: str) -> list[str]:
            return inner if ask(text) else []

        out = [late("a")]
        around = {"out": out}
        said = [f"{one} {ask('m')}" for one in around.values()]
        inner.append("mid")
        return said, out

    assert jit(program)() == program()


class Drawer:
    count = 0

    def __init__(self, items: list[str]) -> None:
        self.items = items
        Drawer.count += 1

    def __add__(self, other: list[str]) -> Drawer:
        return Drawer(self.items + other)

    @property
    def label(self) -> str:
        return "shelf"


def test_a_part_of_what_has_come_may_be_the_callers(capsys: pytest.CaptureFixture[str]) -> None:
    def both(items: list[str]) -> list[list[str]]:
        return [items, items]

    def program(shelf: Drawer, xs: list[str]) -> None:
        out: list[Any] = []
        ask("first")
        Drawer(["m"])
        pair = both(shelf.items)
        pair[0].append("x" if xs else "y")
        out.append(pair)
        print(json.dumps(out, default=str))

    program(Drawer(["i"]), ["one"])
    said = capsys.readouterr().out
    jit(program)(Drawer(["i"]), ["one"])
    assert capsys.readouterr().out == said


def test_a_variable_without_a_value_that_a_nested_function_sees_fails_as_it_does_plainly() -> None:
    def program(words: list[str]) -> list[Any]:
        for word in words:  # noqa: B007  # there are none
            pass
        found: list[Any] = [lambda: word]  # pyright: ignore[reportPossiblyUnboundVariable]
        try:
            found.append(ask("a") == "A" and ask(word) == "B")  # pyright: ignore[reportPossiblyUnboundVariable]
        except UnboundLocalError as error:
            found[0] = f"{error}"
        return found

    assert jit(program)([]) == program([])


def test_a_view_of_a_dict_is_told_with_its_values() -> None:
    def program(words: list[str]) -> str:
        found = {word: ask(word) for word in words}.values()
        return f"{found} {ask(f'{found}')}"

    assert jit(program)(["a", "b"]) == program(["a", "b"])


def test_a_list_is_not_sorted_before_what_may_fail_above_it() -> None:
    def refuse(text: str) -> None:
        raise ValueError(text)

    def program() -> list[str]:
        things = ["l", "c"]
        with suppress(ValueError):
            refuse(ask("a"))
            things.sort(key=str)
        return things

    assert jit(program)() == program() == ["l", "c"]


class Named:
    """Called, and asked for attributes that are made up as they are asked for."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __getattr__(self, name: str) -> Named:
        asked.append(name)
        return Named(f"{self.name}/{name}")

    def __call__(self, text: str) -> str:
        return ask(f"{self.name}?{text}")


asked: list[str] = []


def test_objects_that_are_called_are_asked_for_nothing_that_the_program_does_not_ask() -> None:
    def program(api: Named) -> list[str]:
        return [api.users.list("a"), api("b")]

    plain, said = program(Named("x")), asked.copy()
    asked.clear()
    assert jit(program)(Named("x")) == plain == ["X/USERS/LIST?A", "X?B"]
    assert asked == said == ["users", "list"]
    assert jit(Named("x"))("c") == "X?C"


def test_an_iterator_over_a_list_still_to_come_is_gone_over_before_the_list_changes() -> None:
    def program(words: list[str]) -> list[Any]:
        match ask("a"):
            case "b":
                out: list[Any] = []
            case _:
                out = list(words)
        left = iter(out)
        out.append(list(left))
        return out

    assert jit(program)(["k"]) == program(["k"])


class Shop:
    """Of which it is counted how often anybody asked, added or looked."""

    seen: int = 0

    def __init__(self, name: str) -> None:
        self.name = name
        Shop.seen += 1

    def __iadd__(self, other: str) -> Shop:
        Shop.seen += 1
        self.name += other
        return self

    @property
    def label(self) -> str:
        Shop.seen += 1
        return self.name

    def branch(self, name: str) -> Shop:
        return Shop(name)


@external
async def open_shop(name: str) -> Any:
    await asyncio.sleep(0.005)
    return Shop(name)


def branch_out(shop: Shop, name: str) -> Shop:
    return shop.branch(name)


def extend(shop: Shop, name: str) -> Shop:
    shop += name
    return shop


def look(shop: Shop, name: str) -> str:
    return shop.label + name


@pytest.mark.parametrize("act", [branch_out, extend, look])
def test_what_an_object_still_to_come_counts_is_counted_before_what_comes_after(
    act: Callable[[Shop, str], Any],
) -> None:
    def same(value: Any) -> Any:
        return value

    def program() -> tuple[Any, int]:
        Shop.seen = 0
        first = same(open_shop("a") if ask("x") == "X" else None)
        made = act(first, same("b"))
        Shop.seen += 10
        Shop.seen *= 2
        return made if isinstance(made, str) else made.name, Shop.seen

    assert jit(program)() == program()


class Told:
    """Asks when it is made, and is added to later."""

    def __init__(self, name: str) -> None:
        self.lines = [ask(name)]

    def add(self, name: str) -> None:
        self.lines.append(refused(name + self.lines[0]))

    def mark(self, name: str) -> None:
        self.last = refused(name + self.lines[0])


@external
async def refused(prompt: str) -> str:
    await asyncio.sleep(0.005)
    raise ValueError(prompt)


@pytest.mark.parametrize("act", [Told.add, Told.mark])
def test_what_fails_after_an_object_came_to_where_others_see_it_does_not_change_it(
    act: Callable[[Told, str], None],
) -> None:
    def program() -> list[Told]:
        out: list[Told] = []
        with suppress(ValueError):
            told = Told("a")
            out.append(told)
            act(told, "b")
        return out

    assert [vars(one) for one in jit(program)()] == [vars(one) for one in program()] == [{"lines": ["A"]}]


def test_nothing_that_is_still_to_come_is_seen_in_the_dict_of_an_object() -> None:
    def program(name: str) -> tuple[Any, ...]:
        box = Box(ask(name))
        held = box.__dict__
        box.name = ask("b")
        held["items"] = [ask("c")]
        return held, str(held), box.items

    assert (
        jit(program)("a")
        == program("a")
        == ({"name": "B", "items": ["C"]}, "{'name': 'B', 'items': ['C']}", ["C"])
    )
    assert "uses __dict__" in str(explain(program))
