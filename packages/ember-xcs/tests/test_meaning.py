"""What a program means under `jit` is what it means without: whichever call fails, and with one call at a time."""

from __future__ import annotations

import pytest
from constructs import PROGRAMS, differences, prompts
from constructs.world import Program


@pytest.mark.parametrize("program", PROGRAMS, ids=str)
def test_a_program_means_the_same_whichever_of_its_calls_fails(program: Program) -> None:
    wrong = [f"{what} (limit {limit})" for limit in (None, 1) for what in differences(program, None, limit)]
    for prompt in prompts(program):
        wrong += [f"{what} (where {prompt!r} fails)" for what in differences(program, prompt)]
    assert not wrong, "\n".join(wrong)
