"""Cancellation, Ctrl-C and calls that hang, at every call of every construct: it ends as in plain Python, and wholly.

Each run takes a fixed share of the programs, at all of their calls; `make long` takes all of them.
"""

from __future__ import annotations

from typing import Any

import pytest
from constructs import PROGRAMS, cancelled, differences, interrupted, prompts
from constructs.world import Program

from ember.xcs import jit

# What is not lowered holds up the loop, as it does without jit. Generators go on after their program, and one manager
# swallows whatever comes.
SWALLOWS = "contexts-a_manager_that_swallows"
ENDING = [
    one
    for one in PROGRAMS
    if not (jit(one.function).reason or str(one) == SWALLOWS)
    and "Iterator" not in str(one.function.__annotations__["return"])
]


def share(programs: list[Program], of: int, first: int) -> list[Any]:
    """Return all programs, of which every `of`th is for each run."""
    return [
        pytest.param(one, id=str(one), marks=() if place % of == first else pytest.mark.long)
        for place, one in enumerate(programs)
    ]


@pytest.mark.parametrize("program", share(ENDING, 2, 0))
def test_cancelling_an_awaited_program_ends_it_at_whichever_call_it_comes(program: Program) -> None:
    wrong = [f"{what} (at {prompt!r})" for prompt in prompts(program) for what in cancelled(program, prompt)]
    assert not wrong, "\n".join(wrong)
    assert differences(program) == []


@pytest.mark.parametrize("program", share(ENDING, 2, 1))
def test_ctrl_c_ends_a_waiting_program_at_whichever_call_it_comes(program: Program) -> None:
    wrong = [
        f"{what} (at {prompt!r})" for prompt in prompts(program) for what in interrupted(program, prompt)
    ]
    assert not wrong, "\n".join(wrong)
    assert differences(program) == []


@pytest.mark.parametrize("program", share(PROGRAMS, 3, 1))
def test_a_call_that_hangs_until_its_time_is_over_fails_as_in_plain_python_wherever_it_stands(
    program: Program,
) -> None:
    wrong = [
        f"{what} (where {prompt!r} hangs)"
        for prompt in prompts(program)
        for what in differences(program, hangs=prompt)
    ]
    assert not wrong, "\n".join(wrong)
    assert differences(program) == []
