"""How modules are printed: as they would be constructed, with the shapes of arrays, and no secrets."""

from __future__ import annotations

from typing import Any, cast

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
        return f"[{', '.join(map(_text, cast('list[object]', value)))}]"
    if type(value) is tuple:
        items = cast("tuple[object, ...]", value)
        return f"({', '.join(map(_text, items))}{',' if len(items) == 1 else ''})"
    if type(value) is dict:
        pairs = cast("dict[object, object]", value).items()
        return f"{{{', '.join(f'{key!r}: {_text(part)}' for key, part in pairs)}}}"
    return repr(value)
