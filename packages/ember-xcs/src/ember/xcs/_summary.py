"""What statements may change, seen from their text: for the order of whatever waits while others go on."""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from typing import Any, Final

from ember.core.externals import External

from . import _effects as effects, _names as names

ALL_CHANGING: Final = frozenset().union(*effects.CHANGING.values())
READING: Final = (
    effects.STR_METHODS
    | {n for kind in effects.CHANGING for n in dir(kind) if not n.startswith("_")} - ALL_CHANGING
)
_DISPLAYS: Final = (
    ast.List, ast.Dict, ast.Set, ast.ListComp, ast.DictComp, ast.SetComp, ast.Tuple, ast.JoinedStr, ast.Constant,
    ast.Compare, ast.BinOp, ast.UnaryOp,
)  # fmt: skip


class Summary:
    """What `statements` may change: `writes`, anything at all; `changed`, what these local variables refer to.

    `objects` says that they call methods of, or store in, what local variables refer to: if that is an object of a
    user's class, they may change anything.
    """

    def __init__(
        self,
        statements: Sequence[ast.AST],
        local: set[str],
        resolve: Callable[[str], Any],
        writes_of: Callable[[Any], bool],
        inputs: set[str] | None = None,
    ) -> None:
        self._local, self._resolve, self._writes_of = local, resolve, writes_of
        self.writes = self.objects = False
        self.changed: set[str] = set()
        self._made: dict[str, bool] = {}
        stored = names.stored(statements)
        self._inside = {n for n in stored if inputs is not None and n not in inputs}
        parents: dict[int, ast.AST] = {}
        everything: list[ast.AST] = []
        for top in statements:
            for node in ast.walk(top):
                everything.append(node)
                for child in ast.iter_child_nodes(node):
                    parents[id(child)] = node
        for node in everything:
            if isinstance(node, (ast.Assign, ast.AnnAssign)) and node.value is not None:
                for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                    if isinstance(target, ast.Name):
                        self._made[target.id] = self._made.get(target.id, True) and self._is_new(node.value)
                    for one in ast.walk(target):
                        if isinstance(one, (ast.Subscript, ast.Attribute)) and isinstance(one.ctx, ast.Store):
                            self._change(one.value)
            elif isinstance(node, (ast.For, ast.comprehension, ast.NamedExpr, ast.withitem)):
                pass
            elif isinstance(
                node,
                (
                    ast.Global,
                    ast.Nonlocal,
                    ast.Import,
                    ast.ImportFrom,
                    ast.ClassDef,
                    ast.Await,
                    ast.Yield,
                    ast.With,
                ),
            ):
                self.writes = True
            elif isinstance(node, ast.AugAssign):
                if isinstance(node.target, ast.Name):
                    if node.target.id in self._local:
                        self.changed.add(node.target.id)
                    else:
                        self.writes = True
                else:
                    self._change(node.target.value)
            elif isinstance(node, ast.Delete):
                for target in node.targets:
                    if isinstance(target, (ast.Subscript, ast.Attribute)):
                        self._change(target.value)
            elif isinstance(node, ast.Call):
                self._call(node)
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id in self._local:
                if not self._only_read(node, parents.get(id(node))):
                    self.changed.add(node.id)

    def _is_new(self, value: ast.expr) -> bool:
        return isinstance(value, _DISPLAYS) or (
            isinstance(value, ast.Call) and self._known(value.func) is True
        )

    def _change(self, thing: ast.expr) -> None:
        """`thing` is changed."""
        if isinstance(thing, ast.Name) and thing.id in self._local:
            if thing.id in self._inside and not self._made.get(thing.id, False):
                self.writes = True
            self.changed.add(thing.id)
            self.objects = True
        else:
            self.writes = True

    def _call(self, node: ast.Call) -> None:
        function = node.func
        known = self._known(function)
        if known is not None:
            self.writes = self.writes or not known
            return
        if isinstance(function, ast.Attribute):
            base = function.value
            if function.attr in ALL_CHANGING:
                self._change(base)
            elif self._is_data(base) and function.attr in READING:
                pass
            elif isinstance(base, ast.Name) and base.id in self._local and base.id not in self._inside:
                self.objects = True
            elif function.attr in effects.STR_METHODS and self._is_data(base):
                pass
            else:
                self.writes = True
            return
        self.writes = True

    def _is_data(self, node: ast.expr) -> bool:
        """Whether the value of `node` is surely made of Python's own types."""
        if isinstance(node, _DISPLAYS):
            return True
        if isinstance(node, ast.Call):
            if (
                isinstance(node.func, ast.Attribute)
                and node.func.attr in effects.STR_METHODS
                and self._is_data(node.func.value)
            ):
                return True
            return self._known(node.func) is True
        if isinstance(node, ast.Subscript):
            return self._is_data(node.value)
        if isinstance(node, ast.Attribute):
            return node.attr == "text" and self._is_data(node.value)
        return isinstance(node, ast.Name) and node.id in self._local and self._made.get(node.id, False)

    def _known(self, function: ast.expr) -> bool | None:
        """Whether calling `function` surely changes nothing; None if it is not known what it is."""
        if isinstance(function, ast.Name):
            if function.id in self._local:
                return None if function.id not in self._inside else False
            value = self._resolve(function.id)
        elif isinstance(function, ast.Attribute):
            base = function.value
            while isinstance(base, ast.Attribute):
                base = base.value
            if not isinstance(base, ast.Name) or base.id in self._local:
                return None
            value = self._static(function)
            owner = self._static(function.value)
            if type(owner).__name__ != "module" and not isinstance(owner, (type, External)):
                return None
        else:
            return None
        if value is None:
            return False
        if isinstance(value, External):
            return True
        try:
            if value in effects.READ or value is print:
                return True
        except TypeError:
            return False
        return not self._writes_of(value)

    def _static(self, node: ast.expr) -> Any:
        if isinstance(node, ast.Name):
            return self._resolve(node.id)
        assert isinstance(node, ast.Attribute)
        return getattr(self._static(node.value), node.attr, None)

    def _only_read(self, node: ast.Name, parent: ast.AST | None) -> bool:
        """Whether this use of a variable does not let what it refers to be changed."""
        if isinstance(parent, (ast.Attribute, ast.Subscript)):
            return True  # changes through it are seen where they stand
        if isinstance(
            parent, (ast.BinOp, ast.UnaryOp, ast.Compare, ast.FormattedValue, ast.If, ast.While, ast.IfExp)
        ):
            return True
        if isinstance(parent, (ast.For, ast.comprehension)):
            return parent.iter is node
        if isinstance(parent, ast.Call):
            return (
                parent.func is node
                or self._known(parent.func) is True
                or (
                    isinstance(parent.func, ast.Attribute)
                    and parent.func.attr in READING
                    and self._is_data(parent.func.value)
                )
            )
        if isinstance(parent, ast.keyword):
            return False
        return isinstance(parent, (ast.Match, ast.Assert))
