"""Installed code is run as it is, unless its module says that it is to be lowered."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import pytest

from ember.xcs import explain, jit

MODULE = """
import asyncio
from crowd import Crowd
from ember.xcs import external
__ember_lower__ = {marked}
crowd = Crowd()

@external
async def ask(word: str) -> str:
    async with crowd.joined():
        await asyncio.sleep(0.01)
    return word.upper()

def both(words):
    return [ask(word) for word in words]
"""


@pytest.mark.parametrize(("marked", "at_once"), [(True, 3), (False, 1)])
def test_functions_of_a_marked_distribution_are_lowered_like_the_users_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, marked: bool, at_once: int
) -> None:
    name = f"ember_installed_{marked}"
    folder = tmp_path / "site-packages"
    folder.mkdir()
    (folder / f"{name}.py").write_text(MODULE.format(marked=marked))
    monkeypatch.syspath_prepend(folder)  # pyright: ignore[reportUnknownMemberType]
    module: Any = importlib.import_module(name)

    @jit
    def program() -> list[str]:
        found: list[str] = module.both("abc")
        return found

    module.crowd.expect(at_once)
    assert program() == ["A", "B", "C"]
    assert module.crowd.most == at_once
    assert explain(module.both).reason == ("" if marked else "it is installed code")
    del sys.modules[name]
