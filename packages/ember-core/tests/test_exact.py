"""Values that are written come back the same, or are refused."""

from __future__ import annotations

import enum
import threading
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, strategies as st

from ember.core import Secret
from ember.core.exact import HoldsSecret, Unkeepable, pack, unpack

HASHABLE = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary()
    | st.decimals(allow_nan=False)
    | st.dates()
    | st.datetimes(timezones=st.none() | st.just(UTC))
    | st.times()
    | st.timedeltas()
    | st.uuids()
    | st.complex_numbers(allow_nan=False),
    lambda inner: st.tuples(inner, inner) | st.frozensets(inner, max_size=3),
    max_leaves=6,
)
VALUES = st.recursive(
    HASHABLE,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(HASHABLE, inner, max_size=4),
    max_leaves=12,
)


def shape(value: Any) -> Any:
    """The types in a value, all the way down."""
    kind: type[Any] = value.__class__
    if kind is dict:
        return [(shape(key), shape(inner)) for key, inner in value.items()]
    return kind, [shape(item) for item in value] if kind in (list, tuple) else None


@given(VALUES)
def test_what_is_packed_comes_back_equal_and_of_the_same_types(value: Any) -> None:
    back = unpack(pack(value))
    assert back == value
    assert shape(back) == shape(value)


class Colour(enum.Enum):
    RED = 1


class Weight(enum.IntEnum):
    HEAVY = 9


class Pair(NamedTuple):
    left: int
    right: Any


@dataclass(frozen=True, slots=True)
class Label:
    text: str
    scores: tuple[float, ...] = ()
    by: Pair | None = None


@dataclass
class Checked:
    name: str
    made: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self.name = self.name + "!"


class Answer(str):
    cost: Decimal

    def __plain__(self) -> list[Any]:
        return [str(self), self.cost]

    @classmethod
    def __from_plain__(cls, plain: list[Any]) -> Answer:
        made = cls(plain[0])
        made.cost = plain[1]
        return made


@pytest.mark.parametrize(
    "value",
    [
        Colour.RED,
        Weight.HEAVY,
        Pair(1, (2,)),
        Label("good", (0.5, float("inf")), Pair(1, 2)),
        Checked("a"),
        {"$": 1},
        {"$": "tuple", "v": [1]},
        {1: "a", (2, 3): Label("x")},
        Path("/tmp/x"),
        PurePosixPath("a/b"),
        date(2026, 1, 2),
        time(1, 2, fold=1),
        datetime(2026, 1, 2, tzinfo=timezone(timedelta(hours=2))),
        UUID(int=5),
        "\ud800 lone",
        bytearray(b"x"),
    ],
)
def test_objects_come_back_as_what_they_were(value: Any) -> None:
    back = unpack(pack(value))
    assert (type(back), back) == (type(value), value)


def test_a_class_may_say_how_it_is_written() -> None:
    answer = Answer("Paris")
    answer.cost = Decimal("0.01")
    back = unpack(pack({"answer": answer}))["answer"]
    assert (type(back), back, back.cost) == (Answer, "Paris", Decimal("0.01"))


def test_arrays_come_back_as_they_were() -> None:
    numpy = pytest.importorskip("numpy")
    for value in (numpy.arange(6, dtype="<f4").reshape(2, 3), numpy.float64(0.1), numpy.zeros((0, 4))):
        back = unpack(pack(value))
        assert (type(back), back.dtype, back.shape, back.tolist()) == (
            type(value),
            value.dtype,
            value.shape,
            value.tolist(),
        )


def test_what_would_not_come_back_the_same_is_refused() -> None:
    @dataclass
    class Local:
        x: int

    class Text(str):
        pass

    more = Checked("a")
    more.extra = 1  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    circle: list[Any] = []
    circle.append(circle)
    zoned = datetime(2026, 1, 1, tzinfo=ZoneInfo("Europe/Prague"))
    for value in (
        Local(1),
        Text("a"),
        threading.Lock(),
        more,
        circle,
        zoned,
        ValueError("x"),
        Secret("a-secret-key"),
    ):
        with pytest.raises(Unkeepable):
            pack({"deep": [value]})


def test_what_holds_a_known_secret_is_refused_however_it_is_written() -> None:
    Secret("sk-very-secret-key-123")
    for value in ("key sk-very-secret-key-123", b"\xffsk-very-secret-key-123", {"sk-very-secret-key-123": 1}):
        with pytest.raises(HoldsSecret):
            pack(value)


def test_what_nobody_packed_is_a_value_error() -> None:
    for data in (
        b"",
        b"{",
        b'{"$": "nothing", "v": 1}',
        b'{"$": "fields", "v": ["os:system", {}]}',
        b'{"$":"set"}',
    ):
        with pytest.raises(ValueError):
            unpack(data)
