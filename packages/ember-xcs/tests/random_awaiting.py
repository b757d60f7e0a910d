"""Random programs of either style, made asynchronous: `program` awaits its calls, all of them or half."""

from __future__ import annotations

import ast
import random
from typing import Final

import random_programs
import random_sharing

_CALLS: Final = frozenset({"ask", "fetch", "look", "slow"})


def write(seed: int) -> str:
    """Return the text of the program of `seed`."""
    chosen = random.Random(seed)
    tree = ast.parse((random_programs, random_sharing)[seed % 2].write(seed))
    for place, node in enumerate(tree.body):
        if isinstance(node, ast.FunctionDef) and node.name == "program":
            awaiting = _Awaiting(chosen, chosen.choice((0.5, 1.0)))
            made = ast.AsyncFunctionDef(**{field: getattr(node, field) for field in node._fields})
            made.body = [awaiting.visit(one) for one in node.body]
            tree.body[place] = ast.copy_location(made, node)
    return ast.unparse(ast.fix_missing_locations(tree))


class _Awaiting(ast.NodeTransformer):
    """Await calls, but for those in functions, classes and generator expressions, which are not asynchronous."""

    def __init__(self, chosen: random.Random, share: float) -> None:
        self._chosen, self._share = chosen, share

    def visit_Call(self, node: ast.Call) -> ast.expr:
        self.generic_visit(node)
        if isinstance(node.func, ast.Name) and node.func.id in _CALLS and self._chosen.random() < self._share:
            node.func = ast.Attribute(node.func, "aio", ast.Load())
            return ast.Await(node)
        return node

    def _leave(self, node: ast.AST) -> ast.AST:
        return node

    visit_FunctionDef = visit_AsyncFunctionDef = visit_ClassDef = visit_Lambda = visit_GeneratorExp = _leave
