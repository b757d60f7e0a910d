"""From the bytes of a record to a row: a plain dict, some columns of it, or an instance of a schema."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple, NotRequired, TypeAlias, TypedDict, cast

import msgspec

Columns: TypeAlias = "tuple[str, ...] | Mapping[str, Any] | None"

# Which failures mean that the record is bad. pydantic's ValidationError is a ValueError.
BAD = (msgspec.DecodeError, ValueError, TypeError, RecursionError)


class Decoding(NamedTuple):
    """How rows are made: of one JSON value, of a block of lines with one each, and of a dict of another format."""

    value: Callable[[bytes], Any]
    block: Callable[[bytes], list[Any]]
    row: Callable[[dict[str, Any]], Any]


def decoding(columns: Columns, schema: Any) -> Decoding:
    """Return how rows are made.

    Columns become a TypedDict: msgspec then passes over all others without making objects of them, and still gives
    plain dicts. (A whole block per call saves another tenth of the time; `benchmarks/stream.py` has the figures.)
    """
    if schema is not None and hasattr(schema, "model_validate_json"):
        return _pydantic(schema)
    shape: Any = schema
    if columns is not None:
        types: dict[str, Any] = dict(columns) if isinstance(columns, Mapping) else dict.fromkeys(columns, Any)
        # Made by a call: the columns are not known before.
        row_type: Any = TypedDict  # the checkers want the columns spelled out
        shape = row_type("Row", {name: NotRequired[type_] for name, type_ in types.items()})
    if shape is None:
        plain = msgspec.json.Decoder()
        return Decoding(plain.decode, plain.decode_lines, _same)
    typed: Any = msgspec.json.Decoder(shape)
    if columns is not None and not isinstance(columns, Mapping):
        return Decoding(typed.decode, typed.decode_lines, partial(picked, tuple(columns)))
    return Decoding(typed.decode, typed.decode_lines, partial(msgspec.convert, type=shape, strict=False))


def _same(row: dict[str, Any]) -> Any:
    return row


def picked(columns: tuple[str, ...], row: dict[str, Any]) -> dict[str, Any]:
    """Return those columns of `row` that it has, in the order asked for."""
    return {column: row[column] for column in columns if column in row}


def _pydantic(model: Any) -> Decoding:
    validate: Callable[[bytes], Any] = model.model_validate_json

    def block(body: bytes) -> list[Any]:
        return [validate(line) for line in body.splitlines()]

    return Decoding(validate, block, model.model_validate)


def salvaged(line: bytes, decode: Decoding) -> Any:
    """Return the row of a line that is JSON only as Python writes it, with NaN and Infinity in it.

    Raises what is wrong with any other line.
    """
    try:
        return decode.value(line)
    except BAD as error:
        if b"NaN" not in line and b"Infinity" not in line:
            raise
        try:
            row: object = json.loads(line)
        except ValueError:
            raise error from None
    return decode.row(cast("dict[str, Any]", row)) if isinstance(row, dict) else row


def reason(error: Exception, line: bytes) -> str:
    """Return what is wrong with `line`, in a few words."""
    if isinstance(error, UnicodeDecodeError):
        return f"not UTF-8 ({error.reason})"
    if isinstance(error, RecursionError):
        return "nested too deeply"
    if b"\0" in line[:1000]:
        return "not text: it has NUL bytes"
    errors = getattr(error, "errors", None)
    if callable(errors):  # pydantic's
        first = cast("list[dict[str, Any]]", errors())[0]
        return f"{first['msg']} at {'.'.join(map(str, first['loc'])) or 'the top'}"
    words = str(error).rstrip(".")
    if "truncated" in words and (b"\\ud" in line or b"\\uD" in line):
        return "JSON with half a surrogate pair, or cut off"
    if "truncated" in words:
        return "JSON that is cut off"
    return words or type(error).__name__
