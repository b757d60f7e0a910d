"""From a lowered tree to code: compiled, with the names it has in the user's source, and its hooks in cells."""

# Values here are the user's, of whatever type; what isinstance leaves of them is partly unknown to pyright.
# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false, reportUnknownMemberType=false
# pyright: reportUnknownLambdaType=false

from __future__ import annotations

import ast
import inspect
import operator
import re
from types import CodeType, FunctionType, ModuleType
from typing import Any, Final

from . import _names as names
from ._lower import Lowering
from ._trees import Unsupported, load


def compiled(lowering: Lowering, function: FunctionType) -> CodeType:
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
    _place(module, {})
    try:
        whole = compile(module, code.co_filename, "exec", dont_inherit=True, flags=code.co_flags & 0x1000000)
    except (SyntaxError, ValueError) as error:
        raise Unsupported(f"its lowered form does not compile ({error})") from None
    made = _find(whole, "_x_program")
    return _named(made, made.co_qualname, code, _lambdas(code)).replace(co_name=name)


def _place(node: ast.AST, around: dict[str, int]) -> None:
    """Give `node` and what is below it the places they lack, as `ast.fix_missing_locations` does, in less time."""
    own = vars(node)
    if "lineno" in own:
        around = {name: own[name] for name in node._attributes if name in own}
    elif node._attributes:
        own.update(around)
    for child in names.children(node):
        _place(child, around)


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
    if not code.co_flags & inspect.CO_OPTIMIZED:  # a class body, which gives its class the name as a constant
        constants = tuple(name if c == code.co_qualname else c for c in constants)
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


def cell_for(name: str, function: FunctionType) -> Any:
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
