"""What the checkers ask of a provider: `encode` and `decode`, of these types; the rest is optional."""

from typing import assert_type

from ember.models import (
    BaseProvider,
    Call,
    Completion,
    Endpoint,
    HttpReply,
    HttpRequest,
    ModelRegistry,
    Part,
    StreamDecoder,
    Usage,
)


class Whole(BaseProvider):
    name = "whole"
    base_url = "https://api.whole.invalid"

    def encode(self, call: Call, endpoint: Endpoint) -> HttpRequest:
        assert_type(call.temperature, float | None)
        assert_type(call.messages[0].content, str | tuple[Part, ...])
        assert_type(call.messages[0].text, str)
        return HttpRequest(endpoint.base_url, {}, b"")

    def decode(self, call: Call, reply: HttpReply) -> Completion:
        assert_type(reply.body, bytes)
        return Completion("text", call.model, "stop", Usage())


class Half(BaseProvider):
    name = "half"
    base_url = "https://api.half.invalid"

    def encode(self, call: Call, endpoint: Endpoint) -> HttpRequest:
        return HttpRequest(endpoint.base_url, {}, b"")


class Wrong(Whole):
    def decode(self, call: Call, reply: HttpReply) -> str:  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]
        return "text"


ModelRegistry.register(Whole())
ModelRegistry.register(Half())  # type: ignore[abstract]  # pyright: ignore[reportAbstractUsage]
ModelRegistry.register("whole")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
assert_type(ModelRegistry.get("whole"), BaseProvider)
assert_type(ModelRegistry.names(), tuple[str, ...])
assert_type(Whole().decoder(Call("m", ())), StreamDecoder)
