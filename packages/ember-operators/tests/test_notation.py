"""`non`: the compact notation of networks of networks."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, strategies as st

from ember.operators import Chain, Ensemble, Judge, MajorityVote, NotationError, Synthesize, Verifier, non


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("E", "1E"),
        ("5E@smollm2(temp=0.7)->1J@o3", "5E@smollm2(temperature=0.7) -> 1J@o3"),
        (
            "3E@openai/gpt-4o-mini( max = 20, seed=1 ) -> MC",
            "3E@openai/gpt-4o-mini(max_tokens=20, seed=1) -> 1MC",
        ),
        ("[2E@a, 3E@b -> MC] -> S@c", "[2E@a, 3E@b -> 1MC] -> 1S@c"),
        (
            'E@m(system="be brief", stop=end, logprobs=true) -> V',
            '1E@m(system="be brief", stop=end, logprobs=true) -> 1V',
        ),
    ],
)
def test_a_network_prints_as_its_notation_in_full(text: str, printed: str) -> None:
    assert str(non(text)) == printed
    assert str(non(printed)) == printed


def test_units_are_the_built_in_operators() -> None:
    judge = non("3E@a -> J@b").op
    assert isinstance(judge, Judge) and len(judge.members) == 3
    assert isinstance(non("3E@a -> MC").op, MajorityVote)
    assert isinstance(non("3E@a -> S@b").op, Synthesize)
    verifier = non("3E@a -> V@b").op
    assert isinstance(verifier, Verifier) and isinstance(verifier.op, Ensemble)
    checked = non("3E@a -> MC -> V@b").op
    assert isinstance(checked, Verifier) and isinstance(checked.op, MajorityVote)
    assert isinstance(non("3E@a -> MC -> 2E@b").op, Chain)


def test_networks_side_by_side_are_asked_as_one_ensemble_of_all_their_answers() -> None:
    nested: Any = non("[2E@a, 3E@b -> MC, [E@c, E@d]] -> J").op
    assert isinstance(nested, Judge)
    names = [getattr(one, "name", type(one).__name__) for one in nested.members]
    assert names == ["a", "a", "MajorityVote", "c", "d"]
    alone: Any = non("[2E@a, E@b]").op
    assert isinstance(alone, Ensemble) and len(alone.members) == 3


@pytest.mark.parametrize(
    ("text", "at", "problem"),
    [
        ("", 0, "Expected a unit"),
        ("3E@a -> 1X", 9, "no kind 'X'"),
        ("3E@a -> 2J@b", 8, "its count is 1"),
        ("0E@a", 0, "at least 1"),
        ("J@a", 0, "none before it"),
        ("3E@a ->", 7, "Expected a unit"),
        ("3E@ -> MC", 4, "name of a model"),
        ("3E@a(temp 0.7)", 10, "Expected `=`"),
        ("3E@a(temp=0.7, temp=1)", 15, "set twice"),
        ("3E@a(temp=)", 10, "Expected a number"),
        ("[3E@a, 2E@b -> MC", 17, "Expected `,` or `]`"),
        ("3E@a MC", 5, "Expected `->`"),
    ],
)
def test_a_mistake_is_pointed_at(text: str, at: int, problem: str) -> None:
    with pytest.raises(NotationError) as caught:
        non(text)
    assert (caught.value.position, caught.value.text) == (at, text)
    said, shown, caret = str(caught.value).split("\n")
    assert problem in said and shown == f"  {text}" and caret.index("^") == at + 2


@given(st.text('123EJMCSV@a-> ,[]()=."', max_size=12))
def test_any_text_is_a_network_or_a_mistake_that_is_pointed_at(text: str) -> None:
    try:
        printed = str(non(text))
    except NotationError as error:
        assert 0 <= error.position <= len(text)
    else:
        assert str(non(printed)) == printed
