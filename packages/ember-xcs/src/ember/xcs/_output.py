"""What lowered code prints and logs, in the order of the program."""

# Values here are the user's, of whatever type; what isinstance leaves of them is partly unknown to pyright.
# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false, reportUnknownMemberType=false
# pyright: reportUnknownLambdaType=false

from __future__ import annotations

import logging
from typing import Any

from . import _effects as effects
from ._apart import apart, ordered, unknown
from ._memory import ready_call, settle
from ._order import quiet
from ._run import Run
from ._values import PENDING, SCALARS, is_data


def printed(run: Run, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    if quiet(run):
        print(*(settle(run, arg) for arg in args), **kwargs)
    else:
        things = (*args, *kwargs.values())
        plain = all(map(_shown, args)) and all(name in ("sep", "end", "flush") for name in kwargs)
        apart(run, _print_later, (args, kwargs), things, writes=not plain, changes=not plain)


def _shown(thing: Any, within: tuple[int, ...] = ()) -> bool:
    """Whether showing `thing` runs no code of the user's."""
    kind = type(thing)
    if id(thing) in within:
        return True
    if kind in (list, tuple, set, frozenset):
        within = (*within, id(thing))
        return all(_shown(one, within) for one in thing)
    if kind in effects.DICTS:
        within = (*within, id(thing))
        return all(_shown(key, within) and _shown(one, within) for key, one in thing.items())
    return kind in PENDING or kind in SCALARS or is_data(thing)


def _print_later(run: Run, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    run.barrier()
    given, words = ready_call(run, args, kwargs)
    print(*given, **words)


def logged(
    run: Run, logger: logging.Logger, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> None:
    if quiet(run) or not all(map(_shown, args)) or kwargs:
        unknown(run, getattr(logger, name), args, kwargs)
    else:
        apart(run, ordered, (getattr(logger, name), args, kwargs), args)
