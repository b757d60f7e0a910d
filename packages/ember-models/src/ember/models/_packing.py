"""Answers and vectors as bytes that outlive the process: plain JSON, and packed numbers. Never pickles, whose reading
would run what they say.
"""

from __future__ import annotations

import json
import sys
from array import array
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any, Final, cast

from ember.core.events import Usage

from ._call import ToolCall
from ._likelihood import TokenLogprob
from ._provider import Completion

_KINDS: Final[Mapping[str, type]] = {
    kind.__name__: kind for kind in (Completion, TokenLogprob, ToolCall, Usage)
}


def packed(completion: Completion) -> bytes:
    """Return `completion` as bytes. Raises TypeError or ValueError for what holds more than JSON can."""
    data = _pack(completion)
    return json.dumps(data, ensure_ascii=True, allow_nan=False, separators=(",", ":")).encode()


def unpacked(data: bytes) -> Completion:
    """Return the completion that `packed` made `data` of. Raises ValueError for anything else."""
    try:
        completion = _unpack(json.loads(data))
    except (TypeError, LookupError, AttributeError, RecursionError) as error:
        raise ValueError("what is kept is no answer") from error
    if not isinstance(completion, Completion):
        raise ValueError("what is kept is no answer")
    return completion


# A vendor's data stands under "j", as it is, so that it cannot be taken for one of ours.
def _pack(value: Any) -> Any:
    if value is None or isinstance(value, (str, int, float)):
        return value
    if isinstance(value, tuple):
        return [_pack(item) for item in cast("tuple[object, ...]", value)]
    if isinstance(value, Mapping):
        return {"j": dict(cast("Mapping[str, Any]", value))}
    if isinstance(value, list):
        return {"j": cast("list[object]", value)}
    name = type(value).__name__
    if _KINDS.get(name) is not type(value) or not is_dataclass(value):
        raise TypeError(f"{name} cannot be kept")
    # What is not compared is made anew from the rest: the checked arguments of a tool call.
    told = {
        field.name: _pack(inner)
        for field in fields(value)
        if field.compare and (inner := getattr(value, field.name)) is not None
    }
    return {"is": name, "of": told}


def _unpack(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(map(_unpack, cast("list[object]", value)))
    if isinstance(value, dict):
        node = cast("dict[str, Any]", value)
        if "j" in node:
            return node["j"]
        return _KINDS[node["is"]](**{name: _unpack(inner) for name, inner in node["of"].items()})
    return value


def packed_vector(vector: tuple[float, ...], model: str) -> bytes:
    """Return a vector and the model it is from as bytes: exactly, in 4 bytes a number where those suffice."""
    numbers = array("d", vector)
    try:
        short = array("f", vector)
    except OverflowError:
        short = array("f")
    if short.tolist() == numbers.tolist():
        numbers = short
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers.typecode.encode() + model.encode() + b"\0" + numbers.tobytes()


def unpacked_vector(data: bytes) -> tuple[str, tuple[float, ...]]:
    """Return the model and the vector in `data`. Raises ValueError for what is none."""
    head, end, body = data.partition(b"\0")
    if head[:1] not in (b"f", b"d") or not end:
        raise ValueError("what is kept is no vector")
    numbers: array[float] = array(head[:1].decode())
    numbers.frombytes(body)
    if sys.byteorder == "big":
        numbers.byteswap()
    return head[1:].decode(), tuple(numbers)
