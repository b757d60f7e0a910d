"""What the checkers infer from the shared codec: the types of the provider contract, so that a provider can forward."""

from typing import assert_type

from ember.models import Call, Completion, EmbedCall, Endpoint, HttpReply, HttpRequest, StreamDecoder, Vectors
from ember.models.chat_completions import ChatCompletions

chat = ChatCompletions("max_completion_tokens")
call, texts = Call("m", ()), EmbedCall("m", ("a",))
reply = HttpReply(200, {}, b"{}")

assert_type(chat.encode(call, Endpoint("http://127.0.0.1:8080/v1")), HttpRequest)
assert_type(chat.decode(call, reply), Completion)
assert_type(chat.decoder(call), StreamDecoder)
assert_type(chat.decode_embed(texts, reply), Vectors)

ChatCompletions("max_output_tokens")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
