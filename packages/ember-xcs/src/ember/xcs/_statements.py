"""Lowering simple statements: assignments, returns, raises, definitions."""

# Values here are the user's, of whatever type; what isinstance leaves of them is partly unknown to pyright.
# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false, reportUnknownMemberType=false
# pyright: reportUnknownLambdaType=false

from __future__ import annotations

import ast

from . import _names as names
from ._regions import Regions
from ._trees import BINARY, Unsupported, load, store


class Statements(Regions):
    """Simple statements of one function."""

    def st_Pass(self, node: ast.Pass) -> list[ast.stmt]:
        return [node]

    def st_Global(self, node: ast.Global) -> list[ast.stmt]:
        return []

    def st_Nonlocal(self, node: ast.Nonlocal) -> list[ast.stmt]:
        return [node]

    def st_Expr(self, node: ast.Expr) -> list[ast.stmt]:
        if isinstance(node.value, ast.Constant):
            return [node]
        return [ast.Expr(self.ex(node.value))]

    def st_Assign(self, node: ast.Assign) -> list[ast.stmt]:
        value = self.ex(node.value)
        if len(node.targets) == 1:
            return self.assign(node.targets[0], value)
        name = self.temporary()
        made: list[ast.stmt] = [ast.Assign([store(name)], value)]
        for target in node.targets:
            made += self.assign(target, load(name))
        return made

    def st_AnnAssign(self, node: ast.AnnAssign) -> list[ast.stmt]:
        return [ast.Pass()] if node.value is None else self.assign(node.target, self.ex(node.value))

    def assign(self, target: ast.expr, value: ast.expr) -> list[ast.stmt]:
        if isinstance(target, ast.Name):
            if target.id in self.globals:
                return [ast.Expr(self.X("set_global", self.hook("globals"), ast.Constant(target.id), value))]
            self.known.add(target.id)
            if target.id in self.shared:
                self.waits = True
                how = "rebind" if target.id in self.stored else "rebind_outer"
                return [ast.Assign([store(target.id)], self.X(how, value))]
            if target.id in self._precise:
                return [ast.Assign([store(target.id)], self.X("shown", value))]
            return [ast.Assign([store(target.id)], value)]
        if isinstance(target, ast.Subscript):
            container, index = self.ex(target.value), self.ex(target.slice)
            # Python evaluates the value first.
            name = self.temporary()
            return [
                ast.Assign([store(name)], value),
                ast.Expr(self.X("set_item", container, index, load(name))),
            ]
        if isinstance(target, ast.Attribute):
            thing = self.ex(target.value)
            name = self.temporary()
            return [
                ast.Assign([store(name)], value),
                ast.Expr(self.X("set_attr", thing, ast.Constant(target.attr), load(name))),
            ]
        if isinstance(target, (ast.Tuple, ast.List)):
            made: list[ast.stmt] = []
            parts: list[ast.expr] = []
            after: list[tuple[ast.expr, str]] = []
            for one in target.elts:
                inner = one.value if isinstance(one, ast.Starred) else one
                name = self.temporary()
                parts.append(store(name))
                after.append((inner, name))
            made.append(ast.Assign([ast.Tuple(parts, ast.Store())], self._unpacked(value, target)))
            for inner, name in after:
                made += self.assign(inner, load(name))
            return made
        raise Unsupported(f"line {target.lineno}: an unusual target")

    def st_AugAssign(self, node: ast.AugAssign) -> list[ast.stmt]:
        op = ast.Name(f"_x_op_i{BINARY[type(node.op)].rstrip('_')}", ast.Load())
        self.hooks.add(op.id[3:])
        target = node.target
        if isinstance(target, ast.Name):
            current = self.ex(load(target.id))
            return self.assign(target, self.X("augmented", op, current, self.ex(node.value)))
        holder = self.temporary()
        if isinstance(target, ast.Attribute):
            made: list[ast.stmt] = [ast.Assign([store(holder)], self.ex(target.value))]
            current = self.X("attr", load(holder), ast.Constant(target.attr))
            value = self.X("augmented", op, current, self.ex(node.value))
            return [*made, ast.Expr(self.X("set_attr", load(holder), ast.Constant(target.attr), value))]
        index = self.temporary()
        made = [
            ast.Assign([store(holder)], self.ex(target.value)),
            ast.Assign([store(index)], self.ex(target.slice)),
        ]
        current = self.X("item", load(holder), load(index))
        value = self.X("augmented", op, current, self.ex(node.value))
        return [*made, ast.Expr(self.X("set_item", load(holder), load(index), value))]

    def _drained(self, node: ast.stmt) -> list[ast.stmt]:
        """What stands before a statement that binds variables whose value is read where a `try` fails."""
        return [ast.Expr(self.X("drain"))] if self._precise & names.stored([node]) else []

    def st_Delete(self, node: ast.Delete) -> list[ast.stmt]:
        made = self._drained(node)
        for target in node.targets:
            if isinstance(target, ast.Name):
                if target.id in self.globals or target.id in self.shared:
                    raise Unsupported(f"line {node.lineno}: del of a variable that others see")
                if target.id not in self.known:
                    made.append(ast.Expr(self.X("bound", load(target.id), ast.Constant(target.id))))
                self.sentinels.add(target.id)
                self.known.discard(target.id)
                made.append(ast.Assign([store(target.id)], self.hook("UNBOUND")))
            elif isinstance(target, ast.Subscript):
                made.append(ast.Expr(self.X("del_item", self.ex(target.value), self.ex(target.slice))))
            elif isinstance(target, ast.Attribute):
                made.append(ast.Expr(self.X("del_attr", self.ex(target.value), ast.Constant(target.attr))))
            else:
                raise Unsupported(f"line {node.lineno}: an unusual del")
        return made

    def st_Return(self, node: ast.Return) -> list[ast.stmt]:
        value = ast.Constant(None) if node.value is None else self.ex(node.value)
        if self._around:
            self.waits = True
            value = self.X("leaving", value)
        return [ast.Return(value)]

    def st_Break(self, node: ast.Break) -> list[ast.stmt]:
        return [ast.Expr(self.X("drain")), node] if self._tries else [node]

    def st_Continue(self, node: ast.Continue) -> list[ast.stmt]:
        return [ast.Expr(self.X("drain")), node] if self._tries else [node]

    def st_Raise(self, node: ast.Raise) -> list[ast.stmt]:
        if node.exc is None:
            return [node]
        self.waits = True
        name = self.temporary()
        made: list[ast.stmt] = [ast.Assign([store(name)], self.ex(node.exc))]
        cause = None
        if node.cause is not None:
            other = self.temporary()
            made.append(ast.Assign([store(other)], self.ex(node.cause)))
            cause = self.X("force", load(other))
        made.append(ast.Expr(self.X("drain")))
        made.append(ast.Raise(self.X("force", load(name)), cause))
        return made

    def st_Assert(self, node: ast.Assert) -> list[ast.stmt]:
        self.hooks.add("AssertionError")
        failure: ast.expr = ast.Call(load("_x_AssertionError"), [node.msg] if node.msg else [], [])
        ast.copy_location(failure, node)
        check = ast.If(
            ast.copy_location(ast.UnaryOp(ast.Not(), node.test), node),
            [ast.copy_location(ast.Raise(failure, None), node)],
            [],
        )
        return self.statement(ast.copy_location(check, node))

    def st_Import(self, node: ast.Import | ast.ImportFrom) -> list[ast.stmt]:
        self.known |= names.stored([node])
        if isinstance(node, ast.Import):
            wanted = [(one.name, "") for one in node.names]
        else:
            wanted = [] if node.level else [(node.module or "", one.name) for one in node.names]
        pairs = [ast.Tuple([ast.Constant(part) for part in pair], ast.Load()) for pair in wanted]
        return [ast.Expr(self.X("importing", *pairs)), *self._drained(node), node]

    st_ImportFrom = st_Import

    def st_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> list[ast.stmt]:
        args = node.args
        args.defaults = [self.X("force", self.ex(value)) for value in args.defaults]
        args.kw_defaults = [value and self.X("force", self.ex(value)) for value in args.kw_defaults]
        decorators, node.decorator_list = node.decorator_list, []
        made = self._drained(node)
        held: list[str] = []
        for decorator in decorators:
            name = self.temporary()
            made.append(ast.Assign([store(name)], self.ex(decorator)))
            held.append(name)
        self.sentinels |= (names.loaded(node.body) & self.locals) - self.known - {node.name}
        made.append(node)
        self.known.add(node.name)
        for name in reversed(held):
            made.append(
                ast.Assign([store(node.name)], self.X("force", self.X("call", load(name), load(node.name))))
            )
        return made

    def st_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> list[ast.stmt]:
        return self.st_FunctionDef(node)

    def st_ClassDef(self, node: ast.ClassDef) -> list[ast.stmt]:
        used = sorted((names.loaded([node]) & self.locals) - {node.name})
        self.sentinels |= set(used) - self.known
        self.waits = True
        settled: list[ast.stmt] = [
            ast.Assign([store(name)], self.X("settled", load(name)))
            for name in used
            if name not in self.shared
        ]
        self.known.add(node.name)
        return [ast.Expr(self.X("barrier")), *settled, node]
