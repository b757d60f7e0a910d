"""Whether a syntax tree is the one that a code object was compiled from: source files are edited after their import.

The tree is compiled again, in a function that has the variables it captures and a class of the same name, and compared:
instructions, names and constants. Positions do not matter.
"""

# Constants are of whatever type.
# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false

from __future__ import annotations

import ast
import dis
from types import CodeType
from typing import Any, Final

_FUTURE: Final = 0x1000000
"""The flag of `from __future__ import annotations`."""


def is_original(tree: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda, code: CodeType) -> bool:
    """Whether `tree` compiles to `code`."""
    statement: ast.stmt = ast.copy_location(ast.Expr(tree), tree) if isinstance(tree, ast.Lambda) else tree
    parts = code.co_qualname.split(".")
    if len(parts) > 1 and parts[-2].isidentifier():  # private names are spelled with the name of their class
        free = "__class__" in code.co_freevars
        body: list[ast.stmt] = [statement]
        statement = ast.ClassDef(parts[-2], [], [], body, [], **_NO_TYPES)
        names = [one for one in code.co_freevars if one != "__class__"] if free else [*code.co_freevars]
    else:
        names = [*code.co_freevars]
    named = {getattr(statement, "name", ""), getattr(tree, "name", "")}
    of_module = sorted(named - {"", *names})  # what is called so in the function is no variable around it
    outer = ast.FunctionDef(
        "_x_around",
        ast.arguments([], [ast.arg(one) for one in names], None, [], [], None, []),
        [ast.Global(of_module), statement] if of_module else [statement],
        [],
        None,
        **_NO_TYPES,
    )
    module = ast.Module([outer], [])
    ast.copy_location(outer, tree)
    for node in (outer, *outer.args.args, *outer.body):
        if not hasattr(node, "lineno"):
            ast.copy_location(node, tree)
    try:
        made = compile(module, code.co_filename, "exec", flags=code.co_flags & _FUTURE, dont_inherit=True)
    except (SyntaxError, ValueError, TypeError):
        return False
    return any(_alike(one, code) for one in _inside(made, code.co_name))


_NO_TYPES: Final[dict[str, Any]] = {"type_params": []} if hasattr(ast, "TypeAlias") else {}


def is_instrumented(code: CodeType) -> bool:
    """Whether something has put code of its own in between: pytest does, into functions with an `assert`."""
    return any(not one.isidentifier() and one[:1] == "@" for one in (*code.co_names, *code.co_varnames))


def _inside(code: CodeType, name: str) -> list[CodeType]:
    found: list[CodeType] = []
    for one in code.co_consts:
        if isinstance(one, CodeType):
            if one.co_name == name:
                found.append(one)
            found += _inside(one, name)
    return found


def _alike(one: CodeType, other: CodeType) -> bool:
    return (
        one.co_names == other.co_names
        and one.co_varnames == other.co_varnames
        and one.co_freevars == other.co_freevars
        and one.co_cellvars == other.co_cellvars
        and len(one.co_consts) == len(other.co_consts)
        and all(map(_same_constant, one.co_consts, other.co_consts))
        and (one.co_code == other.co_code or _steps(one) == _steps(other))
    )


def _same_constant(one: Any, other: Any) -> bool:
    if isinstance(one, CodeType) and isinstance(other, CodeType):
        return one.co_name == other.co_name and _alike(one, other)
    if type(one) is frozenset and type(other) is frozenset:  # in whatever order
        return sorted(map(repr, one)) == sorted(map(repr, other))
    # Of one type, and of one spelling: 1, 1.0 and True are equal, as are 0.0 and -0.0.
    return type(one) is type(other) and repr(one) == repr(other)


def _steps(code: CodeType) -> list[tuple[str, object]]:
    """Return the instructions of `code`, without what depends on which names the rest of its module imports.

    A method of an imported name is called by other instructions than one of another global variable.
    """
    steps = [one for one in dis.get_instructions(code) if one.opname not in _FILLING]
    places = {one.offset: place for place, one in enumerate(steps)}
    found: list[tuple[str, object]] = []
    for one in steps:
        argument: object = repr(one.argval)
        if one.opcode in _JUMPS:
            later = one.argval
            while later not in places:  # to what does not count: to the next that does
                later += 2
            argument = places[later]
        elif one.opname.startswith("CALL") or isinstance(one.argval, CodeType):
            argument = one.arg
        found.append(("LOAD_ATTR" if one.opname == "LOAD_METHOD" else one.opname, argument))
    return found


_FILLING: Final = frozenset({"CACHE", "EXTENDED_ARG", "PUSH_NULL", "PRECALL", "NOP"})
_JUMPS: Final = frozenset({*dis.hasjrel, *dis.hasjabs})
