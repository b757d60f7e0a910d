"""What a check of a function relied on: that names and variables still mean what they meant."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from operator import itemgetter
from types import BuiltinFunctionType, CellType, FunctionType, ModuleType
from typing import Any, Final

MISSING: Final = object()
_EQUAL_TO_THEMSELVES: Final = (ModuleType, FunctionType, BuiltinFunctionType, type)
_Rest = Callable[[], bool]


class Guards:
    """What a check relied on: names and variables that still mean what they meant, or the check is void."""

    def __init__(self) -> None:
        self._bound: dict[int, tuple[Mapping[str, Any], dict[str, Any]]] = {}
        self._absent: dict[int, tuple[Mapping[str, Any], set[str]]] = {}
        self.cells: list[tuple[CellType, Any]] = []
        self.lookups: tuple[tuple[Callable[[Any], Any], Mapping[str, Any], Any], ...] = ()
        """Modules, functions and classes: equal only to themselves, so that one comparison does for all of a scope."""
        self.rest: tuple[_Rest, ...] = ()
        """Whatever else must hold."""

    def bind(self, where: Mapping[str, Any], name: str, value: object) -> None:
        """Rely on `name` to be `value`."""
        self._bound.setdefault(id(where), (where, {}))[1][name] = value

    def absent(self, where: Mapping[str, Any], name: str) -> None:
        """Rely on `name` not to be there, so that the builtin of this name is meant."""
        self._absent.setdefault(id(where), (where, set()))[1].add(name)

    def settle(self) -> None:
        """Make what was collected quick to look at."""
        lookups: list[Any] = []
        rest: list[_Rest] = [partial(_are_absent, where, names) for where, names in self._absent.values()]
        for where, bound in self._bound.values():
            plain = {name: value for name, value in bound.items() if type(value) in _EQUAL_TO_THEMSELVES}
            if plain:
                values: Any = tuple(plain.values())
                lookups.append((itemgetter(*plain), where, values[0] if len(plain) == 1 else values))
            rest += [partial(_is_bound, where, *item) for item in bound.items() if item[0] not in plain]
        rest += [partial(_is_held, cell, value) for cell, value in self.cells]
        self.lookups, self.rest = tuple(lookups), tuple(rest)

    def hold(self) -> bool:
        """Say whether everything still means what it meant. About 0.2 µs."""
        try:
            for get, where, values in self.lookups:
                if get(where) != values:
                    return False
        except (KeyError, ValueError, TypeError):
            return False  # gone, or an array now: asked whether it equals, that gives no answer
        return all(holds() for holds in self.rest)


def _is_bound(where: Mapping[str, Any], name: str, value: object) -> bool:
    return where.get(name, MISSING) is value


def _are_absent(where: Mapping[str, Any], absent: set[str]) -> bool:
    return absent.isdisjoint(where)


def _is_held(cell: CellType, value: object) -> bool:
    return contents(cell) is value


def contents(cell: CellType) -> Any:
    """Return the value of a variable of the function around, or `MISSING`."""
    try:
        return cell.cell_contents
    except ValueError:
        return MISSING
