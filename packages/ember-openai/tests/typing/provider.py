"""What the checkers infer from the provider: a `BaseProvider`, whose codecs are the contract's and no wider."""

from typing import assert_type

from ember.models import BaseProvider, Call, Completion, Endpoint, HttpReply, HttpRequest, StreamDecoder
from ember.providers.openai import OpenAI

provider = OpenAI()
call = Call("gpt-4o", ())

assert_type(OpenAI.name, str)
assert_type(OpenAI.known_models, tuple[str, ...])
assert_type(provider.encode(call, Endpoint("https://api.openai.com/v1")), HttpRequest)
assert_type(provider.decode(call, HttpReply(200, {}, b"{}")), Completion)
assert_type(provider.decoder(call), StreamDecoder)

contract: BaseProvider = provider
provider.encode(call, "https://api.openai.com/v1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
