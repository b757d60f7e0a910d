"""What statements do to local names: which they read, store, delete; what leaves them; what they surely assign."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Sequence
from typing import TypeAlias

SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
Nodes: TypeAlias = Sequence[ast.AST]


def own(nodes: Iterable[ast.AST]) -> Iterable[ast.AST]:
    """Walk `nodes` without the bodies of nested functions and classes."""
    stack = list(nodes)
    while stack:
        node = stack.pop()
        yield node
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            stack += [*node.decorator_list, *node.args.defaults, *(d for d in node.args.kw_defaults if d)]
        elif isinstance(node, ast.Lambda):
            stack += [*node.args.defaults, *(d for d in node.args.kw_defaults if d)]
        elif isinstance(node, ast.ClassDef):
            stack += [*node.decorator_list, *node.bases, *(k.value for k in node.keywords)]
        else:
            stack += ast.iter_child_nodes(node)


def targets_of_comprehensions(nodes: Nodes) -> set[int]:
    """Return the ids of the names that are variables of comprehensions: those are not the function's."""
    return {
        id(name)
        for node in own(nodes)
        if isinstance(node, COMPREHENSIONS)
        for generator in node.generators
        for name in ast.walk(generator.target)
        if isinstance(name, ast.Name)
    }


def stored(nodes: Nodes) -> set[str]:
    """Return the names that `nodes` assign or delete, in whatever way."""
    inner = targets_of_comprehensions(nodes)
    names: set[str] = set()
    for node in own(nodes):
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load) and id(node) not in inner:
            names.add(node.id)
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.ExceptHandler)):
            if node.name is not None:
                names.add(node.name)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            names.update((alias.asname or alias.name.split(".")[0]) for alias in node.names)
        elif isinstance(node, (ast.MatchAs, ast.MatchStar)) and node.name:
            names.add(node.name)
        elif isinstance(node, ast.MatchMapping) and node.rest is not None:
            names.add(node.rest)
    return names


def loaded(nodes: Nodes) -> set[str]:
    """Return the names that `nodes` read, in nested functions too."""
    names: set[str] = set()
    for top in nodes:
        for node in ast.walk(top):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
                names.add(node.id)
            elif isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
                names.add(node.target.id)
            elif isinstance(node, ast.Nonlocal):
                names.update(node.names)
    return names


def captured(nodes: Nodes) -> set[str]:
    """Return the names that nested functions, classes and generator expressions read: they see later assignments."""
    names: set[str] = set()
    for node in own(nodes):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            names |= loaded(node.body) - (_parameters(node.args) | stored(node.body) - _not_own(node.body))
        elif isinstance(node, ast.ClassDef):
            names |= loaded(node.body)
        elif isinstance(node, ast.Lambda):
            names |= loaded([node.body]) - _parameters(node.args)
    return names


def _parameters(args: ast.arguments) -> set[str]:
    return {node.arg for node in ast.walk(args) if isinstance(node, ast.arg)}


def _not_own(body: Nodes) -> set[str]:
    return {name for node in own(body) if isinstance(node, (ast.Nonlocal, ast.Global)) for name in node.names}


def nonlocals(nodes: Nodes) -> set[str]:
    """Return the names that nested functions assign as `nonlocal`."""
    return {
        name
        for top in nodes
        for node in ast.walk(top)
        if isinstance(node, ast.Nonlocal)
        for name in node.names
    }


def leaves(statements: Nodes, *, in_loop: bool = False) -> set[str]:
    """Return how these statements may be left other than by their end: "return", "break", "continue", "yield"."""
    ways: set[str] = set()
    for node in statements:
        if isinstance(node, ast.Return):
            ways.add("return")
        elif isinstance(node, ast.Break) and not in_loop:
            ways.add("break")
        elif isinstance(node, ast.Continue) and not in_loop:
            ways.add("continue")
        elif isinstance(node, SCOPES):
            continue
        elif isinstance(node, (ast.For, ast.While, ast.AsyncFor)):
            ways |= leaves(node.body, in_loop=True) | leaves(node.orelse, in_loop=in_loop)
        else:
            for child in ast.iter_child_nodes(node):
                if isinstance(child, (ast.stmt, ast.excepthandler, ast.match_case)):
                    ways |= leaves([child], in_loop=in_loop)
    return ways


def has(nodes: Nodes, *kinds: type[ast.AST]) -> bool:
    """Whether `nodes` hold one of `kinds`, outside of nested functions."""
    return any(isinstance(node, kinds) for node in own(nodes))


def bare_raise(statements: Nodes) -> bool:
    """Whether a `raise` without an exception refers to a handler outside of `statements`."""
    for node in statements:
        if isinstance(node, ast.Raise) and node.exc is None:
            return True
        if isinstance(node, SCOPES):
            continue
        children = [
            child
            for child in ast.iter_child_nodes(node)
            if isinstance(
                child, (ast.stmt, ast.match_case)
            )  # not handlers: theirs is an exception of their own
        ]
        if children and bare_raise(children):
            return True
    return False


def surely(statements: Nodes) -> set[str]:
    """Return the names that are assigned whenever these statements end by their end."""
    names: set[str] = set()
    for node in statements:
        if isinstance(node, (ast.Assign, ast.AnnAssign)):
            if not (isinstance(node, ast.AnnAssign) and node.value is None):
                names |= stored([node])
        elif isinstance(node, (ast.AugAssign, ast.FunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom)):
            names |= stored([node])
        elif isinstance(node, ast.If):
            names |= surely(node.body) & surely(node.orelse)
        elif isinstance(node, ast.With):
            names |= stored([item.optional_vars for item in node.items if item.optional_vars is not None])
            # A context manager may swallow an exception: what its body assigns is not sure.
        elif isinstance(node, ast.Try):
            through = surely(node.body) | surely(node.orelse)
            for handler in node.handlers:
                through &= surely(handler.body)
            names |= through | surely(node.finalbody)
        elif isinstance(node, ast.Delete):
            names -= stored([node])
        elif isinstance(node, (ast.Return, ast.Raise)):
            return names | stored(statements)  # nothing comes after it
    return names
