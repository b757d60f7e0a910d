"""Is a function numeric? Read off its bytecode, and that of all it can reach: abstract evaluation proves nothing.

`len(str(x))` evaluates abstractly without a complaint, to the length of the text `JitTracer(float32[3])`. So everything
a function names must be known to compute and to do nothing else. Bytecode and not source: it is there in a REPL too,
and in it names are resolved already.
"""

from __future__ import annotations

import builtins
import dis
import enum
import sys
from collections.abc import Iterable
from dataclasses import fields, is_dataclass
from functools import partial
from inspect import CO_ASYNC_GENERATOR, CO_COROUTINE, CO_GENERATOR, CO_ITERABLE_COROUTINE
from types import (
    BuiltinFunctionType,
    CellType,
    CodeType,
    FunctionType,
    MethodType,
    MethodWrapperType,
    ModuleType,
)
from typing import Any, Final, NoReturn, cast

from ember.core.externals import External

from . import _numeric_names as names
from ._jax import kind_of
from ._numeric_guards import MISSING, Guards, contents

_ATOMS: Final = (
    type(None),
    bool,
    int,
    float,
    complex,
    str,
    bytes,
    range,
    slice,
    type(...),
    type(NotImplemented),
)
_WRAPPED: Final = ("__wrapped__", "method", "fget", "func", "fun")
_GENERATED: Final = "<string>"  # the file of what dataclasses and namedtuples write
_WRITERS: Final = frozenset(("dataclasses", "typing", "enum", "collections"))
"""Modules of the standard library that write methods into classes of users."""
_NOT_CALLED: Final = frozenset(
    str.split(
        """
        __repr__ __str__ __format__ __init_subclass__ __class_getitem__ __reduce__ __reduce_ex__
        __getstate__ __setstate__ __sizeof__ __dir__  __getnewargs__ __setattr__ __delattr__
        __subclasshook__ __replace__ __annotate__ __annotate_func__
        """
    )
)


class NotNumeric(Exception):
    """Why a function, or a call of it, is none of numbers only."""


class Check:
    """The check of one function: raises `NotNumeric`, or leaves behind what it relied on."""

    def __init__(self) -> None:
        self.guards = Guards()
        self.asks_for_types = False
        """Whether it may matter if a value is a Python number or stands for one."""
        self.changes_in_place = False
        """Whether `+=` and the like occur, which change a numpy array, and replace an abstract value."""
        self._seen: set[object] = set()
        self._kept: list[object] = []  # so that no id in `_seen` is given away again
        self._classes: list[type[Any]] = []
        self._attributes: set[str] = set()
        self._percent: str | None = None
        self._path = "a value"  # what was named last
        self._has_template = False

    def of(self, values: Iterable[object]) -> Check:
        """Check all that is reached from `values`: functions, classes, or what they use."""
        try:
            for value in values:
                self._admit(value, _name_of(value))
            self._methods()
        except NotNumeric:
            raise
        except (
            Exception
        ) as error:  # an object of a user's that minds being looked at, or a very deep nest of calls
            raise NotNumeric(f"it cannot be looked at: {type(error).__name__}") from None
        if self._percent and self._has_template:
            raise NotNumeric(f"{self._percent}: `%` may make text of a value")
        self.guards.settle()
        return self

    # What is named

    def _admit(self, value: Any, where: str) -> None:
        kind = kind_of(value)
        if isinstance(value, str) and "%" in value:
            self._has_template = True
        if kind in _ATOMS or _is_array(value):
            return
        if self._again(value):
            return
        if isinstance(value, External):
            raise NotNumeric(f"{where} makes the external call {value.name}")
        if isinstance(value, FunctionType):
            self._function(value, where)
        elif isinstance(value, MethodType):
            self._admit(value.__func__, where)
            self._admit(value.__self__, where)
        elif isinstance(value, type):
            self._class(cast("type[Any]", value), where)
        elif isinstance(value, ModuleType):
            if _root(value.__name__) not in names.PURE_LIBRARIES and value.__name__ not in names.PURE_MODULES:
                raise NotNumeric(f"{where} uses the module {value.__name__} as a value")
        elif isinstance(value, BuiltinFunctionType | MethodWrapperType):
            self._builtin(value, where)
        elif kind in (tuple, frozenset) or _is_namedtuple(kind):
            for inner in value:
                self._admit(inner, where)
            self._class(kind, where)
        elif isinstance(value, partial):
            for inner in (value.func, *value.args, *value.keywords.values()):
                self._admit(inner, where)
        elif kind.__module__ == "numpy" and kind.__name__ in ("ufunc", "_ArrayFunctionDispatcher"):
            self._numpy(value, where)
        elif isinstance(value, enum.Enum):
            self._class(kind, where)
        elif _is_numpy_constant(value):
            pass
        elif is_dataclass(value) and getattr(kind, "__dataclass_params__").frozen:  # noqa: B009
            for field in fields(value):
                self._admit(getattr(value, field.name, None), where)
            self._class(kind, where)
        elif _root(kind.__module__) in names.PURE_LIBRARIES or kind.__module__.startswith("ember.xcs"):
            self._inside(value, where)
        else:
            raise NotNumeric(f"{where} uses {self._path}, a {kind.__name__}, which may change between calls")

    def _function(self, function: FunctionType, where: str) -> None:
        module = str(function.__globals__.get("__name__", ""))
        if _root(module) in names.PURE_LIBRARIES:
            if function.__name__ in names.REFUSED_OF_JAX:
                raise NotNumeric(f"{where} uses {module}.{function.__name__}")
            self._inside(function, where)
        elif module.startswith("ember.xcs"):
            if function.__name__ not in names.TRANSFORMS and not hasattr(function, "__wrapped__"):
                raise NotNumeric(f"{where} uses xcs.{function.__name__}, which is none of numbers")
            self._inside(function, where)
        elif f"{module}.{function.__name__}" in names.PURE_FUNCTIONS:
            pass
        elif _root(module) == "numpy":
            self._numpy(function, where)
        elif module in sys.stdlib_module_names:
            raise NotNumeric(f"{where} calls {module}.{function.__name__}")
        else:
            for default in (*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()):
                self._admit(default, f"a default of {function.__qualname__}")
            cells = dict(zip(function.__code__.co_freevars, function.__closure__ or ()))
            self._code(function.__code__, function.__globals__, cells)

    def _inside(self, value: Any, where: str) -> None:
        """A library's object may hold functions of the user's: `jax.value_and_grad(loss)`, `optax.chain(mine)`."""
        for name in _WRAPPED:
            inner = getattr(value, name, None)
            if callable(inner):
                self._admit(inner, where)
        for cell in getattr(value, "__closure__", None) or ():
            inner = contents(cell)
            if callable(inner):
                self._admit(inner, where)

    def _builtin(self, value: Any, where: str) -> None:
        module, name, owner = str(value.__module__), value.__name__, value.__self__
        if owner is not None and not isinstance(owner, ModuleType | type):
            self._admit(owner, where)
        elif module == "builtins":
            self._named_builtin(name, where)
        elif module in names.MODULES_OF_NUMPY:
            self._numpy(value, where)
        elif (
            module not in names.PURE_MODULES
            and f"{module}.{name}" not in names.PURE_FUNCTIONS
            and _root(module) not in names.PURE_LIBRARIES
        ):
            raise NotNumeric(f"{where} calls {module}.{name}")

    def _named_builtin(self, name: str, where: str) -> None:
        value = getattr(builtins, name)
        if isinstance(value, type) and issubclass(value, BaseException):
            return
        if name not in names.BUILTINS:
            raise NotNumeric(f"{where} calls {name}()")
        self.asks_for_types |= name in names.ASKS_FOR_A_TYPE

    def _numpy(self, value: Any, where: str) -> None:
        name, module = value.__name__, getattr(value, "__module__", "numpy") or "numpy"
        if module not in names.MODULES_OF_NUMPY or name in names.REFUSED_OF_NUMPY:
            raise NotNumeric(f"{where} calls {module}.{name}")

    # Classes: how they are made, their operators, and the methods that are named anywhere

    def _class(self, cls: type[Any], where: str) -> None:
        if cls.__module__ == "builtins":
            self._named_builtin(cls.__name__, where)
        elif cls.__module__ in names.PURE_MODULES:
            if cls.__name__ in names.REFUSED_OF_OPERATOR:
                raise NotNumeric(f"{where} calls operator.{cls.__name__}")
        elif f"{cls.__module__}.{cls.__name__}" in names.PURE_FUNCTIONS or issubclass(cls, BaseException):
            pass
        elif _root(cls.__module__) in names.PURE_LIBRARIES | {"numpy"}:
            if cls.__name__ in names.REFUSED_OF_JAX:
                raise NotNumeric(f"{where} asks for {cls.__name__}")
        elif cls.__module__ in sys.stdlib_module_names:
            raise NotNumeric(f"{where} uses {cls.__module__}.{cls.__qualname__}")
        else:
            if _root(type(cls).__module__) not in names.PURE_LIBRARIES | {
                "builtins",
                "abc",
                "enum",
                "typing",
            }:
                raise NotNumeric(f"{where} uses {cls.__qualname__}, whose metaclass may do anything")
            if hasattr(cls, "__exit__"):  # jax tells by exceptions that it needs a value
                raise NotNumeric(f"{where} uses {cls.__qualname__}, which may handle exceptions")
            self._classes.append(cls)
            for owner in _user_classes(cls):
                for name, member in tuple(vars(owner).items()):
                    if name.startswith("__") and name.endswith("__") and name not in _NOT_CALLED:
                        self._member(owner, name, member, making=name in ("__init__", "__post_init__"))

    def _methods(self) -> None:
        checked: set[tuple[type[Any], str]] = set()
        while True:  # methods name further methods
            todo = {(cls, name) for cls in self._classes for name in self._attributes} - checked
            if not todo:
                return
            checked |= todo
            for cls, name in todo:
                for owner in _user_classes(cls):
                    if name in vars(owner) and (owner, name) not in self._seen:
                        self._seen.add((owner, name))
                        self._member(owner, name, vars(owner)[name])

    def _member(self, owner: type, name: str, member: Any, *, making: bool = False) -> None:
        where = f"{owner.__qualname__}.{name}"
        self.guards.bind(vars(owner), name, member)
        self._path = where
        while not isinstance(member, FunctionType):
            inner = next(
                (found for key in _WRAPPED if (found := getattr(member, key, None)) is not None), None
            )
            if type(member) in (staticmethod, classmethod):
                inner = member.__func__
            if inner is None:
                break
            member = inner
        if isinstance(member, FunctionType):
            if _root(str(member.__globals__.get("__name__"))) in names.PURE_LIBRARIES | _WRITERS:
                return
            if member.__code__.co_filename.startswith(_GENERATED) or self._again(member):
                return
            cells = dict(zip(member.__code__.co_freevars, member.__closure__ or ()))
            for default in (*(member.__defaults__ or ()), *(member.__kwdefaults__ or {}).values()):
                self._admit(default, f"a default of {where}")
            self._code(member.__code__, member.__globals__, cells, making=making)
        elif not (name.startswith("__") and name.endswith("__")) and type(member).__name__ not in (
            "member_descriptor",
            "_tuplegetter",
        ):
            self._admit(member, where)

    # Bytecode

    def _code(
        self, code: CodeType, scope: dict[str, Any], cells: dict[str, CellType], *, making: bool = False
    ) -> None:
        if code.co_flags & (CO_COROUTINE | CO_ASYNC_GENERATOR | CO_ITERABLE_COROUTINE):
            raise NotNumeric(f"{code.co_qualname} is async")
        steps, line = list(dis.get_instructions(code)), code.co_firstlineno
        for at, step in enumerate(steps):
            operation, before = step.opname, steps[at - 1] if at else None
            line = (step.positions and step.positions.lineno) or line

            def refuse(what: str, line: int = line) -> NoReturn:
                raise NotNumeric(f"{_place(code, line)} {what}")

            if operation in ("LOAD_GLOBAL", "LOAD_NAME"):
                self._named(step.argval, scope, steps[at + 1 :], _place(code, line))
            elif operation == "LOAD_DEREF" and step.argval in cells:
                cell = cells[step.argval]
                value = contents(cell)
                if value is MISSING:
                    refuse(f"uses {step.argval}, which has no value yet")
                self.guards.cells.append((cell, value))
                self._follow(value, step.argval, steps[at + 1 :], _place(code, line))
            elif operation in ("LOAD_ATTR", "LOAD_METHOD", "LOAD_SUPER_ATTR", "IMPORT_FROM"):
                if step.argval in names.REFUSED_ATTRIBUTES:
                    refuse(f"uses .{step.argval}")
                self._attributes.add(step.argval)
            elif operation == "LOAD_CONST":
                if isinstance(step.argval, CodeType):
                    inner = {
                        name: cells[name]
                        for name in step.argval.co_freevars
                        if name in cells and name not in code.co_cellvars
                    }
                    self._code(step.argval, scope, inner)
                elif isinstance(step.argval, str) and "%" in step.argval:
                    self._has_template = True
            elif operation in ("STORE_ATTR", "DELETE_ATTR"):
                if not (making and code.co_varnames and before and _loads(before, code.co_varnames[0])):
                    refuse(f"stores the attribute .{step.argval}")
            elif operation in ("STORE_GLOBAL", "DELETE_GLOBAL"):
                refuse(f"rebinds the global {step.argval}")
            elif operation in ("STORE_DEREF", "DELETE_DEREF") and step.argval in cells:
                refuse(f"rebinds {step.argval} of the function around it")
            elif operation == "IMPORT_NAME":
                if _root(
                    step.argval
                ) not in names.PURE_LIBRARIES and step.argval not in names.PURE_MODULES | {"__future__"}:
                    refuse(f"imports {step.argval}")
            elif operation in names.MAKES_TEXT and not _raises(steps[at:]):
                refuse("makes text of a value")
            elif operation == "PUSH_EXC_INFO" and steps[at + 1].opname != "WITH_EXCEPT_START":
                refuse("handles exceptions")
            elif operation in ("MATCH_CLASS", "LOAD_BUILD_CLASS"):
                refuse("asks for a value's class" if operation == "MATCH_CLASS" else "makes a class")
            elif operation == "IS_OP" and not (before and before.opname == "LOAD_CONST"):
                refuse("asks which object a value is")
            elif operation.startswith(("BINARY_OP", "INPLACE_")):
                self.changes_in_place |= step.argrepr.endswith("=")
                if step.argrepr.startswith("%"):
                    self._percent = _place(code, line)

    def _named(self, name: str, scope: dict[str, Any], following: list[dis.Instruction], where: str) -> None:
        value = scope.get(name, MISSING)
        if value is not MISSING:
            self.guards.bind(scope, name, value)
            self._follow(value, name, following, where)
        elif hasattr(builtins, name):
            self.guards.absent(scope, name)
            self._named_builtin(name, where)
        else:
            raise NotNumeric(f"{where} uses {name}, which is not defined")

    def _follow(self, value: Any, name: str, following: list[dis.Instruction], where: str) -> None:
        """Admit what a dotted name means: `np.linalg.norm` names a function, not two modules."""
        path = name
        for step in following:
            if not isinstance(value, ModuleType) or step.opname not in ("LOAD_ATTR", "LOAD_METHOD"):
                break
            module, attribute = value, step.argval
            path = f"{path}.{attribute}"
            if attribute in names.REFUSED_OF_JAX and _root(module.__name__) in names.PURE_LIBRARIES:
                raise NotNumeric(f"{where} uses {path}")
            try:
                value = getattr(module, attribute)
            except AttributeError:
                raise NotNumeric(f"{where} uses {path}, which does not exist") from None
            if _root(module.__name__) not in names.PURE_LIBRARIES | {"numpy"} | names.PURE_MODULES:
                self.guards.bind(vars(module), attribute, value)
        if type(value) in (list, dict, set, bytearray):
            raise NotNumeric(f"{where} uses {path}, a {type(value).__name__}, which may change between calls")
        self._path = path
        self._admit(value, where)

    def _again(self, value: object) -> bool:
        if id(value) in self._seen:
            return True
        self._seen.add(id(value))
        self._kept.append(value)
        return False


def is_generator(function: object) -> bool:
    """Say whether calling `function` gives a generator."""
    code = getattr(function, "__code__", None)
    return isinstance(code, CodeType) and bool(code.co_flags & CO_GENERATOR)


def _is_array(value: object) -> bool:
    jax = sys.modules.get("jax")
    return jax is not None and isinstance(value, jax.Array)


def _is_numpy_constant(value: object) -> bool:
    """Say whether `value` is a scalar or a dtype of numpy's: they never change, as its random generators do."""
    numpy = sys.modules.get("numpy")
    return numpy is not None and isinstance(value, numpy.generic | numpy.dtype)


def _is_namedtuple(kind: Any) -> bool:
    return hasattr(kind, "_fields") and bool(issubclass(kind, tuple))


def _user_classes(cls: type[Any]) -> list[type[Any]]:
    return [
        each
        for each in cls.__mro__
        if each.__module__ not in sys.stdlib_module_names
        and _root(each.__module__) not in names.PURE_LIBRARIES
    ]


def _loads(step: dis.Instruction, name: str) -> bool:
    loaded: Any = step.argval
    if kind_of(loaded) is tuple:
        loaded = loaded[-1]
    return step.opname.startswith("LOAD_FAST") and bool(loaded == name)


def _raises(steps: list[dis.Instruction]) -> bool:
    """Say whether these steps end in a `raise` without a way around it: then they make no more than a message."""
    for step in steps:
        if step.opname == "RAISE_VARARGS":
            return True
        if step.opname.startswith(("STORE_", "RETURN_", "JUMP", "POP_JUMP", "YIELD", "FOR_ITER")):
            return False
    return False


def _root(module: str) -> str:
    return module.partition(".")[0]


def _place(code: CodeType, line: int) -> str:
    return f"{code.co_qualname} ({code.co_filename}:{line})"


def _name_of(value: object) -> str:
    return str(getattr(value, "__qualname__", type(value).__qualname__))
