"""Lowering: a function's syntax tree, rewritten so that every operation on a value that may be pending is a hook.

What is left of Python's own: names, constants, the shape of statements. A compound statement that decides something
becomes a *region*, a nested function that takes the local variables it reads and returns those it assigns, so that it
can wait while what follows goes on with pending values in their place. A statement that can be left by `return`, or
whose variables a nested function shares, stays where it is: there a decision holds up the whole function, as it must.

The parts of it are classes that each know those before: `_pieces`, `_expressions`, `_comprehensions`,
`_call_expressions`, `_regions`, `_statements`, `_decisions`, and, here, what may fail: `try` and `with`.
"""

# Values here are the user's, of whatever type; what isinstance leaves of them is partly unknown to pyright.
# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false, reportUnknownMemberType=false
# pyright: reportUnknownLambdaType=false

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence

from . import _names as names
from ._decisions import Decisions
from ._tasks import SCOPED
from ._trees import load, store


class Lowering(Decisions):
    """One function on its way. `resolve` says what a global or captured name stands for; `free` are captured, and
    `outer` those of them that some function assigns as `nonlocal`."""

    def st_Try(self, node: ast.Try | ast.TryStar) -> list[ast.stmt]:
        if self.taskable([node]):
            return self.region([node], lambda: self._try(node), always=True, flags=SCOPED)
        self.waits = True
        return self._inline(node, lambda: self._try(node))

    st_TryStar = st_Try

    def _inline(self, node: ast.stmt, lower: Callable[[], list[ast.stmt]]) -> list[ast.stmt]:
        scope = self.temporary()
        self._tries += 1
        self._around += 1
        inner = lower()
        self._tries -= 1
        self._around -= 1
        leave = ast.Expr(self.X("left", load(scope)))
        return [
            ast.Assign([store(scope)], self.X("entered")),
            ast.copy_location(ast.Try(inner, [], [], [leave]), node),
        ]

    def _guarded(self, body: list[ast.stmt], node: ast.AST, lost: set[str] = frozenset()) -> ast.stmt:  # type: ignore[assignment]
        """`body`, left only when everything in it succeeded, or with the earliest failure in it.

        The variables in `lost` are then read by nobody: what they hold, perhaps what never came, is let go.
        """
        self.hooks.add("Abandoned")
        self.hooks.add("BaseException")
        forgotten: list[ast.stmt] = [
            ast.Assign([store(name)], self.hook("UNBOUND"))
            for name in sorted((lost & self.stored) - self.shared - self.captured)
        ]
        handlers = [
            ast.ExceptHandler(load("_x_Abandoned"), None, [ast.Raise(None, None)]),
            ast.ExceptHandler(
                load("_x_BaseException"),
                None,
                [ast.Expr(self.X("caught")), *forgotten, ast.Raise(None, None)],
            ),
        ]
        return ast.copy_location(ast.Try([*body, ast.Expr(self.X("drain"))], handlers, [], []), node)

    def _try(self, node: ast.Try | ast.TryStar) -> list[ast.stmt]:
        known = set(self.known)
        in_body = names.stored(node.body)
        # After a failure only these ways lead on in this function; what else is left is seen to by a `try` around.
        ways_on = [h.body for h in node.handlers if not _leaves_for_good(h.body)]
        sure = [set[str]() if names.leaves(way) else names.surely(way) for way in ways_on]
        open_ = in_body - set[str].intersection(*sure) if sure else set[str]()
        if names.leaves(node.finalbody):
            ways_on, open_ = [node.finalbody], in_body
        if all(map(names.never_ends, ways_on)):
            read_later = self._used_after(self._turn)
        else:
            read_later = self._used_after([*node.body, *node.orelse])
        seen = names.loaded([*node.handlers, *node.finalbody])
        precise = self._precise
        self._precise = precise | (in_body & seen) | (open_ & read_later)
        body = self._guarded(self.block(node.body), node, in_body - self._precise)
        self._precise = precise
        after_body = set(self.known)
        orelse = self.block(node.orelse)
        ways: list[tuple[set[str], Sequence[ast.stmt]]] = [(self.known, [*node.body, *node.orelse])]
        handlers: list[ast.ExceptHandler] = []
        for handler in node.handlers:
            self.known = known - self._deleted(node.body)
            head: list[ast.stmt] = []
            tail: list[ast.stmt] = []
            name = None
            if handler.name:
                name = self.temporary()
                head = [ast.Assign([store(handler.name)], load(name))]
                tail = [ast.Assign([store(handler.name)], self.hook("UNBOUND"))]  # however it is left
                self.known.add(handler.name)
                self.sentinels.add(handler.name)
            # What fails in here has what is handled for its context.
            inner = [*self.block(handler.body), ast.Expr(self.X("drain"))]
            if handler.name:
                self.known.discard(handler.name)
            ways.append((self.known, handler.body))
            kind = handler.type
            if tail:
                inner = [ast.copy_location(ast.Try(inner, [], [], tail), handler)]
            handlers.append(ast.copy_location(ast.ExceptHandler(kind, name, [*head, *inner]), handler))
        del after_body
        self.known = self._joined(*ways)
        whole: ast.stmt
        if handlers:
            whole = ast.copy_location(type(node)([body], handlers, orelse, []), node)
            inner_block: list[ast.stmt] = [whole]
        else:
            inner_block = [body, *orelse]
        if not node.finalbody:
            return inner_block
        joined = set(self.known)
        self.known = known - self._deleted(node.body)
        final = self.block(node.finalbody)
        self.known = joined | (self.known - known)
        # On the way out by `return` or `break`, a `try` around would not hear of what fails in here.
        leaving = self._around > 1 and names.leaves([node])
        final.append(ast.Expr(self.X("drain" if leaving else "passed_through")))
        last: list[ast.stmt] = [ast.If(self.X("alive"), final, [])]
        return [ast.copy_location(ast.Try([self._guarded(inner_block, node)], [], [], last), node)]

    def _used_after(self, body: Sequence[ast.stmt]) -> set[str]:
        """The variables whose value at the moment in which `body` fails may be read later: outside, or by it itself."""
        return names.used_outside(self.body, body) | names.exposed(body) | self.captured

    def st_With(self, node: ast.With) -> list[ast.stmt]:
        if self.taskable([node]):
            return self.region([node], lambda: self._with(node), always=True, flags=SCOPED)
        self.waits = True
        return self._inline(node, lambda: self._with(node))

    def _with(self, node: ast.With) -> list[ast.stmt]:
        first, rest = node.items[0], node.items[1:]
        known = set(self.known)
        manager = self.X("enter", self.ex(first.context_expr))
        name = self.temporary() if first.optional_vars is not None else None
        head = (
            self.assign(first.optional_vars, load(name)) if first.optional_vars is not None and name else []
        )
        precise = self._precise
        passes = self.summary([node]).lets_pass(first.context_expr)
        # Where it may swallow what fails in there, the variables are read as they were then; else only by others.
        read_later = self.captured if passes else self._used_after(node.body)
        self._precise = precise | (names.stored(node.body) & read_later)
        lost = names.stored(node.body) - self._precise
        inner = (
            self._with(ast.copy_location(ast.With(rest, node.body), node)) if rest else self.block(node.body)
        )
        self._precise = precise
        if not passes:
            self.known &= known | names.stored([first.optional_vars] if first.optional_vars else [])
        item = ast.withitem(manager, store(name) if name else None)
        return [ast.copy_location(ast.With([item], [self._guarded([*head, *inner], node, lost)]), node)]


def _leaves_for_good(body: Sequence[ast.stmt]) -> bool:
    """Whether these statements can only be left by `return` or `raise`."""
    return names.never_ends(body) and not names.leaves(body) & {"break", "continue"}
