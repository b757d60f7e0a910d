"""Where values come from, and what calling a function may do: the terms that summaries are written in."""

# Values here are the user's, of whatever type; what isinstance leaves of them is partly unknown to pyright.
# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false, reportUnknownMemberType=false
# pyright: reportUnknownLambdaType=false

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, TypeAlias

OUTSIDE: Final = "*"
Origins: TypeAlias = frozenset[str]
NOWHERE: Final[Origins] = frozenset()
ANYWHERE: Final[Origins] = frozenset({OUTSIDE})


@dataclass
class Effects:
    """What calling a function may do: `writes`, anything; `objects`, call unknown methods of its parameters; `parts`,
    call what frozen objects among its parameters are made of; `changed`,
    the bits of the parameters whose content it may change (-1: all); `shared`, change these global variables' content.
    `outside` is what of others' it may return or keep, `kept` says which parameters' content it may keep in which
    others (None: any in any), `kind` what kind its result is of, and the bits of `gives` which parameters it may be, or
    be a part of (negative: or anything else)."""

    writes: bool = False
    objects: bool = False
    changed: int = 0
    shared: Origins = NOWHERE
    outside: Origins = NOWHERE
    kept: frozenset[tuple[int, int]] | None = frozenset()
    kind: Any = None
    gives: int = 0
    parts: bool = False


ANYTHING: Final = Effects(True, True, -1, NOWHERE, ANYWHERE, None, None, -1)

_GLOBALS: Final[list[tuple[dict[str, Any], str]]] = []
_NUMBERS: Final[dict[tuple[int, str], str]] = {}


def global_origin(namespace: dict[str, Any], name: str) -> str:
    """Return what stands for a global variable among origins: `*` and a number."""
    found = _NUMBERS.get((id(namespace), name))
    if found is None:
        _GLOBALS.append((namespace, name))  # kept, as is its number
        found = _NUMBERS[id(namespace), name] = f"{OUTSIDE}{len(_GLOBALS) - 1}"
    return found


def global_at(number: int) -> Any:
    """Return the value of a global variable now, by the number that `global_origin` gave it."""
    namespace, name = _GLOBALS[number]
    return namespace.get(name)


def forget_globals() -> None:
    """Forget the numbers of global variables: for tests."""
    _GLOBALS.clear()
    _NUMBERS.clear()
