"""The methods of objects that Python calls without their being named: by operators, in loops, for text."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Final

_BINARY: Final[dict[type[ast.operator], str]] = {
    ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul", ast.Div: "truediv", ast.FloorDiv: "floordiv", ast.Mod: "mod",
    ast.Pow: "pow", ast.MatMult: "matmul", ast.LShift: "lshift", ast.RShift: "rshift", ast.BitAnd: "and",
    ast.BitOr: "or", ast.BitXor: "xor",
}  # fmt: skip
_COMPARED: Final[dict[type[ast.cmpop], tuple[str, ...]]] = {
    ast.Eq: ("__eq__",), ast.NotEq: ("__ne__", "__eq__"), ast.Lt: ("__lt__", "__gt__"), ast.Gt: ("__gt__", "__lt__"),
    ast.LtE: ("__le__", "__ge__"), ast.GtE: ("__ge__", "__le__"), ast.In: ("__contains__", "__iter__", "__eq__"),
    ast.NotIn: ("__contains__", "__iter__", "__eq__"),
}  # fmt: skip
_TRUTH: Final = ("__bool__", "__len__")
_STEPS: Final = ("__iter__", "__next__", "__getitem__", "__len__")
_TEXT: Final = ("__format__", "__str__", "__repr__")
_UNARY: Final = ("__neg__", "__pos__", "__invert__")

READ: Final = (
    *_STEPS, *_TEXT, *_TRUTH, *_UNARY, "__eq__", "__lt__", "__gt__", "__hash__", "__contains__", "__reversed__",
    "__int__", "__float__", "__index__", "__abs__", "__round__", "__add__", "__radd__", "__divmod__", "__pow__",
)  # fmt: skip
"""What functions that read what they are given may call."""

LOOKING: Final = frozenset(
    {
        *READ,
        *(name for several in _COMPARED.values() for name in several),
        *(f"__{way}{name}__" for way in ("", "r") for name in _BINARY.values()),
    }
)
"""All but those that are there to change what they are called on."""

OPERATING: Final = frozenset(
    {
        ast.BinOp, ast.AugAssign, ast.Compare, ast.Subscript, ast.For, ast.comprehension, ast.Starred,
        ast.FormattedValue, ast.If, ast.While, ast.IfExp, ast.Assert, ast.BoolOp, ast.UnaryOp,
    }
)  # fmt: skip
"""The nodes that `called_by` has anything to say of."""

Called = tuple[tuple[str, ...], tuple[ast.expr, ...]]


def called_by(node: ast.AST) -> Iterator[Called]:
    """Yield the names of methods that `node` may call, and of what."""
    if isinstance(node, ast.BinOp):
        name = _BINARY[type(node.op)]
        yield (f"__{name}__", f"__r{name}__"), (node.left, node.right)
    elif isinstance(node, ast.AugAssign):
        name = _BINARY[type(node.op)]
        yield (f"__i{name}__", f"__{name}__", f"__r{name}__"), (node.target, node.value)
    elif isinstance(node, ast.Compare):
        left = node.left
        for op, right in zip(node.ops, node.comparators):
            yield _COMPARED.get(type(op), ()), (left, right)
            left = right
    elif isinstance(node, ast.Subscript):
        way = "get" if isinstance(node.ctx, ast.Load) else "set" if isinstance(node.ctx, ast.Store) else "del"
        yield (f"__{way}item__",), (node.value, node.slice)
    elif isinstance(node, (ast.For, ast.comprehension)):
        yield _STEPS, (node.iter,)
        if isinstance(node, ast.comprehension):
            yield from ((_TRUTH, (test,)) for test in node.ifs)
    elif isinstance(node, ast.Starred):
        yield _STEPS, (node.value,)
    elif isinstance(node, ast.FormattedValue):
        yield _TEXT, (node.value,)
    elif isinstance(node, (ast.If, ast.While, ast.IfExp, ast.Assert)):
        yield _TRUTH, (node.test,)
    elif isinstance(node, ast.BoolOp):
        yield from ((_TRUTH, (value,)) for value in node.values)
    elif isinstance(node, ast.UnaryOp):
        yield _TRUTH if isinstance(node.op, ast.Not) else _UNARY, (node.operand,)
