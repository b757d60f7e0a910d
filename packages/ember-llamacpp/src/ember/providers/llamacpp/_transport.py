"""The transport: requests go to a model in this process instead of over the network.

A request's URL says what is wanted of which model, `local:/chat?model=smollm2&path=...`; body and reply are those of
the chat completions format. Calls run on the model's worker threads, never on the I/O loop.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Final, cast
from urllib.parse import parse_qs, urlencode, urlsplit

from ember.models import HttpRequest

from ._choices import Refused, score
from ._exchange import EVENTS, LocalExchange
from ._model import CONTEXT, LONGEST_EMBEDDED, Key, Model, model
from ._reply import Reply

# What a chat template may add to a prompt, in tokens. Only an estimate for the first moment: llama.cpp soon says.
_TEMPLATE: Final = 256
# Texts embedded between two looks at whether the caller is still there.
_AT_ONCE: Final = 16

Fields = dict[str, Any]


def address(work: str, name: str, path: str | None) -> str:
    """Return the URL for `work` ("chat", "choices" or "embeddings") by model `name`, with its configured path."""
    query = {"model": name} if path is None else {"model": name, "path": path}
    return f"local:/{work}?{urlencode(query)}"


class Embedded:
    """Sends requests to the models of this process, loading them on first use."""

    async def send(self, request: HttpRequest) -> LocalExchange:
        """Start the call; return when the reply's head is known. Being cancelled ends the call.

        Raises `ModelNotFound` for a name without weights and `WeightsError` for a file that llama.cpp cannot load.
        """
        url = urlsplit(request.url)
        query = parse_qs(url.query, strict_parsing=True)
        work = url.path.removeprefix("/")
        target = model(Key(query["model"][0], query.get("path", [None])[0], work == "embeddings"))
        exchange = LocalExchange()
        target.workers.submit(lambda: _serve(_WORK[work], target, request.body, exchange))
        await exchange.opened(target.room.look_again)
        return exchange


def _serve(
    work: Callable[[Model, Fields, LocalExchange], None], to: Model, body: bytes, exchange: LocalExchange
) -> None:
    """Do one job on a worker thread. Whatever goes wrong becomes the caller's reply or exception."""
    try:
        if not exchange.abandoned:
            work(to, json.loads(body), exchange)
    except Refused as refusal:
        exchange.reply(refusal.status, refusal.body)
    except (ValueError, TypeError, IndexError) as error:
        # How the binding passes on that llama.cpp cannot read the request.
        exchange.reply(400, _error(400, str(error)))
    except Exception as error:  # the thread has other calls to serve
        exchange.fail(error)
        exchange.end()


def _error(status: int, message: str) -> Fields:
    kind = "invalid_request_error" if status == 400 else "server_error"
    return {"error": {"code": status, "message": message, "type": kind}}


def _count(body: Fields, name: str, default: int) -> int:
    value = body.get(name)
    return value if isinstance(value, int) and value >= 0 else default


def _chat(to: Model, body: Fields, exchange: LocalExchange) -> None:
    """Generate an answer. Always as a stream, whatever the caller wants: only a stream can be ended early."""
    loaded = to.loaded()
    whole = None if body.get("stream") is True else Reply()
    given_up = _given_up(to, exchange)
    output = _count(body, "max_tokens", CONTEXT) * max(1, _count(body, "n", 1))
    # A token is at least a byte, so this is enough; llama.cpp counts them exactly when it begins.
    seat = to.room.take(_bytes_of_prompt(body) + _TEMPLATE + output, given_up)
    if seat is None:
        return
    failure: list[Exception] = []
    begun = False

    def take(chunk: Fields) -> bool:
        nonlocal begun
        try:
            if given_up():
                return True
            progress = chunk.get("prompt_progress")
            if progress is not None:
                seat.resize(progress["total"] + output)
            elif "error" in chunk:
                refusal = Refused(chunk)
                if not begun:
                    raise refusal
                exchange.event(json.dumps(refusal.body))
            elif whole is not None:
                whole.add(chunk)
            else:
                if not begun:
                    exchange.begin(200, EVENTS)
                exchange.event(json.dumps(chunk))
            begun = True if progress is None else begun
        except Exception as error:  # the binding would swallow it
            failure.append(error)
            return True
        return False

    settings = {"stream": True, "stream_options": {"include_usage": True}, "return_progress": True}
    try:
        loaded.native.handle_chat_completions(body | settings, take)
    except (ValueError, RuntimeError) as error:
        failure.append(error)
    finally:
        seat.leave()
    if failure:
        if not begun or whole is not None:
            raise failure[0]
        exchange.event(json.dumps(_error(500, str(failure[0]))))
    elif given_up():
        return
    elif whole is not None:
        exchange.reply(200, whole.whole())
        return
    else:
        exchange.event("[DONE]")
    exchange.end()


def _choices(to: Model, body: Fields, exchange: LocalExchange) -> None:
    """Score labels instead of generating. The reply is ours: the label, and every label's probability."""
    loaded = to.loaded()
    labels = cast("list[str]", body["choices"])
    given_up = _given_up(to, exchange)
    longest = max(len(label.encode()) for label in labels)
    seat = to.room.take(_bytes_of_prompt(body) + _TEMPLATE + longest, given_up)
    if seat is None:
        return
    try:
        scores = score(loaded, body["messages"], labels, given_up)
    finally:
        seat.leave()
    if scores is None:
        return
    reply = {
        "model": to.key.name,
        "choice": scores.best,
        "probabilities": scores.probabilities,
        "usage": {"prompt_tokens": scores.prompt_tokens, "completion_tokens": scores.scored_tokens},
    }
    if body.get("stream") is not True:
        exchange.reply(200, reply)
        return
    exchange.begin(200, EVENTS)
    exchange.event(json.dumps(reply))
    exchange.end()


def _embeddings(to: Model, body: Fields, exchange: LocalExchange) -> None:
    """Make vectors, a few texts at a time."""
    loaded = to.loaded()
    texts = cast("list[str]", body["input"])
    given_up = _given_up(to, exchange)
    data: list[Fields] = []
    used = 0
    for start in range(0, len(texts), _AT_ONCE):
        if given_up():
            return
        some = loaded.native.handle_embeddings(body | {"input": texts[start : start + _AT_ONCE]})
        if "error" in some:
            refusal = Refused(some)
            if "too large to process" in refusal.message:  # llama.cpp calls it a fault of its own
                problem = f"a text is longer than the {LONGEST_EMBEDDED:,} tokens that can be embedded."
                raise Refused(_error(400, f"{problem} Embed its parts."))
            raise refusal
        data += [{**entry, "index": start + entry["index"]} for entry in some["data"]]
        used += some["usage"]["prompt_tokens"]
    exchange.reply(
        200, {"model": to.key.name, "data": data, "usage": {"prompt_tokens": used, "total_tokens": used}}
    )


_WORK: Final[Mapping[str, Callable[[Model, Fields, LocalExchange], None]]] = {
    "chat": _chat,
    "choices": _choices,
    "embeddings": _embeddings,
}


def _given_up(to: Model, exchange: LocalExchange) -> Callable[[], bool]:
    return lambda: exchange.abandoned or to.closing


def _bytes_of_prompt(body: Fields) -> int:
    """Return the size of what the model is to read, in bytes: at least as many as there will be tokens."""
    return len(json.dumps([body["messages"], body.get("tools")], ensure_ascii=False).encode())
