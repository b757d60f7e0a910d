"""The provider: Ollama by its own API, which alone takes a model's options, and says when an answer is whole."""

from __future__ import annotations

from typing import Any, ClassVar, Final, Literal, cast
from urllib.parse import urlsplit

from ember.models import (
    BaseProvider,
    Call,
    Completion,
    EmbedCall,
    Endpoint,
    HttpReply,
    HttpRequest,
    StreamDecoder,
    Usage,
    Vectors,
    errors,
)
from ember.models.chat_completions import vectors_in
from ember.models.sdk import vendor_sdk
from ember.models.wire import (
    get_request,
    json_request,
    malformed,
    reply_fields,
    sequence,
    text,
    text_or_none,
    tokens,
)

from ._chat import ChatStream, asked, completion, options, raise_error_in

_PORT: Final = 11434


class Ollama(BaseProvider):
    """Models that an Ollama server has pulled, `ollama/llama3.2`; on this machine unless OLLAMA_HOST says otherwise.

    `providers.ollama.options` holds model options for every call (`num_ctx`, for one), `providers.ollama.keep_alive`
    says how long a model stays loaded. A call's own go before: `extra={"options": {"num_ctx": 8192}}`.
    """

    name: ClassVar[str] = "ollama"
    base_url: ClassVar[str] = f"http://127.0.0.1:{_PORT}"
    needs_key: ClassVar[bool] = False
    key_variables: ClassVar[tuple[str, ...]] = ("OLLAMA_API_KEY",)
    url_variables: ClassVar[tuple[str, ...]] = ("OLLAMA_HOST",)
    supports: ClassVar[frozenset[str]] = frozenset(
        {"stream", "schema", "choices", "tools", "images", "reasoning", "logprobs", "embed", "dimensions"}
    )
    embed_texts: ClassVar[int] = 256
    stream_type: ClassVar[Literal["text/event-stream", "application/x-ndjson"]] = "application/x-ndjson"

    def address(self, given: str) -> str:
        """Return the URL of a host as Ollama's own programs write it: `box`, `box:11434`, `:11434`, or a URL.

        An address to listen on, 0.0.0.0, is reached at the loopback. `/v1`, where the API that is like OpenAI's is, may
        be there: other programs that read OLLAMA_BASE_URL want it.

        >>> Ollama().address("box"), Ollama().address(":8080/"), Ollama().address("https://box.lan/ollama")
        ('http://box:11434', 'http://127.0.0.1:8080', 'https://box.lan:443/ollama')
        """
        scheme, separator, rest = given.strip(" \"'").partition("://")
        if not separator:
            scheme, rest = "http", scheme
        url = f"{scheme}://{rest}"
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            return url  # no address: the engine says so, in words that show no password
        if "@" in parts.netloc or any(map(str.isspace, url)):  # urlsplit would leave these out
            return url
        if port is None:
            port = {"http": 80, "https": 443}.get(scheme, _PORT) if separator else _PORT
        host = parts.hostname or "127.0.0.1"
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
        host = f"[{host}]" if ":" in host else host
        return f"{scheme}://{host}:{port}{parts.path.rstrip('/').removesuffix('/v1')}"

    def scores(self, model: str) -> bool:
        """Always: servers before 0.12.11 tell no log probabilities, and the answer's letter is what there is."""
        return True

    def encode(self, call: Call, endpoint: Endpoint) -> HttpRequest:
        return json_request(f"{endpoint.base_url}/api/chat", endpoint, asked(call, endpoint))

    def decode(self, call: Call, reply: HttpReply) -> Completion:
        body = reply_fields(reply)
        raise_error_in(body)
        return completion(call, body)

    def decoder(self, call: Call) -> StreamDecoder:
        return ChatStream(call)

    def encode_embed(self, call: EmbedCall, endpoint: Endpoint) -> HttpRequest:
        body: dict[str, Any] = {"model": call.model, "input": list(call.texts)}
        body |= options(endpoint, {}, call.extra)
        if call.dimensions is not None:
            body["dimensions"] = call.dimensions
        return json_request(f"{endpoint.base_url}/api/embed", endpoint, body)

    def decode_embed(self, call: EmbedCall, reply: HttpReply) -> Vectors:
        body = reply_fields(reply)
        raise_error_in(body)
        found = body.get("embeddings")
        if not isinstance(found, list):
            raise malformed(body, "embeddings", "a list of vectors")
        entries = [{"embedding": vector} for vector in cast("list[object]", found)]
        used = tokens(body, "prompt_eval_count")
        return Vectors(
            vectors=vectors_in(entries, len(call.texts)),
            model=text_or_none(body, "model") or call.model,
            usage=Usage(input_tokens=used, output_tokens=None if used is None else 0),
        )

    def encode_discover(self, endpoint: Endpoint) -> HttpRequest:
        return get_request(f"{endpoint.base_url}/api/tags", endpoint)

    def decode_discover(self, reply: HttpReply) -> tuple[str, ...]:
        return tuple(text(model, "model") for model in sequence(reply_fields(reply), "models"))

    def client(self, endpoint: Endpoint, *, asynchronous: bool) -> Any:
        """Return an `ollama.Client`, or an `ollama.AsyncClient`."""
        ollama = vendor_sdk("ollama", "ember-ollama[sdk]")
        make = ollama.AsyncClient if asynchronous else ollama.Client
        headers = {} if endpoint.key is None else {"authorization": f"Bearer {endpoint.key.reveal()}"}
        return make(host=endpoint.base_url, headers=headers)

    def explain(self, reply: HttpReply) -> errors.ModelError:
        error = super().explain(reply)
        if isinstance(error, errors.ModelNotFound):
            error.problem += (
                " (`ollama pull` fetches a model; models.discover('ollama') shows those that are there)"
            )
        return error
