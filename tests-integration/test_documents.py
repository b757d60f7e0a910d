"""Every Python block in the README, the docs and the distributions' READMEs runs, against a local server.

The blocks of one file run in order and share their names, as a reader would type them. A block that cannot run here is
fenced as `python notest`. The embedded model's name is an alias for a served one, so that no weights are needed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from ember.context import create_context, get_context
from ember.models.testing import LocalServer, fitting, schema_in
from workspace import ROOT

DOCUMENTS = sorted(
    [
        ROOT / "README.md",
        *ROOT.glob("docs/*.md"),
        *(path for path in ROOT.glob("docs/how-to/*.md") if path.name != "write-a-provider.md"),
        *ROOT.glob("packages/*/README.md"),
    ]
)
BLOCK = re.compile(r"^```python[ ]*\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks(text: str) -> Iterator[str]:
    """Yield each Python block of `text`, moved down so that a traceback names the document's own lines."""
    for found in BLOCK.finditer(text):
        yield "\n" * text[: found.start(1)].count("\n") + found[1]


WITH_CODE = [path for path in DOCUMENTS if any(blocks(path.read_text(encoding="utf-8")))]


@pytest.fixture
def served(
    ember_home: Path, server: LocalServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[LocalServer]:
    """Each provider's models, on this machine: what is asked is repeated, or JSON of the shape asked for is given."""

    def say(prompt: str) -> str:
        schema = schema_in(server.requests[-1].json)
        return prompt if schema is None else json.dumps(fitting(schema))

    server.answer = say
    monkeypatch.chdir(tmp_path)  # documents write files where they are
    for vendor, path in (("OPENAI", "/v1"), ("ANTHROPIC", ""), ("GOOGLE", ""), ("OLLAMA", "")):
        monkeypatch.setenv(f"{vendor}_API_KEY", "sk-0123456789abcdef")
        monkeypatch.setenv(f"{vendor}_BASE_URL", f"{server.url}{path}")
    get_context().reload(discard=True)
    with create_context(models={"aliases": {"smollm2": "openai/gpt-4o-mini"}}):
        yield server
    get_context().reload(discard=True)


def test_the_readme_shows_code() -> None:
    assert ROOT / "README.md" in WITH_CODE


@pytest.mark.parametrize("path", WITH_CODE, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_code_in_a_document_runs(path: Path, served: LocalServer) -> None:
    names: dict[str, object] = {"__name__": "__main__"}
    for block in blocks(path.read_text(encoding="utf-8")):
        exec(compile(block, str(path), "exec"), names)


RELIABILITY = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")


def test_every_promise_to_a_worried_operator_names_tests_that_exist() -> None:
    rows = [
        line
        for table in re.findall(r"^\| when \|.*\n\|[-|]+\|\n((?:\|.*\n)+)", RELIABILITY, re.MULTILINE)
        for line in table.splitlines()
    ]
    assert len(rows) > 40
    tests = {path.stem for path in (ROOT / "packages" / "ember-models" / "tests").glob("test_*.py")}
    for row in rows:
        named = re.findall(r"`(test_\w+)`", row.rstrip(" |").rpartition(" | ")[2])
        assert named, f"this row names no test: {row}"
        assert set(named) <= tests, f"this row names a test file that does not exist: {row}"
