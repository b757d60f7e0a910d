"""From a code object to the syntax tree it was compiled from, or the reason why there is none."""

from __future__ import annotations

import ast
import linecache
import re
import time
from pathlib import Path
from types import CodeType
from typing import Final, TypeAlias

from ._names import walk
from ._originals import is_instrumented, is_original

Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


class NoSource(Exception):
    """There is no source to be had, or it is not what the function was compiled from."""


def tree_of(code: CodeType) -> Function:
    """Return the syntax tree of the function that `code` belongs to, with the lines of its file. Raises `NoSource`."""
    found = _found(code)
    for tree in found:
        if is_original(tree, code):
            return tree
    if is_instrumented(code) and not was_written_since(code.co_filename):
        return found[0]
    raise NoSource(_CHANGED)


_CHANGED: Final = "its source has changed since it was imported, or something has rewritten it on its way"
_STARTED: Final = time.time()


def was_written_since(file: str) -> bool:
    """Whether a file was written after this process had imported us. What a notebook keeps is none, and stays."""
    try:
        return Path(file).stat().st_mtime >= _STARTED
    except OSError:
        return False


def _found(code: CodeType) -> list[Function]:
    """Return the functions that stand where `code` says, the most likely first; at least one."""
    linecache.checkcache(code.co_filename)
    lines = linecache.getlines(code.co_filename)
    if not lines:
        raise NoSource(f"there is no source file ({code.co_filename})")
    first = code.co_firstlineno
    last = _last_line(code)
    if last > len(lines):
        raise NoSource(_CHANGED)
    for end in (last, last + 1, last + 2, last + 5, last + 20):
        # In an `if`, a body may be indented as it is; the text of its strings stays what it is.
        text = "".join(lines[first - 1 : end])
        found = _parsed(text, first)
        if found is not None:
            nodes = _candidates(found, code)
            if nodes:
                return nodes
    try:
        whole = ast.parse("".join(lines))
    except SyntaxError:
        raise NoSource(_CHANGED) from None
    nodes = _candidates(whole, code)
    if not nodes:
        raise NoSource(_CHANGED)
    return nodes


_nonlocals: dict[str, tuple[int, frozenset[str]]] = {}


def nonlocals_of(file: str) -> frozenset[str]:
    """Return the names of all variables that functions in `file` declare as `nonlocal`."""
    lines = linecache.getlines(file)
    known = _nonlocals.get(file)
    if known is None or known[0] != len(lines):
        found = [one for line in lines if "nonlocal" in line for one in _NONLOCAL.findall(line)]
        named = frozenset(name.strip() for one in found for name in one.split(","))
        known = _nonlocals[file] = len(lines), named
    return known[1]


_NONLOCAL: Final = re.compile(r"\bnonlocal\s+(\w+(?:\s*,\s*\w+)*)")


def _parsed(text: str, first: int) -> ast.Module | None:
    indented = text[:1] in " \t"
    # Empty lines before it, and it has the numbers of its file's.
    before = "\n" * (first - 2) + "if 1:\n" if indented and first > 1 else "\n" * (first - 1)
    try:
        return ast.parse(before + text)
    except SyntaxError:
        return None


def _last_line(code: CodeType) -> int:
    last = code.co_firstlineno
    for _, line, _, _ in code.co_positions():
        if line is not None and line > last:
            last = line
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            last = max(last, _last_line(constant))
    return last


def _candidates(tree: ast.AST, code: CodeType) -> list[Function]:
    """Return the functions in `tree` that compile to `code`: mostly one, for lambdas on one line perhaps several."""
    found: list[Function] = []
    for node in walk(tree):
        if isinstance(node, ast.Lambda):
            if (
                code.co_name == "<lambda>"
                and node.lineno <= _last_line(code)
                and _end(node) >= code.co_firstlineno
            ):
                found.append(node)
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name == code.co_name:
            begin = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            if begin == code.co_firstlineno:
                found.append(node)
    # Of lambdas in one another, the innermost: code of an inner one lies in the outer ones too.
    return sorted((node for node in found if _same(node, code)), key=_extent)


def _extent(node: Function) -> tuple[int, int]:
    if isinstance(node, ast.Lambda):
        return _end(node.body) - node.body.lineno, (node.body.end_col_offset or 0) - node.body.col_offset
    return 0, 0


def _end(node: ast.AST) -> int:
    end: int | None = getattr(node, "end_lineno", None)
    return getattr(node, "lineno", 0) if end is None else end


def _same(node: Function, code: CodeType) -> bool:
    """Whether `node` takes the parameters of `code`: the file may have changed, and a line may hold several."""
    arguments = node.args
    names = [arg.arg for arg in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]
    if (
        len(names) != code.co_argcount + code.co_kwonlyargcount
        or tuple(names) != code.co_varnames[: len(names)]
    ):
        return False
    if isinstance(node, ast.Lambda):
        columns = {
            (line, column)
            for line, _, column, _ in code.co_positions()
            if line is not None and column is not None and column >= 0
        }
        body = node.body
        return any(
            (body.lineno, body.col_offset) <= (line, column) <= (_end(body), body.end_col_offset or 0)
            for line, column in columns
        )
    return True
