"""What the checkers infer from the providers: `BaseProvider`s, whose codecs are the contract's and no wider."""

from typing import assert_type

from ember.models import (
    BaseProvider,
    Call,
    Completion,
    Endpoint,
    HttpReply,
    HttpRequest,
    StreamDecoder,
    models,
)
from ember.models._call import ModelId
from ember.providers.ollama import VLLM, Compatible, Ollama

provider = Ollama()
call = Call("llama3.2", ())

assert_type(Ollama.name, str)
assert_type(provider.address(":8080"), str)
assert_type(provider.encode(call, Endpoint(Ollama.base_url)), HttpRequest)
assert_type(provider.decode(call, HttpReply(200, {}, b"{}")), Completion)
assert_type(provider.decoder(call), StreamDecoder)
assert_type(provider.decode_discover(HttpReply(200, {}, b"{}")), tuple[str, ...])
assert_type(models.discover("ollama"), tuple[ModelId, ...])

contract: BaseProvider = provider
compatible: Compatible = VLLM()
models.discover("ollama", timeout="soon")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
