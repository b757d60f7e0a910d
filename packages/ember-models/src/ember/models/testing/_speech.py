"""Which reply a request gets: the script's, or the dialect's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from . import _anthropic, _google, _ollama, _openai
from ._dialect import BadRequest, Dialect, Say
from ._frames import Content, Frames, dumped, frames
from ._record import Request
from ._reply import Event, Reply

DIALECTS: dict[str, Dialect] = {
    "/chat/completions": _openai.CHAT_COMPLETIONS,
    "/responses": _openai.RESPONSES,
    "/embeddings": _openai.EMBEDDINGS,
    "/messages": _anthropic.MESSAGES,
    ":generateContent": _google.GENERATE,
    ":streamGenerateContent": _google.STREAM,
    ":batchEmbedContents": _google.EMBED,
    "/api/chat": _ollama.CHAT,
    "/api/embed": _ollama.EMBED,
    "/api/tags": _ollama.TAGS,
    "/v1beta/models": _google.MODELS_LIST,
    "/models": _openai.MODELS_LIST,
}
"""By the end of the path."""

_JSON = "application/json"
_TEXT = "text/plain; charset=utf-8"
_EVENTS = "text/event-stream"
_BY_ITSELF = Reply()


def find(path: str, more: Mapping[str, Dialect]) -> Dialect | None:
    """Return the dialect of a path, from `more` or else of those this server knows by itself."""
    for end, dialect in (*more.items(), *DIALECTS.items()):
        if path.endswith(end):
            return dialect
    return None


def speak(
    request: Request, dialect: Dialect | None, script: Reply | None, *, say: Say, latency: float, number: int
) -> Frames:
    """Return what goes back for `request`, the server's `number`-th."""
    wanted = script or _BY_ITSELF
    head = {"content-type": _JSON}
    if dialect is not None and dialect.id_header:
        head[dialect.id_header] = f"req_{number}"
    bill: tuple[int, int] | None = None
    content: Content
    if wanted.body is not None:
        content = wanted.body
    elif wanted.size is not None:
        content = wanted.size
    elif wanted.raw is not None:
        content = b""
    elif wanted.sse is not None:
        content, head["content-type"] = wanted.sse, _EVENTS
    elif dialect is None:
        head["content-type"] = _TEXT
        content = (wanted.text or "").encode()
        if script is None:
            wanted, content = Reply(404), f"this server has nothing at {request.path}".encode()
    elif wanted.status >= 400:
        content = _dump(dialect.error(wanted.status, wanted.text or f"a scripted {wanted.status}"))
    elif wanted.status >= 300:
        content = b""
    else:
        try:
            answer = dialect.answer(_asked(request), say if wanted.text is None else _always(wanted.text))
        except BadRequest as problem:
            wanted, content = Reply(400), _dump(dialect.error(400, f"Invalid request: {problem}"))
        else:
            if wanted.fault is None and request.method != "GET":
                bill = answer.input_tokens, answer.output_tokens
            said: Any = answer.content if wanted.change is None else wanted.change(answer.content)
            if isinstance(said, list):
                content, head["content-type"] = cast("list[Event]", said), dialect.stream_type
            else:
                content = _dump(said)
    plan = frames(wanted, content, head, latency)
    plan.bill = bill
    return plan


def _asked(request: Request) -> dict[str, Any]:
    if request.method == "GET":
        return {}
    try:
        asked = request.json
    except ValueError:
        raise BadRequest("the body is not JSON.") from None
    if not isinstance(asked, dict):
        raise BadRequest("the body is not a JSON object.")
    return cast("dict[str, Any]", asked)


def _dump(value: Any) -> bytes:
    return dumped(value).encode()


def _always(text: str) -> Say:
    return lambda prompt: text
