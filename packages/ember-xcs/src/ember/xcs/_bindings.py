"""Statements under study: which variables they bind to what, and what the names they call stand for."""

# Values here are the user's, of whatever type; what isinstance leaves of them is partly unknown to pyright.
# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false, reportUnknownMemberType=false

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from types import FunctionType, MethodType, ModuleType
from typing import Any, Final

from ember.core.externals import External
from ember.core.marks import mark

from . import _effects as effects, _names as names
from ._origins import Effects
from ._reliance import relied_on


@dataclass(frozen=True, slots=True)
class Text:
    """Statements of a function, and what is known of the place where they stand.

    `local` are its variables, `inputs` those that hold something before these statements. `resolve` says what
    other names stand for, `effects_of` what calling a function may do; `namespace` holds the globals. `kinds` are those
    that the whole function gives its variables, once that is known; `of_self` is a method's first parameter, and its
    class.
    """

    statements: Sequence[ast.AST]
    local: set[str]
    resolve: Callable[[str], Any]
    effects_of: Callable[[FunctionType], Effects]
    inputs: set[str]
    namespace: dict[str, Any]
    kinds: dict[str, Any] | None = None
    of_self: tuple[str, type] | None = None


_BINDING: Final = frozenset(
    {
        ast.Assign, ast.AnnAssign, ast.NamedExpr, ast.AugAssign, ast.For, ast.AsyncFor, ast.comprehension, ast.Call,
        ast.withitem, ast.Match, ast.ExceptHandler, ast.Import, ast.ImportFrom,
    }
)  # fmt: skip
"""What `Bindings._bind` has anything to say of."""


class Bindings:
    """The variables of a text, what is assigned to them, and what it calls by a name that is not one of them."""

    def __init__(self, text: Text) -> None:
        self._of_self = {} if text.of_self is None else dict([text.of_self])
        self._known_kinds = {**(text.kinds or {}), **self._of_self}
        self._resolve, self._effects_of, self._namespace = text.resolve, text.effects_of, text.namespace
        self._everything = everything = [node for top in text.statements for node in names.walk(top)]
        # The variables of comprehensions and of nested functions are taken for the function's own: that is but coarse.
        self._parameters = {
            arg.arg
            for node in everything
            if isinstance(node, (ast.Lambda, ast.FunctionDef, ast.AsyncFunctionDef))
            for arg in names.walk(node.args)
            if isinstance(arg, ast.arg)
        }
        self._stored = {
            node.id
            for node in everything
            if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load)
        } | names.stored(text.statements)
        self._local = text.local | self._stored | self._parameters
        self._inputs = text.inputs - self._stored
        # What these may hold at first is not made here: parameters, and where the whole function is known, all others.
        self._entering = text.inputs if text.kinds is None else text.local
        self._defined: dict[str, list[ast.stmt]] = {}
        self._assigned: dict[str, list[tuple[ast.expr, bool]]] = {}
        self._open: set[str] = set()
        self._given: set[str] = set()
        for node in everything:
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                self._defined.setdefault(node.name, []).extend(node.body)
            elif type(node) in _BINDING:
                self._bind(node)
        self._lambdas = {
            name
            for name, values in self._assigned.items()
            if values and all(isinstance(value, ast.Lambda) for value, _ in values)
        }

    def _bind(self, node: ast.AST) -> None:
        """Note what is assigned to variables."""
        if isinstance(node, ast.Assign):
            for target in node.targets:
                self._bind_to(target, node.value)
        elif isinstance(node, (ast.AnnAssign, ast.NamedExpr, ast.AugAssign)):
            if node.value is not None:
                self._bind_to(node.target, node.value)
        elif isinstance(node, (ast.For, ast.AsyncFor, ast.comprehension)):
            self._bind_elements(node.target, node.iter)
        elif isinstance(node, ast.Call):
            self._bind_lambdas(node)
        elif isinstance(node, ast.withitem):
            if node.optional_vars is not None:
                self._bind_to(node.optional_vars, node.context_expr, True)
        elif isinstance(node, ast.Match):
            for case in node.cases:
                for name in names.stored([case.pattern]):
                    self._assigned.setdefault(name, []).append((node.subject, True))
        elif isinstance(node, ast.ExceptHandler) and node.name:
            self._open.add(node.name)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            self._open |= names.stored([node])

    def _bind_elements(self, target: ast.expr, source: ast.expr) -> None:
        if (
            isinstance(target, ast.Tuple)
            and isinstance(source, ast.Call)
            and isinstance(source.func, ast.Name)
        ):
            if source.func.id == "enumerate" and len(target.elts) == 2 and source.args:
                self._bind_to(target.elts[0], ast.Constant(0))
                self._bind_elements(target.elts[1], source.args[0])
                return
            if source.func.id == "zip" and len(target.elts) == len(source.args):
                for one, of in zip(target.elts, source.args):
                    self._bind_elements(one, of)
                return
        self._bind_to(target, source, True)

    def _bind_lambdas(self, node: ast.Call) -> None:
        """What a lambda is called with by `sorted` and its like: elements of the other arguments."""
        value = self._callee(node.func)
        sources = [one for one in arguments_of(node) if not isinstance(one, ast.Lambda)]
        if isinstance(node.func, ast.Attribute) and node.func.attr == "sort":
            sources.append(node.func.value)
        elif value is None or not is_in(effects.READ, value):
            return
        for one in arguments_of(node):
            if isinstance(one, ast.Lambda):
                for arg in (*one.args.posonlyargs, *one.args.args):
                    self._given.add(arg.arg)
                    self._assigned.setdefault(arg.arg, []).extend((source, True) for source in sources)

    def _bind_to(self, target: ast.expr, value: ast.expr, part: bool = False) -> None:
        if (
            (
                isinstance(target, (ast.Tuple, ast.List))
                and isinstance(value, (ast.Tuple, ast.List))
                and not part
            )
            and len(target.elts) == len(value.elts)
            and not any(isinstance(one, ast.Starred) for one in (*target.elts, *value.elts))
        ):
            for one, of in zip(target.elts, value.elts):
                self._bind_to(one, of)
            return
        part = part or not isinstance(target, ast.Name)
        for name in names.walk(target):
            if isinstance(name, ast.Name) and not isinstance(name.ctx, ast.Load):
                self._assigned.setdefault(name.id, []).append((value, part))

    def _callee(self, function: ast.expr) -> Any:
        """Return what is called, if it is known; methods are `_candidates`."""
        value: Any = None
        if isinstance(function, ast.Name) and function.id not in self._local:
            value = self._resolve(function.id)
        elif isinstance(function, ast.Attribute):
            base = function.value
            while isinstance(base, ast.Attribute):
                base = base.value
            if isinstance(base, ast.Name) and base.id not in self._local:
                owner = self._static(function.value)
                if isinstance(owner, (ModuleType, type, External)):
                    value = getattr(owner, function.attr, None)
                    if isinstance(owner, ModuleType) and callable(value) and function.attr in vars(owner):
                        value = value if relied_on(vars(owner), function.attr, value) else None
                elif owner is not None:
                    method = getattr(type(owner), function.attr, None)
                    if type(method) is FunctionType and "__ember_computes__" in method.__dict__:
                        value = MethodType(method, owner)  # a sibling's word, about this very method
        if isinstance(value, MethodType) and isinstance(value.__self__, External):
            return value.__self__
        return mark(value, "__ember_jit__", value)

    def _static(self, node: ast.expr) -> Any:
        if isinstance(node, ast.Name):
            return self._resolve(node.id)
        assert isinstance(node, ast.Attribute)
        return getattr(self._static(node.value), node.attr, None)


def as_called(node: ast.Call) -> ast.Call:
    """Return what stands for `await f(...)` in the form of a plain call."""
    if isinstance(node.func, ast.Name) and node.func.id == "_x_acall":
        return ast.Call(node.args[0], node.args[1:], node.keywords)
    return node


def arguments_of(node: ast.Call) -> list[ast.expr]:
    return [*node.args, *(keyword.value for keyword in node.keywords)]


def is_mixed(node: ast.Call) -> bool:
    """Whether the arguments of a call are not in the order of the parameters."""
    return bool(node.keywords) or any(isinstance(one, ast.Starred) for one in node.args)


def is_in(table: Iterable[Any], value: Any) -> bool:
    try:
        return value in table
    except TypeError:
        return False
