"""Keys that other programs have: the environment, a dotenv file, `llm`'s keys. Only names that are known are read."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, cast

import click

from ember.context import create_context
from ember.core import files
from ember.core.errors import EmberError
from ember.core.secrets import Secret

from ._exits import FAILED, USAGE, Failure
from ._old_formats import Old
from ._vendors import VENDORS

_LLM: Final = {
    "openai": "openai",
    "anthropic": "anthropic",
    "claude": "anthropic",
    "gemini": "google",
    "google": "google",
}
_LINE: Final = re.compile(
    r"""\s*(?:export\s+)?([A-Za-z_]\w*)\s*=\s*(?:'([^']*)'|"((?:[^"\\]|\\.)*)"|([^#\n]*?))\s*(?:#.*)?"""
)


def found(source: str, file: str | None) -> Old:
    """Return the keys and base URLs in `source`: "env", "dotenv" (in `file`) or "llm"."""
    if source == "env":
        return _variables(os.environ, "the environment")
    if source == "dotenv":
        path = Path(file or ".env")
        content = files.read(path)
        if content is None:
            raise Failure(f"{path} is not there.", USAGE)
        return _variables(dict(_dotenv(content)), str(path))
    return _llm(Path(os.environ.get("LLM_USER_PATH") or click.get_app_dir("io.datasette.llm")) / "keys.json")


def _variables(variables: Mapping[str, str], place: str) -> Old:
    old = Old(place)
    for provider, vendor in VENDORS.items():
        for name in vendor.variables:
            if (text := variables.get(name, "").strip()) and _take(old, provider, text, name):
                break
        url = variables.get(f"{provider.upper()}_BASE_URL", "").strip()
        if url and f"{provider}_api_key" in old.keys:
            old.settings["providers", provider, "base_url"] = url
    return old


def _take(old: Old, provider: str, text: str, where: str) -> bool:
    key = Secret(text)
    try:
        create_context(credentials={f"{provider}_api_key": key})
    except EmberError:
        old.left_out.append((where, "what stands there cannot be a key"))
        return False
    return old.keys.setdefault(f"{provider}_api_key", key) is key


def _dotenv(content: files.Content) -> Iterator[tuple[str, str]]:
    """Yield the variables of a dotenv file. Nothing is expanded or run."""
    for line in content.data.decode("utf-8", "replace").splitlines():
        if (match := _LINE.fullmatch(line)) is not None:
            name, single, double, bare = match.groups()
            if double is not None:
                double = re.sub(r"\\(.)", r"\1", double)
            yield name, next(text for text in (single, double, bare, "") if text is not None)


def _llm(path: Path) -> Old:
    content = files.read(path)
    if content is None:
        raise Failure(f"llm has no keys here: {path} is not there.", FAILED)
    old, tree = Old(str(path)), _parsed(content)
    if tree is None:
        raise Failure(f"{path} is no JSON object.", FAILED)
    for name, text in tree.items():
        provider = _LLM.get(name.lower())
        if provider is not None and isinstance(text, str) and text.strip():
            _take(old, provider, text.strip(), name)
    return old


# The text of the file is a local variable only where nothing is raised: a traceback may show local variables.
def _parsed(content: files.Content) -> dict[str, Any] | None:
    try:
        tree: object = json.loads(content.data)
    except (ValueError, RecursionError):
        return None
    return cast("dict[str, Any]", tree) if isinstance(tree, dict) else None
