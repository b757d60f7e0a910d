"""Trees of lowered code, and what cannot be lowered."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import Final


class Unsupported(Exception):
    """This function is run as it is. Says why."""


def load(name: str) -> ast.Name:
    return ast.Name(name, ast.Load())


def store(name: str) -> ast.Name:
    return ast.Name(name, ast.Store())


def arguments(positional: Sequence[str], keywords: Sequence[str] = ()) -> ast.arguments:
    return ast.arguments(
        posonlyargs=[],
        args=[ast.arg(name) for name in positional],
        vararg=None,
        kwonlyargs=[ast.arg(name) for name in keywords],
        kw_defaults=[load(name) for name in keywords],
        kwarg=None,
        defaults=[],
    )


def function_def(name: str, args: ast.arguments, body: list[ast.stmt]) -> ast.FunctionDef:
    made = ast.FunctionDef(name=name, args=args, body=body, decorator_list=[], returns=None)
    made.type_params = []  # type: ignore[attr-defined, unused-ignore]  # from Python 3.12 on
    return made


BINARY: Final[dict[type[ast.AST], str]] = {
    ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul", ast.Div: "truediv", ast.FloorDiv: "floordiv", ast.Mod: "mod",
    ast.Pow: "pow", ast.MatMult: "matmul", ast.LShift: "lshift", ast.RShift: "rshift", ast.BitAnd: "and_",
    ast.BitOr: "or_", ast.BitXor: "xor", ast.Eq: "eq", ast.NotEq: "ne", ast.Lt: "lt", ast.LtE: "le", ast.Gt: "gt",
    ast.GtE: "ge", ast.Is: "is_", ast.IsNot: "is_not", ast.USub: "neg", ast.UAdd: "pos", ast.Invert: "invert",
    ast.Not: "not_",
}  # fmt: skip
