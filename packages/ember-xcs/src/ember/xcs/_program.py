"""From a user's function to its lowered twin: once for each code object, kept as long as the process."""

# Values here are the user's, of whatever type; what isinstance leaves of them is partly unknown to pyright.
# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false, reportUnknownMemberType=false
# pyright: reportUnknownLambdaType=false

from __future__ import annotations

import ast
import os
from contextvars import ContextVar
from inspect import CO_ASYNC_GENERATOR, CO_COROUTINE, CO_GENERATOR
from threading import RLock
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any, Final
from weakref import WeakKeyDictionary

from ember.core.externals import External
from ember.core.marks import mark

from . import _effects as effects, _names as names
from ._bindings import Text
from ._compiling import cell_for, compiled
from ._function_effects import (
    Key,
    effects_of,
    forget_effects,
    forget_functions,
    is_installed_code,
    key_of,
    look_into,
    looked_into,
    resolver,
    says_it_computes,
)
from ._lower import Lowering
from ._reliance import relied_on
from ._source import NoSource, nonlocals_of, was_written_since
from ._summary import Summary
from ._tasks import OBJECTS, PARTS, WRITES, shared_flag
from ._trees import Unsupported


class Program:
    """What is known of one function: whether it is lowered, whether it may wait, what it may change.

    `reason` says why a function is run as it is. `computes` says that it makes no external call and changes nothing;
    `vouched`, that its author says so, of whatever it is given.
    """

    __slots__ = (
        "_cells",
        "_twins",
        "asynchronous",
        "changed",
        "closed",
        "code",
        "computes",
        "flags",
        "generator",
        "gives",
        "lowered",
        "objects",
        "origin",
        "outside",
        "reason",
        "sets",
        "vouched",
        "waits",
        "writes",
    )

    def __init__(self) -> None:
        self.lowered = self.computes = self.waits = self.asynchronous = self.generator = False
        self.closed = True
        self.sets = self.vouched = False
        self.writes = self.objects = True
        self.changed = self.gives = -1
        self.outside = True
        self.flags = WRITES
        self.reason = ""
        self.code: CodeType | None = None
        self.origin: Any = None
        self._cells: dict[str, Any] | None = None
        self._twins: WeakKeyDictionary[FunctionType, FunctionType] = WeakKeyDictionary()

    def twin(self, function: FunctionType) -> FunctionType:
        """Return the lowered form of `function`, with its globals, defaults and captured variables."""
        closure = function.__closure__
        if closure is None:
            found = self._twins.get(function)
            if found is not None:
                return found
        code, hooks = self.code, self._cells
        assert code is not None
        if hooks is None:
            own = function.__code__.co_freevars
            hooks = {name: cell_for(name, function) for name in code.co_freevars if name not in own}
            self._cells = hooks
        if closure is None:
            cells = tuple(hooks[name] for name in code.co_freevars)
        else:
            every = {**hooks, **dict(zip(function.__code__.co_freevars, closure))}
            cells = tuple(every[name] for name in code.co_freevars)
        made = FunctionType(code, function.__globals__, function.__name__, function.__defaults__, cells)
        made.__kwdefaults__ = function.__kwdefaults__
        made.__qualname__, made.__module__ = function.__qualname__, function.__module__
        if closure is None:  # else it may hold the function itself, which would be kept for ever
            self._twins[function] = made
        return made


NO_CALL: Final = "it makes no external call"
_programs: dict[Key, Program] = {}
_MOST: Final = 4_096
"""So many functions are known at once; they keep alive what they capture. With one more, all are looked into anew."""
_under_way: dict[Key, Program] = {}
_lowering = RLock()


def program_of(function: FunctionType) -> Program:
    """Return what is known of `function`."""
    found = _programs.get(key_of(function))
    return _looked_at(function) if found is None else found


def _looked_at(function: FunctionType) -> Program:
    code, key = function.__code__, key_of(function)
    with _lowering:
        if len(_programs) >= _MOST and not _under_way:
            forget_programs()
        found = _programs.get(key) or _under_way.get(key)
        if found is None:
            found = _under_way[key] = Program()  # for whoever asks meanwhile: itself, by recursion
            found.origin = (
                function.__code__,
                function.__globals__,
            )  # what is known by its address must live on
            found.lowered = True
            found.asynchronous = bool(code.co_flags & CO_COROUTINE)
            found.generator = bool(code.co_flags & CO_GENERATOR)
            found.waits, found.writes, found.objects, found.flags = True, False, False, 0
            try:
                fresh = _lowered(function)
                for slot in Program.__slots__:
                    if slot not in ("_twins", "origin"):
                        setattr(found, slot, getattr(fresh, slot))
                _programs[key] = found
            finally:
                del _under_way[key]
        return found


def _after_fork() -> None:
    global _lowering
    _lowering = RLock()  # another thread of the parent may have held it
    _under_way.clear()


os.register_at_fork(after_in_child=_after_fork)


def forget_programs() -> None:
    """Forget all lowered functions. Those under way go on as they are."""
    with _lowering:
        _programs.clear()
        forget_functions()


def forget() -> None:
    """Forget all that is known: for tests."""
    _programs.clear()
    forget_effects()


def _lowered(function: FunctionType) -> Program:
    program = Program()
    code = function.__code__
    if hasattr(function, "__wrapped__") and "__wrapped__" in function.__dict__:
        pass  # a wrapper is a function like another
    if says_it_computes(function):
        program.reason, program.computes, program.vouched = NO_CALL, True, True
        return program
    if is_installed_code(function):
        program.reason = "it is installed code"
        return program
    if code.co_flags & CO_ASYNC_GENERATOR:
        program.reason = "it is an asynchronous generator"
        return program
    program.generator = bool(code.co_flags & CO_GENERATOR)
    program.asynchronous = bool(code.co_flags & CO_COROUTINE)
    resolve = resolver(function)
    try:
        whole = effects_of(function)
        found = looked_into.pop(key_of(function), None)
        tree, kinds = look_into(function)[:2] if found is None else found
        if program.asynchronous:
            program.closed = _is_closed(tree, function)
        local = set(code.co_varnames) | set(code.co_cellvars)
        outer = frozenset(code.co_freevars)
        if not was_written_since(code.co_filename):  # else those beside it may no longer be what they were
            outer &= nonlocals_of(code.co_filename)
        plain_body: list[Any] = [tree.body] if isinstance(tree, ast.Lambda) else list(tree.body)
        program.writes, program.objects, program.changed = whole.writes, whole.objects, whole.changed
        program.gives, program.outside = whole.gives, whole.gives < 0
        if not _reaches(plain_body, local, resolve):
            program.reason = NO_CALL
            program.computes = not (
                outer or whole.writes or whole.objects or whole.parts or whole.changed or whole.shared
            ) and not names.has(plain_body, ast.Attribute)
            if program.computes or whole.writes:
                return program
            program.reason = ""

        def summary(statements: Any) -> Summary:
            inputs = local - names.stored(statements)
            return Summary(Text(statements, local, resolve, effects_of, inputs, function.__globals__, kinds))

        program.flags = (
            (WRITES if whole.writes else 0)
            | (OBJECTS if whole.objects else 0)
            | (PARTS if whole.parts else 0)
            | shared_flag(whole.shared)
        )

        def reaches(statements: Any, data: set[str]) -> bool:
            return _reaches(statements, local, resolve, data)

        program.sets = _sets(plain_body, local, resolve)
        if program.sets and program.generator:
            raise Unsupported("it is a generator that sets a variable of the context")

        def stays(statements: Any) -> bool:
            return program.sets and _sets(statements, local, resolve)

        lowering = Lowering(tree, frozenset(code.co_freevars), resolve, summary, reaches, stays, outer)
        program.code = compiled(lowering, function)
        program.waits, program.lowered = lowering.waits, True
    except (Unsupported, NoSource) as error:
        program.reason = str(error)
        program.lowered = False
    except RecursionError:
        program.reason = "its expressions are nested too deeply"
        program.lowered = False
    return program


def _reaches(body: list[ast.AST], local: set[str], resolve: Any, data: set[str] = frozenset()) -> bool:  # type: ignore[assignment]
    """Whether these statements may make an external call, as far as can be told."""
    for top in body:
        for node in names.walk(top):
            if isinstance(node, ast.Call):
                target = node.func
                if isinstance(target, ast.Name) and target.id not in local:
                    value = resolve(target.id)
                    if effects.is_among(value, effects.READ - effects.CALLS_BACK):
                        continue
                    if type(value) is FunctionType and program_of(value).computes:
                        continue
                elif (
                    isinstance(target, ast.Attribute)
                    and isinstance(target.value, ast.Name)
                    and target.value.id not in local
                ):
                    owner = resolve(target.value.id)
                    if isinstance(owner, ModuleType):
                        value = getattr(owner, target.attr, None)
                        if effects.is_among(value, effects.READ - effects.CALLS_BACK) and relied_on(
                            vars(owner), target.attr, value
                        ):
                            continue
                elif isinstance(target, ast.Attribute) and (
                    isinstance(target.value, (ast.JoinedStr, ast.Constant))
                    or (isinstance(target.value, ast.Name) and target.value.id in data)
                ):
                    continue
                return True
            if (
                isinstance(node, ast.Attribute)
                and isinstance(node.ctx, ast.Load)
                and not _harmless(node, local, resolve, data)
            ):
                return True  # a property may do anything
            if isinstance(
                node, (ast.With, ast.Import, ast.ImportFrom, ast.ClassDef, ast.Lambda, ast.FunctionDef)
            ):
                return True
    return False


def _harmless(node: ast.Attribute, local: set[str], resolve: Any, data: set[str]) -> bool:
    """Whether this attribute is one of a module's, of a string's, or of a container that was made here."""
    base = node.value
    if isinstance(base, (ast.JoinedStr, ast.Constant)):
        return True
    if not isinstance(base, ast.Name):
        return False
    return base.id in data or (base.id not in local and isinstance(resolve(base.id), ModuleType))


def _is_closed(tree: ast.AST, function: FunctionType) -> bool:
    """Whether an asynchronous function awaits only external calls and functions like itself: nothing of asyncio's."""
    resolve, local = resolver(function), set(function.__code__.co_varnames)

    def static(node: ast.expr) -> Any:
        if isinstance(node, ast.Attribute):
            return getattr(static(node.value), node.attr, None)
        return resolve(node.id) if isinstance(node, ast.Name) and node.id not in local else None

    for node in names.walk(tree):
        if isinstance(node, ast.Name) and node.id in ("_x_awaited", "_x_amanager", "_x_asteps"):
            return False
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "_x_acall":
            target = static(node.args[0])
            target = mark(target, "__ember_jit__", target)
            if isinstance(target, MethodType) and isinstance(target.__self__, External):
                continue
            if not isinstance(target, FunctionType):
                return False
            if target.__module__ == "asyncio.tasks" and target.__name__ == "gather":
                continue
            program = program_of(target)
            if not (program.lowered and program.closed):
                return False
    return True


def _sets(nodes: list[ast.AST], local: set[str], resolve: Any) -> bool:
    """Whether these statements set a variable of the context: calls after it must not be sent before."""
    for top in nodes:
        for node in names.walk(top):
            if not isinstance(node, ast.Call):
                continue
            function, found = node.func, False
            if isinstance(function, ast.Attribute):
                base = function.value
                if isinstance(base, ast.Name) and base.id not in local:
                    found = function.attr in ("set", "reset") and isinstance(resolve(base.id), ContextVar)
            elif isinstance(function, ast.Name) and function.id not in local:
                value = resolve(function.id)
                found = type(value) is FunctionType and program_of(value).sets
            if found:
                return True
    return False
