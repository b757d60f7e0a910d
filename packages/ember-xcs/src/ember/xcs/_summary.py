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
import copy
import logging
import re
import sys
import sysconfig
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any, Final, TypeAlias
from weakref import WeakKeyDictionary, WeakSet

from ember.core.externals import External

from . import _effects as effects, _names as names

ALL_CHANGING: Final[frozenset[str]] = frozenset[str]().union(*effects.CHANGING.values())
READING: Final = (
    effects.STR_METHODS
    | {n for kind in effects.CHANGING for n in dir(kind) if not n.startswith("_")} - ALL_CHANGING
    | {"group", "groups", "groupdict", "span", "start", "end", "search", "match", "fullmatch", "findall", "finditer"}
    | {"sub", "most_common", "elements", "total", "isoformat", "strftime", "is_integer", "bit_length", "decode"}
    | {"hexdigest", "debug", "info", "warning", "error", "critical", "exception", "log"}
)  # fmt: skip
"""Methods that change nothing that the program can see, unless the user has one of that name."""

OUTSIDE: Final = "*"
Origins: TypeAlias = frozenset[str]
_NOWHERE: Final[Origins] = frozenset()
_ANYWHERE: Final[Origins] = frozenset({OUTSIDE})

_DATA: Final = object()
"""The kind of what is surely made of Python's own types. Others are a class of the user's, or a tuple of functions."""

_CONTAINER: Final = object()
"""The kind of one of Python's own containers, of whatever."""

_HANDS_ON: Final = effects.SHALLOW | effects.CALLS_BACK | (effects.READ - effects.COMPUTE)
_ROUNDS: Final = 10
_ACTING: Final = (
    ast.Subscript, ast.Attribute, ast.Call, ast.Assign, ast.AnnAssign, ast.AugAssign, ast.Return, ast.With, ast.Await,
    ast.Global, ast.Nonlocal, ast.Import, ast.ImportFrom, ast.ClassDef,
)  # fmt: skip
"""What `Summary._visit` has anything to say of."""

_INSTALLED: Final = tuple(
    sysconfig.get_paths()[key] for key in ("stdlib", "platstdlib", "purelib", "platlib")
)


@dataclass
class Effects:
    """What calling a function may do: `writes`, anything; `objects`, call unknown methods of its parameters; `changed`,
    the bits of the parameters whose content it may change (-1: all); `shared`, change these global variables' content.
    `outside` is what of others' it may return or keep, `kept` says which parameters' content it may keep in which
    others (None: any in any), `kind` what kind its result is of, and the bits of `gives` which parameters it may be, or
    be a part of (negative: or anything else)."""

    writes: bool = False
    objects: bool = False
    changed: int = 0
    shared: Origins = _NOWHERE
    outside: Origins = _NOWHERE
    kept: frozenset[tuple[int, int]] | None = frozenset()
    kind: Any = None
    gives: int = 0


ANYTHING: Final = Effects(True, True, -1, _NOWHERE, _ANYWHERE, None, None, -1)

_GLOBALS: Final[list[tuple[dict[str, Any], str]]] = []
_NUMBERS: Final[dict[tuple[int, str], str]] = {}


def global_origin(namespace: dict[str, Any], name: str) -> str:
    """Return what stands for a global variable among origins: `*` and a number."""
    found = _NUMBERS.get((id(namespace), name))
    if found is None:
        _GLOBALS.append((namespace, name))  # kept, as is its number
        found = _NUMBERS[id(namespace), name] = f"{OUTSIDE}{len(_GLOBALS) - 1}"
    return found


def global_at(number: int) -> Any:
    """Return the value of a global variable now, by the number that `global_origin` gave it."""
    namespace, name = _GLOBALS[number]
    return namespace.get(name)


class Summary:
    """What `statements` may change: `writes`, anything at all; `changed`, what these local variables refer to.

    `objects` says that they call unknown methods of what local variables refer to: if that is neither data nor the
    run's own, they may change anything. `effects_of` says what calling a function may do.
    """

    def __init__(
        self,
        statements: Sequence[ast.AST],
        local: set[str],
        resolve: Callable[[str], Any],
        effects_of: Callable[[FunctionType], Effects],
        inputs: set[str],
        namespace: dict[str, Any],
        kinds: dict[str, Any] | None = None,
        of_self: tuple[str, type] | None = None,
    ) -> None:
        self._of_self = {} if of_self is None else dict([of_self])
        self._known_kinds = {**(kinds or {}), **self._of_self}
        self._resolve, self._effects_of, self._namespace = resolve, effects_of, namespace
        self.writes = self.objects = False
        self.changed: set[str] = set()
        self.shared: set[str] = set()
        self.outside: set[str] = set()
        everything = [node for top in statements for node in names.walk(top)]
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
        } | names.stored(statements)
        self._local = local | self._stored | self._parameters
        self._inputs = inputs - self._stored
        self._defined = {
            node.name for node in everything if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        }
        self._assigned: dict[str, list[tuple[ast.expr, bool]]] = {}
        self._from: dict[str, Origins] = {}
        self._in: dict[str, Origins] = {}
        self._holds: dict[str, Origins] = {}
        self._kinds: dict[str, Any] = {}
        self._open: set[str] = set()
        self._mixed: set[str] = set()
        self._given: set[str] = set()
        for node in everything:
            self._bind(node)
        self._lambdas = {
            name
            for name, values in self._assigned.items()
            if values and all(isinstance(value, ast.Lambda) for value, _ in values)
        }
        acting = [node for node in everything if isinstance(node, _ACTING)]
        before = None
        for _ in range(_ROUNDS):
            if before == (now := self._state()):
                break
            before = now
            for node in acting:
                self._visit(node)
        else:
            self.writes = True

    def _state(self) -> Any:
        self._from.clear()
        self._in.clear()
        self._kinds.clear()
        return (
            self.writes,
            self.objects,
            set(self._mixed),
            set(self.outside),
            set(self.shared),
            set(self.changed),
            dict(self._holds),
        )

    # Variables -----------------------------------------------------------------------------------

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
        sources = [one for one in _arguments(node) if not isinstance(one, ast.Lambda)]
        if isinstance(node.func, ast.Attribute) and node.func.attr == "sort":
            sources.append(node.func.value)
        elif value is None or not _is_in(effects.READ, value):
            return
        for one in _arguments(node):
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

    def _flows(self, into: ast.expr, value: Origins) -> None:
        """Something of `value` is kept in what `into` refers to: whoever changes the one may change the other."""
        if value:
            for name in self.origins(into, True):
                if name.startswith(OUTSIDE):
                    self.outside |= value
                else:
                    self._holds[name] = self._holds.get(name, _NOWHERE) | value

    def _mixes(self, into: ast.expr, value: ast.expr | None) -> None:
        """If `value` is not data, neither is what it is put into."""
        if value is None or self.kind(value) is not _DATA:
            self._mixed |= self.origins(into, True)

    def origins(self, node: ast.expr | None, content: bool = False) -> Origins:
        """Return what the value of `node` (with its `content`: or something in it) may be, or be a part of."""
        if node is None or isinstance(node, (ast.Constant, ast.JoinedStr, ast.Compare)):
            return _NOWHERE
        if isinstance(node, ast.Name):
            return self._content_of(node.id) if content else self._origins_of(node.id)
        if isinstance(node, ast.Attribute):
            module = self._module(node.value)
            if module is not None:
                known = _is_constant(getattr(module, node.attr, None))
                return _NOWHERE if known else frozenset({global_origin(vars(module), node.attr)})
        if isinstance(node, (ast.Attribute, ast.Subscript, ast.Starred)):
            return self.origins(node.value, True)
        if isinstance(node, ast.Call):
            return self._origins_of_call(node, content)
        if isinstance(node, (ast.Await, ast.Yield, ast.YieldFrom)):
            return _ANYWHERE
        if isinstance(node, ast.NamedExpr):
            return self.origins(node.value, content)
        if isinstance(node, (ast.BoolOp, ast.IfExp)):
            parts = node.values if isinstance(node, ast.BoolOp) else [node.body, node.orelse]
            return _NOWHERE.union(*(self.origins(part, content) for part in parts))
        if not content or self.kind(node) is _DATA:
            return _NOWHERE  # it is made here
        if isinstance(node, ast.Lambda):
            own = {arg.arg for arg in names.walk(node.args) if isinstance(arg, ast.arg)}
            return _NOWHERE.union(*(self._content_of(name) for name in names.loaded([node.body]) - own))
        found: set[str] = set()
        for child in names.children(node):
            if isinstance(child, ast.expr):
                found |= self.origins(child, True)
            elif isinstance(child, ast.comprehension):
                found |= self.origins(child.iter, True)
        return frozenset(found)

    def _global(self, name: str) -> Origins:
        value = self._resolve(name)
        if _is_constant(value):
            return _NOWHERE
        if name in self._namespace:
            return frozenset({global_origin(self._namespace, name)})
        return _ANYWHERE

    def _module(self, node: ast.expr) -> ModuleType | None:
        """Return the module that `node` stands for, if it does for one."""
        base = node
        while isinstance(base, ast.Attribute):
            base = base.value
        if not isinstance(base, ast.Name) or base.id in self._local:
            return None
        found = self._static(node)
        return found if isinstance(found, ModuleType) else None

    def _origins_of(self, name: str) -> Origins:
        if name not in self._local:
            return self._global(name)
        known = self._from.get(name)
        if known is None:
            self._from[name] = known = self._self(name)
            for value, part in self._assigned.get(name, ()):
                known |= self.origins(value, part)
            self._from[name] = known
        return known

    def _self(self, name: str) -> Origins:
        """Return `name` itself, and anything if it is a nested function's parameter or comes from an import."""
        one = frozenset({name})
        foreign = name in self._parameters - self._given and name not in self._inputs
        foreign = foreign or name in self._open
        return one | _ANYWHERE if foreign else one

    def _content_of(self, name: str) -> Origins:
        if name not in self._local:
            return self._global(name)
        known = self._in.get(name)
        if known is None:
            self._in[name] = known = self._self(name) | self._holds.get(name, _NOWHERE)
            for value, _ in self._assigned.get(name, ()):
                known |= self.origins(value, True)
            for other in known:
                if other in self._holds:
                    known |= self._holds[other]
            self._in[name] = known
        return known

    def _origins_of_call(self, node: ast.Call, content: bool) -> Origins:
        node = _as_called(node)
        function = node.func
        value = self._callee(function)
        if isinstance(value, External) or (
            value is not None and _is_in(effects.COMPUTE - {copy.copy}, value)
        ):
            return _NOWHERE
        if self.kind(node) is _DATA and not isinstance(function, ast.Attribute):
            return _NOWHERE
        candidates = self._candidates(node)
        found: set[str] = set()
        if isinstance(value, type) and not content and value is not type:
            return _NOWHERE  # a new one
        for one in _arguments(node):
            found |= self.origins(one, True)
        if isinstance(function, ast.Attribute) and not isinstance(
            value, (BuiltinFunctionType, type, FunctionType)
        ):
            found |= self.origins(function.value, True)
        for candidate in candidates:
            found |= self._effects_of(candidate).outside
        if isinstance(function, ast.Name):
            if value is None and not candidates and function.id not in self._defined:
                found |= _ANYWHERE
        elif value is None and not candidates and not isinstance(function, ast.Attribute):
            found |= _ANYWHERE
        return frozenset(found)

    # Kinds ---------------------------------------------------------------------------------------

    def kind(self, node: ast.expr | None) -> Any:
        """Return `_DATA`, a class of the user's, a tuple of functions that it is one of, or None if it is not known."""
        if node is None or isinstance(node, (ast.Constant, ast.JoinedStr, ast.Compare)):
            return _DATA
        if isinstance(node, ast.UnaryOp):
            return _DATA if isinstance(node.op, ast.Not) else self.kind(node.operand)
        if isinstance(node, ast.BinOp):
            left, right = self.kind(node.left), self.kind(node.right)
            text = isinstance(node.left, (ast.Constant, ast.JoinedStr))
            return _DATA if left is right is _DATA or (text and isinstance(node.op, ast.Mod)) else None
        if isinstance(node, (ast.BoolOp, ast.IfExp)):
            parts = node.values if isinstance(node, ast.BoolOp) else [node.body, node.orelse]
            kinds = [self.kind(part) for part in parts]
            return _joined(kinds)
        if isinstance(node, (ast.List, ast.Tuple, ast.Set)):
            return _DATA if all(self.kind(one) is _DATA for one in node.elts) else _CONTAINER
        if isinstance(node, ast.Dict):
            data = all(self.kind(one) is _DATA for one in (*node.keys, *node.values))
            return _DATA if data else _CONTAINER
        if isinstance(node, (ast.ListComp, ast.SetComp)):
            return _DATA if self.kind(node.elt) is _DATA else _CONTAINER
        if isinstance(node, ast.GeneratorExp):
            return _DATA if self.kind(node.elt) is _DATA else None
        if isinstance(node, ast.DictComp):
            return _DATA if self.kind(node.key) is self.kind(node.value) is _DATA else _CONTAINER
        if isinstance(node, (ast.Subscript, ast.Starred)):
            found = self.kind(node.value)
            return found if found is _DATA or isinstance(found, tuple) else None
        if isinstance(node, ast.Attribute):
            return _DATA if self.kind(node.value) is _DATA else None
        if isinstance(node, ast.NamedExpr):
            return self.kind(node.value)
        if isinstance(node, ast.Name):
            return self._kind_of(node.id)
        if isinstance(node, ast.Call):
            return self._kind_of_call(node)
        return None

    def _kind_of(self, name: str) -> Any:
        if name not in self._local:
            value = self._resolve(name)
            if type(value) in effects.SCALARS or isinstance(value, (re.Pattern, logging.Logger)):
                return _DATA
            return _table(value)
        if name in self._known_kinds and (name not in self._stored or name not in self._of_self):
            return self._known_kinds[name]
        if name in self._inputs | self._open or not self._assigned.get(name):
            return None
        if name in self._parameters - self._given:
            return None
        if name not in self._kinds:
            self._kinds[name] = _DATA  # for what is made from itself
            kinds = [
                self._kind_of_part(value) if part else self.kind(value)
                for value, part in self._assigned[name]
            ]
            self._kinds[name] = _joined(kinds)
        found = self._kinds[name]
        return _CONTAINER if found is _DATA and name in self._mixed else found

    def _kind_of_part(self, value: ast.expr) -> Any:
        """Return the kind of the elements of `value`."""
        found = self.kind(value)
        return None if isinstance(found, type) or found is _CONTAINER else found

    def _kind_of_call(self, node: ast.Call) -> Any:
        node = _as_called(node)
        function = node.func
        value = self._callee(function)
        if isinstance(value, External):
            from ._calls import result_kind

            return _DATA if result_kind(value) in effects.SCALARS else None
        if isinstance(value, type) and not _is_in(effects.READ, value):
            return value
        if isinstance(value, type) and value in effects.CONTAINERS:
            given = all(
                self.kind(one) is _DATA
                for one in _arguments(node)
                if not _is_in(effects.FACTORIES, self._callee(one))
            )
            return _DATA if given else _CONTAINER
        if value is not None and _is_in(effects.COMPUTE - {copy.copy, copy.deepcopy}, value):
            return _DATA
        if value is not None and _is_in(_HANDS_ON, value):
            if _is_in(effects.LAZY, value):
                return None
            return _DATA if node.args and all(self.kind(one) is _DATA for one in _arguments(node)) else None
        if isinstance(function, ast.Attribute):
            found = self.kind(function.value)
            if found is _DATA:
                return _DATA if all(self.kind(one) is _DATA for one in _arguments(node)) else None
            if found is _CONTAINER and function.attr in ("items", "keys", "values", "copy"):
                return _CONTAINER
            return found if isinstance(found, tuple) and function.attr == "get" else None
        if isinstance(value, FunctionType):
            return self._effects_of(value).kind
        return None

    # Calls ---------------------------------------------------------------------------------------

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
        if isinstance(value, MethodType) and isinstance(value.__self__, External):
            return value.__self__
        return getattr(value, "__ember_jit__", value)

    def _static(self, node: ast.expr) -> Any:
        if isinstance(node, ast.Name):
            return self._resolve(node.id)
        assert isinstance(node, ast.Attribute)
        return getattr(self._static(node.value), node.attr, None)

    def _candidates(self, node: ast.Call) -> list[FunctionType]:
        """Return the user's functions that a call may run."""
        function = node.func
        value = self._callee(function)
        if type(value) is MethodType:
            value = value.__func__
        if type(value) is FunctionType:
            return [value] if not _is_in(effects.READ, value) else []
        if isinstance(value, type):
            made = [
                getattr(value, "__init__", None),
                getattr(value, "__new__", None),
                getattr(value, "__post_init__", None),
            ]
            return [
                one for one in made if type(one) is FunctionType and one.__code__.co_filename != "<string>"
            ]
        if isinstance(value, External):
            return []
        if isinstance(function, ast.Attribute) and value is None:
            kind = self.kind(function.value)
            if kind is _DATA or kind is _CONTAINER or isinstance(kind, tuple):
                return []
            if isinstance(kind, type):
                return _of_class(kind, function.attr)
            return methods_named(function.attr)
        if isinstance(function, (ast.Name, ast.Subscript, ast.Call)):
            kind = self.kind(function)
            if isinstance(kind, tuple):
                return [one for one in kind if type(one) is FunctionType]
        return []

    def _call(self, node: ast.Call) -> None:
        node = _as_called(node)
        function = node.func
        value = self._callee(function)
        if isinstance(value, External) or _is_gather(value) or effects.computes_on_arrays(value):
            return
        if isinstance(function, ast.Name) and function.id == "_x_amanager":
            return  # a `with`, which is looked at as such
        if isinstance(value, (ModuleType, type(None))):
            value = None
        elif _is_in(effects.READ, value) or value is print or value is contextlib.suppress:
            return
        candidates = self._candidates(node)
        arguments = _arguments(node)
        if value is not None:
            if isinstance(value, type):
                from ._calls import only_stores

                made = getattr(value, "__init__", None)
                if not only_stores(value) and not candidates and made is not object.__init__:
                    self._anything(arguments)
                arguments = [ast.Constant(None), *arguments]
            elif not candidates:
                self._anything(arguments)
        elif isinstance(function, ast.Attribute):
            base, kind = function.value, self.kind(function.value)
            arguments = [base, *arguments]
            if function.attr in ALL_CHANGING and not isinstance(kind, type):
                self.change(base)
                for one in arguments[1:]:
                    self._flows(base, self.origins(one, True))
                    self._mixes(base, one)
            elif kind is _DATA or kind is _CONTAINER or isinstance(kind, tuple):
                pass
            elif not candidates and function.attr not in READING:
                self._unknown(base)
        elif isinstance(function, ast.Name) and function.id in self._local:
            if isinstance(self.kind(function), tuple) or function.id in self._defined | self._lambdas:
                pass
            elif function.id in self._inputs:
                self.objects = True  # it is looked at when it is there
                for one in (function, *arguments):
                    self._changed(self.origins(one, True))
            else:
                self._anything(arguments)
        elif not candidates:
            self._anything(arguments)
        starred = bool(node.keywords) or any(isinstance(one, ast.Starred) for one in node.args)
        for candidate in candidates:
            self._apply(self._effects_of(candidate), arguments, starred or candidate in _static)

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
            if done.objects:
                self._unknown(one)
        if done.kept is None or (mixed and done.kept):
            everything = _NOWHERE.union(*(self.origins(one, True) for one in arguments))
            for one in arguments:
                self._flows(one, everything)
        else:
            for into, of in done.kept:
                if into < len(arguments) and of < len(arguments):
                    self._flows(arguments[into], self.origins(arguments[of], True))

    def _unknown(self, thing: ast.expr) -> None:
        """A method of `thing` that nobody knows is called."""
        if self.kind(thing) in (_DATA, _CONTAINER):
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
        if isinstance(node, (ast.Subscript, ast.Attribute)) and not isinstance(node.ctx, ast.Load):
            self.change(node.value)
            if isinstance(node, ast.Attribute) and self._module(node.value) is not None:
                self.writes = True
            if isinstance(node, ast.Attribute):
                for function in methods_named(node.attr + ".setter"):
                    self._apply(self._effects_of(function), [node.value], True)
        elif isinstance(node, ast.Attribute):
            kind = self.kind(node.value)
            if kind is _DATA or kind is _CONTAINER:
                return
            found = (
                _of_class(kind, node.attr, True)
                if isinstance(kind, type)
                else methods_named(node.attr + ".getter")
            )
            for function in found:
                self._apply(self._effects_of(function), [node.value], False)
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
            if not isinstance(node.target, ast.Name) or self.kind(node.target) is not _DATA:
                self.change(node.target)
            self._flows(node.target, self.origins(node.value, True))
            self._mixes(node.target, node.value)
        elif isinstance(node, ast.Return):
            self.outside |= {name for name in self.origins(node.value, True) if name.startswith(OUTSIDE)}
        elif isinstance(node, ast.With):
            for item in node.items:
                self._manager(item.context_expr)
        elif isinstance(node, ast.Call):
            self._call(node)

    def _manager(self, node: ast.expr) -> None:
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "_x_amanager":
            node = node.args[0]
        value = self._callee(node.func) if isinstance(node, ast.Call) else None
        if value in (contextlib.suppress, contextlib.nullcontext) or _is_in(effects.READ, value):
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

    def kinds(self) -> dict[str, Any]:
        """Return the kinds of the variables that have one: wherever in these statements they are read."""
        found = {name: self._kind_of(name) for name in {*self._assigned, *self._known_kinds}}
        return {name: kind for name, kind in found.items() if kind is not None}

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
        found = _NOWHERE.union(*(self.origins(value, True) for value in values))
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

    def result(self, body: Sequence[ast.AST]) -> Any:
        """Return the kind of all that these statements, a function's, return."""
        returns = [node.value for node in names.own(body) if isinstance(node, ast.Return)]
        kinds = [self.kind(value) for value in returns]
        return _joined(kinds) if kinds else None


def _as_called(node: ast.Call) -> ast.Call:
    """Return what stands for `await f(...)` in the form of a plain call."""
    if isinstance(node.func, ast.Name) and node.func.id == "_x_acall":
        return ast.Call(node.args[0], node.args[1:], node.keywords)
    return node


def _is_gather(value: Any) -> bool:
    return (getattr(value, "__module__", ""), getattr(value, "__name__", "")) == ("asyncio.tasks", "gather")


def _joined(kinds: Sequence[Any]) -> Any:
    """Return the kind of what may be of any of `kinds`."""
    if all(one is kinds[0] for one in kinds):
        return kinds[0]
    return _CONTAINER if all(one is _DATA or one is _CONTAINER for one in kinds) else None


def _arguments(node: ast.Call) -> list[ast.expr]:
    return [*node.args, *(keyword.value for keyword in node.keywords)]


def _is_in(table: Iterable[Any], value: Any) -> bool:
    try:
        return value in table
    except TypeError:
        return False


def _is_constant(value: Any) -> bool:
    """Whether nothing that a global stands for can be changed, but by assigning it anew."""
    if isinstance(value, type) and not is_of_user(value):
        return True
    if type(value) in effects.SCALARS - {type} or isinstance(
        value, (FunctionType, ModuleType, External, BuiltinFunctionType, re.Pattern, logging.Logger)
    ):
        return value is not None
    if isinstance(value, (tuple, frozenset)):
        return all(map(_is_constant, value))
    return hasattr(value, "__ember_jit__")


def is_of_user(cls: type) -> bool:
    """Whether a class is the user's: its attributes may be assigned."""
    if cls.__module__ in sys.builtin_module_names:
        return False
    path = getattr(sys.modules.get(cls.__module__), "__file__", None)
    return path is None or not is_installed(path)


def _table(value: Any) -> tuple[Any, ...] | None:
    """Return the functions that a global dict, list or tuple holds, if it holds nothing else."""
    if type(value) in (dict, list, tuple) and value:
        held = [
            getattr(one, "__ember_jit__", one) for one in (value.values() if type(value) is dict else value)
        ]
        if all(isinstance(one, (FunctionType, External)) for one in held):
            return tuple(held)
    return None


# The user's methods by name ---------------------------------------------------------------------

_modules_of_users: dict[str, bool] = {}
_index: dict[str, WeakSet[FunctionType]] = {}
_indexed: WeakSet[type] = WeakSet()
_static: WeakSet[FunctionType] = WeakSet()
_seen: Any = None


def forget_classes() -> None:
    """Forget the user's classes and global variables: for tests."""
    global _seen
    _seen = None
    for table in (_index, _indexed, _static, _owners, _GLOBALS, _NUMBERS):
        table.clear()


def methods_named(name: str) -> list[FunctionType]:
    """Return the functions of that name in the classes of all modules that are not installed."""
    _index_modules()
    return list(_index.get(name, ()))


def is_installed(path: str) -> bool:
    """Whether a file is the standard library's, or of an installed distribution."""
    return path.startswith(_INSTALLED) or "site-packages" in PurePath(path).parts


def _index_modules() -> None:
    global _seen
    now = (len(sys.modules), next(reversed(sys.modules), ""))
    if now == _seen:
        return
    _seen = now
    for name, module in list(sys.modules.items()):
        users = _modules_of_users.get(name)
        if users is None:
            path = getattr(module, "__file__", None)
            built_in = path is None and name != "__main__"
            ours = name == "ember" or name.startswith("ember.")
            users = _modules_of_users[name] = not built_in and not ours and not is_installed(path or "")
        if users:
            index_names(getattr(module, "__dict__", {}))


def index_names(namespace: dict[str, Any]) -> None:
    """Take the classes that a module defines into the index."""
    name = namespace.get("__name__")
    for value in list(namespace.values()):
        if isinstance(value, type) and value.__module__ == name:
            index(value)


def _of_class(cls: type, name: str, getter: bool = False) -> list[FunctionType]:
    """Return the method (or property's getter) of that name of a class, and its subclasses' own."""
    found: list[FunctionType] = []
    for one in (cls, *subclasses(cls)):
        value: Any = getattr(one, name, None)
        value = value.fget if getter and isinstance(value, property) else None if getter else value
        value = getattr(value, "__func__", value)
        value = getattr(value, "__ember_jit__", value)
        if type(value) is FunctionType and value not in found:
            found.append(value)
    return found


def subclasses(cls: type) -> list[type]:
    """Return all classes that derive from `cls`."""
    direct: list[type] = type.__subclasses__(cls)
    return [*direct, *(other for one in direct for other in subclasses(one))]


_owners: WeakKeyDictionary[FunctionType, type] = WeakKeyDictionary()


def owner_of(function: FunctionType) -> type | None:
    """Return the class whose method `function` is."""
    return _owners.get(function)


def index(cls: type) -> None:
    """Take the methods and properties of `cls` into the index."""
    if cls in _indexed:
        return
    _indexed.add(cls)
    for name, value in list(vars(cls).items()):
        if isinstance(value, property):
            for kind, function in (("getter", value.fget), ("setter", value.fset)):
                if type(function) is FunctionType:
                    _index.setdefault(f"{name}.{kind}", WeakSet()).add(function)
                    _owners[function] = cls
            continue
        function = getattr(value, "__func__", value)
        function = getattr(function, "__ember_jit__", function)
        if type(function) is FunctionType:
            _index.setdefault(name, WeakSet()).add(function)
            if not isinstance(value, (staticmethod, classmethod)):
                _owners[function] = cls
            if isinstance(value, staticmethod):
                _static.add(function)
        elif isinstance(function, type):
            index(function)
