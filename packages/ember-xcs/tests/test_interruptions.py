"""Cancellation and Ctrl-C at every call of every construct: the program ends, nothing stays under way."""

from __future__ import annotations

import pytest
from constructs import PROGRAMS, cancelled, differences, interrupted, prompts
from constructs.world import Program

from ember.xcs import jit

# asyncio.gather and groups have their own say; what is not lowered holds up the loop, as it does without jit.
# Generators go on after their program, and one manager swallows whatever comes.
SWALLOWS = "contexts-a_manager_that_swallows"
ALONE = [
    one
    for one in PROGRAMS
    if not (one.together or jit(one.function).reason or str(one) == SWALLOWS)
    and "Iterator" not in str(one.function.__annotations__["return"])
]


@pytest.mark.long
@pytest.mark.parametrize("program", ALONE, ids=str)
def test_cancelling_an_awaited_program_ends_it_at_whichever_call_it_comes(program: Program) -> None:
    wrong = [f"{what} (at {prompt!r})" for prompt in prompts(program) for what in cancelled(program, prompt)]
    assert not wrong, "\n".join(wrong)
    assert differences(program) == []


@pytest.mark.long
@pytest.mark.parametrize("program", ALONE, ids=str)
def test_ctrl_c_ends_a_waiting_program_at_whichever_call_it_comes(program: Program) -> None:
    wrong = [
        f"{what} (at {prompt!r})" for prompt in prompts(program) for what in interrupted(program, prompt)
    ]
    assert not wrong, "\n".join(wrong)
    assert differences(program) == []
