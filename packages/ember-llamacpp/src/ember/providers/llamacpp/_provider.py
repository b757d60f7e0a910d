"""The provider: pure functions like any other's, and a transport of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, cast

from ember.context import get_context
from ember.models import (
    BaseProvider,
    Call,
    Completion,
    EmbedCall,
    Endpoint,
    HttpReply,
    HttpRequest,
    Piece,
    ServerEvent,
    StreamDecoder,
    Transport,
    Vectors,
    errors,
)
from ember.models.chat_completions import ChatCompletions, chat_usage
from ember.models.wire import event_fields, incomplete, mapping, reply_fields, text

from ._transport import Embedded, address
from ._weights import KNOWN, WeightsError, locate

if TYPE_CHECKING:
    from ._pull import Progress

MAX_TOKENS: Final = 512
"""Tokens of an answer when the call sets no limit. Small models do not always find an end of their own."""

_chat: Final = ChatCompletions()
_NO_ADVICE: Final[Mapping[str, float]] = {}


class LlamaCpp(BaseProvider):
    """Models in this process: `local/smollm2`, and any GGUF file that configuration gives a name.

    `providers.local.models.<name>: /path/to/file.gguf` makes a file `local/<name>`. No key, no network, no cost.

    >>> LlamaCpp().serves("smollm2"), LlamaCpp().serves("gpt-4")
    (True, False)
    """

    name: ClassVar[str] = "local"
    base_url: ClassVar[str] = "local:"  # requests never leave the process
    needs_key: ClassVar[bool] = False
    model_patterns: ClassVar[tuple[str, ...]] = tuple(KNOWN)
    known_models: ClassVar[tuple[str, ...]] = tuple(KNOWN)
    supports: ClassVar[frozenset[str]] = frozenset({"stream", "schema", "choices", "n", "logprobs", "embed"})
    free: ClassVar[bool] = True

    transport: Transport | None = Embedded()

    def pull(self, model: str, progress: Progress | None = None) -> Path:
        """Fetch the weights of a known model, as `ember.providers.llamacpp.pull` does."""
        from ._pull import pull

        return pull(model, progress=progress)

    def pulled(self, model: str) -> bool:
        """Whether the weights of `model` are on this machine."""
        paths: Any = get_context().get_config("providers.local.models") or {}
        try:
            locate(model, paths.get(model))
        except (WeightsError, errors.ModelNotFound):
            return False
        return True

    def encode(self, call: Call, endpoint: Endpoint) -> HttpRequest:
        if call.extra.get("tool_choice") not in (None, "auto", "none"):
            raise errors.UnsupportedError(
                "llama.cpp does not make a model call a tool when told to. Ask for the tool's arguments by schema=.",
                provider=self.name,
                model=call.model,
            )
        path = _path(call.model, endpoint)
        if call.choices:
            asked = replace(call, choices=(), extra={"choices": list(call.choices)})
            return replace(_chat.encode(asked, endpoint), url=address("choices", call.model, path))
        weights = KNOWN.get(call.model)
        advised: Mapping[str, float] = weights.sampling if weights is not None else _NO_ADVICE
        asked = replace(
            call,
            max_tokens=call.max_tokens if call.max_tokens is not None else MAX_TOKENS,
            temperature=call.temperature if call.temperature is not None else advised.get("temperature"),
            top_p=call.top_p if call.top_p is not None else advised.get("top_p"),
        )
        return replace(_chat.encode(asked, endpoint), url=address("chat", call.model, path))

    def decode(self, call: Call, reply: HttpReply) -> Completion:
        if call.choices:
            return _chosen(call, reply_fields(reply))
        return _chat.decode(call, reply)

    def decoder(self, call: Call) -> StreamDecoder:
        return _ChoiceStream(call) if call.choices else _chat.decoder(call)

    def encode_embed(self, call: EmbedCall, endpoint: Endpoint) -> HttpRequest:
        path = _path(call.model, endpoint)
        return replace(_chat.encode_embed(call, endpoint), url=address("embeddings", call.model, path))

    def decode_embed(self, call: EmbedCall, reply: HttpReply) -> Vectors:
        return _chat.decode_embed(call, reply)


def _path(name: str, endpoint: Endpoint) -> str | None:
    """Return the path that `providers.local.models` gives for `name`, if it does."""
    models: Any = endpoint.options.get("models")
    if models is None:
        return None
    if not isinstance(models, Mapping):
        raise errors.UnsupportedError("providers.local.models maps names to the paths of GGUF files.")
    path = cast("Mapping[str, Any]", models).get(name)
    if path is not None and (not isinstance(path, str) or not path or "\0" in path):
        raise errors.UnsupportedError(
            f"providers.local.models.{name} is the path of a GGUF file, and not {path!r}."
        )
    return path


def _chosen(call: Call, body: Mapping[str, Any]) -> Completion:
    return Completion(
        text=text(body, "choice"),
        model=text(body, "model"),
        finish_reason="stop",
        usage=chat_usage(body.get("usage")),
        probabilities={label: float(mapping(body, "probabilities")[label]) for label in call.choices},
        raw=body,
    )


class _ChoiceStream:
    """A choice asked for as a stream: one event holds all of it."""

    def __init__(self, call: Call) -> None:
        self.done = False
        self._call = call
        self._answer: Completion | None = None

    def feed(self, event: ServerEvent) -> tuple[Piece, ...]:
        self._answer = _chosen(self._call, event_fields(event))
        self.done = True
        return (self._answer.text,)

    def finish(self) -> Completion:
        if self._answer is None:
            raise incomplete("")
        return self._answer
