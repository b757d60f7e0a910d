"""Lowering expressions: names, operators, displays, attributes, subscripts."""

# Values here are the user's, of whatever type; what isinstance leaves of them is partly unknown to pyright.
# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false, reportUnknownMemberType=false
# pyright: reportUnknownLambdaType=false

from __future__ import annotations

import ast
import builtins
from typing import Any, Final

from . import _names as names
from ._pieces import Pieces
from ._trees import Unsupported, arguments, load, store

_VIEWS: Final = frozenset({"items", "values", "keys"})


class Expressions(Pieces):
    """Expressions of one function."""

    def ex_Constant(self, node: ast.Constant) -> ast.expr:
        return node

    def ex_Name(self, node: ast.Name) -> ast.expr:
        if node.id in self.shared:
            self.waits = True
            both = ast.Tuple([self.X("turn"), self._own(node)], ast.Load())
            return ast.Subscript(both, ast.Constant(1), ast.Load())
        if node.id in self.locals and node.id not in self.globals:
            if node.id in self.captured:
                return self._own(node)
            if node.id not in self.known:
                self.sentinels.add(node.id)
                return self.X(
                    "bound_around" if self._enclosed else "bound", load(node.id), ast.Constant(node.id)
                )
        elif node.id in self.globals or self._may_change(node.id):
            return self.X(
                "global_of",
                self.hook("globals"),
                ast.Constant(node.id),
                ast.Lambda(arguments(()), load(node.id)),
            )
        return node

    def _own(self, node: ast.Name) -> ast.expr:
        """A variable that nested functions see: where it may have no value, no sentinel can stand in its place."""
        if node.id in self.known or node.id not in self.locals or self._enclosed:
            return node
        return self.X("own", ast.Lambda(arguments(()), load(node.id)), ast.Constant(node.id))

    def _may_change(self, name: str) -> bool:
        if name in self.free:
            return False
        value = self.resolve(name)
        if value is None:
            return False
        kind = type(value)
        return not (callable(value) or kind.__name__ in ("module", "ContextVar"))

    def ex_NamedExpr(self, node: ast.NamedExpr) -> ast.expr:
        value = self.ex(node.value)
        assert isinstance(node.target, ast.Name)
        if node.target.id in self.shared or node.target.id in self.globals:
            raise Unsupported(f"line {node.lineno}: := of a variable that others see")
        self.known.add(node.target.id)
        if node.target.id in self._precise:
            value = self.X("shown", value)
        return ast.NamedExpr(store(node.target.id), value)

    def ex_JoinedStr(self, node: ast.JoinedStr) -> ast.expr:
        parts: list[ast.expr] = []
        for part in node.values:
            if isinstance(part, ast.FormattedValue):
                spec = self.ex(part.format_spec) if part.format_spec else ast.Constant("")
                parts.append(
                    ast.Tuple([self.ex(part.value), ast.Constant(part.conversion), spec], ast.Load())
                )
            else:
                parts.append(part)
        return self.X("text", *parts)

    def ex_BinOp(self, node: ast.BinOp) -> ast.expr:
        if isinstance(node.left, ast.Constant) and isinstance(node.right, ast.Constant):
            return node
        return self.X("binary", self.op(node.op), self.ex(node.left), self.ex(node.right))

    def ex_UnaryOp(self, node: ast.UnaryOp) -> ast.expr:
        if isinstance(node.operand, ast.Constant):
            return node
        return self.X("unary", self.op(node.op), self.ex(node.operand))

    def ex_BoolOp(self, node: ast.BoolOp) -> ast.expr:
        first, *others = node.values
        rest: ast.expr = (
            others[0] if len(others) == 1 else ast.copy_location(ast.BoolOp(node.op, others), others[0])
        )
        known = set(self.known)
        value = self.ex(first)
        after = set(self.known)
        if names.has([rest], ast.NamedExpr):
            self.waits = True
            name = self.temporary()
            condition = self.X("test", ast.NamedExpr(store(name), value))
            other = self.ex(rest)
            self.known = after
            if isinstance(node.op, ast.And):
                return ast.IfExp(condition, other, load(name))
            return ast.IfExp(condition, load(name), other)
        del known
        other = self.ex(rest)
        self.known = after
        return self.X(
            "both" if isinstance(node.op, ast.And) else "either",
            value,
            self.thunk(other, [rest]),
            self.flags([rest]),
        )

    def ex_IfExp(self, node: ast.IfExp) -> ast.expr:
        condition = self.ex(node.test)
        if names.has([node.body, node.orelse], ast.NamedExpr):
            self.waits = True
            known = set(self.known)
            yes = self.ex(node.body)
            self.known, first = set(known), self.known
            no = self.ex(node.orelse)
            self.known &= first
            return ast.IfExp(self.X("test", condition), yes, no)
        yes, no = self.ex(node.body), self.ex(node.orelse)
        return self.X(
            "choose",
            condition,
            self.thunk(yes, [node.body]),
            self.thunk(no, [node.orelse]),
            self.flags([node.body, node.orelse]),
        )

    def ex_Compare(self, node: ast.Compare) -> ast.expr:
        return self._compare(self.ex(node.left), node.ops, node.comparators)

    def _compare(self, left: ast.expr, ops: list[ast.cmpop], rest: list[ast.expr]) -> ast.expr:
        if len(ops) == 1:
            return self._compare_two(left, ops[0], self.ex(rest[0]))
        if names.has(rest[1:], ast.NamedExpr):
            raise Unsupported(f"line {rest[0].lineno}: := in a chain of comparisons")
        name = self.temporary()
        first = self._compare_two(left, ops[0], ast.NamedExpr(store(name), self.ex(rest[0])))
        return self.X(
            "both",
            first,
            self.thunk(self._compare(load(name), ops[1:], rest[1:]), rest[1:]),
            self.flags(rest[1:]),
        )

    def _compare_two(self, left: ast.expr, op: ast.cmpop, right: ast.expr) -> ast.expr:
        if isinstance(op, ast.In):
            return self.X("is_in", left, right)
        if isinstance(op, ast.NotIn):
            return self.X("not_in", left, right)
        return self.X("binary", self.op(op), left, right)

    def ex_Attribute(self, node: ast.Attribute) -> ast.expr:
        if self._is_module(node.value):
            return node
        if (
            node.attr == "__dict__"
        ):  # as `vars()`: changes of it are changes of the object, and it holds what may be pending
            raise Unsupported(f"line {node.lineno}: it uses __dict__")
        return self.X("attr", self.ex(node.value), ast.Constant(node.attr))

    def ex_Subscript(self, node: ast.Subscript) -> ast.expr:
        return self.X("item", self.ex(node.value), self.ex(node.slice))

    def ex_Slice(self, node: ast.Slice) -> ast.expr:
        bounds = [
            ast.Constant(None) if bound is None else self.ex(bound)
            for bound in (node.lower, node.upper, node.step)
        ]
        return self.X("slice_of", *bounds)

    def ex_Tuple(self, node: ast.Tuple) -> ast.expr:
        return ast.Tuple([self.element(one) for one in node.elts], ast.Load())

    def ex_List(self, node: ast.List) -> ast.expr:
        return self.X("new", ast.List([self.element(one) for one in node.elts], ast.Load()))

    def ex_Set(self, node: ast.Set) -> ast.expr:
        return self.X("set_of", ast.List([self.element(one) for one in node.elts], ast.Load()))

    def ex_Dict(self, node: ast.Dict) -> ast.expr:
        if all(node.keys) and not all(isinstance(key, ast.Constant) for key in node.keys):
            pairs = [
                ast.Tuple([self.ex(key), self.ex(value)], ast.Load())
                for key, value in zip(node.keys, node.values)
                if key is not None
            ]
            return self.X("dict_from", ast.List(list(pairs), ast.Load()))
        keys: list[ast.expr | None] = []
        values: list[ast.expr] = []
        for key, value in zip(node.keys, node.values):
            if key is None:
                self.waits = True
                keys.append(None)
                values.append(self.X("mapping", self.ex(value)))
                continue
            if not isinstance(key, ast.Constant):
                self.waits = True
                key = self.X("key", self.ex(key))
            keys.append(key)
            values.append(self.ex(value))
        return self.X("new", ast.Dict(keys, values))

    def element(self, node: ast.expr) -> ast.expr:
        if isinstance(node, ast.Starred):
            self.waits = True
            return ast.copy_location(
                ast.Starred(self.X("iterate", self.source(node.value)), ast.Load()), node
            )
        return self.ex(node)

    def ex_Lambda(self, node: ast.Lambda) -> ast.expr:
        node.args.defaults = [self.X("force", self.ex(value)) for value in node.args.defaults]
        node.args.kw_defaults = [value and self.X("force", self.ex(value)) for value in node.args.kw_defaults]
        self.sentinels |= (names.loaded([node.body]) & self.locals) - self.known
        return node

    def _is_builtin(self, node: ast.expr) -> bool:
        """Whether a name stands for the builtin function of that name."""
        return (
            isinstance(node, ast.Name)
            and node.id not in self.locals
            and node.id not in self.free
            and hasattr(builtins, node.id)
            and self.resolve(node.id) is getattr(builtins, node.id)
        )

    def _is_stepped(self, node: ast.expr) -> bool:
        """Whether `node` is a view of a dict, made to be gone over at once."""
        return (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in _VIEWS
            and not node.args
            and not node.keywords
            and not self._is_module(node.func.value)
        )

    def _is_map(self, node: ast.expr, *, many: bool = False, which: Any = map) -> bool:
        return (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id not in self.locals
            and self.resolve(node.func.id) is which
            and (len(node.args) == 2 or (many and len(node.args) > 2))
            and not node.keywords
            and not any(isinstance(one, ast.Starred) for one in node.args)
        )

    def source(self, node: ast.expr) -> ast.expr:
        """What a loop goes over."""
        if self._is_stepped(node):
            assert isinstance(node, ast.Call)
            assert isinstance(node.func, ast.Attribute)
            return ast.copy_location(
                self.X("live_view", self.ex(node.func.value), ast.Constant(node.func.attr)), node
            )
        if self._is_map(node, many=True):
            assert isinstance(node, ast.Call)
            by, *sources = [self.ex(one) for one in node.args]
            over = ast.Tuple(sources, ast.Load())
            return ast.copy_location(self.X("mapping_over", by, over, self.flags([node])), node)
        return self.ex(node)

    def ex_Yield(self, node: ast.Yield) -> ast.expr:
        self.waits = True
        return ast.Yield(None if node.value is None else self.ex(node.value))

    def ex_YieldFrom(self, node: ast.YieldFrom) -> ast.expr:
        self.waits = True
        return ast.YieldFrom(self.X("delegate", self.ex(node.value)))

    def _unpacked(self, value: ast.expr, target: ast.Tuple | ast.List) -> ast.expr:
        starred = [place for place, one in enumerate(target.elts) if isinstance(one, ast.Starred)]
        if not starred:
            return self.X("unpack", value, ast.Constant(len(target.elts)))
        return self.X(
            "unpack", value, ast.Constant(starred[0]), ast.Constant(len(target.elts) - starred[0] - 1)
        )
