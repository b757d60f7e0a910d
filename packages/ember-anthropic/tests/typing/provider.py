"""What the checkers infer from the provider: a `BaseProvider`, whose codecs are the contract's and no wider."""

from typing import assert_type

from ember.models import BaseProvider, Call, Completion, Endpoint, HttpReply, HttpRequest, StreamDecoder
from ember.models.errors import ModelError
from ember.providers.anthropic import Anthropic

provider = Anthropic()
call = Call("claude-sonnet-5-5", ())

assert_type(Anthropic.prices, str | None)
assert_type(provider.encode(call, Endpoint("https://api.anthropic.com")), HttpRequest)
assert_type(provider.decode(call, HttpReply(200, {}, b"{}")), Completion)
assert_type(provider.decoder(call), StreamDecoder)
assert_type(provider.explain(HttpReply(529, {}, b"{}")), ModelError)

contract: BaseProvider = provider
provider.decode(call, b"{}")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
