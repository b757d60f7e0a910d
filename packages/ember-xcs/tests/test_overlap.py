"""Calls that do not depend on each other are under way together, in every construct; what is kept in order is told."""

from __future__ import annotations

import re
from typing import Any

import pytest
from constructs import PROGRAMS, alone
from constructs.world import Program, World, run

from ember import xcs


@pytest.mark.parametrize("program", [one for one in PROGRAMS if one.groups], ids=str)
def test_independent_calls_are_under_way_together(program: Program) -> None:
    assert alone(program) == []


@pytest.mark.parametrize("program", [one for one in PROGRAMS if one.order], ids=str)
def test_what_is_kept_in_order_is_told_with_the_reason(program: Program) -> None:
    found = xcs.explain(program.function)
    reasons: list[str] = [found.reason]
    if not found.reason:
        made: list[xcs.Explanation[object]] = []

        def explained(**given: Any) -> None:
            made.append(found(**given))

        run(explained, program.function, World())
        reasons += [*(wait.construct for wait in made[0].graph.waits), str(made[0])]
    assert any(program.order in one for one in reasons), reasons


def test_what_is_waited_for_is_told_in_words_for_people() -> None:
    made: list[xcs.Explanation[object]] = []
    for program in PROGRAMS:

        def explained(function: Any = program.function, **given: Any) -> None:
            made.append(xcs.explain(function)(**given))

        run(explained, program.function, World())
    told = {wait.construct for one in made for wait in one.graph.waits}
    assert len(told) > 50
    assert [one for one in sorted(told) if not re.match(r"(an?|the) |print$|any\(\)|max,", one)] == []
