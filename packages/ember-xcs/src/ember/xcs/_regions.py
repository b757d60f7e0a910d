"""Regions: statements that become functions of what they read, so that they can wait while others go on."""

# Values here are the user's, of whatever type; what isinstance leaves of them is partly unknown to pyright.
# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false, reportUnknownMemberType=false
# pyright: reportUnknownLambdaType=false

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from typing import Final

from . import _names as names
from ._call_expressions import Calls
from ._tasks import OBJECTS, PARTS, WRITES, shared_flag
from ._trees import Unsupported, arguments, function_def, load, store

_WHERE_THEY_ARE: Final = (
    ast.Return, ast.Raise, ast.FunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom, ast.Pass
)  # fmt: skip


class Regions(Calls):
    """Regions of one function."""

    def block(self, statements: Sequence[ast.stmt]) -> list[ast.stmt]:
        made: list[ast.stmt] = []
        for statement in statements:
            made += self.statement(statement)
        return made

    def statement(self, node: ast.stmt) -> list[ast.stmt]:
        visit = getattr(self, f"st_{type(node).__name__}", None)
        if visit is None:
            raise Unsupported(f"line {node.lineno}: {type(node).__name__} is not lowered")
        compound = isinstance(node, (ast.If, ast.For, ast.While, ast.Try, ast.With, ast.Match, ast.TryStar))
        if (
            isinstance(node, (ast.For, ast.While))
            and self.taskable([node])
            and not self._reaches([node], self.data)
        ):
            return self.plain(node)
        waits, self.waits = self.waits, False
        known, hooks = set(self.known), set(self.hooks)
        made: list[ast.stmt] = visit(node)
        if self.waits and not compound and not isinstance(node, _WHERE_THEY_ARE) and self.taskable([node]):
            # Something in it decides: it becomes a task.
            self.known, self.hooks = known, hooks | self.hooks
            self.waits = False
            made = self.region([node], lambda: visit(node), always=True)
        self.waits = self.waits or waits
        for one in made:
            ast.copy_location(one, node)
        return made

    def taskable(self, statements: Sequence[ast.stmt], *, loop_body: bool = False) -> bool:
        allowed = {"continue"} if loop_body else set()
        if names.leaves(statements) - allowed or names.has(statements, ast.Yield, ast.YieldFrom):
            return False
        stored = names.stored(statements)
        read = names.loaded(statements)
        if stored & self.captured or (read | stored) & self.shared or (read & self.captured) - self.known:
            return False
        if stored & self.globals or names.has(statements, ast.Global, ast.Nonlocal):
            return False
        if self._precise & stored:
            return False
        return not names.bare_raise(statements) and not self._stays(statements)

    def region(
        self,
        statements: Sequence[ast.stmt],
        lower: Callable[[], list[ast.stmt]],
        *,
        guard: ast.expr | None = None,
        guard_name: str | None = None,
        always: bool = False,
        flags: int = 0,
    ) -> list[ast.stmt]:
        """Make `statements`, lowered by `lower`, a function of what they read that returns what they assign."""
        stored = names.stored(statements) & self.locals
        read = names.loaded(statements) & self.locals
        outputs = sorted(stored)
        before = set(self.known)
        precise, self._precise = self._precise, set()
        waits, self.waits = self.waits, False
        tries, self._tries = self._tries, 0
        body = lower()
        self._tries = tries
        inside, self.waits = self.waits, waits
        self._precise = precise
        missing = {name for name in outputs if name not in self.known}
        self.sentinels |= missing | ((read | stored) - before)
        inputs = sorted(read | stored)
        self.known |= before - self._deleted(statements)
        name = f"_x_r{self.count()}"
        values: ast.expr = ast.Tuple([load(one) for one in outputs], ast.Load())
        seen = self.summary(statements)
        flags |= (WRITES if seen.writes else 0) | (OBJECTS if seen.objects else 0)
        flags |= (PARTS if seen.parts else 0) | shared_flag(seen.shared)
        parameters = ([guard_name] if guard_name else []) + inputs
        changed = sum(1 << place for place, one in enumerate(parameters) if one in seen.changed)
        gives = seen.gives(parameters, [load(one) for one in self._lasting(statements, outputs)])
        function = function_def(name, arguments(parameters), [*body, ast.Return(values)])
        given = [load(one) for one in inputs]
        numbers: list[ast.expr] = [ast.Constant(one) for one in (flags, changed, gives, len(outputs))]
        if guard is not None and not always and not inside:
            call = self.X("branch", load(name), *numbers, guard, *given)
        elif guard is not None:
            call = self.X("region", load(name), *numbers, guard, *given)
        else:
            call = self.X("region", load(name), *numbers, *given)
        made: list[ast.stmt] = [function]
        if outputs:
            made.append(ast.Assign([ast.Tuple([store(one) for one in outputs], ast.Store())], call))
            made += [
                ast.Assign([store(one)], self.X("shown", load(one)))
                for one in sorted(self._precise & set(outputs))
            ]
        else:
            made.append(ast.Expr(call))
        return made

    def _lasting(self, statements: Sequence[ast.AST], outputs: Sequence[str]) -> list[str]:
        """Those of `outputs` that may have a value after `statements`: not what only handlers name."""
        kept = {
            node.id
            for top in statements
            for node in names.walk(top)
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
        }
        named = {n.name for top in statements for n in names.walk(top) if isinstance(n, ast.ExceptHandler)}
        return [one for one in outputs if one in kept or one not in named]

    def plain(self, node: ast.stmt) -> list[ast.stmt]:
        """A loop that makes no external call: a function of its own that stays as it is, and runs at full speed."""
        stored = names.stored([node]) & self.locals
        read = names.loaded([node]) & self.locals
        outputs = sorted(stored)
        inputs = sorted((read | stored) & self.known)
        seen = self.summary([node])
        flags = (WRITES if seen.writes or seen.parts or seen.shared else 0) | (OBJECTS if seen.objects else 0)
        changed = sum(1 << place for place, one in enumerate(inputs) if one in seen.changed)
        name, held = f"_x_r{self.count()}", self.temporary()
        body: list[ast.stmt] = [node]
        if outputs:
            # A variable that the loop did not come to assign has no value, and keeps having none.
            body.append(ast.Assign([store(held)], ast.Call(self.hook("locals"), [], [])))
            values: list[ast.expr] = [
                ast.Call(
                    ast.Attribute(load(held), "get", ast.Load()),
                    [ast.Constant(one), self.hook("UNBOUND")],
                    [],
                )
                for one in outputs
            ]
            body.append(ast.Return(ast.Tuple(values, ast.Load())))
        else:
            body.append(ast.Return(ast.Tuple([], ast.Load())))
        function = function_def(name, arguments(inputs), body)
        gives = seen.gives(inputs, [load(one) for one in outputs])
        numbers: list[ast.expr] = [ast.Constant(one) for one in (flags, changed, gives, len(outputs))]
        call = self.X("plain", load(name), *numbers, *[load(one) for one in inputs])
        self.sentinels |= stored - self.known
        made: list[ast.stmt] = [function]
        if outputs:
            made.append(ast.Assign([ast.Tuple([store(one) for one in outputs], ast.Store())], call))
            made += [
                ast.Assign([store(one)], self.X("shown", load(one)))
                for one in sorted(self._precise & set(outputs))
            ]
        else:
            made.append(ast.Expr(call))
        for one in made:
            ast.copy_location(one, node)
        self.known -= self._deleted([node])
        return made
