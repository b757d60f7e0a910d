"""The document on configuration: its code runs, and its tables are complete."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from ember.context import Setting, get_context
from ember.context._schema import ANYTHING, Node, sections

DOCUMENT = Path(__file__).parents[3] / "docs" / "configuration.md"

OTHER = {"providers": "<provider>", "credentials": "<provider>_api_key"}

pytestmark = pytest.mark.skipif(
    not DOCUMENT.exists(), reason="the document is in the repository, not in the package"
)


def rows(heading: str) -> list[list[str]]:
    """Return the cells of the table below a heading."""
    section = DOCUMENT.read_text(encoding="utf-8").partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_every_program_in_it_runs_one_after_the_other(home: Path) -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    names: dict[str, object] = {}
    programs = list(re.finditer(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL))
    assert len(programs) >= 6
    for found in programs:
        lines_above = text[: found.start(1)].count("\n")
        exec(compile("\n" * lines_above + found[1], str(DOCUMENT), "exec"), names)
    assert (home / "config.yaml").read_text().count("sk-a-key-to-keep") == 1


@pytest.mark.parametrize("file", ["config.yaml", "credentials.yaml"])
def test_each_file_it_shows_is_read_without_a_word(home: Path, file: str) -> None:
    shown = DOCUMENT.read_text(encoding="utf-8").partition(f"# ~/.ember/{file}\n")[2].partition("```")[0]
    home.mkdir(mode=0o700)
    (home / file).touch(0o600)
    (home / file).write_text(shown, encoding="utf-8")
    ctx = get_context()
    ctx.reload()
    assert ctx.get_config("models.default") == ("gpt-4o-mini" if file == "config.yaml" else None)
    assert "…" in repr(ctx.get_config("credentials.acme_api_key")) or file == "config.yaml"


def test_its_table_of_settings_is_the_schema(home: Path) -> None:
    written = {cells[0].strip("`"): cells for cells in rows("Settings")}

    def described(node: Node, key: str) -> dict[str, Setting]:
        if isinstance(node, Setting):
            return {key: node}
        found: dict[str, Setting] = {}
        for name, inner in node.keys.items():
            found |= described(inner, f"{key}.{name}")
        if node.other is not None and node.other is not ANYTHING:
            found |= described(node.other, f"{key}.{OTHER.get(key, '<name>')}")
        return found

    for name in ("models", "providers", "credentials", "usage", "data", "logging"):
        for key, setting in described(sections()[name], name).items():
            cells = written.pop(key)
            assert cells[3] == setting.about
            if setting.default is not None:
                assert json.loads(cells[2].strip("`")) == setting.default
    assert list(written) == ["providers.<provider>.<anything>"]


def test_its_table_of_layers_is_the_one_explain_speaks_of(home: Path) -> None:
    layers = [cells[0].strip("`") for cells in rows("Layers")]
    assert layers == ["context", "environment", "config.yaml", "credentials.yaml", "default"]
