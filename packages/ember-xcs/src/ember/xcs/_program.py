"""From a user's function to its lowered twin: once for each code object, kept as long as the process."""

# Values here are the user's, of whatever type; what isinstance leaves of them is partly unknown to pyright.
# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false, reportUnknownMemberType=false
# pyright: reportUnknownLambdaType=false

from __future__ import annotations

import ast
import builtins
import operator
import os
import re
from contextvars import ContextVar
from inspect import CO_ASYNC_GENERATOR, CO_COROUTINE, CO_GENERATOR
from threading import RLock
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any, Final, TypeAlias
from weakref import WeakKeyDictionary

from ember.core.externals import External

from . import _effects as effects, _names as names
from ._lower import Lowering
from ._methods import forget_classes, index_names, is_installed, owner_of
from ._origins import ANYTHING, OUTSIDE, Effects, forget_globals
from ._pending import Pending
from ._source import NoSource, nonlocals_of, tree_of
from ._summary import Summary
from ._tasks import OBJECTS, WRITES, shared_flag
from ._trees import Unsupported, load

Key: TypeAlias = tuple[Any, ...]


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
        self._cells: tuple[Any, ...] = ()
        self._twins: WeakKeyDictionary[FunctionType, FunctionType] = WeakKeyDictionary()

    def twin(self, function: FunctionType) -> FunctionType:
        """Return the lowered form of `function`, with its globals, defaults and captured variables."""
        found = self._twins.get(function)
        if found is not None:
            return found
        code = self.code
        assert code is not None
        own = dict(zip(function.__code__.co_freevars, function.__closure__ or ()))
        cells = tuple(own[name] if name in own else _cell(name, function) for name in code.co_freevars)
        made = FunctionType(code, function.__globals__, function.__name__, function.__defaults__, cells)
        made.__kwdefaults__ = function.__kwdefaults__
        made.__qualname__, made.__module__ = function.__qualname__, function.__module__
        self._twins[function] = made
        return made


NO_CALL: Final = "it makes no external call"
_programs: dict[Key, Program] = {}
_under_way: dict[Key, Program] = {}
_alive: dict[int, Any] = {}
_lowering = RLock()
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
        value = getattr(value, "__ember_jit__", value) if callable(value) else value
        if type(value) is FunctionType:
            # Made anew by each call of the function around, it is the same to us.
            captured.append(value.__code__ in within or key_of(value, (*within, code)))
        elif callable(value) and not isinstance(value, Pending):
            captured.append(id(value))
            _alive[id(value)] = value
        else:
            captured.append(type(value))
    return id(code), id(function.__globals__), tuple(captured)


def program_of(function: FunctionType) -> Program:
    """Return what is known of `function`."""
    found = _programs.get(key_of(function))
    return _looked_at(function) if found is None else found


def _looked_at(function: FunctionType) -> Program:
    code, key = function.__code__, key_of(function)
    with _lowering:
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


def forget() -> None:
    """Forget all lowered functions: for tests."""
    _programs.clear()
    _effects.clear()
    _alive.clear()
    _looked_into.clear()
    forget_classes()
    forget_globals()


def _lowered(function: FunctionType) -> Program:
    program = Program()
    code = function.__code__
    if hasattr(function, "__wrapped__") and "__wrapped__" in function.__dict__:
        pass  # a wrapper is a function like another
    if _says_it_computes(function):
        program.reason, program.computes, program.vouched = NO_CALL, True, True
        return program
    if _is_installed(function):
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
        found = _looked_into.pop(key_of(function), None)
        tree, kinds = _look_into(function)[:2] if found is None else found
        if program.asynchronous:
            program.closed = _is_closed(tree, function)
        local = set(code.co_varnames) | set(code.co_cellvars)
        outer = nonlocals_of(code.co_filename) & frozenset(code.co_freevars)
        plain_body: list[Any] = [tree.body] if isinstance(tree, ast.Lambda) else list(tree.body)
        program.writes, program.objects, program.changed = whole.writes, whole.objects, whole.changed
        program.gives, program.outside = whole.gives, whole.gives < 0
        if not _reaches(plain_body, local, resolve):
            program.reason = NO_CALL
            program.computes = not (
                outer or whole.writes or whole.objects or whole.changed or whole.shared
            ) and not names.has(plain_body, ast.Attribute)
            if program.computes or whole.writes:
                return program
            program.reason = ""

        def summary(statements: Any) -> Summary:
            inputs = local - names.stored(statements)
            return Summary(statements, local, resolve, effects_of, inputs, function.__globals__, kinds)

        program.flags = (
            (WRITES if whole.writes else 0) | (OBJECTS if whole.objects else 0) | shared_flag(whole.shared)
        )

        def reaches(statements: Any, data: set[str]) -> bool:
            return _reaches(statements, local, resolve, data)

        program.sets = _sets(plain_body, local, resolve)
        if program.sets and program.generator:
            raise Unsupported("it is a generator that sets a variable of the context")

        def stays(statements: Any) -> bool:
            return program.sets and _sets(statements, local, resolve)

        lowering = Lowering(tree, frozenset(code.co_freevars), resolve, summary, reaches, stays, outer)
        program.code = _compiled(lowering, function)
        program.waits, program.lowered = lowering.waits, True
    except (Unsupported, NoSource) as error:
        program.reason = str(error)
        program.lowered = False
    except RecursionError:
        program.reason = "its expressions are nested too deeply"
        program.lowered = False
    return program


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
    _alive[id(code)], _alive[id(function.__globals__)] = code, function.__globals__
    if _says_it_computes(function):
        known = _effects[key] = Effects()
        return known
    if _is_installed(function) or code.co_flags & CO_ASYNC_GENERATOR:
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


def _self_of(function: FunctionType) -> tuple[str, type] | None:
    """Return the name of a method's first parameter, and its class."""
    cls, code = owner_of(function), function.__code__
    return (code.co_varnames[0], cls) if cls is not None and code.co_argcount else None


def _effects_now(function: FunctionType) -> Effects:
    code = function.__code__
    try:
        tree, kinds, whole, body = _look_into(function)
    except (NoSource, RecursionError):
        return ANYTHING
    _looked_into[key_of(function)] = tree, kinds
    if len(_looked_into) > _MOST_TREES:
        del _looked_into[next(iter(_looked_into))]
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
    )


_looked_into: dict[Key, tuple[Any, dict[str, Any]]] = {}
"""The trees of functions that may be lowered next, and the kinds of their variables. Lowering changes them."""
_MOST_TREES: Final = 64


def _look_into(function: FunctionType) -> tuple[Any, dict[str, Any], Summary, list[Any]]:
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
    summary = Summary(
        body,
        set(code.co_varnames) | set(code.co_cellvars),
        resolver(function),
        effects_of,
        parameters,
        function.__globals__,
        None,
        _self_of(function),
    )
    return tree, summary.kinds(), summary, body


def _reaches(body: list[ast.AST], local: set[str], resolve: Any, data: set[str] = frozenset()) -> bool:  # type: ignore[assignment]
    """Whether these statements may make an external call, as far as can be told."""
    for top in body:
        for node in names.walk(top):
            if isinstance(node, ast.Call):
                target = node.func
                if isinstance(target, ast.Name) and target.id not in local:
                    value = resolve(target.id)
                    try:
                        if (
                            value is not None
                            and value in effects.READ - effects.CALLS_BACK
                            and not isinstance(value, External)
                        ):
                            continue
                    except TypeError:
                        pass
                    if type(value) is FunctionType and program_of(value).computes:
                        continue
                elif (
                    isinstance(target, ast.Attribute)
                    and isinstance(target.value, ast.Name)
                    and target.value.id not in local
                ):
                    owner = resolve(target.value.id)
                    if isinstance(owner, ModuleType):
                        try:
                            if getattr(owner, target.attr, None) in effects.READ - effects.CALLS_BACK:
                                continue
                        except TypeError:
                            pass
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
            target = getattr(target, "__ember_jit__", target)
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


def _says_it_computes(function: FunctionType) -> bool:
    """Whether its author says that it reads what it is given, and changes nothing that others see.

    Siblings do, of functions whose code looks as if it might do anything: they cannot be named here.
    """
    return function.__dict__.get("__ember_computes__") is True


def _is_installed(function: FunctionType) -> bool:
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
        found = function.__globals__.get(name)
        return getattr(builtins, name, None) if found is None else found

    return resolve


def _compiled(lowering: Lowering, function: FunctionType) -> CodeType:
    node = lowering.node
    code = function.__code__
    body = lowering.block(lowering.body)
    unbound = sorted(lowering.sentinels - set(lowering.parameters) - lowering.captured)
    if unbound:
        first: list[ast.stmt] = [
            ast.Assign([ast.Name(name, ast.Store()) for name in unbound], lowering.hook("UNBOUND"))
        ]
        body = first + body
    args = node.args
    args.defaults = []
    args.kw_defaults = [None] * len(args.kwonlyargs)
    for one in [*args.posonlyargs, *args.args, *args.kwonlyargs, args.vararg, args.kwarg]:
        if one is not None:
            one.annotation = None
    # Defaults are set on the twin; here they only have to leave room.
    name = "<lambda>" if isinstance(node, ast.Lambda) else node.name
    inner = ast.FunctionDef(
        name="_x_program", args=args, body=body or [ast.Pass()], decorator_list=[], returns=None
    )
    free = [*sorted(f"_x_{hook}" for hook in lowering.hooks), *code.co_freevars]
    free = list(dict.fromkeys(free))
    outer = ast.FunctionDef(
        name="_x_make",
        args=ast.arguments([], [ast.arg(one) for one in free], None, [], [], None, []),
        body=[inner, ast.Return(load("_x_program"))],
        decorator_list=[],
        returns=None,
    )
    module = ast.Module([outer], [])
    ast.copy_location(inner, node)
    ast.copy_location(outer, node)
    ast.fix_missing_locations(module)
    try:
        whole = compile(module, code.co_filename, "exec", dont_inherit=True, flags=code.co_flags & 0x1000000)
    except (SyntaxError, ValueError) as error:
        raise Unsupported(f"its lowered form does not compile ({error})") from None
    made = _find(whole, "_x_program")
    return _named(made, made.co_qualname, code, _lambdas(code)).replace(co_name=name)


def _named(code: CodeType, prefix: str, original: CodeType, lambdas: set[int]) -> CodeType:
    """Give `code` and what is in it the names of the user's source, which has lambdas on the lines `lambdas`."""
    constants = tuple(
        _named(c, prefix, original, lambdas) if isinstance(c, CodeType) else c for c in code.co_consts
    )
    if (
        code.co_name == "<lambda>" and code.co_firstlineno not in lambdas
    ):  # lowering's: an element, an operand
        return code.replace(co_consts=constants, co_name=original.co_name, co_qualname=original.co_qualname)
    name = _REGION.sub("", code.co_qualname.replace(prefix, original.co_qualname, 1))
    return code.replace(co_consts=constants, co_qualname=name)


def _lambdas(code: CodeType) -> set[int]:
    """Return the lines on which lambdas of the user's begin in `code`."""
    found = {code.co_firstlineno} if code.co_name == "<lambda>" else set()
    return found.union(*(_lambdas(one) for one in code.co_consts if isinstance(one, CodeType)))


_REGION: Final = re.compile(r"_x_r\d+\.<locals>\.")


def _find(code: CodeType, name: str) -> CodeType:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            if constant.co_name == name:
                return constant
            try:
                return _find(constant, name)
            except LookupError:
                continue
    raise LookupError(name)


def _cell(name: str, function: FunctionType) -> Any:
    if name.startswith("_x_"):
        hook = name[3:]
        if hook == "globals":
            return _made_cell(function.__globals__)
        return _made_cell(_hook(hook))
    raise LookupError(name)


def _made_cell(value: Any) -> Any:
    return (lambda: value).__closure__[0]  # type: ignore[index]


_BUILTINS: Final = {"BaseException": BaseException, "AssertionError": AssertionError, "locals": locals}


def _hook(name: str) -> Any:
    from . import _attributes, _calls, _containers, _control, _displays, _iterators, _method_calls, _ops
    from ._tasks import Abandoned

    if name.startswith("op_"):
        return getattr(operator, name[3:])
    if name in _BUILTINS:
        return _BUILTINS[name]
    if name == "Abandoned":
        return Abandoned
    modules: tuple[ModuleType, ...] = (
        _ops,
        _containers,
        _attributes,
        _calls,
        _method_calls,
        _control,
        _displays,
        _iterators,
    )
    if name in ("acall", "awaited", "amanager", "asteps"):
        from . import _awaits

        modules = (_awaits,)
    for module in modules:
        if name in vars(module):
            return vars(module)[name]
    raise LookupError(name)


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
