"""Calls that do not depend on each other are under way together, in every construct; what is kept in order is told."""

from __future__ import annotations

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
