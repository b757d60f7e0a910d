"""A vmapped function with a journal: what was done is not done again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ember import xcs
from ember.core import external
from ember.core.journal import Journal


@pytest.mark.parametrize("form", ["plain", "async", "external"])
def test_elements_that_are_in_the_journal_are_not_called_again(tmp_path: Path, form: str) -> None:
    made: list[int] = []
    journal = Journal(tmp_path / "calls.journal", version="1")

    def square(n: int) -> int:
        made.append(n)
        return n * n

    async def asquare(n: int) -> int:
        made.append(n)
        return n * n

    forms: dict[str, Any] = {"plain": square, "async": asquare, "external": external(square)}
    function = forms[form]
    for count in (5, 8):
        assert xcs.vmap(journal.of(function), max_concurrency=3)(range(count)) == [
            n * n for n in range(count)
        ]
    assert sorted(made) == list(range(8))


def test_after_a_failure_the_elements_that_were_done_are_kept(tmp_path: Path) -> None:
    made: list[int] = []
    failing = {6}

    def square(n: int) -> int:
        if n in failing:
            raise ValueError("not now")
        made.append(n)
        return n * n

    squares = xcs.vmap(Journal(tmp_path / "calls.journal", version="1").of(square), max_concurrency=1)
    with pytest.raises(ValueError, match="not now"):
        squares(range(10))
    failing.clear()
    assert squares(range(10)) == [n * n for n in range(10)]
    assert sorted(made) == list(range(10))
