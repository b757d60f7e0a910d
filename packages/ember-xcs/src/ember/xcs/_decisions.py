"""Lowering statements that decide: if, while, for, match."""

# Values here are the user's, of whatever type; what isinstance leaves of them is partly unknown to pyright.
# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false, reportUnknownMemberType=false
# pyright: reportUnknownLambdaType=false

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import Any

from . import _names as names
from ._statements import Statements
from ._trees import load, store


class Decisions(Statements):
    """Statements of one function that decide."""

    def st_If(self, node: ast.If) -> list[ast.stmt]:
        condition = self.ex(node.test)
        if self.taskable([*node.body, *node.orelse]):
            name = self.temporary()
            return self.region(
                [*node.body, *node.orelse],
                lambda: self._if(node, self.X("test", load(name))),
                guard=condition,
                guard_name=name,
            )
        self.waits = True
        return self._if(node, self.X("test", condition))

    def _if(self, node: ast.If, condition: ast.expr) -> list[ast.stmt]:
        known = set(self.known)
        body = self.block(node.body)
        after, self.known = self.known, known
        orelse = self.block(node.orelse)
        self.known = self._joined((after, node.body), (self.known, node.orelse))
        return [ast.copy_location(ast.If(condition, body, orelse), node)]

    def _joined(self, *ways: tuple[set[str], Sequence[ast.stmt]]) -> set[str]:
        """What is bound after one of several ways was taken; those that never end by their end do not count."""
        ended = [known for known, body in ways if not names.never_ends(body)]
        if not ended:
            return set(ways[0][0])
        known = set(ended[0])
        for other in ended[1:]:
            known &= other
        return known

    def st_While(self, node: ast.While) -> list[ast.stmt]:
        if (self.taskable([node]) and not names.has([node.test], ast.NamedExpr)) or (self.taskable([node])):
            return self.region([node], lambda: self._while(node), always=True)
        self.waits = True
        return self._while(node)

    def _while(self, node: ast.While) -> list[ast.stmt]:
        self._forget(node.body)
        known = set(self.known)
        condition = self.X("test", self.ex(node.test))
        tested = set(self.known)
        tries, self._tries = self._tries, 0
        body = self._loop_body(node.body)
        self._tries = tries
        self.known = tested if not _breaks(node.body) else known
        if _breaks(node.body):
            self.known = tested
        orelse = self.block(node.orelse)
        self.known &= tested
        return [ast.copy_location(ast.While(condition, body, orelse), node)]

    def _forget(self, body: Sequence[ast.stmt]) -> None:
        """A loop's body may delete what was bound before it."""
        self.known -= self._deleted(body)

    def st_For(self, node: ast.For) -> list[ast.stmt]:
        if (filtered := self._filter(node.target, node.iter)) is not None:
            unless = ast.copy_location(ast.UnaryOp(ast.Not(), filtered[1]), node.iter)
            skip = ast.If(unless, [ast.copy_location(ast.Continue(), node)], [])
            body = [ast.copy_location(skip, node), *node.body]
            node = ast.copy_location(ast.For(node.target, filtered[0], body, node.orelse), node)
        source = self.source(node.iter)
        inner = [
            ast.copy_location(
                ast.For(node.target, ast.copy_location(ast.Constant(None), node), node.body, node.orelse),
                node,
            )
        ]
        if self.taskable(inner):
            name = self.temporary()
            return self.region(
                inner, lambda: self._for(node, self.X("iterate", load(name))), guard=source, guard_name=name
            )
        self.waits = True
        return self._for(node, self.X("iterate", source))

    def _for(self, node: ast.For, source: ast.expr) -> list[ast.stmt]:
        self._forget(node.body)
        known = set(self.known)
        kept = self.shared | self.globals | self._precise
        if isinstance(node.target, ast.Name) and node.target.id not in kept:
            target: ast.expr = store(node.target.id)
            self.known.add(node.target.id)
            head: list[ast.stmt] = []
        else:
            name = self.temporary()
            target = store(name)
            head = self.assign(node.target, load(name))
            for one in head:
                ast.copy_location(one, node.target)
        tries, self._tries = self._tries, 0
        body = head + self._loop_body(node.body, names.stored([node.target]))
        self._tries = tries
        self.known = set(known)
        orelse = self.block(node.orelse)
        self.known &= known
        return [ast.copy_location(ast.For(target, source, body, orelse, None), node)]

    def _loop_body(self, body: Sequence[ast.stmt], also: set[str] = frozenset()) -> list[ast.stmt]:  # type: ignore[assignment]
        """A loop's body; where `continue` is decided, each turn is a task."""
        around, self._turn = self._turn, body
        made = self._loop_body_in(body)
        self._turn = around
        return made

    def _loop_body_in(self, body: Sequence[ast.stmt]) -> list[ast.stmt]:
        if "continue" in names.leaves(body) and self.taskable(body, loop_body=True):
            outputs = sorted(names.stored(body) & self.locals)

            def lower() -> list[ast.stmt]:
                made = self.block(body)
                return [_Continue(outputs).visit(one) for one in made]

            return self.region(body, lower, always=True)
        return self.block(body)

    def st_Match(self, node: ast.Match) -> list[ast.stmt]:
        subject = self.ex(node.subject)
        inner = ast.copy_location(ast.Match(ast.copy_location(ast.Constant(None), node), node.cases), node)
        if self.taskable([inner]):
            name = self.temporary()
            return self.region(
                [inner], lambda: self._match(node, load(name)), guard=subject, guard_name=name, always=True
            )
        self.waits = True
        return self._match(node, subject)

    def _match(self, node: ast.Match, subject: ast.expr) -> list[ast.stmt]:
        known = set(self.known)
        ways: list[tuple[set[str], Sequence[ast.stmt]]] = []
        cases: list[ast.match_case] = []
        for case in node.cases:
            self.known = known | names.stored([case.pattern])
            guard = self.X("test", self.ex(case.guard)) if case.guard else None
            body = self.block(case.body)
            ways.append((self.known, case.body))
            cases.append(ast.match_case(case.pattern, guard, body))
        self.known = self._joined(*ways, (known, []))
        looked_at = self.X("subject", subject)
        if self._precise & names.stored([case.pattern for case in node.cases]):
            looked_at = self.X("shown", looked_at)
        return [ast.copy_location(ast.Match(looked_at, cases), node)]


class _Continue(ast.NodeTransformer):
    """`continue` of a loop whose body became a function: `return`, with the variables that it assigns."""

    def __init__(self, outputs: Sequence[str]) -> None:
        self._outputs = outputs

    def visit_Continue(self, node: ast.Continue) -> ast.stmt:
        values = ast.Tuple([load(name) for name in self._outputs], ast.Load())
        return ast.copy_location(ast.Return(values), node)

    def _leave(self, node: Any) -> Any:
        return node

    def _loop(self, node: Any) -> Any:
        node.orelse = [self.visit(one) for one in node.orelse]  # what stands there continues the loop around
        return node

    visit_For = visit_While = _loop
    visit_FunctionDef = visit_Lambda = visit_AsyncFunctionDef = visit_ClassDef = _leave


def _breaks(body: Sequence[ast.stmt]) -> bool:
    return "break" in names.leaves(body)
