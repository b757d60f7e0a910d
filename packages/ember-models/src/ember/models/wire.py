"""What the vendors' HTTP formats have in common: compact JSON out, and JSON that is not to be trusted in.

A server's answer may be an error page, a proxy's apology or half an object. These readers return what a codec needs or
raise `InvalidResponse` that says what was wrong and where; none of them turns a missing text into "None".

    choice = entry(sequence(body, "choices"), 0)
    text = text_or_none(mapping(choice, "message"), "content")
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias, cast

from . import errors
from ._call import Call
from ._provider import Endpoint, HttpReply, HttpRequest, error_for, excerpt
from ._sse import ServerEvent

Fields: TypeAlias = Mapping[str, Any]

# More tokens than any call can use: a larger number is a fault of the server, and would poison every total.
_MOST_TOKENS: Final = 1_000_000_000
_ENCODER: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def json_request(url: str, endpoint: Endpoint, body: Fields, headers: Mapping[str, str] = {}) -> HttpRequest:
    """Return a POST of `body` as compact JSON, with the endpoint's key as a bearer token.

    Raises `InvalidRequestError` if `body` is not JSON: a value of `extra` that has no JSON form, or text that UTF-8
    cannot carry.

    >>> json_request("http://127.0.0.1/v1", Endpoint("http://127.0.0.1"), {"model": "m", "n": 1}).body
    b'{"model":"m","n":1}'
    """
    try:
        data = _ENCODER.encode(body).encode()
    except (TypeError, ValueError, RecursionError) as error:
        # The error's own text names a type or a code point, never the prompt.
        raise errors.InvalidRequestError(f"the request cannot be written as JSON: {error}") from None
    return HttpRequest(url, {**_head(endpoint), "content-type": "application/json", **headers}, data)


def get_request(url: str, endpoint: Endpoint) -> HttpRequest:
    """Return a GET, with the endpoint's key as a bearer token.

    >>> get_request("http://127.0.0.1/v1/models", Endpoint("http://127.0.0.1/v1")).method
    'GET'
    """
    return HttpRequest(url, _head(endpoint), b"", "GET")


def _head(endpoint: Endpoint) -> dict[str, str]:
    head = {"accept": "application/json"}
    if endpoint.key is not None:
        head["authorization"] = f"Bearer {endpoint.key.reveal()}"
    return head


def reply_fields(reply: HttpReply) -> Fields:
    """Return the JSON object a reply holds. Raises `InvalidResponse` for HTML, null, a list, or half an object."""
    body = reply.json()
    if isinstance(body, dict):
        return cast("Fields", body)
    raise errors.InvalidResponse(
        f"the answer is not a JSON object: {excerpt(reply.body)}", status=reply.status
    )


def event_fields(event: ServerEvent, *known: str) -> Fields:
    """Return the JSON object a server-sent event holds; nothing for what is no object under a name not `known`.

    Servers and proxies add events of their own, heartbeats for one. Raises `InvalidResponse` if an event that has no
    name, or is called "error" or one of `known`, holds no object.

    >>> event_fields(ServerEvent("beat", "heartbeat"), "message_start")
    {}
    """
    try:
        body = json.loads(event.data)
    except (ValueError, RecursionError):
        body = None
    if isinstance(body, dict):
        return cast("Fields", body)
    if event.name not in ("message", "error", *known):
        return {}
    raise errors.InvalidResponse(f"the stream sent an event that is not a JSON object: {shown(event.data)}")


def shown(value: object) -> str:
    """Return at most 200 characters of `value` for an error message, with known secrets masked."""
    return excerpt((value if isinstance(value, str) else repr(value)).encode("utf-8", "replace"))


def malformed(fields: Fields, name: str, wanted: str) -> errors.InvalidResponse:
    """Return the error that says `fields[name]` is missing or not what was wanted."""
    if name in fields:
        return errors.InvalidResponse(f"the answer's {name!r} is not {wanted}: {shown(fields[name])}")
    return errors.InvalidResponse(f"the answer has no {name!r}: {shown(dict(fields))}")


def mapping(fields: Fields, name: str) -> Fields:
    """Return the object `fields[name]`. Raises `InvalidResponse` if there is none."""
    value = fields.get(name)
    if isinstance(value, dict):
        return cast("Fields", value)
    raise malformed(fields, name, "an object")


def sequence(fields: Fields, name: str) -> Sequence[Fields]:
    """Return the list of objects `fields[name]`. Raises `InvalidResponse` if it is anything else."""
    value = fields.get(name)
    if isinstance(value, list) and all(isinstance(item, dict) for item in cast("list[object]", value)):
        return cast("list[Fields]", value)
    raise malformed(fields, name, "a list of objects")


def text(fields: Fields, name: str) -> str:
    """Return the string `fields[name]`. Raises `InvalidResponse` if there is none."""
    value = fields.get(name)
    if isinstance(value, str):
        return value
    raise malformed(fields, name, "text")


def text_or_none(fields: Fields, name: str) -> str | None:
    """Return the string `fields[name]`, None if it is absent or null. Raises `InvalidResponse` for another type."""
    return None if fields.get(name) is None else text(fields, name)


def number(fields: Fields, name: str) -> float:
    """Return the finite number `fields[name]`. Raises `InvalidResponse` if there is none."""
    value = fields.get(name)
    if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value):
        return float(value)
    raise malformed(fields, name, "a number")


def tokens(fields: object, name: str, of: int | None = None) -> int | None:
    """Return the token count `fields[name]`, or None if it is absent or cannot be one.

    A wrong count never fails an answer that is otherwise whole; it is only not believed. With `of`, the count is a part
    of that total, and not believed if it is larger.

    >>> tokens({"input": 12}, "input"), tokens({"input": -1}, "input"), tokens(None, "input")
    (12, None, None)
    """
    value: object = cast("Fields", fields).get(name) if isinstance(fields, dict) else None
    if (
        not isinstance(value, int)
        or isinstance(value, bool)
        or not 0 <= value <= (_MOST_TOKENS if of is None else of)
    ):
        return None
    return value


def stream_error(message: str, kind: str, status: int | None = None) -> errors.ModelError:
    """Return the typed error for a failure reported inside a stream, whose HTTP status was 200 all along.

    `kind` is the vendor's error type or code; `status` a number in the error itself, where the vendor gives one.

    >>> stream_error("Overloaded", "overloaded_error")
    ProviderUnavailable('Overloaded')
    """
    if status is None or not 400 <= status <= 599:
        status = next((number for word, number in _STATUS_OF.items() if word in kind), 500)
    error = error_for(status, message, kind, {})
    error.status = None
    return error


_STATUS_OF: Final[Mapping[str, int]] = {
    "api_key": 401,
    "insufficient_quota": 429,
    "rate_limit": 429,
    "overloaded": 529,
    "authentication": 401,
    "permission": 403,
    "not_found": 404,
    "invalid": 400,
    "content_filter": 400,
    "content_policy": 400,
}


def incomplete(partial: str) -> errors.StreamIncomplete:
    """Return the error for a stream that ended before its end mark."""
    return errors.StreamIncomplete(
        f"the stream ended before the answer did, after {len(partial)} characters (.partial_text).",
        partial_text=partial,
    )


def refuse(call: Call, provider: str, advice: str, **asked: object) -> None:
    """Raise `UnsupportedError` if `call` asks for any of `asked`, the parameters the vendor has no field for.

    >>> refuse(Call("m", ()), "acme", "Leave it out.", seed=None, stop=())
    """
    names = [name for name, value in asked.items() if value is not None and value != ()]
    if names:
        raise errors.UnsupportedError(
            f"{provider} has no {' or '.join(names)}. {advice}", provider=provider, model=call.model
        )
