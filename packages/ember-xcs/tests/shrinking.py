"""Make a differing program small: statements go, or give way to their bodies, as long as it still differs."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Callable, Iterator
from typing import cast

Differs = Callable[[str], bool]


def shrink(text: str, differs: Differs, most: int = 400) -> str:
    """Return a smaller program for which `differs` holds, after at most `most` tries."""
    tries = 0
    changed = True
    while changed and tries < most:
        changed = False
        for smaller in _smaller(text):
            tries += 1
            if tries >= most:
                break
            if _is_python(smaller) and differs(smaller):
                text, changed = smaller, True
                break
    return text


def _is_python(text: str) -> bool:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what is left of a random program is not good style
        try:
            compile(text, "<shrunk>", "exec")
        except SyntaxError:
            return False
    return True


def _smaller(text: str) -> Iterator[str]:
    tree = ast.parse(text)
    count = sum(1 for _ in _blocks(tree))
    for number in range(count):
        length = len(list(_blocks(tree))[number])
        spans = [(0, length)] if length > 1 else []
        spans += (
            [(i, i + max(1, length // 2)) for i in range(0, length, max(1, length // 2))]
            if length > 3
            else []
        )
        spans += [(i, i + 1) for i in range(length)]
        for start, end in spans:
            copy = ast.parse(text)
            block = list(_blocks(copy))[number]
            if end - start == len(block) and start == 0:
                block[:] = [ast.Pass()] if not isinstance(block[0], ast.Pass) else block
            else:
                del block[start:end]
            made = ast.unparse(ast.fix_missing_locations(copy))
            if made != text:
                yield made
        for place in range(length):
            copy = ast.parse(text)
            block = list(_blocks(copy))[number]
            inner = getattr(block[place], "body", None)
            if isinstance(inner, list) and not isinstance(block[place], (ast.FunctionDef, ast.ClassDef)):
                block[place : place + 1] = inner
                yield ast.unparse(ast.fix_missing_locations(copy))
    for number, _ in enumerate(_expressions(tree)):
        copy = ast.parse(text)
        parent, field, index, parts = list(_expressions(copy))[number]
        for part in parts:
            if index is None:
                setattr(parent, field, part)
            else:
                getattr(parent, field)[index] = part
            yield ast.unparse(ast.fix_missing_locations(copy))


def _program(tree: ast.AST) -> ast.FunctionDef | ast.AsyncFunctionDef:
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    return next(n for n in ast.walk(tree) if isinstance(n, functions) and n.name == "program")


def _blocks(tree: ast.AST) -> Iterator[list[ast.stmt]]:
    for node in ast.walk(_program(tree)):
        for field in ("body", "orelse", "finalbody"):
            block = getattr(node, field, None)
            if isinstance(block, list) and block and isinstance(block[0], ast.stmt):
                yield block


def _expressions(tree: ast.AST) -> Iterator[tuple[ast.AST, str, int | None, list[ast.expr]]]:
    for node in ast.walk(_program(tree)):
        for field, value in ast.iter_fields(node):
            places: list[tuple[int | None, object]] = [(None, value)]
            if isinstance(value, list):
                places = list(enumerate(cast("list[object]", value)))
            for index, one in places:
                if isinstance(
                    one,
                    (ast.Call, ast.BinOp, ast.IfExp, ast.BoolOp, ast.Subscript, ast.JoinedStr, ast.ListComp),
                ):
                    parts = [
                        c
                        for c in ast.iter_child_nodes(one)
                        if isinstance(c, ast.expr) and not isinstance(c, (ast.Slice, ast.FormattedValue))
                    ]
                    parts += [ast.Constant("c")]
                    yield node, field, index, parts
