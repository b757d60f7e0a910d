"""Parrot's models, for Ember."""

from __future__ import annotations

import json
from typing import ClassVar

from ember.core.events import Usage
from ember.models import BaseProvider, Call, Completion, Endpoint, HttpReply, HttpRequest
from ember.models.errors import InvalidResponse


class Parrot(BaseProvider):
    """`POST /speak` with a key in a header; the answer is `{"said": ..., "words_in": ..., "words_out": ...}`."""

    name: ClassVar[str] = "parrot"
    base_url: ClassVar[str] = "https://api.parrot.invalid"
    model_patterns: ClassVar[tuple[str, ...]] = ("parrot-*",)
    known_models: ClassVar[tuple[str, ...]] = ("grey", "macaw")

    def encode(self, call: Call, endpoint: Endpoint) -> HttpRequest:
        body = {
            "bird": call.model,
            "text": "\n".join(message.text for message in call.messages),
            **call.extra,
        }
        key = endpoint.key.reveal() if endpoint.key is not None else ""
        headers = {"content-type": "application/json", "x-parrot-key": key}
        return HttpRequest(f"{endpoint.base_url}/speak", headers, json.dumps(body).encode())

    def decode(self, call: Call, reply: HttpReply) -> Completion:
        match reply.json():
            case {"said": str(said), "words_in": int(words_in), "words_out": int(words_out)} as raw:
                usage = Usage(input_tokens=words_in, output_tokens=words_out)
                return Completion(said, model=call.model, finish_reason="stop", usage=usage, raw=raw)
            case other:
                raise InvalidResponse(
                    f"Parrot answered {type(other).__name__} without `said` and the words counted"
                )
