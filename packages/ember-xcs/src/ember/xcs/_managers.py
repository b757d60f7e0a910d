"""Context managers that let every exception pass: what is assigned in a `with` of theirs need not be there at once.

Of any other manager it must be known, at each assignment in its `with`, that nothing before has failed: it may swallow
an exception, and then the variables are read as they were when that was raised.
"""

# Values here are the user's, of whatever type; what isinstance leaves of them is partly unknown to pyright.
# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false, reportUnknownMemberType=false

from __future__ import annotations

import ast
import threading
from collections.abc import Iterable
from contextlib import asynccontextmanager, contextmanager
from io import IOBase
from types import BuiltinFunctionType, FunctionType
from typing import Any, Final
from weakref import WeakKeyDictionary

from ember.context import ContextBlock, with_context

from . import _names as names
from ._attributes import vars_of
from ._source import NoSource, tree_of

_PASSING: Final = (IOBase, type(threading.Lock()), type(threading.RLock()), ContextBlock)
_MAKE_PASSING: Final = frozenset(
    {
        ("io", "open"), ("_io", "open"), ("asyncio.timeouts", "timeout"), ("asyncio.timeouts", "timeout_at"),
        ("tempfile", "NamedTemporaryFile"), ("tempfile", "TemporaryFile"), (with_context.__module__, "with_context"),
    }
)  # fmt: skip
"""Functions, by module and name, whose results are managers of this kind."""

_DECORATORS: Final[tuple[Any, ...]] = contextmanager, asynccontextmanager
_MANAGERS: Final = frozenset(decorated(len).__code__ for decorated in _DECORATORS)
"""The code of all functions that were made by these."""

_known: Final[WeakKeyDictionary[FunctionType, bool]] = WeakKeyDictionary()


def made_passing(function: Any) -> bool:
    """Whether what `function` returns is a context manager that lets every exception pass."""
    if type(function) not in (FunctionType, BuiltinFunctionType):
        return False
    if (function.__module__, function.__name__) in _MAKE_PASSING:
        return True
    if type(function) is not FunctionType or function.__code__ not in _MANAGERS:
        return False
    body = function.__dict__.get("__wrapped__")
    return type(body) is FunctionType and _asked(body, _yields_plainly)


def lets_pass(cls: type, method: str) -> bool:
    """Whether context managers of a class let every exception pass, by `method`, which leaves them."""
    found = vars_of(cls, method)
    if type(found) is FunctionType and cls is not ContextBlock:
        return _asked(found, _returns_nothing)
    return issubclass(cls, _PASSING)


def _asked(function: FunctionType, question: Any) -> bool:
    known = _known.get(function)
    if known is None:
        try:
            known = question(tree_of(function.__code__))
        except (NoSource, RecursionError):
            known = False
        _known[function] = known
    return known


def _returns_nothing(tree: Any) -> bool:
    """Whether all that a function returns is false."""
    own = list(names.own(tree.body)) if not isinstance(tree, ast.Lambda) else []
    return bool(own) and all(
        node.value is None or (isinstance(node.value, ast.Constant) and not node.value.value)
        for node in own
        if isinstance(node, ast.Return)
    )


def _yields_plainly(tree: Any) -> bool:
    """Whether a generator passes on what is raised where it yields."""
    return isinstance(tree, (ast.FunctionDef, ast.AsyncFunctionDef)) and _all_plain(tree.body)


def _all_plain(nodes: Iterable[ast.AST]) -> bool:
    return all(map(_is_plain, nodes))


def _is_plain(node: ast.AST) -> bool:
    if not names.has([node], ast.Yield, ast.YieldFrom):
        return True
    if isinstance(node, (ast.With, ast.AsyncWith, ast.TryStar, ast.YieldFrom)):
        return False
    if isinstance(node, ast.Try):
        inside = names.has(node.body, ast.Yield, ast.YieldFrom)
        if inside and not all(_raises(handler.body) for handler in node.handlers):
            return False
        if _leaves(node.finalbody):
            return False
    return _all_plain(ast.iter_child_nodes(node))


def _raises(body: list[ast.stmt]) -> bool:
    """Whether a handler always raises."""
    return isinstance(body[-1], ast.Raise) and not _leaves(body)


def _leaves(body: list[ast.stmt]) -> bool:
    return any(
        isinstance(node, (ast.Return, ast.Break, ast.Continue)) for one in body for node in ast.walk(one)
    )
