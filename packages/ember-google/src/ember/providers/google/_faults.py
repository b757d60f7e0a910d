"""What Google's errors mean: a message, a status word, and details of several types."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final, cast

from ember.models import HttpReply, errors
from ember.models.wire import Fields, shown, stream_error

# Why a key is refused, under the status of a malformed request.
_KEY_REASONS: Final = ("API_KEY_INVALID", "API_KEY_EXPIRED")


def unwrapped(reply: HttpReply) -> tuple[HttpReply, Fields]:
    """Return a reply whose body is the error object, and what is in it; some of Google's servers send a list of one."""
    try:
        body: object = json.loads(reply.body)
        if len(listed := _list(body)) == 1:
            body = listed[0]
            reply = HttpReply(reply.status, reply.headers, json.dumps(body).encode())
    except (ValueError, RecursionError):
        return reply, {}
    return reply, _object(_object(body).get("error"))


def raise_error_in(body: Fields) -> None:
    """Raise the error that a body or an event reports under status 200."""
    if "error" not in body:
        return
    fields = _object(body["error"])
    message, code = fields.get("message"), fields.get("code")
    raise refined(
        stream_error(
            message if isinstance(message, str) else f"the server reported {shown(body['error'])}",
            str(fields.get("status") or "").lower(),
            code if isinstance(code, int) else _STATUS_OF.get(str(fields.get("status"))),
        ),
        fields,
    )


# Where an error inside a stream has lost its number.
_STATUS_OF: Final = {
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "RESOURCE_EXHAUSTED": 429,
}


def refined(error: errors.ModelError, fields: Fields) -> errors.ModelError:
    """Return the error that the details of `fields`, an error object, make of the one its status stands for.

    >>> refined(errors.InvalidRequestError("Renew it."), {"details": [{"reason": "API_KEY_EXPIRED"}]})
    AuthenticationError('Renew it.')
    """
    kind, wait = type(error), error.retry_after
    for detail in _details(fields, "details"):
        if detail.get("reason") in _KEY_REASONS and isinstance(error, errors.InvalidRequestError):
            kind = errors.AuthenticationError
        elif wait is None:
            wait = _seconds(detail.get("retryDelay"))
        daily = any("PerDay" in str(each.get("quotaId")) for each in _details(detail, "violations"))
        if daily and isinstance(error, errors.RateLimitError):
            kind = errors.QuotaError
    if issubclass(kind, errors.QuotaError):
        wait = None  # what the server asks to wait is meant for its limits per minute
    known: dict[str, Any] = {"status": error.status, "request_id": error.request_id}
    return kind(error.problem, retry_after=wait, **known)


def _details(fields: Fields, name: str) -> Iterator[Fields]:
    return map(_object, _list(fields.get(name)))


def _list(value: object) -> list[object]:
    return cast("list[object]", value) if isinstance(value, list) else []


def _object(value: object) -> Fields:
    return cast("Fields", value) if isinstance(value, dict) else {}


def _seconds(delay: object) -> float | None:
    """Return the seconds in a duration as Google writes it, "34.5s"."""
    written = isinstance(delay, str) and re.fullmatch(r"(\d{1,9}(?:\.\d{1,9})?)s", delay, re.ASCII)
    return float(written[1]) if written else None
