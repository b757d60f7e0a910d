"""What statements may change, seen from their text: for the order of whatever waits while others go on.

Two questions are asked of each expression. *Where does its value come from?* From the local variables named in it, from
outside (`*`: a global, a captured variable, whatever an unknown call returned), or it was made here. *Is it data*, that
is text, numbers and containers of them, whose methods are Python's own? What is changed comes from somewhere, and so a
variable's content, or anything at all, may change. Methods of values of unknown type may be any method of that name in
the user's modules.
"""

# Values here are the user's, of whatever type; what isinstance leaves of them is partly unknown to pyright.
# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false, reportUnknownMemberType=false
# pyright: reportUnknownLambdaType=false

from __future__ import annotations

import ast
import contextlib
from collections.abc import Sequence
from types import FunctionType, MethodType, ModuleType
from typing import Any, Final, Literal, cast

from ember.core.externals import External

from . import _effects as effects, _names as names
from ._bindings import Text, arguments_of, as_called, is_in, is_mixed
from ._flow import Flow
from ._kinds import ALL_CHANGING, CONTAINER, DATA
from ._methods import caching, is_generated, is_installed, methods_named, of_class, static_methods, subclasses
from ._origins import NOWHERE, OUTSIDE, Effects, Origins
from ._reliance import relied_on
from ._unnamed import OPERATING, READ as READING_METHODS, called_by

READING: Final = (
    effects.STR_METHODS
    | {n for kind in effects.CHANGING for n in dir(kind) if not n.startswith("_")} - ALL_CHANGING
    | {"group", "groups", "groupdict", "span", "start", "end", "search", "match", "fullmatch", "findall", "finditer"}
    | {"sub", "most_common", "elements", "total", "isoformat", "strftime", "is_integer", "bit_length", "decode"}
    | {"hexdigest", "debug", "info", "warning", "error", "critical", "exception", "log"}
)  # fmt: skip
"""Methods that change nothing that the program can see, unless the user has one of that name."""

_ROUNDS: Final = 10
_ACTING: Final = frozenset(
    {
        ast.Subscript, ast.Attribute, ast.Call, ast.Assign, ast.AnnAssign, ast.AugAssign, ast.Return, ast.With,
        ast.Await, ast.Global, ast.Nonlocal, ast.Import, ast.ImportFrom, ast.ClassDef,
    }
)  # fmt: skip
"""What `Summary._visit` has anything to say of."""


class Summary(Flow):
    """What `statements` may change: `writes`, anything at all; `changed`, what these local variables refer to.

    `objects` says that they call unknown methods of what local variables refer to: if that is neither data nor the
    run's own, they may change anything. `effects_of` says what calling a function may do.
    """

    def __init__(self, text: Text) -> None:
        super().__init__(text)
        self.writes = self.objects = self.parts = False
        self.changed: set[str] = set()
        self.shared: set[str] = set()
        acting = [node for node in self._everything if type(node) in _ACTING]
        operating = [node for node in self._everything if type(node) in OPERATING]
        before = None
        for _ in range(_ROUNDS):
            if before == (now := self._state()):
                break
            before = now
            for node in acting:
                self._visit(node)
            for one in operating:
                for called, operands in called_by(one):
                    self._operate(called, operands)
        else:
            self.writes = True

    def _state(self) -> Any:
        self._from.clear()
        self._in.clear()
        self._kinds.clear()
        return (
            self.writes,
            self.objects,
            self.parts,
            set(self._mixed),
            set(self.outside),
            set(self.shared),
            set(self.changed),
            dict(self._holds),
        )

    def _call(self, node: ast.Call) -> None:
        node = as_called(node)
        function = node.func
        value = self._callee(function)
        if isinstance(value, External) or _is_gather(value) or effects.computes_on_arrays(value):
            return
        if isinstance(function, ast.Name) and function.id == "_x_amanager":
            return  # a `with`, which is looked at as such
        if isinstance(value, (ModuleType, type(None))):
            value = None
        elif is_in(effects.READ, value) or value is print or value is contextlib.suppress:
            self._operate(READING_METHODS, arguments_of(node))
            return
        candidates = self._candidates(node)
        arguments = arguments_of(node)
        if value is not None:
            if isinstance(value, type):
                from ._classes import only_stores

                made = getattr(value, "__init__", None)
                if not only_stores(value) and not candidates and made is not object.__init__:
                    self._anything(arguments)
                arguments = [ast.Constant(None), *arguments]
            elif isinstance(value, MethodType) and isinstance(function, ast.Attribute):
                arguments = [function.value, *arguments]
            elif not candidates or isinstance(value, MethodType):
                from ._harmless import harmless

                if hasattr(type(value), effects.FROZEN) and harmless(value):
                    return
                self._anything(arguments)
        elif isinstance(function, ast.Attribute):
            base, kind = function.value, self.kind(function.value)
            arguments = [base, *arguments]
            if function.attr in ALL_CHANGING and not isinstance(kind, type):
                self.change(base)
                for one in arguments[1:]:
                    self._flows(base, self.origins(one, True))
                    self._mixes(base, one)
            elif kind is DATA or kind is CONTAINER or isinstance(kind, tuple):
                pass
            elif not candidates and function.attr not in READING and not self._is_part(function):
                self._unknown(base)
        elif isinstance(function, ast.Name) and function.id in self._local:
            if (
                isinstance(self.kind(function), tuple)
                or function.id in self._defined
                or function.id in self._lambdas
            ):
                pass
            elif function.id in self._inputs:
                self.objects = True  # it is looked at when it is there
                for one in (function, *arguments):
                    self._changed(self.origins(one, True))
            elif not self._is_part(function):
                self._anything(arguments)
        elif not candidates and not self._is_part(function):
            self._anything(arguments)
        mixed = is_mixed(node) or (isinstance(value, type) and hasattr(value, "__post_init__"))
        for candidate in candidates:
            self._apply(self._effects_of(candidate), arguments, mixed or candidate in static_methods)

    def _is_part(self, function: ast.expr) -> bool:
        """Whether what is called is a part of frozen objects that are inputs: it is looked at when they are there."""
        if isinstance(function, ast.Attribute) and not isinstance(function.value, ast.Name):
            return False  # perhaps a method of a part
        origins = self.origins(function)
        given = origins & self._inputs
        part = bool(given) and all(hasattr(self._kind_of(name), effects.FROZEN) for name in given)
        if not part or not origins - given <= self._assigned.keys():
            return False
        self.parts = True
        return True

    def _anything(self, arguments: Sequence[ast.expr]) -> None:
        """Something nobody knows is called: it may change anything, and what it is given."""
        self.writes = True
        for one in arguments:
            self._changed(self.origins(one, True))

    def _apply(self, done: Effects, arguments: Sequence[ast.expr], mixed: bool) -> None:
        """A function that may do what `done` says is called with `arguments`, which are in order unless `mixed`."""
        self.writes = self.writes or done.writes
        self.shared |= done.shared
        for place, one in enumerate(arguments):
            if done.changed == -1 or (mixed and done.changed) or (done.changed >> place) & 1:
                self._changed(self.origins(one, True))
                self._mixes(one, None)
            if done.objects or (done.parts and place == 0 and not self._is_part(one)):
                self._unknown(one)
        if done.kept is None or (mixed and done.kept):
            everything = NOWHERE.union(*(self.origins(one, True) for one in arguments))
            for one in arguments:
                self._flows(one, everything)
        else:
            for into, of in done.kept:
                if into < len(arguments) and of < len(arguments):
                    self._flows(arguments[into], self.origins(arguments[of], True))

    def _operate(self, called: Sequence[str], operands: Sequence[ast.expr]) -> None:
        """Methods of `operands` are called by an operator, or by a function that reads them.

        Those of objects whose class is not known here are looked at when these are there: see `_footprints`.
        """
        for one in operands:
            kind = self.kind(one)
            if isinstance(kind, type):
                for name in called:
                    for function in of_class(kind, name):
                        if not is_installed(function.__code__.co_filename) and not is_generated(function):
                            self._apply(self._effects_of(function), operands, True)

    def _unknown(self, thing: ast.expr) -> None:
        """A method of `thing` that nobody knows is called."""
        if self.kind(thing) in (DATA, CONTAINER):
            return
        self._changed(self.origins(thing, True))
        if all(name in self._inputs for name in self.origins(thing)):
            self.objects = True
        else:
            self.writes = True

    def change(self, thing: ast.expr) -> None:
        """What `thing` refers to is changed."""
        self._changed(self.origins(thing))

    def _changed(self, origins: Origins) -> None:
        for name in origins:
            if name == OUTSIDE:
                self.writes = True
            elif name.startswith(OUTSIDE):
                self.shared.add(name)
            else:
                self.changed.add(name)

    # Statements ----------------------------------------------------------------------------------

    def _visit(self, node: ast.AST) -> None:
        if isinstance(node, ast.Call):
            self._call(node)
        elif isinstance(node, (ast.Subscript, ast.Attribute)) and not isinstance(node.ctx, ast.Load):
            self.change(node.value)
            if isinstance(node, ast.Attribute) and self._module(node.value) is not None:
                self.writes = True
            if isinstance(node, ast.Attribute):
                for function in self._behind(node, "fset"):
                    self._apply(self._effects_of(function), [node.value], True)
        elif isinstance(node, ast.Attribute):
            for function in self._behind(node, "fget"):
                self._apply(self._effects_of(function), [node.value], False)
                if function in caching:
                    self.change(node.value)
        elif isinstance(
            node, (ast.Global, ast.Nonlocal, ast.Import, ast.ImportFrom, ast.ClassDef, ast.Await)
        ):
            self.writes = True
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            if node.value is not None:
                for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                    for one in names.walk(target):
                        if isinstance(one, (ast.Subscript, ast.Attribute)) and not isinstance(
                            one.ctx, ast.Load
                        ):
                            self._flows(one.value, self.origins(node.value, True))
                            self._mixes(one.value, node.value)
        elif isinstance(node, ast.AugAssign):
            if not isinstance(node.target, ast.Name) or self.kind(node.target) is not DATA:
                self.change(node.target)
            self._flows(node.target, self.origins(node.value, True))
            self._mixes(node.target, node.value)
        elif isinstance(node, ast.Return):
            self.outside |= {name for name in self.origins(node.value, True) if name.startswith(OUTSIDE)}
        elif isinstance(node, ast.With):
            for item in node.items:
                self._manager(item.context_expr)

    def lets_pass(self, node: ast.expr) -> bool:
        """Whether what stands in a `with` is known to be a manager that lets every exception pass."""
        from ._managers import lets_pass, made_passing

        method = "__exit__"
        if _is_amanager(node):
            node, method = cast(ast.Call, node).args[0], "__aexit__"
        kind = self.kind(node)
        if isinstance(node, ast.Call):
            made = self._callee(node.func)
            if made_passing(made):
                return True
            kind = made if isinstance(made, type) else kind
        if isinstance(node, ast.Name) and node.id not in self._local:
            value = self._resolve(node.id)
            if not lets_pass(type(value), method):
                return False
            return node.id not in self._namespace or relied_on(self._namespace, node.id, value)
        return isinstance(kind, type) and all(lets_pass(one, method) for one in (kind, *subclasses(kind)))

    def _behind(self, node: ast.Attribute, part: Literal["fget", "fset"]) -> list[FunctionType]:
        """Return the functions of users that reading (or storing) an attribute may call."""
        kind = self.kind(node.value)
        if kind is DATA or kind is CONTAINER:
            return []
        if isinstance(kind, type):
            return of_class(kind, node.attr, part)
        return methods_named(f"{node.attr}.{'getter' if part == 'fget' else 'setter'}")

    def _manager(self, node: ast.expr) -> None:
        if _is_amanager(node):
            node = cast(ast.Call, node).args[0]
        value = self._callee(node.func) if isinstance(node, ast.Call) else None
        if value in (contextlib.suppress, contextlib.nullcontext) or is_in(effects.READ, value):
            return
        if type(value) is FunctionType and not self._effects_of(value).writes:
            return
        if isinstance(value, type) and "__enter__" in dir(value):
            for name in ("__enter__", "__exit__"):
                found = getattr(value, name, None)
                if type(found) is not FunctionType:
                    self.writes = True
                else:
                    self._apply(self._effects_of(found), [node], False)
            return
        self._anything([node])

    def kept(self, parameters: Sequence[str]) -> frozenset[tuple[int, int]]:
        """Return which of `parameters` may keep something of which others."""
        return frozenset(
            (into, of)
            for into, one in enumerate(parameters)
            for of, other in enumerate(parameters)
            if into != of and other in self._content_of(one)
        )

    def gives(self, parameters: Sequence[str], values: Sequence[ast.expr | None]) -> int:
        """Return the bits of those of `parameters` that one of `values` may be, or hold; negative: or anything else."""
        found = NOWHERE.union(*(self.origins(value, True) for value in values))
        bits = sum(1 << place for place, name in enumerate(parameters) if name in found)
        made = set(self._assigned) - set(parameters)
        return bits if found <= set(parameters) | made else bits - (1 << len(parameters))

    def gives_closures(self, body: Sequence[ast.AST]) -> bool:
        """Whether all that these statements, a function's, return are functions defined in them."""
        returns = [node.value for node in names.own(body) if isinstance(node, ast.Return)]
        return bool(returns) and all(
            isinstance(value, ast.Lambda) or (isinstance(value, ast.Name) and value.id in self._defined)
            for value in returns
        )


def _is_amanager(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "_x_amanager"


def _is_gather(value: Any) -> bool:
    return (getattr(value, "__module__", ""), getattr(value, "__name__", "")) == ("asyncio.tasks", "gather")
