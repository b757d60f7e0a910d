"""What the checkers infer from the provider: a `BaseProvider`, whose codecs are the contract's and no wider."""

from typing import assert_type

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
from ember.models.errors import ModelError
from ember.providers.google import Google

provider = Google()
call = Call("gemini-2.5-flash", ())
texts = EmbedCall("gemini-embedding-001", ("a",))
there = Endpoint("https://generativelanguage.googleapis.com")

assert_type(Google.prices, str | None)
assert_type(provider.encode(call, there), HttpRequest)
assert_type(provider.decode(call, HttpReply(200, {}, b"{}")), Completion)
assert_type(provider.decoder(call), StreamDecoder)
assert_type(provider.encode_embed(texts, there), HttpRequest)
assert_type(provider.decode_embed(texts, HttpReply(200, {}, b"{}")), Vectors)
assert_type(provider.explain(HttpReply(429, {}, b"{}")), ModelError)

contract: BaseProvider = provider
provider.decode(call, b"{}")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
