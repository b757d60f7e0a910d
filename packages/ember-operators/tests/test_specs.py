"""Specs: what an operator takes and gives is validated, and what is accepted stays what it was."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime
import json
import pickle
import subprocess
import sys
from typing import Annotated, Any, Generic, Literal, Optional, TypedDict, TypeVar

import pytest
from hypothesis import given, strategies as st
from pydantic import BaseModel, Field

from ember.operators import Operator, SpecMismatch, op

T = TypeVar("T")


class Question(BaseModel):
    text: str
    votes: int = 1
    parent: Question | None = None


@dataclasses.dataclass
class Point:
    x: int
    y: float = 0.0
    name: Optional[str] = None  # noqa: UP045


class Row(TypedDict, total=False):
    id: int
    tags: list[str]


class Box(BaseModel, Generic[T]):
    item: T


class Answering(Operator):
    input_spec = Question
    output_spec = Point

    def call(self, inputs: Question) -> Any:
        return {"x": len(inputs.text), "y": inputs.votes}


class Echo(Operator):
    """Takes and gives what its fields say."""

    input_spec: Any = None
    output_spec: Any = None

    def call(self, inputs: Any) -> Any:
        return inputs


def mismatch(operator: Any, *args: Any, **kwargs: Any) -> SpecMismatch:
    with pytest.raises(SpecMismatch) as caught:
        operator(*args, **kwargs)
    return caught.value


@pytest.mark.parametrize(
    "given",
    [Question(text="why", votes=2), {"text": "why", "votes": 2}, '{"text": "why", "votes": 2}'],
)
def test_an_instance_a_mapping_and_json_text_are_the_same_input(given: Any) -> None:
    assert Answering()(given) == Point(3, 2)


def test_keywords_are_the_fields_of_the_input() -> None:
    assert Answering()(text="why", votes=2) == Point(3, 2)
    assert Answering()(text="why").y == 1


def test_more_than_one_value_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="Answering takes one value that fits its input_spec"):
        Answering()({"text": "why"}, 2)
    with pytest.raises(TypeError, match="and keywords"):
        Answering()({"text": "why"}, votes=2)


def test_an_error_names_operator_field_what_was_expected_and_the_type_that_came() -> None:
    error = mismatch(Answering(), text=3, parent={"votes": "many"})
    assert (error.operator, error.side, error.spec) == ("Answering", "input", "Question")
    assert [(one.where, one.got) for one in error.problems] == [
        ("text", "an int"),
        ("parent.text", "nothing"),
        ("parent.votes", "a str"),
    ]
    assert (
        "The input of Answering does not fit Question: `text`: Input should be a valid string, got an int"
        in str(error)
    )


def test_an_error_survives_pickling_without_the_value() -> None:
    error = mismatch(Echo(input_spec=int), "secret words")
    assert error.value == "secret words" and "secret words" not in str(error)
    again = pickle.loads(pickle.dumps(error))
    assert str(again) == str(error) and again.problems == error.problems and again.value is None


def test_an_answer_is_validated_into_an_instance() -> None:
    class Writes(Operator):
        output_spec = Question

        def call(self, text: str) -> Any:
            return json.dumps({"text": text})

    assert Writes()("hi") == Question(text="hi")
    assert Writes().call("hi") == '{"text": "hi"}'


@pytest.mark.parametrize("said", ['```json\n{"x": 1}\n```', '```\n{"x": 1}\n```\n', ' {"x": 1} '])
def test_json_may_come_as_models_write_it(said: str) -> None:
    assert Echo(output_spec=Point)(said) == Point(1)


@pytest.mark.parametrize(
    "kind, given, made",
    [
        (int, "5", 5),
        (list[int], "[1, 2]", [1, 2]),
        (int | None, "null", None),
        (datetime.date, "2026-11-22", datetime.date(2026, 11, 22)),
        (Row, '{"id": 1, "tags": ["a"]}', {"id": 1, "tags": ["a"]}),
        (list[Row], '[{"id": 1}]', [{"id": 1}]),
        (Box[int], '{"item": 3}', Box[int](item=3)),
        (Point | Question, '{"text": "a"}', Question(text="a")),
        (dict[str, Point], '{"a": {"x": 1}}', {"a": Point(1)}),
    ],
)
def test_text_for_what_is_no_text_is_json(kind: Any, given: str, made: Any) -> None:
    assert Echo(input_spec=kind)(given) == made


@pytest.mark.parametrize(
    "kind", [str, int | str, Any, Literal["5", "6"], Annotated[str, Field(max_length=3)]]
)
def test_text_for_what_may_be_text_is_left_alone(kind: Any) -> None:
    assert Echo(input_spec=kind)("5") == "5"


@pytest.mark.parametrize(
    "kind, given",
    [
        (int, 5.0),
        (int, True),
        (str, 5),
        (tuple[int, ...], [1]),
        (list[int], (1,)),
        (bool, 1),
        (Point, {"x": "1"}),
        (Point, {"x": 1, "z": 2}),
        (Row, {"id": 1, "name": "x"}),
        (Literal["a"], "b"),
        (list[int], "[1,"),
        (Point, "no json"),
    ],
)
def test_what_would_have_to_be_changed_is_refused(kind: Any, given: Any) -> None:
    error = mismatch(Echo(input_spec=kind), given)
    assert error.problems


def test_an_answer_that_knows_its_cost_is_still_that_answer() -> None:
    class Answer(str):
        cost = 0.1

    answer = Answer("hi")
    assert Echo(input_spec=str, output_spec=str)(answer) is answer


VALUES = st.one_of(
    st.tuples(st.just(int), st.integers()),
    st.tuples(st.just(float), st.floats(allow_nan=False)),
    st.tuples(st.just(str), st.text()),
    st.tuples(st.just(bool), st.booleans()),
    st.tuples(st.just(bytes), st.binary()),
    st.tuples(st.just(int | None), st.none() | st.integers()),
    st.tuples(st.just(int | str | None), st.none() | st.integers() | st.text()),
    st.tuples(st.just(list[int | str]), st.lists(st.integers() | st.text())),
    st.tuples(st.just(tuple[int, str]), st.tuples(st.integers(), st.text())),
    st.tuples(
        st.just(dict[str, list[float]]), st.dictionaries(st.text(), st.lists(st.floats(allow_nan=False)))
    ),
    st.tuples(st.just(set[int]), st.sets(st.integers())),
    st.tuples(
        st.just(Row), st.fixed_dictionaries({}, optional={"id": st.integers(), "tags": st.lists(st.text())})
    ),
    st.tuples(
        st.just(Point),
        st.builds(Point, x=st.integers(), y=st.floats(allow_nan=False), name=st.none() | st.text()),
    ),
    st.tuples(st.just(datetime.datetime), st.datetimes()),
)
ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=5)
    | st.binary(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=3), inner, max_size=3)
        | st.tuples(inner)
    ),
    max_leaves=5,
)


@given(VALUES)
def test_what_fits_is_accepted_and_stays_what_it_was(case: tuple[Any, Any]) -> None:
    kind, value = case
    made = Echo(input_spec=kind, output_spec=kind)(value)
    assert made == value and type(made) is type(value)


@given(VALUES, ANYTHING)
def test_whatever_is_accepted_stays_what_it_was(case: tuple[Any, Any], value: Any) -> None:
    kind = case[0]
    if isinstance(value, str | bytes):
        return  # it may be JSON
    try:
        made = Echo(input_spec=kind)(value)
    except SpecMismatch:
        return
    assert (dataclasses.asdict(made) | value if isinstance(made, Point) else made) == (
        dataclasses.asdict(made) if isinstance(made, Point) else value
    )


def test_a_spec_may_say_how_a_value_is_to_be_changed() -> None:
    class Lax(BaseModel):
        size: int

    assert Echo(input_spec=Lax)(size="5").size == 5


def test_a_field_of_the_instance_says_it_for_that_instance() -> None:
    assert Echo()("as it is") == "as it is"
    assert Echo(input_spec=int)("5") == 5
    assert Echo(input_spec=list[int])("[5]") == [5]
    assert Echo(output_spec=Point)({"x": 1}) == Point(1)


def test_specs_are_inherited_and_can_be_changed_or_taken_back() -> None:
    class Louder(Answering):
        def call(self, inputs: Question) -> Any:
            return Point(100)

    class Looser(Answering):
        output_spec = dict[str, Any]

    class Free(Answering):
        input_spec = None  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
        output_spec = None  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]

    assert Louder()(text="a") == Point(100)
    assert Looser()(text="ab") == {"x": 2, "y": 1}
    assert Free.__call__ is Free.call


def test_an_operator_may_be_asked_once_more_for_an_answer_that_fits() -> None:
    asked: list[Any] = []

    class Asks(Operator):
        output_spec = int

        def call(self, text: str) -> Any:
            return "five"

        def reask(self, error: SpecMismatch, text: str) -> Any:
            asked.append((error.value, error.side, text))
            return text

    assert Asks()("5") == 5
    assert asked == [("five", "output", "5")]
    assert mismatch(Asks(), "six").value == "six"
    assert len(asked) == 2


def test_awaited_operators_are_validated_too() -> None:
    class Async(Operator):
        input_spec = Question
        output_spec = int

        async def call(self, inputs: Question) -> Any:
            await asyncio.sleep(0)
            return str(len(inputs.text))

        async def reask(self, error: SpecMismatch, inputs: Question) -> Any:
            return 0

    class Written(Operator):
        input_spec = Question

        async def acall(self, inputs: Question) -> Any:
            return inputs.text

    written: Any = Written()

    async def main() -> Any:
        return await Async()(text="why"), await Async().acall(text="why"), await Answering().acall(text="ab")

    assert asyncio.run(main()) == (3, 3, Point(2, 1))
    assert asyncio.run(written.acall('{"text": "a"}')) == "a"
    assert written(text="b") == "b"


@op(validate=True)
def repeat(text: str, times: int = 2, *more: int, mark: Optional[str] = None, **others: float) -> list[str]:  # noqa: UP045
    """Say it again."""
    return [text + (mark or "")] * (times + sum(more))


@op(validate=True)
def nearest(points: list[Point], to: Later) -> Point:
    return min(points, key=lambda point: abs(point.x - to.x))


@dataclasses.dataclass
class Later:
    x: int


def test_type_hints_are_specs_when_asked_to() -> None:
    assert repeat("a") == ["a", "a"]
    assert repeat("a", "1", 1, mark="!", size=1.0) == ["a!", "a!"]  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    assert nearest('[{"x": 1}, {"x": 9}]', {"x": 8}) == Point(9)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    assert (repeat.__name__, repeat.__doc__) == ("repeat", "Say it again.")


@pytest.mark.parametrize(
    "args, kwargs, where",
    [((1,), {}, "text"), (("a", 1.5), {}, "times"), (("a", 1, "x"), {}, "more"), (("a",), {"mark": 1}, "mark"),
     (("a",), {"size": "x"}, "size")],
)  # fmt: skip
def test_an_argument_that_does_not_fit_is_named(args: Any, kwargs: Any, where: str) -> None:
    error = mismatch(repeat, *args, **kwargs)
    assert (error.operator, error.problems[0].where) == ("repeat", where)


def test_wrong_arguments_stay_pythons_own_error() -> None:
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'text'"):
        repeat()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


def test_hints_of_local_names_methods_and_coroutines_are_found() -> None:
    @dataclasses.dataclass
    class Local:
        x: int

    @op(validate=True)
    async def double(given: Local) -> Local:
        return Local(given.x * 2)

    class Methods(Operator, validate=True):
        factor: int = 3

        def call(self, given: Local, *, plus: int = 0) -> int:
            return given.x * self.factor + plus

        @op(validate=True)
        def once(self, given: Local) -> int:
            return given.x

    assert asyncio.run(double({"x": 2})) == Local(4)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    assert Methods()('{"x": 2}', plus="1") == 7  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    assert Methods().once({"x": 2}) == 2  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    assert mismatch(Methods(), {"y": 1}).problems[0].where == "given.x"


def test_a_hint_that_names_nothing_says_so() -> None:
    @op(validate=True)
    def strange(text: Nowhere) -> str:  # type: ignore[name-defined]  # noqa: F821  # pyright: ignore[reportUndefinedVariable, reportUnknownParameterType]
        return ""

    with pytest.raises(TypeError, match="cannot be resolved: name 'Nowhere' is not defined"):
        strange("a")


def test_a_type_that_is_not_pydantics_is_an_instance_check() -> None:
    class Own:
        pass

    own = Own()
    assert Echo(input_spec=Own)(own) is own
    assert mismatch(Echo(input_spec=list[Own]), [3]).problems[0].where == "[0]"


def test_nothing_heavy_is_loaded_before_it_is_needed() -> None:
    program = (
        "import sys; from ember.operators import Operator, op, Chain, Module\n"
        "class Add(Operator):\n  input_spec = dict\n  def call(self, x): return x\n"
        "class Plain(Operator):\n  n: int = 1\n  def call(self, x): return x + self.n\n"
        "assert (Plain() >> op(lambda x: x))(1) == 2; repr(Plain()); Plain().parameters()\n"
        "print(*sorted({'jax', 'numpy', 'pydantic', 'asyncio', 'yaml', 'httpx', 'aiohttp'} & sys.modules.keys()))\n"
        "Add()(a=1); print('pydantic' in sys.modules, 'jax' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:2] == ["", "True False"]
