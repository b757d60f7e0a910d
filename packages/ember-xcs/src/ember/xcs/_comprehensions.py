"""Lowering comprehensions and generator expressions: a function for an element, given to a hook."""

# Values here are the user's, of whatever type; what isinstance leaves of them is partly unknown to pyright.
# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false, reportUnknownMemberType=false
# pyright: reportUnknownLambdaType=false

from __future__ import annotations

import ast
import sys
from collections.abc import Sequence

from . import _names as names
from ._expressions import Expressions
from ._trees import Unsupported, arguments, load


class Comprehensions(Expressions):
    """Comprehensions of one function."""

    def ex_ListComp(self, node: ast.ListComp) -> ast.expr:
        return self.comprehension(node)

    def ex_SetComp(self, node: ast.SetComp) -> ast.expr:
        return self.X("set_from", self.comprehension(node))

    def ex_DictComp(self, node: ast.DictComp) -> ast.expr:
        pair = ast.copy_location(ast.Tuple([node.key, node.value], ast.Load()), node.key)
        return self.X(
            "dict_from", self.comprehension(ast.copy_location(ast.ListComp(pair, node.generators), node))
        )

    def ex_GeneratorExp(self, node: ast.GeneratorExp) -> ast.expr:
        if names.has([node], ast.NamedExpr) and not self._is_inner(node):
            raise Unsupported(f"line {node.lineno}: := in a generator expression")
        if id(node) not in self._used_at_once and self.reads([node]) & self.rebound:
            raise Unsupported(
                f"line {node.lineno}: a generator expression that is kept, with variables that are assigned again"
            )
        self.waits = True
        hidden, known, shared = self.locals, self.known, self.shared
        made: list[ast.comprehension] = []
        source: ast.expr | None = None
        for place, one in enumerate(node.generators):
            if one.is_async:
                raise Unsupported("an asynchronous generator expression")
            over = self.X("iterate", self.source(one.iter))
            if place == 0:
                source, over = self.X("gone_over", over.args[0]), self.X("later", load("_x_over"))
            targets = names.stored([one.target])
            self.locals, self.known = self.locals | targets, self.known | targets
            self.shared = self.shared - targets
            tests: list[ast.expr] = [self.X("test", self.ex(test)) for test in one.ifs]
            made.append(ast.comprehension(one.target, over, tests, 0))
        body = ast.GeneratorExp(self.ex(node.elt), made)
        self.locals, self.known, self.shared = hidden, known, shared
        assert source is not None
        make = self.thunk(body, [node])
        make.args.kwonlyargs.append(ast.arg("_x_over"))
        make.args.kw_defaults.append(source)
        return self.X("generator", make, self.flags([node]))

    def comprehension(self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp) -> ast.expr:
        if names.has([node], ast.NamedExpr) and not self._is_inner(node):
            raise Unsupported(
                f"line {node.lineno}: := in a comprehension, of a variable that is read outside of it"
            )
        return self._generators(node.generators, node.elt, node)

    def _is_inner(self, node: ast.expr) -> bool:
        """Whether the variables that := assigns in a comprehension are read in it only: they may be its own."""
        made = {n.target.id for n in names.walk(node) if isinstance(n, ast.NamedExpr)}
        inside = {id(n) for n in names.walk(node)}
        outside = {
            n.id
            for top in self.body
            for n in names.walk(top)
            if isinstance(n, ast.Name) and n.id in made and id(n) not in inside
        }
        return not (outside | (made & (self.shared | self.globals | set(self.parameters))))

    def _filter(self, target: ast.expr, source: ast.expr) -> tuple[ast.expr, ast.expr] | None:
        """Return what a loop over `filter(by, things)` goes over, and what is asked of each of them."""
        if not (isinstance(target, ast.Name) and self._is_map(source, which=filter)):
            return None
        assert isinstance(source, ast.Call)
        by, things = source.args
        one: ast.expr = ast.copy_location(load(target.id), source)
        if isinstance(by, ast.Constant) and by.value is None:
            return things, one
        base = by
        while isinstance(base, ast.Attribute):
            base = base.value
        plain = base is by or (isinstance(base, ast.Name) and base.id not in self.locals)
        if isinstance(by, ast.Lambda) or (
            isinstance(base, ast.Name) and plain and base.id not in self.rebound
        ):
            return things, ast.copy_location(ast.Call(by, [one], []), source)
        return None

    def _generators(self, generators: list[ast.comprehension], elt: ast.expr, node: ast.AST) -> ast.expr:
        first, rest = generators[0], generators[1:]
        if (filtered := self._filter(first.target, first.iter)) is not None:
            first = ast.comprehension(first.target, filtered[0], [filtered[1], *first.ifs], first.is_async)
        if first.is_async:
            raise Unsupported("an asynchronous comprehension")
        source = self.source(first.iter)
        inner = names.stored([first.target])
        if any(inner & names.captured([one]) for one in _lambdas_kept(elt)):
            raise Unsupported(f"line {elt.lineno}: functions made in a comprehension share its variable")
        hidden, self.locals = self.locals, self.locals | inner
        known, self.known = self.known, self.known | inner
        shared, self.shared = self.shared, self.shared - inner
        waits = self.waits
        own = isinstance(node, ast.GeneratorExp) or sys.version_info < (3, 12)
        self._enclosed += own
        body = self._generators(rest, elt, node) if rest else self.ex(elt)
        original: list[ast.AST] = [elt, *(g for g in rest)]
        if first.ifs:
            conditions = [self.ex(one) for one in first.ifs]
            condition = conditions[0]
            for another in conditions[1:]:
                condition = self.X("both", condition, self.thunk(another, first.ifs), ast.Constant(0))
            original += first.ifs
            body = ast.IfExp(self.X("test", condition), body, self.hook("skip"))
        self._enclosed -= own
        self.waits = waits
        self.locals, self.known = hidden, known
        if isinstance(first.target, ast.Name):
            function = self.thunk(body, original, [first.target.id])
        else:
            name = self.temporary()
            function = self.thunk(
                self._bind(first.target, load(name), body, original), [*original, first.target], [name]
            )
            drop = names.stored([first.target])
            keep = [
                (a, d)
                for a, d in zip(function.args.kwonlyargs, function.args.kw_defaults)
                if a.arg not in drop or a.arg in known & hidden
            ]
            function.args.kwonlyargs = [a for a, _ in keep if a.arg not in drop]
            function.args.kw_defaults = [d for a, d in keep if a.arg not in drop]
        self.shared = shared
        kind = "flat" if rest else "kept" if first.ifs else "each"
        return self.X(kind, source, function, self.flags([*original, first.target]))

    def _bind(
        self, target: ast.expr, value: ast.expr, body: ast.expr, original: Sequence[ast.AST]
    ) -> ast.expr:
        """An expression in which the names of `target` stand for the parts of `value`."""
        if isinstance(target, ast.Name):
            return ast.Call(self.thunk(body, original, [target.id]), [value], [])
        if not isinstance(target, (ast.Tuple, ast.List)):
            raise Unsupported(f"line {target.lineno}: an unusual target in a comprehension")
        parameters: list[str] = []
        inner = body
        for one in reversed(target.elts):
            if isinstance(one, ast.Starred):
                one = one.value
            if isinstance(one, ast.Name):
                parameters.insert(0, one.id)
            else:
                name = self.temporary()
                parameters.insert(0, name)
                inner = self._bind(one, load(name), inner, original)
        drop = set(parameters) | names.stored([target])
        read = self.reads(original) - drop
        made = ast.Lambda(arguments(parameters, sorted(read)), inner)
        return ast.Call(made, [ast.Starred(self._unpacked(value, target), ast.Load())], [])

    def some(self, which: str, node: ast.GeneratorExp) -> ast.expr:
        generator = node.generators[0]
        source = self.source(generator.iter)
        if not isinstance(generator.target, ast.Name) or generator.is_async:
            return ast.Call(self.hook("call"), [load(which), self.ex_GeneratorExp(node)], [])
        name = generator.target.id
        hidden, self.locals = self.locals, self.locals | {name}
        known, self.known = self.known, self.known | {name}
        shared, self.shared = self.shared, self.shared - {name}
        waits = self.waits
        self._enclosed += 1
        body = self.ex(node.elt)
        for condition in generator.ifs:
            body = ast.IfExp(self.X("test", self.ex(condition)), body, self.hook("skip"))
        self._enclosed -= 1
        self.waits = waits
        self.locals, self.known, self.shared = hidden, known, shared
        return self.X(
            "some",
            source,
            self.thunk(body, [node.elt, *generator.ifs], [name]),
            ast.Constant(which == "any"),
            self.flags([node.elt, *generator.ifs]),
        )


def _lambdas_kept(node: ast.expr) -> list[ast.expr]:
    """The lambdas that what `node` makes holds, but for those given to a call."""
    if isinstance(node, (ast.Call, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)):
        return []
    if isinstance(node, ast.Lambda):
        return [node]
    inner = [one for one in ast.iter_child_nodes(node) if isinstance(one, ast.expr)]
    return [found for one in inner for found in _lambdas_kept(one)]
