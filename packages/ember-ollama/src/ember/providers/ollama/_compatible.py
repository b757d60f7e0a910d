"""Servers that speak OpenAI's chat completions: one class, and a name for each server with a port of its own."""

from __future__ import annotations

from typing import ClassVar, Final

from ember.models import (
    BaseProvider,
    Call,
    Completion,
    EmbedCall,
    Endpoint,
    HttpReply,
    HttpRequest,
    StreamDecoder,
    Vectors,
)
from ember.models.chat_completions import ChatCompletions

_chat: Final = ChatCompletions("max_tokens")


class Compatible(BaseProvider):
    """Any server that speaks OpenAI's API, at `providers.compatible.base_url` (with `/v1`).

    Subclass it for another server with a name of its own:

    >>> class Garage(Compatible):
    ...     name, base_url = "garage", "https://garage.lan/v1"
    >>> Garage().encode_discover(Endpoint(Garage.base_url)).url
    'https://garage.lan/v1/models'
    """

    name: ClassVar[str] = "compatible"
    base_url: ClassVar[str] = ""
    needs_key: ClassVar[bool] = False
    key_variables: ClassVar[tuple[str, ...]] = ("COMPATIBLE_API_KEY",)
    supports: ClassVar[frozenset[str]] = frozenset(
        {
            "stream",
            "schema",
            "choices",
            "tools",
            "images",
            "files",
            "reasoning",
            "n",
            "logprobs",
            "embed",
            "dimensions",
        }
    )
    embed_texts: ClassVar[int] = 256

    def encode(self, call: Call, endpoint: Endpoint) -> HttpRequest:
        return _chat.encode(call, endpoint)

    def decode(self, call: Call, reply: HttpReply) -> Completion:
        return _chat.decode(call, reply)

    def decoder(self, call: Call) -> StreamDecoder:
        return _chat.decoder(call)

    def encode_embed(self, call: EmbedCall, endpoint: Endpoint) -> HttpRequest:
        return _chat.encode_embed(call, endpoint)

    def decode_embed(self, call: EmbedCall, reply: HttpReply) -> Vectors:
        return _chat.decode_embed(call, reply)

    def encode_discover(self, endpoint: Endpoint) -> HttpRequest:
        return _chat.encode_discover(endpoint)

    def decode_discover(self, reply: HttpReply) -> tuple[str, ...]:
        return _chat.decode_discover(reply)


_NO_FILES: Final = Compatible.supports - {"files"}  # images they take, where the model does


class VLLM(Compatible):
    """vLLM's server, where `vllm serve` puts it."""

    name: ClassVar[str] = "vllm"
    base_url: ClassVar[str] = "http://127.0.0.1:8000/v1"
    key_variables: ClassVar[tuple[str, ...]] = ("VLLM_API_KEY",)
    supports: ClassVar[frozenset[str]] = _NO_FILES

    def scores(self, model: str) -> bool:
        return True


class LMStudio(Compatible):
    """LM Studio's server, where its developer page starts it."""

    name: ClassVar[str] = "lmstudio"
    base_url: ClassVar[str] = "http://127.0.0.1:1234/v1"
    key_variables: ClassVar[tuple[str, ...]] = ("LMSTUDIO_API_KEY",)
    supports: ClassVar[frozenset[str]] = _NO_FILES


class LlamaServer(Compatible):
    """llama.cpp's server, where `llama-server` puts it."""

    name: ClassVar[str] = "llama-server"
    base_url: ClassVar[str] = "http://127.0.0.1:8080/v1"
    key_variables: ClassVar[tuple[str, ...]] = ("LLAMA_SERVER_API_KEY",)
    supports: ClassVar[frozenset[str]] = _NO_FILES

    def scores(self, model: str) -> bool:
        return True
