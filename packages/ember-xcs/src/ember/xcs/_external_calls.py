"""External calls of lowered code: sent at once if their arguments are there, and otherwise when they are."""

# Values here are the user's, of whatever type; what isinstance leaves of them is partly unknown to pyright.
# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false, reportUnknownMemberType=false
# pyright: reportUnknownLambdaType=false

from __future__ import annotations

from typing import Any, Final

from ember.core.externals import External

from ._apart import apart
from ._arguments import takes_over
from ._memory import ready_call, settle, snapshot
from ._order import await_all, await_turn, in_turn
from ._run import Run
from ._tasks import Flight
from ._values import PENDING, SCALARS, has_pending, plain_deep


def external_call(
    run: Run, external: External[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    kind = result_kind(external)
    if all(type(arg) in SCALARS for arg in args) and (
        not kwargs or all(type(a) in SCALARS for a in kwargs.values())
    ):
        return run.issue(external, args, kwargs, kind)
    things = (*args, *kwargs.values())
    if takes_over(external) and not all(type(one) in SCALARS or _is_scalar(one) for one in things):
        return apart(run, _external_in_place, (external, args, kwargs), things, changes=True)
    if not any(map(has_pending, things)) and in_turn(run, things):
        args = tuple(handed_out(run, arg) for arg in args)
        return run.issue(external, args, {name: handed_out(run, arg) for name, arg in kwargs.items()}, kind)
    if all(type(one) in SCALARS or _is_scalar(one) or _is_unshared(run, one) for one in things):
        return run.issue_later(external, args, kwargs, kind)
    made = apart(run, _external_later, (external, args, kwargs, kind), things)
    if type(made) in PENDING:
        made.kind = kind
    return made


def handed_out(run: Run, value: Any) -> Any:
    """Return what whoever answers a call is given: he reads it while the program goes on."""
    if type(value) in SCALARS:
        return value
    return snapshot(value) if plain_deep(value) else settle(run, value)


def _is_scalar(value: Any) -> bool:
    """Whether `value` is pending, and known to be of a type that never changes."""
    return type(value) in PENDING and value.kind in SCALARS and value.kind is not None


def _is_unshared(run: Run, value: Any) -> bool:
    """Whether `value` is an answer that is not there yet, and nothing that waits for it can change it."""
    return type(value) is Flight and not run.guessing.tasks


def _external_in_place(
    run: Run, external: External[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """Make a call that changes or keeps its arguments: with the objects themselves, while nobody else uses them."""
    things = [run.force(one) for one in (*args, *kwargs.values())]
    for one in things:
        if type(one) not in SCALARS:
            await_turn(run, one, True)
    await_all(run, things)
    args = tuple(settle(run, arg) for arg in args)
    kwargs = {name: settle(run, arg) for name, arg in kwargs.items()}
    return run.force(run.issue(external, args, kwargs, None))


def _external_later(
    run: Run, external: External[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], kind: type | None
) -> Any:
    if run.record is not None:
        run.record.reads(run.current, (args, kwargs))
    given, words = ready_call(run, args, kwargs)
    copies = {name: handed_out(run, one) for name, one in words.items()}
    return run.issue(external, tuple(handed_out(run, one) for one in given), copies, kind)


def result_kind(external: External[..., Any]) -> type | None:
    """Return the type an external call's result is known to have."""
    if external.kind == "model" and not external.name.startswith("models."):
        return str
    function = getattr(external, "__wrapped__", None)
    returns: object = getattr(function, "__annotations__", {}).get("return")
    if isinstance(returns, str):
        return _NAMED.get(returns)
    return returns if isinstance(returns, type) and returns in SCALARS else None


_NAMED: Final[dict[str, type]] = {"str": str, "int": int, "float": float, "bool": bool, "bytes": bytes}
