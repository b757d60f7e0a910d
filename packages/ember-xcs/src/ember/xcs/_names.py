"""What statements do to local names: which they read, store, delete; what leaves them; what they surely assign.

Statements stand in one another, and of each of them all of this is asked: what was found for a node is kept on it, in
its attribute `_x_facts`, so that a tree is gone through once. What is asked of must therefore stay as it is, but for
what lowering does in place to defaults and decorators: that assigns nothing, and reads nothing new.
"""

# pyright: reportUnknownVariableType=false
from __future__ import annotations

import ast
from collections.abc import Iterable, Sequence
from typing import Any, Final, TypeAlias

SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_HOLDS_STATEMENTS = (
    ast.If, ast.For, ast.AsyncFor, ast.While, ast.With, ast.AsyncWith, ast.Try, ast.TryStar, ast.ExceptHandler,
    ast.Match, ast.match_case,
)  # fmt: skip
"""What statements of the same function stand in."""
Nodes: TypeAlias = Sequence[ast.AST]
_NONE: Final = frozenset[str]()


_below: dict[type[ast.AST], tuple[str, ...]] = {}
_LEAVES: Final = (
    "ctx",
    "id",
    "op",
    "ops",
    "attr",
    "arg",
    "kind",
    "type_comment",
    "lineno",
    "level",
    "simple",
)


def children(node: ast.AST) -> list[ast.AST]:
    """Return what stands right below `node`, as `ast.iter_child_nodes` does, but without contexts and operators."""
    kind = type(node)
    fields = _below.get(kind)
    if fields is None:
        fields = _below[kind] = tuple(name for name in kind._fields if name not in _LEAVES)
    found: list[ast.AST] = []
    for name in fields:
        value: Any = getattr(node, name, None)
        if not value:
            continue
        if type(value) is list:
            of: list[Any] = value
            found += [one for one in of if isinstance(one, ast.AST)]
        elif isinstance(value, ast.AST):
            found.append(value)
    return found


def walk(top: ast.AST) -> list[ast.AST]:
    """Return `top` and everything below it."""
    if not isinstance(top, ast.stmt):
        return _walk(top)
    facts = _facts(top)
    if facts.everything is None:
        facts.everything = _walk(top)
    return facts.everything


def _walk(top: ast.AST) -> list[ast.AST]:
    found = [top]
    for node in found:
        found += children(node)
    return found


class _Facts:
    """What is known of a node and everything below it."""

    __slots__ = ("bare_raise", "everything", "kinds", "leaves", "loaded", "own", "stored")

    def __init__(self) -> None:
        self.stored: frozenset[str] | None = None
        self.loaded: frozenset[str] | None = None
        self.kinds: frozenset[type[ast.AST]] | None = None
        self.leaves: dict[bool, set[str]] = {}
        self.everything: list[ast.AST] | None = None
        self.own: list[ast.AST] | None = None
        self.bare_raise: bool | None = None


def _facts(node: ast.AST) -> _Facts:
    known: _Facts | None = node.__dict__.get("_x_facts")
    if known is None:
        known = node._x_facts = _Facts()  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    return known


def _outer(node: ast.AST) -> list[ast.AST]:
    """Return what stands right below `node` in the same scope: of functions and classes, what they are made with."""
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return [*node.decorator_list, *node.args.defaults, *(d for d in node.args.kw_defaults if d)]
    if isinstance(node, ast.Lambda):
        return [*node.args.defaults, *(d for d in node.args.kw_defaults if d)]
    if isinstance(node, ast.ClassDef):
        return [*node.decorator_list, *node.bases, *(k.value for k in node.keywords)]
    return children(node)


def own(nodes: Iterable[ast.AST]) -> Iterable[ast.AST]:
    """Walk `nodes` without the bodies of nested functions and classes."""
    for node in nodes:
        if isinstance(node, ast.stmt):
            yield from _own(node)
        else:
            yield from _walk_own(node)


def _own(node: ast.stmt) -> list[ast.AST]:
    facts = _facts(node)
    if facts.own is None:
        facts.own = _walk_own(node)
    return facts.own


def _walk_own(node: ast.AST) -> list[ast.AST]:
    found = [node]
    for one in found:
        found += _outer(one)
    return found


def stored(nodes: Nodes) -> set[str]:
    """Return the names that `nodes` assign or delete, in whatever way."""
    names: set[str] = set()
    for node in nodes:
        names |= _stored(node)
    return names


def _stored(node: ast.AST) -> frozenset[str]:
    if isinstance(node, (ast.Name, ast.Constant)):
        return (
            _NONE
            if isinstance(node, ast.Constant) or isinstance(node.ctx, ast.Load)
            else frozenset({node.id})
        )
    facts = _facts(node)
    if facts.stored is not None:
        return facts.stored
    names: set[str] = set()
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.ExceptHandler)):
        if node.name is not None:
            names.add(node.name)
    elif isinstance(node, (ast.Import, ast.ImportFrom)):
        names.update((alias.asname or alias.name.split(".")[0]) for alias in node.names)
    elif isinstance(node, (ast.MatchAs, ast.MatchStar)) and node.name:
        names.add(node.name)
    elif isinstance(node, ast.MatchMapping) and node.rest is not None:
        names.add(node.rest)
    # The variables of comprehensions are not the function's.
    below = [node.iter, *node.ifs] if isinstance(node, ast.comprehension) else _outer(node)
    for child in below:
        names |= _stored(child)
    facts.stored = frozenset(names) if names else _NONE
    return facts.stored


def loaded(nodes: Nodes) -> set[str]:
    """Return the names that `nodes` read, in nested functions too."""
    names: set[str] = set()
    for node in nodes:
        names |= _loaded(node)
    return names


def _loaded(node: ast.AST) -> frozenset[str]:
    if isinstance(node, (ast.Name, ast.Constant)):
        return (
            frozenset({node.id}) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) else _NONE
        )
    facts = _facts(node)
    if facts.loaded is not None:
        return facts.loaded
    names: set[str] = set()
    if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
        names.add(node.target.id)
    elif isinstance(node, ast.Nonlocal):
        names.update(node.names)
    for child in children(node):
        names |= _loaded(child)
    facts.loaded = frozenset(names) if names else _NONE
    return facts.loaded


def captured(nodes: Nodes) -> set[str]:
    """Return the names that nested functions, classes and generator expressions read: they see later assignments."""
    names: set[str] = set()
    for node in own(nodes):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            outer = declared(node.body, ast.Global, ast.Nonlocal)
            names |= loaded(node.body) - (_parameters(node.args) | stored(node.body) - outer)
        elif isinstance(node, ast.ClassDef):
            names |= loaded(node.body)
        elif isinstance(node, ast.Lambda):
            names |= loaded([node.body]) - _parameters(node.args)
    return names


def _parameters(args: ast.arguments) -> set[str]:
    return {node.arg for node in walk(args) if isinstance(node, ast.arg)}


def declared(body: Nodes, *kinds: type[ast.Global | ast.Nonlocal]) -> set[str]:
    """Return the names that `body` declares as `global` or `nonlocal`, outside of nested functions."""
    if not has(body, *kinds):
        return set()
    return {name for node in own(body) if isinstance(node, kinds) for name in node.names}


def nonlocals(nodes: Nodes) -> set[str]:
    """Return the names that nested functions assign as `nonlocal`."""
    return {
        name for top in nodes for node in walk(top) if isinstance(node, ast.Nonlocal) for name in node.names
    }


def leaves(statements: Nodes, *, in_loop: bool = False) -> set[str]:
    """Return how these statements may be left other than by their end: "return", "break", "continue"."""
    ways: set[str] = set()
    for node in statements:
        if isinstance(node, (ast.stmt, ast.excepthandler, ast.match_case)):
            ways |= _leaves(node, in_loop)
    return ways


def _leaves(node: ast.AST, in_loop: bool) -> set[str]:
    if isinstance(node, ast.Return):
        return {"return"}
    if isinstance(node, (ast.Break, ast.Continue)):
        return set() if in_loop else {"break" if isinstance(node, ast.Break) else "continue"}
    if not isinstance(node, _HOLDS_STATEMENTS):
        return set()
    known = _facts(node).leaves
    if in_loop not in known:
        if isinstance(node, (ast.For, ast.While, ast.AsyncFor)):
            known[in_loop] = leaves(node.body, in_loop=True) | leaves(node.orelse, in_loop=in_loop)
        else:
            known[in_loop] = leaves(children(node), in_loop=in_loop)
    return known[in_loop]


def has(nodes: Nodes, *kinds: type[ast.AST]) -> bool:
    """Whether `nodes` hold one of `kinds`, outside of nested functions."""
    return any(issubclass(kind, kinds) for node in nodes for kind in _kinds(node))


def _kinds(node: ast.AST) -> frozenset[type[ast.AST]]:
    facts = _facts(node)
    if facts.kinds is None:
        kinds = {type(node)}
        for child in _outer(node):
            kinds |= {type(child)} if isinstance(child, (ast.Name, ast.Constant)) else _kinds(child)
        facts.kinds = frozenset(kinds)
    return facts.kinds


def bare_raise(statements: Nodes) -> bool:
    """Whether a `raise` without an exception refers to a handler outside of `statements`."""
    return any(map(_bare_raise, statements))


def _bare_raise(node: ast.AST) -> bool:
    if not isinstance(node, _HOLDS_STATEMENTS):
        return isinstance(node, ast.Raise) and node.exc is None
    facts = _facts(node)
    if facts.bare_raise is None:
        # Not in handlers: theirs is an exception of their own.
        facts.bare_raise = any(
            _bare_raise(child) for child in children(node) if isinstance(child, (ast.stmt, ast.match_case))
        )
    return facts.bare_raise


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
            ways = [surely(way) for way in (node.body, node.orelse) if not never_ends(way)]
            names |= set[str].intersection(*ways) if ways else set()
        elif isinstance(node, ast.With):
            names |= stored([item.optional_vars for item in node.items if item.optional_vars is not None])
            # A context manager may swallow an exception: what its body assigns is not sure.
        elif isinstance(node, ast.Try):
            through = surely(node.body) | surely(node.orelse)
            for handler in node.handlers:
                if not never_ends(handler.body):
                    through &= surely(handler.body)
            names |= through | surely(node.finalbody)
        elif isinstance(node, ast.Delete):
            names -= stored([node])
        elif isinstance(node, (ast.Return, ast.Raise)):
            return names | stored(statements)  # nothing comes after it
    return names


def never_ends(body: Nodes) -> bool:
    """Whether these statements are never left by their end."""
    if not body:
        return False
    last = body[-1]
    if isinstance(last, (ast.Return, ast.Raise, ast.Break, ast.Continue)):
        return True
    if isinstance(last, ast.If):
        return never_ends(last.body) and never_ends(last.orelse)
    return False


def exposed(statements: Nodes) -> set[str]:
    """Return the names that these statements may read as they were before: not surely assigned by them first."""
    found: set[str] = set()
    sure: set[str] = set()
    for node in statements:
        found |= _exposed(node) - sure
        sure |= surely([node])
    return found


def _exposed(node: ast.AST) -> set[str]:
    if isinstance(node, ast.If):
        return loaded([node.test]) | exposed(node.body) | exposed(node.orelse)
    if isinstance(node, ast.While):
        return loaded([node.test]) | exposed(node.body) | exposed(node.orelse)
    if isinstance(node, ast.For):
        inside = exposed(node.body) - stored([node.target])
        return loaded([node.iter, node.target]) | inside | exposed(node.orelse)
    if isinstance(node, ast.With):
        own = stored([item.optional_vars for item in node.items if item.optional_vars is not None])
        return loaded(node.items) | (exposed(node.body) - own)
    if isinstance(node, ast.Delete):
        return loaded([node]) | stored([node])
    return loaded([node])


def used_outside(body: Nodes, inside: Nodes) -> set[str]:
    """Return the names that `body` reads or deletes outside of `inside`, statements that stand in it."""
    hidden = {id(node) for node in inside}
    found: set[str] = set()
    left = [node for node in body if id(node) not in hidden]
    for node in left:
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Store):
            found.add(node.id)
        elif isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
            found.add(node.target.id)
        left += [child for child in children(node) if id(child) not in hidden]
    return found


def unusual_yields(body: Nodes) -> Iterable[tuple[int, str]]:
    """Return where a generator yields in ways that lowered code does not, and what to do instead."""
    if not has(body, ast.Yield, ast.YieldFrom):
        return
    plain = {id(node.value) for node in own(body) if isinstance(node, (ast.Expr, ast.Assign, ast.AnnAssign))}
    for node in own(body):
        if isinstance(node, (ast.Yield, ast.YieldFrom)) and id(node) not in plain:
            yield node.lineno, "in the middle of an expression (give what the yield returns a name first)"
        elif isinstance(node, (ast.Try, ast.TryStar, ast.With)) and has([node], ast.Yield, ast.YieldFrom):
            yield node.lineno, "in a try or with (yield after it)"


def used_at_once(body: Nodes) -> set[int]:
    """Return the ids of the generator expressions that are given to a call, or gone over, where they stand."""
    found: set[int] = set()
    for node in own(body):
        if isinstance(node, ast.Call):
            found.update(id(one) for one in node.args)
        elif isinstance(node, (ast.For, ast.comprehension)):
            found.add(id(node.iter))
        elif isinstance(node, (ast.Starred, ast.YieldFrom)):
            found.add(id(node.value))
    return found
