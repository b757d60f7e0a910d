"""The provider: how a call is written for the Gemini API, and where it goes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar, Final, cast
from urllib.parse import quote

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
    errors,
)
from ember.models.schemas import wanted_schema
from ember.models.sdk import sdk_key, vendor_sdk
from ember.models.wire import get_request, json_request, reply_fields, sequence, text

from ._content import completion
from ._embeddings import vectors
from ._faults import refined, unwrapped
from ._schema import accepted_schema
from ._stream import ContentStream
from ._thinking import thinking_config
from ._turns import content, contents, declarations

# The first is what the official SDK uses; the others have what is not stable yet.
_VERSIONS: Final = ("v1", "v1beta", "v1alpha")
# Where every model is listed; v1 leaves out those in preview, which can be called all the same.
_LISTING: Final = "v1beta"


class Google(BaseProvider):
    """Gemini, by the Gemini API.

    The key is looked for in GEMINI_API_KEY, then in GOOGLE_API_KEY; it travels in a header, never in a URL. `extra` is
    merged into the request object by object, so that `{"generationConfig": {"topK": 5}}` adds to what the call's own
    parameters put there. `providers.google.api` chooses the API's version: "v1", "v1beta" or "v1alpha".

    >>> Google().serves("gemini-pro"), Google().serves("gemini-embedding-001")
    (True, True)
    """

    name: ClassVar[str] = "google"
    base_url: ClassVar[str] = "https://generativelanguage.googleapis.com"
    key_variables: ClassVar[tuple[str, ...]] = ("GEMINI_API_KEY",)
    model_patterns: ClassVar[tuple[str, ...]] = ("gemini-*",)
    known_models: ClassVar[tuple[str, ...]] = (
        "gemini-4-argon",
        "gemini-3.8-flash",
        "gemini-3.7-flash",
        "gemini-3.6-flash",
        "gemini-3.5-flash",
        "gemini-3.5-flash-lite",
        "gemini-3.1-pro-preview",
        "gemini-3.1-flash-lite",
        "gemini-2.5-pro",
        "gemini-2.5-flash",
        "gemini-2.5-flash-lite",
        "gemini-pro-latest",
        "gemini-flash-latest",
        "gemini-flash-lite-latest",
        "gemini-embedding-2",
        "gemini-embedding-001",
    )
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
    prices: ClassVar[str | None] = "google"

    def encode(self, call: Call, endpoint: Endpoint) -> HttpRequest:
        schema = wanted_schema(call)
        config: dict[str, Any] = {
            "temperature": call.temperature,
            "topP": call.top_p,
            "maxOutputTokens": call.max_tokens,
            "stopSequences": list(call.stop) or None,
            "presencePenalty": call.presence_penalty,
            "frequencyPenalty": call.frequency_penalty,
            "seed": call.seed,
            "candidateCount": call.n if call.n is not None and call.n > 1 else None,
            "responseLogprobs": None if call.logprobs is None else True,
            "logprobs": call.logprobs or None,
            "thinkingConfig": thinking_config(call),
            "responseMimeType": None if schema is None else "application/json",
            "responseJsonSchema": None if schema is None else accepted_schema(schema),
        }
        config = {name: value for name, value in config.items() if value is not None}
        body: dict[str, Any] = {
            "contents": contents(call),
            "systemInstruction": None if call.system is None else content(call.system),
            "tools": declarations(call.tools),
            "generationConfig": config or None,
        }
        body = {name: value for name, value in body.items() if value is not None}
        method = "streamGenerateContent?alt=sse" if call.stream else "generateContent"
        return _request(call.model, method, endpoint, _merged(body, call.extra))

    def decode(self, call: Call, reply: HttpReply) -> Completion:
        return completion(call, reply_fields(reply))

    def decoder(self, call: Call) -> StreamDecoder:
        return ContentStream(call)

    def encode_embed(self, call: EmbedCall, endpoint: Endpoint) -> HttpRequest:
        """Return the request for a vector per text; `extra` is merged into the request of each text."""
        each: dict[str, Any] = {"model": _resource(call.model)}
        if call.dimensions is not None:
            each["outputDimensionality"] = call.dimensions
        requests = [_merged({"content": content(text), **each}, call.extra) for text in call.texts]
        return _request(call.model, "batchEmbedContents", endpoint, {"requests": requests})

    def decode_embed(self, call: EmbedCall, reply: HttpReply) -> Vectors:
        return vectors(call, reply_fields(reply))

    def encode_discover(self, endpoint: Endpoint) -> HttpRequest:
        """Return the GET of the models there are, those that are not stable yet among them."""
        version = _version(endpoint, "", _LISTING)
        asked = get_request(
            f"{endpoint.base_url}/{version}/models?pageSize=1000", replace(endpoint, key=None)
        )
        return replace(asked, headers={**asked.headers, **_key(endpoint)})

    def decode_discover(self, reply: HttpReply) -> tuple[str, ...]:
        listed = sequence(reply_fields(reply), "models")
        return tuple(text(model, "name").removeprefix("models/") for model in listed)

    def client(self, endpoint: Endpoint, *, asynchronous: bool) -> Any:
        """Return a `google.genai.Client`. It is one for both: its `aio` is what can be awaited, while it is kept."""
        genai = vendor_sdk("google.genai", "ember-google[sdk]")
        options = {"base_url": endpoint.base_url, "api_version": endpoint.options.get("api")}
        # Without the word on Vertex AI, a variable would send prompts there.
        return genai.Client(api_key=sdk_key(endpoint), vertexai=False, http_options=options)

    def explain(self, reply: HttpReply) -> errors.ModelError:
        """Return the error a reply stands for, as the details in Google's error bodies tell it more exactly.

        A quota per day that is used up is a `QuotaError`: no wait that a call could make helps.
        """
        reply, fields = unwrapped(reply)
        return refined(super().explain(reply), fields)


def _resource(model: str) -> str:
    """Return a model's full name; one that somebody has tuned is a resource of its own kind."""
    return model if model.startswith(("models/", "tunedModels/")) else f"models/{model}"


def _request(model: str, method: str, endpoint: Endpoint, body: Mapping[str, Any]) -> HttpRequest:
    version = _version(endpoint, model, _VERSIONS[0])
    kind, _, name = _resource(model).partition("/")
    url = f"{endpoint.base_url}/{version}/{kind}/{quote(name, safe='')}:{method}"
    return json_request(url, replace(endpoint, key=None), body, _key(endpoint))


def _key(endpoint: Endpoint) -> dict[str, str]:
    """Return the header with the key. As a bearer token it would be taken for one of OAuth's, and refused."""
    return {} if endpoint.key is None else {"x-goog-api-key": endpoint.key.reveal()}


def _version(endpoint: Endpoint, model: str, otherwise: str) -> str:
    version = str(endpoint.options.get("api") or otherwise)
    if version not in _VERSIONS:
        raise errors.UnsupportedError(
            f"providers.google.api is {version!r}; the Gemini API has the versions {', '.join(_VERSIONS)}.",
            provider="google",
            model=model,
        )
    return version


def _merged(body: Mapping[str, Any], extra: Mapping[str, Any]) -> dict[str, Any]:
    """Return `body` with `extra` in it: objects are merged with objects, anything else takes the other's place."""
    merged = dict(body)
    for name, value in extra.items():
        known: Any = merged.get(name)
        both = isinstance(known, dict) and isinstance(value, Mapping)
        merged[name] = (
            _merged(cast("dict[str, Any]", known), cast("Mapping[str, Any]", value)) if both else value
        )
    return merged
