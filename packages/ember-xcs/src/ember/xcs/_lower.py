"""Lowering: a function's syntax tree, rewritten so that every operation on a value that may be pending is a hook.

What is left of Python's own: names, constants, the shape of statements. A compound statement that decides something
becomes a *region*, a nested function that takes the local variables it reads and returns those it assigns, so that it
can wait while what follows goes on with pending values in their place. A statement that can be left by `return`, or
whose variables a nested function shares, stays where it is: there a decision holds up the whole function, as it must.
"""

# Values here are the user's, of whatever type; what isinstance leaves of them is partly unknown to pyright.
# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false, reportUnknownMemberType=false
# pyright: reportUnknownLambdaType=false

from __future__ import annotations

import ast
import builtins
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from . import _names as names
from ._run import CHANGES, OBJECTS, SCOPED, WRITES, shared_flag
from ._source import Function
from ._summary import Summary


class Unsupported(Exception):
    """This function is run as it is. Says why."""


_BINARY: Final[dict[type[ast.AST], str]] = {
    ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul", ast.Div: "truediv", ast.FloorDiv: "floordiv", ast.Mod: "mod",
    ast.Pow: "pow", ast.MatMult: "matmul", ast.LShift: "lshift", ast.RShift: "rshift", ast.BitAnd: "and_",
    ast.BitOr: "or_", ast.BitXor: "xor", ast.Eq: "eq", ast.NotEq: "ne", ast.Lt: "lt", ast.LtE: "le", ast.Gt: "gt",
    ast.GtE: "ge", ast.Is: "is_", ast.IsNot: "is_not", ast.USub: "neg", ast.UAdd: "pos", ast.Invert: "invert",
    ast.Not: "not_",
}  # fmt: skip
_MADE: Final = (
    ast.List,
    ast.Dict,
    ast.Set,
    ast.ListComp,
    ast.DictComp,
    ast.SetComp,
    ast.JoinedStr,
    ast.Constant,
)
_WHERE_THEY_ARE: Final = (
    ast.Return, ast.Raise, ast.FunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom, ast.Pass
)  # fmt: skip
_EATERS: Final = frozenset({"list", "tuple", "set", "frozenset", "sorted", "max", "min", "sum", "dict"})
_VIEWS: Final = frozenset({"items", "values", "keys"})
_REFUSED: Final = frozenset({"locals", "vars", "eval", "exec", "dir", "globals"})


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


class Lowering:
    """One function on its way. `resolve` says what a global or captured name stands for; `free` are captured, and
    `outer` those of them that some function assigns as `nonlocal`."""

    def __init__(
        self,
        node: Function,
        free: frozenset[str],
        resolve: Callable[[str], Any],
        summary: Callable[[Sequence[ast.AST]], Summary],
        reaches: Callable[[Sequence[ast.AST], set[str]], bool],
        stays: Callable[[Sequence[ast.AST]], bool],
        outer: frozenset[str] = frozenset(),
    ) -> None:
        self._stays = stays
        self.node, self.free, self.resolve, self.summary, self._reaches = (
            node,
            free,
            resolve,
            summary,
            reaches,
        )
        self.hooks: set[str] = set()
        self.waits = False
        self.notes: list[str] = []
        self._counter = 0
        self._tries = 0
        self._enclosed = 0
        self._precise: set[str] = set()
        self.sentinels: set[str] = set()
        body = node.body if not isinstance(node, ast.Lambda) else [ast.Return(node.body)]
        args = node.args
        self.parameters = [
            *(arg.arg for arg in (*args.posonlyargs, *args.args, *args.kwonlyargs)),
            *([args.vararg.arg] if args.vararg else []),
            *([args.kwarg.arg] if args.kwarg else []),
        ]
        self.body: Sequence[ast.stmt] = body
        self.globals = {n for x in names.own(body) if isinstance(x, ast.Global) for n in x.names}
        for line, why in names.unusual_yields(body):
            raise Unsupported(f"line {line}: it is a generator that yields {why}")
        outer |= frozenset(n for x in names.own(body) if isinstance(x, ast.Nonlocal) for n in x.names)
        self.stored = names.stored(body) - self.globals - outer
        self.locals = set(self.parameters) | self.stored
        times: dict[str, int] = {}
        self._count_stores(body, times, False)
        self.rebound = {name for name, count in times.items() if count > 1 or name in self.parameters}
        self.captured = names.captured(body) & self.locals
        self.shared = (self.captured & self.rebound) | (names.nonlocals(body) & self.locals) | outer
        self.known: set[str] = set(self.parameters)
        self._used_at_once = names.used_at_once(body)
        self.data = self._data_names(body)

    def _data_names(self, body: Sequence[ast.AST]) -> set[str]:
        """The variables that only ever hold containers and text made here: their methods are Python's own."""
        made: dict[str, bool] = {}
        for node in names.own(body):
            if (
                isinstance(node, ast.Assign)
                and len(node.targets) == 1
                and isinstance(node.targets[0], ast.Name)
            ):
                name = node.targets[0].id
                made[name] = made.get(name, True) and isinstance(node.value, _MADE)
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                made.setdefault(node.id, True)
        others = {
            name
            for node in names.own(body)
            if isinstance(
                node,
                (
                    ast.For,
                    ast.AugAssign,
                    ast.NamedExpr,
                    ast.withitem,
                    ast.AnnAssign,
                    ast.ExceptHandler,
                    ast.match_case,
                    ast.Assign,
                ),
            )
            and not (
                isinstance(node, ast.Assign)
                and len(node.targets) == 1
                and isinstance(node.targets[0], ast.Name)
            )
            for name in self._bound_by(node)
        }
        return {name for name, good in made.items() if good} - others - set(self.parameters) - self.globals

    def _bound_by(self, node: ast.AST) -> set[str]:
        if isinstance(node, ast.For):
            return names.stored([node.target])
        if isinstance(node, ast.Assign):
            return names.stored(node.targets)
        if isinstance(node, ast.match_case):
            return names.stored([node.pattern])
        if isinstance(node, ast.ExceptHandler):
            return {node.name} if node.name else set()
        return names.stored([node])

    def _count_stores(self, nodes: Iterable[ast.AST], times: dict[str, int], loop: bool) -> None:
        for node in nodes:
            inside = loop or isinstance(node, (ast.For, ast.While))
            if isinstance(node, ast.stmt):
                children = [
                    c
                    for c in ast.iter_child_nodes(node)
                    if isinstance(c, (ast.stmt, ast.excepthandler, ast.match_case))
                ]
                direct = names.stored([node])
                if children and not isinstance(node, names.SCOPES):
                    direct -= names.stored(list(children))
                    if isinstance(node, ast.For):
                        direct |= names.stored([node.target])
                for name in direct:
                    times[name] = times.get(name, 0) + (2 if inside else 1)
                if not isinstance(node, names.SCOPES):
                    self._count_stores(children, times, inside)
            elif isinstance(node, (ast.ExceptHandler, ast.match_case)):
                if isinstance(node, ast.ExceptHandler) and node.name:
                    times[node.name] = times.get(node.name, 0) + 2
                if isinstance(node, ast.match_case):
                    for name in names.stored([node.pattern]):
                        times[name] = times.get(name, 0) + 2
                self._count_stores(node.body, times, loop)

    # Pieces -----------------------------------------------------------------------------

    def hook(self, name: str) -> ast.Name:
        self.hooks.add(name)
        return load(f"_x_{name}")

    def X(self, name: str, *args: ast.expr, at: ast.AST | None = None) -> ast.Call:
        made = ast.Call(self.hook(name), list(args), [])
        return ast.copy_location(made, at) if at is not None else made

    def op(self, kind: ast.AST) -> ast.Name:
        name = f"op_{_BINARY[type(kind)]}"
        self.hooks.add(name)
        return load(f"_x_{name}")

    def temporary(self) -> str:
        self._counter += 1
        return f"_x{self._counter}"

    def thunk(
        self, body: ast.expr, original: Sequence[ast.AST], parameters: Sequence[str] = ()
    ) -> ast.Lambda:
        """A lambda for `body`, with the local variables it reads bound to what they are now."""
        read = self.reads(original) - set(parameters) - self.shared
        read -= (read & self.captured) - self.known  # these are read where they are, bound or not
        self.sentinels |= read - self.known
        temps = {
            n.id
            for n in names.walk(body)
            if isinstance(n, ast.Name)
            and n.id.startswith("_x")
            and n.id[2:].isdigit()
            and isinstance(n.ctx, ast.Load)
        }
        made = {n.target.id for n in names.walk(body) if isinstance(n, ast.NamedExpr)}
        made |= {
            a.arg
            for n in names.walk(body)
            if isinstance(n, ast.Lambda)
            for a in (*n.args.args, *n.args.kwonlyargs)
        }
        return ast.Lambda(arguments(parameters, sorted(read | (temps - made - set(parameters)))), body)

    def flags(self, nodes: Sequence[ast.AST]) -> ast.expr:
        """What evaluating `nodes` may do, as flags of a task."""
        seen = self.summary(nodes)
        return ast.Constant(
            (WRITES if seen.writes or seen.objects else 0)
            | (CHANGES if seen.changed else 0)
            | shared_flag(seen.shared)
        )

    def reads(self, nodes: Sequence[ast.AST]) -> set[str]:
        return (names.loaded(nodes) & self.locals) - self.globals

    # Expressions -----------------------------------------------------------------------------

    def ex(self, node: ast.expr) -> ast.expr:
        made = getattr(self, f"ex_{type(node).__name__}", self.ex_other)(node)
        return ast.copy_location(made, node)

    def ex_other(self, node: ast.expr) -> ast.expr:
        raise Unsupported(f"line {node.lineno}: {type(node).__name__} is not lowered")

    def ex_Constant(self, node: ast.Constant) -> ast.expr:
        return node

    def ex_Name(self, node: ast.Name) -> ast.expr:
        if node.id in self.shared:
            self.waits = True
            both = ast.Tuple([self.X("turn"), load(node.id)], ast.Load())
            return ast.Subscript(both, ast.Constant(1), ast.Load())
        if node.id in self.locals and node.id not in self.globals:
            if node.id not in self.known and node.id not in self.captured:
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
        return self.X("attr", self.ex(node.value), ast.Constant(node.attr))

    def _is_module(self, node: ast.expr) -> bool:
        if isinstance(node, ast.Attribute) and self._is_module(node.value):
            return type(self._static(node)).__name__ == "module"
        return (
            isinstance(node, ast.Name)
            and node.id not in self.locals
            and type(self.resolve(node.id)).__name__ == "module"
        )

    def _static(self, node: ast.expr) -> Any:
        if isinstance(node, ast.Name):
            return self.resolve(node.id)
        assert isinstance(node, ast.Attribute)
        return getattr(self._static(node.value), node.attr, None)

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

    def ex_Call(self, node: ast.Call) -> ast.expr:
        function = node.func
        if isinstance(function, ast.Name) and function.id not in self.locals:
            if function.id.startswith("_x_"):  # a hook already: see _awaits
                self.waits = self.waits or function.id in ("_x_amanager", "_x_asteps")
                given = [self.element(one) for one in node.args]
                words = [
                    ast.keyword(
                        one.arg, self.ex(one.value) if one.arg else self.X("mapping", self.ex(one.value))
                    )
                    for one in node.keywords
                ]
                if function.id == "_x_AssertionError":
                    return ast.Call(self.hook("call"), [self.hook("AssertionError"), *given], words)
                return ast.Call(self.hook(function.id[3:]), given, words)
            if function.id in _REFUSED:
                raise Unsupported(f"line {node.lineno}: it calls {function.id}()")
            if function.id == "super" and not node.args:
                if not self.parameters:
                    raise Unsupported(f"line {node.lineno}: super() without a first parameter")
                return ast.Call(load("super"), [load("__class__"), load(self.parameters[0])], [])
            builtin = self._is_builtin(function)
            if (
                builtin
                and function.id in _EATERS
                and len(node.args) == 1
                and self._is_map(node.args[0], which=filter)
            ):
                over = ast.comprehension(store("_x_one"), node.args[0], [], 0)
                return self.call(node, [self._generators([over], load("_x_one"), node)])
            if (
                builtin
                and function.id in _EATERS
                and len(node.args) == 1
                and self._is_map(node.args[0], many=True)
            ):
                inner = node.args[0]
                assert isinstance(inner, ast.Call)
                if len(inner.args) > 2:
                    return self.call(node, [self.source(inner)])
            if builtin and function.id in _EATERS and len(node.args) == 1 and self._is_map(node.args[0]):
                inner = node.args[0]
                assert isinstance(inner, ast.Call)
                mapped = self.X("mapped", *[self.ex(one) for one in inner.args], self.flags([inner]))
                return self.call(node, [ast.copy_location(mapped, inner)])
            only = self._generated(node)
            if builtin and only is not None:
                if function.id in _EATERS:
                    return self.call(node, [self.comprehension(only)])
                if function.id in ("any", "all") and len(only.generators) == 1 and not node.keywords:
                    return self.some(function.id, only)
        if isinstance(function, ast.Attribute) and function.attr == "join":
            only = self._generated(node)
            if only is not None:
                return self.call(node, [self.comprehension(only)])
        return self.call(node, None)

    def _is_builtin(self, node: ast.expr) -> bool:
        """Whether a name stands for the builtin function of that name."""
        return (
            isinstance(node, ast.Name)
            and node.id not in self.locals
            and node.id not in self.free
            and hasattr(builtins, node.id)
            and self.resolve(node.id) is getattr(builtins, node.id)
        )

    def _generated(self, node: ast.Call) -> ast.GeneratorExp | None:
        """Return the only argument of a call as a generator expression, if it is one or as good as one."""
        if len(node.args) != 1:
            return None
        only = node.args[0]
        if isinstance(only, ast.GeneratorExp):
            return None if names.has([only], ast.NamedExpr) else only
        if not self._is_stepped(only):
            return None
        name = self.temporary()
        target = ast.copy_location(store(name), only)
        generator = ast.comprehension(target, only, [], 0)
        return ast.copy_location(ast.GeneratorExp(ast.copy_location(load(name), only), [generator]), only)

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

    def call(self, node: ast.Call, args: list[ast.expr] | None) -> ast.expr:
        function = node.func
        if isinstance(function, ast.Attribute) and not self._is_module(function.value):
            thing = self.ex(function.value)
            if names.has([*node.args, *(keyword.value for keyword in node.keywords)], ast.Call):
                thing = self.X("head", thing, ast.Constant(function.attr))
            head: list[ast.expr] = [thing, ast.Constant(function.attr)]
            name = "method"
        else:
            head, name = [self.ex(function)], "call"
        if args is None:
            args = [self.element(one) for one in node.args]
        keywords = []
        for keyword in node.keywords:
            value = self.ex(keyword.value)
            if keyword.arg is None:
                self.waits = True
                value = self.X("mapping", value)
            keywords.append(ast.copy_location(ast.keyword(keyword.arg, value), keyword))
        return ast.Call(self.hook(name), head + args, keywords)

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

    # Comprehensions -----------------------------------------------------------------------------

    def ex_ListComp(self, node: ast.ListComp) -> ast.expr:
        return self.comprehension(node)

    def ex_SetComp(self, node: ast.SetComp) -> ast.expr:
        return self.X("set_from", self.comprehension(node))

    def ex_DictComp(self, node: ast.DictComp) -> ast.expr:
        pair = ast.copy_location(ast.Tuple([node.key, node.value], ast.Load()), node.key)
        return self.X(
            "dict_from", self.comprehension(ast.copy_location(ast.ListComp(pair, node.generators), node))
        )

    def ex_GeneratorExp(self, node: ast.GeneratorExp) -> ast.expr:
        if names.has([node], ast.NamedExpr) and not self._is_inner(node):
            raise Unsupported(f"line {node.lineno}: := in a generator expression")
        if id(node) not in self._used_at_once and self.reads([node]) & self.rebound:
            raise Unsupported(
                f"line {node.lineno}: a generator expression that is kept, with variables that are assigned again"
            )
        self.waits = True
        hidden, known, shared = self.locals, self.known, self.shared
        made: list[ast.comprehension] = []
        source: ast.expr | None = None
        for place, one in enumerate(node.generators):
            if one.is_async:
                raise Unsupported("an asynchronous generator expression")
            over = self.X("iterate", self.source(one.iter))
            if place == 0:
                source, over = self.X("gone_over", over.args[0]), self.X("later", load("_x_over"))
            targets = names.stored([one.target])
            self.locals, self.known = self.locals | targets, self.known | targets
            self.shared = self.shared - targets
            tests: list[ast.expr] = [self.X("test", self.ex(test)) for test in one.ifs]
            made.append(ast.comprehension(one.target, over, tests, 0))
        body = ast.GeneratorExp(self.ex(node.elt), made)
        self.locals, self.known, self.shared = hidden, known, shared
        assert source is not None
        make = self.thunk(body, [node])
        make.args.kwonlyargs.append(ast.arg("_x_over"))
        make.args.kw_defaults.append(source)
        return self.X("generator", make, self.flags([node]))

    def comprehension(self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp) -> ast.expr:
        if names.has([node], ast.NamedExpr) and not self._is_inner(node):
            raise Unsupported(
                f"line {node.lineno}: := in a comprehension, of a variable that is read outside of it"
            )
        return self._generators(node.generators, node.elt, node)

    def _is_inner(self, node: ast.expr) -> bool:
        """Whether the variables that := assigns in a comprehension are read in it only: they may be its own."""
        made = {n.target.id for n in names.walk(node) if isinstance(n, ast.NamedExpr)}
        inside = {id(n) for n in names.walk(node)}
        outside = {
            n.id
            for top in self.body
            for n in names.walk(top)
            if isinstance(n, ast.Name) and n.id in made and id(n) not in inside
        }
        return not (outside | (made & (self.shared | self.globals | set(self.parameters))))

    def _filter(self, target: ast.expr, source: ast.expr) -> tuple[ast.expr, ast.expr] | None:
        """Return what a loop over `filter(by, things)` goes over, and what is asked of each of them."""
        if not (isinstance(target, ast.Name) and self._is_map(source, which=filter)):
            return None
        assert isinstance(source, ast.Call)
        by, things = source.args
        one: ast.expr = ast.copy_location(load(target.id), source)
        if isinstance(by, ast.Constant) and by.value is None:
            return things, one
        base = by
        while isinstance(base, ast.Attribute):
            base = base.value
        plain = base is by or (isinstance(base, ast.Name) and base.id not in self.locals)
        if isinstance(by, ast.Lambda) or (
            isinstance(base, ast.Name) and plain and base.id not in self.rebound
        ):
            return things, ast.copy_location(ast.Call(by, [one], []), source)
        return None

    def _generators(self, generators: list[ast.comprehension], elt: ast.expr, node: ast.AST) -> ast.expr:
        first, rest = generators[0], generators[1:]
        if (filtered := self._filter(first.target, first.iter)) is not None:
            first = ast.comprehension(first.target, filtered[0], [filtered[1], *first.ifs], first.is_async)
        if first.is_async:
            raise Unsupported("an asynchronous comprehension")
        source = self.source(first.iter)
        inner = names.stored([first.target])
        if any(inner & names.captured([one]) for one in _lambdas_kept(elt)):
            raise Unsupported(f"line {elt.lineno}: functions made in a comprehension share its variable")
        hidden, self.locals = self.locals, self.locals | inner
        known, self.known = self.known, self.known | inner
        shared, self.shared = self.shared, self.shared - inner
        waits = self.waits
        own = isinstance(node, ast.GeneratorExp) or sys.version_info < (3, 12)
        self._enclosed += own
        body = self._generators(rest, elt, node) if rest else self.ex(elt)
        original: list[ast.AST] = [elt, *(g for g in rest)]
        if first.ifs:
            conditions = [self.ex(one) for one in first.ifs]
            condition = conditions[0]
            for another in conditions[1:]:
                condition = self.X("both", condition, self.thunk(another, first.ifs), ast.Constant(0))
            original += first.ifs
            body = ast.IfExp(self.X("test", condition), body, self.hook("skip"))
        self._enclosed -= own
        self.waits = waits
        self.locals, self.known = hidden, known
        if isinstance(first.target, ast.Name):
            function = self.thunk(body, original, [first.target.id])
        else:
            name = self.temporary()
            function = self.thunk(
                self._bind(first.target, load(name), body, original), [*original, first.target], [name]
            )
            drop = names.stored([first.target])
            keep = [
                (a, d)
                for a, d in zip(function.args.kwonlyargs, function.args.kw_defaults)
                if a.arg not in drop or a.arg in known & hidden
            ]
            function.args.kwonlyargs = [a for a, _ in keep if a.arg not in drop]
            function.args.kw_defaults = [d for a, d in keep if a.arg not in drop]
        self.shared = shared
        kind = "flat" if rest else "kept" if first.ifs else "each"
        return self.X(kind, source, function, self.flags([*original, first.target]))

    def _bind(
        self, target: ast.expr, value: ast.expr, body: ast.expr, original: Sequence[ast.AST]
    ) -> ast.expr:
        """An expression in which the names of `target` stand for the parts of `value`."""
        if isinstance(target, ast.Name):
            return ast.Call(self.thunk(body, original, [target.id]), [value], [])
        if not isinstance(target, (ast.Tuple, ast.List)):
            raise Unsupported(f"line {target.lineno}: an unusual target in a comprehension")
        parameters: list[str] = []
        inner = body
        for one in reversed(target.elts):
            if isinstance(one, ast.Starred):
                one = one.value
            if isinstance(one, ast.Name):
                parameters.insert(0, one.id)
            else:
                name = self.temporary()
                parameters.insert(0, name)
                inner = self._bind(one, load(name), inner, original)
        drop = set(parameters) | names.stored([target])
        read = self.reads(original) - drop
        made = ast.Lambda(arguments(parameters, sorted(read)), inner)
        return ast.Call(made, [ast.Starred(self._unpacked(value, target), ast.Load())], [])

    def some(self, which: str, node: ast.GeneratorExp) -> ast.expr:
        generator = node.generators[0]
        source = self.source(generator.iter)
        if not isinstance(generator.target, ast.Name) or generator.is_async:
            return ast.Call(self.hook("call"), [load(which), self.ex_GeneratorExp(node)], [])
        name = generator.target.id
        hidden, self.locals = self.locals, self.locals | {name}
        known, self.known = self.known, self.known | {name}
        shared, self.shared = self.shared, self.shared - {name}
        waits = self.waits
        self._enclosed += 1
        body = self.ex(node.elt)
        for condition in generator.ifs:
            body = ast.IfExp(self.X("test", self.ex(condition)), body, self.hook("skip"))
        self._enclosed -= 1
        self.waits = waits
        self.locals, self.known, self.shared = hidden, known, shared
        return self.X(
            "some",
            source,
            self.thunk(body, [node.elt, *generator.ifs], [name]),
            ast.Constant(which == "any"),
            self.flags([node.elt, *generator.ifs]),
        )

    # Statements -----------------------------------------------------------------------------

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
        flags |= (WRITES if seen.writes else 0) | (OBJECTS if seen.objects else 0) | shared_flag(seen.shared)
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
            for node in ast.walk(top)
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
        }
        named = {n.name for top in statements for n in ast.walk(top) if isinstance(n, ast.ExceptHandler)}
        return [one for one in outputs if one in kept or one not in named]

    def plain(self, node: ast.stmt) -> list[ast.stmt]:
        """A loop that makes no external call: a function of its own that stays as it is, and runs at full speed."""
        stored = names.stored([node]) & self.locals
        read = names.loaded([node]) & self.locals
        outputs = sorted(stored)
        inputs = sorted((read | stored) & self.known)
        seen = self.summary([node])
        flags = (WRITES if seen.writes or seen.shared else 0) | (OBJECTS if seen.objects else 0)
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

    def _deleted(self, statements: Sequence[ast.stmt]) -> set[str]:
        return {
            n.id
            for s in statements
            for n in names.walk(s)
            if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Del)
        } | {n.name for s in statements for n in names.walk(s) if isinstance(n, ast.ExceptHandler) and n.name}

    def count(self) -> int:
        self._counter += 1
        return self._counter

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
                return [ast.Assign([store(target.id)], self.X("rebind", value))]
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

    def _unpacked(self, value: ast.expr, target: ast.Tuple | ast.List) -> ast.expr:
        starred = [place for place, one in enumerate(target.elts) if isinstance(one, ast.Starred)]
        if not starred:
            return self.X("unpack", value, ast.Constant(len(target.elts)))
        return self.X(
            "unpack", value, ast.Constant(starred[0]), ast.Constant(len(target.elts) - starred[0] - 1)
        )

    def st_AugAssign(self, node: ast.AugAssign) -> list[ast.stmt]:
        op = ast.Name(f"_x_op_i{_BINARY[type(node.op)].rstrip('_')}", ast.Load())
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

    def st_Delete(self, node: ast.Delete) -> list[ast.stmt]:
        made: list[ast.stmt] = []
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
        if self._tries:
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
        return [ast.Expr(self.X("importing", *pairs)), node]

    st_ImportFrom = st_Import

    def st_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> list[ast.stmt]:
        args = node.args
        args.defaults = [self.X("force", self.ex(value)) for value in args.defaults]
        args.kw_defaults = [value and self.X("force", self.ex(value)) for value in args.kw_defaults]
        decorators, node.decorator_list = node.decorator_list, []
        made: list[ast.stmt] = []
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

    # Decisions -----------------------------------------------------------------------------

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
        ended = [known for known, body in ways if not _never_ends(body)]
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
        if isinstance(node.target, ast.Name) and node.target.id not in self.shared | self.globals:
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
        return [ast.copy_location(ast.Match(self.X("subject", subject), cases), node)]

    # Failures -----------------------------------------------------------------------------

    def st_Try(self, node: ast.Try | ast.TryStar) -> list[ast.stmt]:
        if self.taskable([node]):
            return self.region([node], lambda: self._try(node), always=True, flags=SCOPED)
        self.waits = True
        return self._inline(node, lambda: self._try(node))

    st_TryStar = st_Try

    def _inline(self, node: ast.stmt, lower: Callable[[], list[ast.stmt]]) -> list[ast.stmt]:
        scope = self.temporary()
        self._tries += 1
        inner = lower()
        self._tries -= 1
        leave = ast.Expr(self.X("left", load(scope)))
        return [
            ast.Assign([store(scope)], self.X("entered")),
            ast.copy_location(ast.Try(inner, [], [], [leave]), node),
        ]

    def _guarded(self, body: list[ast.stmt], node: ast.AST) -> ast.stmt:
        """`body`, left only when everything in it succeeded, or with the earliest failure in it."""
        self.hooks.add("Abandoned")
        self.hooks.add("BaseException")
        handlers = [
            ast.ExceptHandler(load("_x_Abandoned"), None, [ast.Raise(None, None)]),
            ast.ExceptHandler(
                load("_x_BaseException"), None, [ast.Expr(self.X("caught")), ast.Raise(None, None)]
            ),
        ]
        return ast.copy_location(ast.Try([*body, ast.Expr(self.X("drain"))], handlers, [], []), node)

    def _try(self, node: ast.Try | ast.TryStar) -> list[ast.stmt]:
        known = set(self.known)
        in_body = names.stored(node.body)
        handled = [names.surely(handler.body) for handler in node.handlers]
        sure: set[str] = set.intersection(*map(set, handled)) if handled else set()
        seen = names.loaded([*node.handlers, *node.finalbody])
        precise = self._precise
        self._precise = precise | (in_body & seen) | (in_body - sure if node.handlers else set())
        body = self._guarded(self.block(node.body), node)
        self._precise = precise
        after_body = set(self.known)
        orelse = self.block(node.orelse)
        ways: list[tuple[set[str], Sequence[ast.stmt]]] = [(self.known, [*node.body, *node.orelse])]
        handlers: list[ast.ExceptHandler] = []
        for handler in node.handlers:
            self.known = known - self._deleted(node.body)
            head: list[ast.stmt] = []
            tail: list[ast.stmt] = []
            name = None
            if handler.name:
                name = self.temporary()
                head = [ast.Assign([store(handler.name)], load(name))]
                tail = [ast.Assign([store(handler.name)], self.hook("UNBOUND"))]
                self.known.add(handler.name)
                self.sentinels.add(handler.name)
            inner = self.block(handler.body)
            if handler.name:
                self.known.discard(handler.name)
            ways.append((self.known, handler.body))
            kind = handler.type
            handlers.append(ast.copy_location(ast.ExceptHandler(kind, name, [*head, *inner, *tail]), handler))
        del after_body
        self.known = self._joined(*ways)
        whole: ast.stmt
        if handlers:
            whole = ast.copy_location(type(node)([body], handlers, orelse, []), node)
            inner_block: list[ast.stmt] = [whole]
        else:
            inner_block = [body, *orelse]
        if not node.finalbody:
            return inner_block
        joined = set(self.known)
        self.known = known - self._deleted(node.body)
        final = self.block(node.finalbody)
        self.known = joined | (self.known - known)
        last: list[ast.stmt] = [ast.If(self.X("alive"), final, [])]
        return [ast.copy_location(ast.Try([self._guarded(inner_block, node)], [], [], last), node)]

    def st_With(self, node: ast.With) -> list[ast.stmt]:
        if self.taskable([node]):
            return self.region([node], lambda: self._with(node), always=True, flags=SCOPED)
        self.waits = True
        return self._inline(node, lambda: self._with(node))

    def _with(self, node: ast.With) -> list[ast.stmt]:
        first, rest = node.items[0], node.items[1:]
        known = set(self.known)
        manager = self.X("enter", self.ex(first.context_expr))
        name = self.temporary() if first.optional_vars is not None else None
        head = (
            self.assign(first.optional_vars, load(name)) if first.optional_vars is not None and name else []
        )
        precise = self._precise
        self._precise = precise | names.stored(node.body)
        inner = (
            self._with(ast.copy_location(ast.With(rest, node.body), node)) if rest else self.block(node.body)
        )
        self._precise = precise
        self.known &= known | names.stored([first.optional_vars] if first.optional_vars else [])
        item = ast.withitem(manager, store(name) if name else None)
        return [ast.copy_location(ast.With([item], [self._guarded([*head, *inner], node)]), node)]


class _Continue(ast.NodeTransformer):
    """`continue` of a loop whose body became a function: `return`, with the variables that it assigns."""

    def __init__(self, outputs: Sequence[str]) -> None:
        self._outputs = outputs

    def visit_Continue(self, node: ast.Continue) -> ast.stmt:
        values = ast.Tuple([load(name) for name in self._outputs], ast.Load())
        return ast.copy_location(ast.Return(values), node)

    def _leave(self, node: Any) -> Any:
        return node

    visit_For = visit_While = visit_FunctionDef = visit_Lambda = visit_AsyncFunctionDef = visit_ClassDef = (
        _leave
    )


def _never_ends(body: Sequence[ast.stmt]) -> bool:
    """Whether these statements are never left by their end."""
    if not body:
        return False
    last = body[-1]
    if isinstance(last, (ast.Return, ast.Raise, ast.Break, ast.Continue)):
        return True
    if isinstance(last, ast.If):
        return _never_ends(last.body) and _never_ends(last.orelse)
    return False


def _lambdas_kept(node: ast.expr) -> list[ast.expr]:
    """The lambdas that what `node` makes holds, but for those given to a call."""
    if isinstance(node, (ast.Call, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)):
        return []
    if isinstance(node, ast.Lambda):
        return [node]
    inner = [one for one in ast.iter_child_nodes(node) if isinstance(one, ast.expr)]
    return [found for one in inner for found in _lambdas_kept(one)]


def _breaks(body: Sequence[ast.stmt]) -> bool:
    return "break" in names.leaves(body)
