"""What `--json` prints is what docs/command.md says it prints, name for name."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from command_line import Command

from ember.models.testing import LocalServer
from workspace import ROOT

PAGE = (ROOT / "docs/command.md").read_text(encoding="utf-8")


def documented(row: str) -> set[str]:
    """Return the names in the first braces of the table's row that begins with `row`, nested ones left out."""
    (line,) = [line for line in PAGE.splitlines() if line.startswith(f"| `{row}")]
    braces = re.search(r"\{(.*?)\}`", line.partition(" | ")[2])
    assert braces is not None, row
    flat = re.sub(r"\[\{.*?(\}\]|$)", "", braces[1])
    return {name.strip(" :") for name in flat.split(",")}


CASES = {
    "configure get KEY": ["configure", "get", "models.default", "--json"],
    "configure list": ["configure", "list", "--json"],
    "configure show SECTION": ["configure", "show", "models", "--json"],
    "configure path": ["configure", "path", "--json"],
    "configure migrate": ["configure", "migrate", "--dry-run", "--json"],
    "models [--provider NAME]": ["models", "--provider", "openai", "--json"],
    "models --providers": ["models", "--providers", "--json"],
    "models show MODEL": ["models", "show", "gpt-4o", "--json"],
    "test [--provider NAME]": ["test", "--json"],
    "test --model MODEL": ["test", "--model", "gpt-4o", "--json"],
    "doctor": ["doctor", "--json"],
    "run MODEL PROMPT": ["run", "gpt-4o", "Hello", "--json"],
    "usage": ["usage", "--json"],
    "data list": ["data", "list", "--json"],
    "data show SOURCE": ["data", "show", "gsm8k", "--json"],
    "eval MODEL DATA": ["eval", "gpt-4o", "rows.jsonl", "--json"],
    "trace view FILE": ["trace", "view", "run.json", "--json"],
}


@pytest.mark.parametrize("row", CASES)
def test_the_page_names_what_is_printed(
    command: Command, server: LocalServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, row: str
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test-0123456789abcdef7777")
    monkeypatch.setenv("OPENAI_BASE_URL", f"{server.url}/v1")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rows.jsonl").write_text('{"question": "a", "answer": "a"}\n')
    span = {"ph": "X", "pid": 1, "tid": 1, "name": "gpt-4o", "cat": "model", "ts": 0, "dur": 1000}
    (tmp_path / "run.json").write_text(json.dumps({"traceEvents": [span]}))
    command("configure", "set", "models.default", "gpt-4o")
    code, out, _ = command(*CASES[row])
    found: Any = json.loads(out)
    first: dict[str, Any] = found[0] if out.startswith("[") else found
    assert code == 0 and set(first) == documented(row)
