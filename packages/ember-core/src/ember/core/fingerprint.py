"""Tell calls apart: a digest of a function, or of values, that is the same in every process and on every machine.

A function is known by what it does: its code with constants, defaults, what it closes over, and what it names among its
module's globals, functions of the user's own included; not by its name, its file or its comments. Values are known by
type and content, other objects by their class and what they would be copied from. What has no certain form (a lock, an
open file) raises `Unknowable`: two things that cannot be told apart must not be taken for one another.
"""

from __future__ import annotations

import os
import struct
import sys
import sysconfig
from collections.abc import Callable
from functools import cache, partial
from hashlib import sha256
from inspect import iscoroutinefunction
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any, Final, cast
from weakref import WeakKeyDictionary

from .errors import EmberError
from .secrets import Secret

_FORM: Final = b"1"
"""The version of the form. Raised when it changes: digests of before then match nothing."""

_DEEPEST: Final = 200


class Unknowable(EmberError, TypeError):
    """A function or value that cannot be told apart from others with certainty."""


def fingerprint(*values: object) -> bytes:
    """Return 32 bytes that stand for `values`: type, content and order.

    An object may say what it is by a method `__fingerprint__()` that returns plain values. Secrets count as nothing:
    the answer to a question does not depend on who pays for it. Raises `Unknowable`.

    >>> fingerprint("a", 1) == fingerprint("a", 1), fingerprint(1) == fingerprint(1.0)
    (True, False)
    """
    form = _Form()
    for value in values:
        form.add(value)
    return form.digest()


class _Form:
    """Feeds what it is shown to a hash. Lengths go before contents, so that no two things read the same."""

    def __init__(self, seen: dict[object, int] | None = None, inside: dict[int, int] | None = None) -> None:
        self._hash = sha256(_FORM)
        # What contains the value at hand, by id: things may hold themselves.
        self._inside: dict[int, int] = {} if inside is None else inside
        # Functions and classes met so far, where code is being looked at: they name each other, in circles. The number
        # of each depends on what was looked at first, and on nothing else.
        self._seen = seen

    def digest(self) -> bytes:
        return self._hash.digest()

    def _say(self, tag: str, data: bytes = b"") -> None:
        self._hash.update(b"%s:%d:" % (tag.encode(), len(data)))
        self._hash.update(data)

    def add(self, value: object) -> None:
        """Add a value."""
        kind = type(value)
        if kind is str:
            self._say("s", cast(str, value).encode("utf-8", "surrogatepass"))
        elif kind is int:
            self._say("i", b"%x" % cast(int, value))
        elif value is None or value is True or value is False or value is Ellipsis or value is NotImplemented:
            self._say(repr(value))
        elif kind is float:
            self._say("f", struct.pack(">d", value))
        elif kind is bytes:
            self._say("b", cast(bytes, value))
        elif isinstance(value, Secret):
            self._say("secret")
        elif isinstance(value, type):
            self._add_class(cast("type[Any]", value))
        elif isinstance(value, FunctionType):
            self._add_function(value)
        else:
            self._add_nested(value)

    def _add_nested(self, value: object) -> None:
        level = self._inside.get(id(value))
        if level is not None:
            self._say("again", b"%d" % level)
            return
        if len(self._inside) > _DEEPEST:
            raise Unknowable(f"What is nested deeper than {_DEEPEST} levels cannot be told apart.")
        self._inside[id(value)] = len(self._inside)
        try:
            self._add_compound(value)
        finally:
            del self._inside[id(value)]

    def _add_compound(self, value: object) -> None:
        kind = type(value)
        if kind is dict:
            self._say("dict", b"%d" % len(cast("dict[object, object]", value)))
            for key, inner in cast("dict[object, object]", value).items():
                self.add(key)
                self.add(inner)
        elif kind is list or kind is tuple:
            items = cast("list[object]", value)
            self._say(kind.__name__, b"%d" % len(items))
            for item in items:
                self.add(item)
        elif kind is set or kind is frozenset:
            # Sets have no order of their own, and another one in every process.
            members = sorted(fingerprint(each) for each in cast("set[object]", value))
            self._say(kind.__name__, b"".join(members))
        elif isinstance(value, CodeType):
            self._add_code(value)
        elif isinstance(value, ModuleType):
            self._say("module", value.__name__.encode())
        else:
            self._add_object(value)

    def _add_object(self, value: Any) -> None:
        kind = _class_of(value)
        held: dict[str, Any] = getattr(value, "__dict__", {})
        if (said := getattr(kind, "__fingerprint__", None)) is not None:
            self._say("says")
            self._add_class(kind)
            self.add(said(value))
        elif isinstance(value, MethodType):
            self._say("method")
            self.add(value.__func__)
            self.add(value.__self__)
        elif isinstance(value, BuiltinFunctionType) and isinstance(value.__self__, ModuleType | None):
            self._say("builtin", f"{value.__module__}.{value.__qualname__}".encode())
        elif isinstance(value, partial):
            self._say("partial")
            func: Any = value.func
            for part in (func, value.args, value.keywords):
                self.add(part)
        elif isinstance(wrapped := held.get("__wrapped__"), FunctionType):
            self._say("wrapper")  # an @external, a jitted or cached function
            self._add_class(kind)
            self.add(wrapped)
        else:
            self._add_reduced(value)

    def _add_reduced(self, value: Any) -> None:
        """Add what `copy` would make the value of."""
        kind = _class_of(value)
        try:
            reduced = value.__reduce_ex__(4)
        except Exception as error:  # a stranger's code
            raise Unknowable(f"A {kind.__qualname__} has no certain form ({error}).") from error
        self._say("object")
        self._add_class(kind)
        if isinstance(reduced, str):  # a global, known by its name
            self._say("global", f"{getattr(value, '__module__', '')}.{reduced}".encode())
            return
        given: tuple[Any, ...] = (*reduced, None, None, None)
        make, arguments, state, items, pairs = given[:5]
        # Nothing but an address tells an object() from another.
        if state is None and kind is object:
            raise Unknowable("An object() has no certain form.")
        self._say("made", f"{make.__module__}.{make.__qualname__}".encode())
        for part in (arguments, state, items and list(items), pairs and list(pairs)):
            self.add(part)

    def _add_function(self, function: FunctionType) -> None:
        if not _is_users(function.__module__):
            self._say("known", f"{function.__module__}.{function.__qualname__}".encode())
        elif self._seen is None:
            self._say("function", _Form({}).code_of(function))
        elif function in self._seen:
            self._say("seen", b"%d" % self._seen[function])
        else:
            self._say("function", self.code_of(function))

    def code_of(self, function: FunctionType) -> bytes:
        """Return the digest of what a function does, this form knowing what was seen before."""
        assert self._seen is not None
        self._seen[function] = len(self._seen)
        form = _Form(self._seen, self._inside)
        for part in (function.__code__, function.__defaults__, function.__kwdefaults__):
            form.add(part)
        for cell in function.__closure__ or ():
            try:
                form.add(cell.cell_contents)
            except ValueError:  # not set yet
                form._say("empty")
        for name in sorted(_names(function.__code__)):
            if name in function.__globals__:
                form._say("name", name.encode())
                form._add_global(function.__globals__[name])
        return form.digest()

    def _add_global(self, value: object) -> None:
        # A module's own clients, loggers and locks say nothing of what is asked: by their kind, if there is no more.
        form = _Form(self._seen, self._inside)
        try:
            form.add(value)
        except Unknowable:
            self._say("some", f"{type(value).__module__}.{type(value).__qualname__}".encode())
        else:
            self._say("has", form.digest())

    def _add_class(self, kind: type[Any]) -> None:
        if not any(_is_users(each.__module__) for each in kind.__mro__):
            self._say("class", f"{kind.__module__}.{kind.__qualname__}".encode())
        elif self._seen is None:
            digest = _classes.get(kind)
            if digest is None:
                digest = _classes[kind] = _Form({})._code_of_class(kind)
            self._say("class", digest)
        elif kind in self._seen:
            self._say("seen", b"%d" % self._seen[kind])
        else:
            self._say("class", self._code_of_class(kind))

    def _code_of_class(self, kind: type[Any]) -> bytes:
        assert self._seen is not None
        self._seen[kind] = len(self._seen)
        form = _Form(self._seen, self._inside)
        each: Any
        for each in kind.__mro__:
            form._say("base", each.__qualname__.encode())
            if not _is_users(each.__module__):
                continue
            held: dict[str, Any] = {**each.__dict__}
            for name, member in sorted(held.items()):
                function = getattr(member, "fget", None) or getattr(member, "__func__", member)
                if isinstance(function, FunctionType) and function.__module__ == each.__module__:
                    form._say("member", name.encode())
                    form.add(function)
                elif type(member) in _PLAIN and not name.startswith("__"):
                    form._say("member", name.encode())
                    form.add(member)
        return form.digest()

    def _add_code(self, code: CodeType) -> None:
        # Not the lines, the file or the name: moving a function is no change of it.
        self._say("code", code.co_code)
        self._say("shape", b"%d %d %d" % (code.co_argcount, code.co_kwonlyargcount, code.co_flags))
        for part in (code.co_names, code.co_varnames, code.co_freevars, code.co_consts):
            self.add(part)


def _class_of(value: object) -> type[Any]:
    return type(value)


def _names(code: CodeType) -> set[str]:
    """Return the names that `code`, and code within it, looks up outside of functions."""
    found = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            found |= _names(constant)
    return found


_classes: WeakKeyDictionary[type[Any], bytes] = WeakKeyDictionary()
_PLAIN: Final = (str, int, float, bool, bytes, tuple, frozenset, type(None))


@cache
def _is_users(module: str | None) -> bool:
    """Whether a module is the user's own, whose code may change any minute, and not an installed library."""
    if module is None or module == "builtins" or module == "ember" or module.startswith("ember."):
        return False
    if module.partition(".")[0] in sys.stdlib_module_names and module != "__main__":
        return False
    file = getattr(sys.modules.get(module), "__file__", None)
    if file is None:  # __main__ of a notebook or a -c; a module made by hand
        return True
    return not os.path.realpath(file).startswith(_installed())


@cache
def _installed() -> tuple[str, ...]:
    paths = sysconfig.get_paths()
    return tuple(
        os.path.realpath(paths[name]) + os.sep for name in ("stdlib", "platstdlib", "purelib", "platlib")
    )


def label(function: Callable[..., Any]) -> str:
    """Return what to call a function in messages."""
    while isinstance(function, partial):
        function = function.func
    return str(getattr(function, "__qualname__", None) or type(function).__qualname__)


def is_async(function: Any) -> bool:
    """Whether calling `function` gives something to be awaited."""
    while isinstance(function, partial):
        function = function.func
    return iscoroutinefunction(function) or iscoroutinefunction(getattr(function, "__call__", None))  # noqa: B004
