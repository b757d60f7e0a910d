"""The pieces that lowered code is made of: hooks, temporaries, lambdas; and what is known of a function's names."""

# Values here are the user's, of whatever type; what isinstance leaves of them is partly unknown to pyright.
# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false, reportUnknownMemberType=false
# pyright: reportUnknownLambdaType=false

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from . import _names as names
from ._source import Function
from ._summary import Summary
from ._tasks import CHANGES, PARTS, WRITES, shared_flag
from ._trees import BINARY, Unsupported, arguments, load

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


class Pieces:
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
        self._tries = self._around = 0
        """How many `try` and `with` are left by a `break` from here, and how many by a `return`."""
        self._enclosed = 0
        self._turn: Sequence[ast.stmt] = ()
        """The body of the loop around: what `continue` and `break` leave."""
        self._precise: set[str] = set()
        """Variables whose value counts where something in the `try` or `with` around fails."""
        self.sentinels: set[str] = set()
        body = node.body if not isinstance(node, ast.Lambda) else [ast.Return(node.body)]
        args = node.args
        self.parameters = [
            *(arg.arg for arg in (*args.posonlyargs, *args.args, *args.kwonlyargs)),
            *([args.vararg.arg] if args.vararg else []),
            *([args.kwarg.arg] if args.kwarg else []),
        ]
        self.body: Sequence[ast.stmt] = body
        self.globals = names.declared(body, ast.Global)
        for line, why in names.unusual_yields(body):
            raise Unsupported(f"line {line}: it is a generator that yields {why}")
        outer |= names.declared(body, ast.Nonlocal)
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

    def hook(self, name: str) -> ast.Name:
        self.hooks.add(name)
        return load(f"_x_{name}")

    def X(self, name: str, *args: ast.expr, at: ast.AST | None = None) -> ast.Call:
        made = ast.Call(self.hook(name), list(args), [])
        return ast.copy_location(made, at) if at is not None else made

    def op(self, kind: ast.AST) -> ast.Name:
        name = f"op_{BINARY[type(kind)]}"
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
            | (PARTS if seen.parts else 0)
            | (CHANGES if seen.changed else 0)
            | shared_flag(seen.shared)
        )

    def reads(self, nodes: Sequence[ast.AST]) -> set[str]:
        return (names.loaded(nodes) & self.locals) - self.globals

    def ex(self, node: ast.expr) -> ast.expr:
        made = getattr(self, f"ex_{type(node).__name__}", self.ex_other)(node)
        return ast.copy_location(made, node)

    def ex_other(self, node: ast.expr) -> ast.expr:
        raise Unsupported(f"line {node.lineno}: {type(node).__name__} is not lowered")

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
