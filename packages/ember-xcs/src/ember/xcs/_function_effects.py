"""What calling a function may do, asked of its source once; and of functions that call each other, until it holds."""

# Values here are the user's, of whatever type; what isinstance leaves of them is partly unknown to pyright.
# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false, reportUnknownMemberType=false
# pyright: reportUnknownLambdaType=false

from __future__ import annotations

import ast
import builtins
from collections.abc import Callable
from inspect import CO_ASYNC_GENERATOR, CO_COROUTINE
from types import CodeType, FunctionType
from typing import Any, Final, TypeAlias

from ember.core.marks import mark

from . import _names as names
from ._bindings import Text
from ._methods import caching, forget_classes, index_names, is_installed, methods_named, owner_of
from ._origins import ANYTHING, OUTSIDE, Effects, forget_globals
from ._pending import Pending
from ._reliance import look_again, relied_on
from ._source import NoSource, tree_of
from ._summary import Summary
from ._tasks import CHANGES, OBJECTS, PARTS, WRITES, shared_flag

Key: TypeAlias = tuple[Any, ...]
_alive: dict[int, Any] = {}
_modules: dict[str, bool] = {}


def key_of(function: FunctionType, within: tuple[CodeType, ...] = ()) -> Key:
    """Return what tells functions apart of which different things are known.

    That is their code (the same object: equal code may stand in two modules), their module, and, of what they
    capture, the functions and classes.
    """
    code = function.__code__
    if not code.co_freevars:
        return id(code), id(function.__globals__)
    captured: list[Any] = []
    for cell in function.__closure__ or ():
        try:
            value = cell.cell_contents
        except ValueError:
            captured.append(None)
            continue
        value = mark(value, "__ember_jit__", value) if callable(value) else value
        if type(value) is FunctionType:
            # Made anew by each call of the function around, it is the same to us.
            captured.append(value.__code__ in within or key_of(value, (*within, code)))
        elif callable(value) and not isinstance(value, Pending):
            captured.append(id(value))
            _alive[id(value)] = value
        else:
            captured.append(type(value))
    return id(code), id(function.__globals__), tuple(captured)


def keep(function: FunctionType) -> None:
    """Have what is known of `function` by the address of its code and of its module's variables stay true."""
    code, namespace = function.__code__, function.__globals__
    _alive[id(code)], _alive[id(namespace)] = code, namespace


# What functions may do --------------------------------------------------------------------------

_effects: dict[Key, Effects] = {}
_found: list[Key] = []
_open: dict[Key, bool] = {}


def effects_of(function: FunctionType) -> Effects:
    """Return what calling `function` may do. For functions that call each other, asked until the answers agree."""
    code, key = function.__code__, key_of(function)
    known = _effects.get(key)
    if known is not None:
        if key in _open:
            _open[key] = True
        return known
    keep(function)
    if says_it_computes(function):
        known = _effects[key] = Effects()
        return known
    if is_installed_code(function) or code.co_flags & CO_ASYNC_GENERATOR:
        known = _effects[key] = ANYTHING
        return known
    known = _effects[key] = Effects()  # for whoever asks meanwhile: itself, by recursion
    begun = len(_found)
    _open[key] = False
    try:
        for _ in range(8):
            fresh = _effects_now(function)
            settled = fresh == known or not _open[key]
            known = _effects[key] = fresh
            if settled:
                break
            for one in _found[begun:]:  # these may have been told too little
                _effects.pop(one, None)
            del _found[begun:]
        else:
            known = _effects[key] = ANYTHING
    finally:
        del _open[key]
    if _open:
        _found.append(key)
    else:
        _found.clear()
    return known


def flags_of_methods(*names: str) -> int:
    """Return the flags of a task that calls methods of these names of something that is not there yet.

    They may be any of that name in the user's classes.
    """
    flags = 0
    shared: set[str] = set()
    for name in names:
        for function in methods_named(name):
            done = effects_of(function)
            flags |= (WRITES if done.writes else 0) | (OBJECTS if done.objects else 0)
            flags |= (PARTS if done.parts else 0) | (CHANGES if done.changed or function in caching else 0)
            shared |= done.shared
    return flags | shared_flag(shared)


def is_asking() -> bool:
    """Whether effects are being found out: what is known of functions that call each other may still change."""
    return bool(_open)


forgets: list[Callable[[], None]] = []
"""What is called to forget what else is known by keys of functions."""


def forget_functions() -> None:
    """Forget what functions may do: some have been replaced, or too many are known."""
    for forget in forgets:
        forget()
    look_again()
    _effects.clear()
    _alive.clear()
    looked_into.clear()


def forget_effects() -> None:
    """Forget what functions may do, and the classes and variables of their modules: for tests."""
    forget_functions()
    forget_classes()
    forget_globals()


def _self_of(function: FunctionType) -> tuple[str, type] | None:
    """Return the name of a method's first parameter, and its class."""
    cls, code = owner_of(function), function.__code__
    return (code.co_varnames[0], cls) if cls is not None and code.co_argcount else None


def _effects_now(function: FunctionType) -> Effects:
    code = function.__code__
    try:
        tree, kinds, whole, body = look_into(function)
    except (NoSource, RecursionError):
        return ANYTHING
    looked_into[key_of(function)] = tree, kinds
    if len(looked_into) > _MOST_TREES:
        del looked_into[next(iter(looked_into))]
    arguments = code.co_argcount + code.co_kwonlyargcount
    extra = bool(code.co_flags & 0x04) + bool(code.co_flags & 0x08)
    parameters = set(code.co_varnames[: arguments + extra])
    positions = code.co_varnames[: code.co_argcount]
    changed = sum(1 << place for place, name in enumerate(positions) if name in whole.changed)
    if whole.changed & (parameters - set(positions)):
        changed = -1
    return Effects(
        whole.writes,
        whole.objects,
        changed,
        frozenset(whole.shared),
        frozenset(name for name in whole.outside if name.startswith(OUTSIDE)),
        None if extra else whole.kept(positions),
        (function,) if whole.gives_closures(body) else whole.result(body),
        whole.gives(positions, [node.value for node in names.own(body) if isinstance(node, ast.Return)]),
        whole.parts,
    )


looked_into: dict[Key, tuple[Any, dict[str, Any]]] = {}
"""The trees of functions that may be lowered next, and the kinds of their variables. Lowering changes them."""
_MOST_TREES: Final = 64


def look_into(function: FunctionType) -> tuple[Any, dict[str, Any], Summary, list[Any]]:
    """Return a function's tree, the kinds of its variables, and what its statements may do. Raises `NoSource`."""
    code = function.__code__
    tree = _mangled(tree_of(code), function)
    if code.co_flags & CO_COROUTINE:
        from ._awaits import Synchronous  # asyncio: only for those who use it

        tree.body = [Synchronous().visit(one) for one in tree.body]
    index_names(function.__globals__)
    inside: Any = tree.body
    body: list[Any] = [ast.Return(inside)] if isinstance(tree, ast.Lambda) else list(inside)
    extra = bool(code.co_flags & 0x04) + bool(code.co_flags & 0x08)
    parameters = set(code.co_varnames[: code.co_argcount + code.co_kwonlyargcount + extra])
    text = Text(
        body,
        set(code.co_varnames) | set(code.co_cellvars),
        resolver(function),
        effects_of,
        parameters,
        function.__globals__,
        None,
        _self_of(function),
    )
    summary = Summary(text)
    return tree, summary.kinds(), summary, body


def says_it_computes(function: FunctionType) -> bool:
    """Whether its author says that it reads what it is given, and changes nothing that others see.

    Siblings do, of functions whose code looks as if it might do anything: they cannot be named here.
    """
    return function.__dict__.get("__ember_computes__") is True


def is_installed_code(function: FunctionType) -> bool:
    if function.__globals__.get("__ember_lower__") is True:
        return False
    name = str(function.__globals__.get("__name__"))
    if name.startswith(("ember.xcs.", "ember.core.", "ember.context.", "ember.operators.")):
        return True  # wherever it is installed from
    return is_installed_file(function.__code__.co_filename)


def is_installed_file(name: str) -> bool:
    """Whether a file is the standard library's or an installed distribution's."""
    known = _modules.get(name)
    if known is None:
        known = _modules[name] = is_installed(name)
    return known


def resolver(function: FunctionType) -> Any:
    """Return a function that says what a name that is not local to `function` stands for now."""
    free = dict(zip(function.__code__.co_freevars, function.__closure__ or ()))

    def resolve(name: str) -> Any:
        """What a name that is not local stands for now; None if that is not known."""
        if name in free:
            try:
                return free[name].cell_contents
            except ValueError:
                return None
        namespace = function.__globals__
        found = namespace.get(name)
        if found is None:
            return getattr(builtins, name, None)
        return None if callable(found) and not relied_on(namespace, name, found) else found

    return resolve


class _Mangle(ast.NodeTransformer):
    def __init__(self, cls: str) -> None:
        self._prefix = f"_{cls.lstrip('_')}"

    def _name(self, name: str) -> str:
        return self._prefix + name if name.startswith("__") and not name.endswith("__") else name

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        node.attr = self._name(node.attr)
        return self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> ast.AST:
        node.id = self._name(node.id)
        return node


def _mangled(tree: Any, function: FunctionType) -> Any:
    """Give private names (`self.__x`) the form that they have in a class."""
    parts = function.__qualname__.split(".")
    if len(parts) < 2 or parts[-2] == "<locals>":
        return tree
    return _Mangle(parts[-2]).visit(tree)
