"""What the checkers infer from the provider, from `pull` and from the error about files."""

from pathlib import Path
from typing import assert_type

from ember.core.errors import StorageError
from ember.models import (
    BaseProvider,
    Call,
    Completion,
    Endpoint,
    HttpReply,
    HttpRequest,
    StreamDecoder,
    errors,
)
from ember.providers.llamacpp import LlamaCpp, WeightsError, pull

provider = LlamaCpp()
call = Call("smollm2", ())

assert_type(LlamaCpp.name, str)
assert_type(LlamaCpp.known_models, tuple[str, ...])
assert_type(provider.encode(call, Endpoint("local:")), HttpRequest)
assert_type(provider.decode(call, HttpReply(200, {}, b"{}")), Completion)
assert_type(provider.decoder(call), StreamDecoder)

contract: BaseProvider = provider

assert_type(pull(), Path)
assert_type(pull("smollm2", progress=lambda done, total: print(done / total)), Path)
pull("smollm2", progress=print)
pull(progress=lambda: None)  # type: ignore[misc, arg-type]  # pyright: ignore[reportArgumentType]

both: type[errors.ModelError] = WeightsError
and_this: type[StorageError] = WeightsError
