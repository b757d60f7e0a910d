"""How modules are printed: as they would be constructed, with the shapes of arrays, and no secrets."""

# Values here are the user's, of whatever type; what isinstance leaves of them is partly unknown to pyright.
# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false, reportUnknownMemberType=false

from __future__ import annotations

from types import FunctionType
from typing import Any, Final

from ember.core.secrets import scrub

from ._arrays import array_text, is_array
from ._fields import HasFields, values_of


def shown(module: HasFields) -> str:
    """Return `Name(field=value, ...)`."""
    return scrub(_text(module))


def _text(value: Any) -> str:
    if isinstance(value, HasFields):
        parts = (f"{name}={_text(part)}" for name, part in values_of(value).items())
        return f"{type(value).__name__}({', '.join(parts)})"
    if is_array(value):
        return array_text(value)
    if type(value) is list:
        return f"[{', '.join(map(_text, value))}]"
    if type(value) is tuple:
        items = value
        return f"({', '.join(map(_text, items))}{',' if len(items) == 1 else ''})"
    if type(value) is dict:
        pairs = value.items()
        return f"{{{', '.join(f'{key!r}: {_text(part)}' for key, part in pairs)}}}"
    if isinstance(value, FunctionType):
        return value.__qualname__.rpartition("<locals>.")[2]  # its address would be another one each time
    return repr(value)


def page(module: HasFields) -> str:
    """Return what a notebook shows: the module as an outline to open and close, with the shapes of arrays."""
    return f'<div class="ember-module">{scrub(_outline("", module, 0))}</div>'


def _outline(name: str, value: Any, depth: int) -> str:
    from html import escape

    label = f"{escape(name)}: " if name else ""
    parts: list[tuple[str, Any]] = []
    if isinstance(value, HasFields):
        head, parts = type(value).__name__, list(values_of(value).items())
    elif type(value) in (list, tuple) and any(isinstance(one, HasFields) for one in value):
        head = f"{type(value).__name__} of {len(value)}"
        parts = [(f"[{i}]", one) for i, one in enumerate(value)]
    elif type(value) is dict and any(isinstance(one, HasFields) for one in value.values()):
        head = f"dict of {len(value)}"
        parts = [(f"[{key!r}]", one) for key, one in value.items()]
    else:
        return f"<div>{label}<code>{escape(_text(value))}</code></div>"
    inner = "".join(_outline(step, part, depth + 1) for step, part in parts)
    opened = " open" if depth < _OPEN else ""
    return (
        f"<details{opened}><summary>{label}<b>{escape(head)}</b></summary>"
        f'<div style="margin-left:1.5em">{inner}</div></details>'
    )


_OPEN: Final = 2
"""Levels that are open at first."""
