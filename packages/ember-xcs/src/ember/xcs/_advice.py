"""What made the program wait, in the words of who wrote it, and what to write instead."""

# Values here are the user's, of whatever type; what isinstance leaves of them is partly unknown to pyright.
# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false, reportUnknownMemberType=false

from __future__ import annotations

from dataclasses import dataclass
from types import BuiltinFunctionType, CodeType, FrameType, FunctionType, MethodType
from typing import Any, Final

from ._ir import EdgeKind
from ._memory import perform
from ._program import NO_CALL, program_of
from ._tasks import Task


@dataclass(frozen=True, slots=True)
class Forced:
    """Why a wait was: its kind, the construct in words, and the advice."""

    kind: EdgeKind
    construct: str
    advice: str = ""
    at: tuple[CodeType, int] | None = None


_LATER: Final = "Calls that do not depend on the answer can stand before it: they are under way meanwhile."
_DECIDING: Final[dict[str, str]] = {
    "test": "a condition",
    "iterate": "a loop over",
    "subject": "a match on",
    "either": "an `or`",
    "both": "an `and`",
    "force": "a choice that needs",
    "_either": "an `or`",
    "_both": "an `and`",
    "_choose": "a conditional expression",
    "_some": "any() or all()",
    "_some_of": "any() or all()",
    "mapping": "a `**` of",
}
_ORDERED: Final[dict[str, tuple[str, str]]] = {
    "drain": (
        "the end of a try or with",
        "What was begun in a try or with must be over before it is left. Make calls outside of it whose failure is not "
        "handled here.",
    ),
    "leaving": (
        "a return out of a try or with",
        "What was begun in a try or with must be over before it is left. Keep the value; return it after the block.",
    ),
    "caught": ("the handling of an exception", ""),
    "entered": (
        "the beginning of a try or with that is left by return, break or continue",
        "Put the block's statements into a function of their own, and the return, break or continue after it.",
    ),
    "enter": (
        "a with statement",
        "Entering it may do anything. Make the calls that do not need it before, and use their answers inside.",
    ),
    "turn": (
        "the read of a variable that a nested function shares",
        "Give the nested function the value as an argument, or use a new name in place of assigning again.",
    ),
    "rebind": (
        "an assignment of a variable that a nested function shares",
        "Use a new name in place of assigning again.",
    ),
    "_set_attr": (
        "a store of an attribute",
        "Others may look at the object. Keep values in local variables, and store them in the end.",
    ),
    "_set_global": (
        "an assignment of a global variable",
        "Keep the value in a local variable, and assign it in the end.",
    ),
    "_print_later": ("print", ""),
    "_change_shared": (
        "a change of a container that others can see",
        "Collect the values in one made inside the function, and return it or add it in the end.",
    ),
    "_change_fresh": ("a change of a container that is still read before it", ""),
    "_global_of": (
        "the read of a global variable",
        "Read it once, before the calls, or hand it over as an argument.",
    ),
}
BLOCKING: Final = frozenset({"barrier", "drain", "drain_scope", "await_turn", "await_all", "_await_others"})


def why(hook: FrameType | None, behind: bool, task: Task) -> Forced:
    """Return why `task` is about to wait. `hook` is the frame of XCS's that the user's code called.

    `behind`: it is not a value that is needed, but something that must come first.
    """
    if hook is None:
        return Forced("order", task.what or "the program")
    name = hook.f_code.co_name
    if hook.f_back is not None and hook.f_back.f_code is perform.__code__:
        return Forced("order", "the end of the program")
    if name in ("ordered", "unknown"):
        return _of_function(hook.f_locals.get("function"))
    if (
        name == "call"
        and hook.f_locals.get("external") is not None
        and not hasattr(hook.f_locals.get("function"), "__name__")
    ):
        return Forced(
            "order", f"a call of {hook.f_locals['external'].name} in code that is run as it is", _AS_IS
        )
    if name in _ORDERED:
        construct, advice = _ORDERED[name]
        method = hook.f_locals.get("name")
        return Forced(
            "order",
            f"{construct} (.{method})" if isinstance(method, str) and name != "_global_of" else construct,
            advice,
        )
    if name in _DECIDING:
        return Forced("decision", _DECIDING[name], _LATER)
    return Forced("order" if behind else "data", _plain_name(name if name != "force" else task.what))


_AS_IS: Final = (
    "Such code makes one call after the other: put what makes the calls into a function that can be lowered."
)


def _plain_name(what: str) -> str:
    return _WORDS.get(what.strip("_"), what.strip("_").replace("_", " ") or "the program")


_WORDS: Final[dict[str, str]] = {
    "reading": "a computation",
    "method_later": "a method",
    "external_later": "the arguments of a call",
    "library_later": "a function of Python's",
    "picked": "max, min or sorted",
    "by_key": "a sort key",
    "unpack": "an unpacking",
    "item": "a subscript",
    "attr": "an attribute",
    "kept": "a filter of a comprehension",
    "each": "a comprehension",
    "joined": "a comprehension",
    "key": "a key of a dict",
    "text": "an f-string",
    "call": "an argument of a call",
    "method": "a method",
    "global_of": "the read of a global variable",
    "augmented": "an augmented assignment",
    "barrier": "a statement that is run in its turn",
    "constructed": "the making of an object",
    "container_method": "a method of a container",
    "dict_from": "the keys of a dict",
    "eaten": "an iterator",
    "exit": "the end of a with",
    "external_in_place": "a change in place",
    "failed": "an exception",
    "foreign": "an await",
    "in_handler": "the handling of an exception",
    "iterator_later": "an iterator",
    "kept_now": "a filter of a comprehension",
    "lazily_later": "an iterator",
    "live_view": "a view of a dict",
    "made": "the making of a container",
    "mapped": "a `map`",
    "method_settled": "an argument of a method",
    "next": "the next element of an iterator",
    "ordered_steps": "an iterator",
    "passed_through": "the end of a finally",
    "plain": "a computation",
    "rebind_outer": "an assignment of a variable that a nested function shares",
    "seen": "an iterator",
    "set_from": "the elements of a set",
    "set_item": "an assignment to a subscript",
    "shown": "an assignment in a try or with",
    "sort_list": "a sort",
    "steps": "an iterator",
    "tell": "an await",
    "turns": "an iterator",
}


def name_of(function: Any) -> str:
    """Return what a callable is called, without running code of the user's."""
    kind: type[Any] = type(function)
    if kind in _NAMED or isinstance(function, type):
        return str(getattr(function, "__qualname__", kind.__qualname__))
    return kind.__qualname__


_NAMED: Final = frozenset({FunctionType, BuiltinFunctionType, MethodType, type(str.upper), type(str.__add__)})


def _of_function(function: Any) -> Forced:
    name = name_of(function)
    if type(function) is FunctionType:
        reason = program_of(function).reason
        if reason == NO_CALL:
            return Forced(
                "order",
                f"a call of {name}(), which may change things",
                "If its work is done elsewhere, mark it @external. Else call it after the calls it stands between.",
            )
        if reason:
            return Forced(
                "order",
                f"a call of {name}(), which is run as it is: {reason}",
                "If its work is done elsewhere, mark it @external. If it changes nothing, call it after the calls.",
            )
    return Forced(
        "order",
        f"a call of {name}(), which may do anything",
        "If its work is done elsewhere, mark it @external. Else make the calls that do not need it before it.",
    )
