"""Where Ollama is, what its provider makes of answers that are none, and of servers that misbehave."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any, Final
from urllib.parse import urlsplit

import pytest
from hypothesis import given, strategies as st

from ember.context import get_context, with_context
from ember.core.errors import ConfigError
from ember.models import (
    Call,
    EmbedCall,
    HttpReply,
    Message,
    ServerEvent,
    errors,
    models,
)
from ember.models.testing import LocalServer
from ember.providers.ollama import Ollama

CALL: Final = Call("llama3.2", (Message("user", "Hi"),))


def reply(body: object, status: int = 200) -> HttpReply:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return HttpReply(status, {"content-type": "application/json"}, data)


def says(text: object = "Hello", **changed: Any) -> dict[str, Any]:
    message = {"role": "assistant", "content": text}
    return {"model": "llama3.2", "message": message, "done": True, "done_reason": "stop", **changed}


def piece(text: object) -> ServerEvent:
    return ServerEvent(json.dumps(says(text, done=False, done_reason=None)))


LAST: Final = ServerEvent(json.dumps(says("")))


# Where it is

HOSTS: Final = [
    "1.2.3.4",
    ":56789",
    "1.2.3.4:56789",
    "http://1.2.3.4",
    "https://1.2.3.4",
    "https://1.2.3.4:56789",
    "example.com",
    "example.com:56789/",
    "example.com/path",
    "https://example.com:56789/path/",
    "[0001:002:003:0004::1]",
    "[0001:002:003:0004::1]:56789",
    "http://[0001:002:003:0004::1]",
    "[0001:002:003:0004::1]:56789/path/",
]


@pytest.mark.parametrize("given", HOSTS)
def test_a_host_means_the_address_that_ollamas_client_takes_it_for(given: str) -> None:
    sdk = pytest.importorskip("ollama", reason="the oracle is the extra [sdk]")
    with sdk.Client(given) as client:
        assert spelled(Ollama().address(given)) == spelled(str(client._client.base_url))


def spelled(url: str) -> tuple[str, str | None, int, str]:
    """Return what a URL says, with the port that its scheme has where none is written."""
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return parts.scheme, parts.hostname, port, parts.path.rstrip("/")


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ("0.0.0.0", "http://127.0.0.1:11434"),
        ("[::]:8080", "http://[::1]:8080"),
        ("http://localhost:11434/v1/", "http://localhost:11434"),
        ("https://box.lan/ollama/v1", "https://box.lan:443/ollama"),
        (" '127.0.0.1' ", "http://127.0.0.1:11434"),
    ],
)
def test_what_is_meant_for_servers_or_other_clients_is_understood(given: str, url: str) -> None:
    assert Ollama().address(given) == url


def test_ollama_host_is_used_and_a_base_url_goes_before_it(
    served: LocalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert models("ollama/llama3.2", "Hi") == "Hi"
    assert served.requests[-1].path == "/api/chat"
    monkeypatch.setenv("OLLAMA_BASE_URL", f"{served.url}/variable")
    models("ollama/llama3.2", "Hi")
    assert served.requests[-1].path == "/variable/api/chat"
    with with_context(providers={"ollama": {"base_url": f"127.0.0.1:{served.port}/block"}}):
        models("ollama/llama3.2", "Hi")
    assert served.requests[-1].path == "/block/api/chat"
    monkeypatch.delenv("OLLAMA_BASE_URL")
    monkeypatch.setenv("OLLAMA_HOST", "nowhere.invalid")
    get_context().set_config("providers.ollama.base_url", f"{served.url}/file")
    models("ollama/llama3.2", "Hi")
    assert served.requests[-1].path == "/file/api/chat"


@pytest.mark.parametrize(
    "host", ["user:secret-word@127.0.0.1", "box:port", "http://127.0.0.1:99999", "ftp://box", "box\tbox"]
)
def test_a_host_that_is_none_is_refused_by_the_variables_name(
    host: str, served: LocalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OLLAMA_HOST", host)
    with pytest.raises(ConfigError, match="OLLAMA_HOST") as raised:
        models("ollama/llama3.2", "Hi")
    assert "secret-word" not in str(raised.value)
    assert not served.requests


def test_no_key_is_needed_and_one_that_is_set_is_used(
    served: LocalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    models("ollama/llama3.2", "Hi")
    assert "authorization" not in served.requests[-1].headers
    monkeypatch.setenv("OLLAMA_API_KEY", "local-0123456789abcdef")
    models("ollama/llama3.2", "Hi")
    assert served.requests[-1].key == "local-0123456789abcdef"


# What it answers


def test_a_call_through_the_facade_has_text_usage_and_no_cost(served: LocalServer) -> None:
    answer = models("ollama/llama3.2", "one two three", max_tokens=2)
    assert (answer, answer.finish_reason, answer.provider) == ("one two ", "length", "ollama")
    assert (answer.usage.input_tokens, answer.usage.output_tokens, answer.cost) == (3, 2, None)


def test_a_schema_and_choices_constrain_the_answer(served: LocalServer) -> None:
    served.answer = lambda prompt: '{"x": 1}' if prompt == "point" else '{"choice": "no"}'
    schema = {"type": "object", "properties": {"x": {"type": "integer"}}}
    assert models("ollama/llama3.2", "point", schema=schema).parsed == {"x": 1}
    assert served.requests[-1].json["format"] == schema
    assert models("ollama/llama3.2", "Is it?", choices=["yes", "no"]) == "no"
    assert served.requests[-1].json["format"]["properties"]["choice"]["enum"] == ["A", "B"]
    assert models("ollama/llama3.2", "Is it?", choices=["yes", "no"], logprobs=False) == "no"
    assert served.requests[-1].json["format"]["properties"]["choice"]["enum"] == ["yes", "no"]
    assert list(models.stream("ollama/llama3.2", "Is it?", choices=["yes", "no"])) == ["no"]


def test_a_model_that_is_not_there_says_how_to_get_it(served: LocalServer) -> None:
    served.replies(404, json={"error": "model 'llama9' not found"})
    with pytest.raises(errors.ModelNotFound, match=r"'llama9' not found .*ollama pull.*discover"):
        models("ollama/llama9", "Hi")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        None,
        [],
        {},
        "Hi",
        says(None),
        says(7),
        says(message=None),
        says(message=[]),
        says(done=False),
        says(done=None),
        says(done_reason=7),
        says(model=7),
        says(message={"content": "", "tool_calls": 7}),
        says(message={"content": "", "tool_calls": [{"function": {"name": "f", "arguments": "{"}}]}),
    ],
)
def test_a_reply_that_is_no_answer_is_invalid(body: object) -> None:
    with pytest.raises(errors.InvalidResponse):
        Ollama().decode(CALL, reply(body))


@pytest.mark.parametrize("count", [-1, 1.5, "9", True, 10**12])
def test_a_count_that_cannot_be_is_not_believed(count: object) -> None:
    usage = Ollama().decode(CALL, reply(says(prompt_eval_count=count, eval_count=3))).usage
    assert (usage.input_tokens, usage.output_tokens) == (None, 3)


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b'{"embeddings": null}',
        b'{"embeddings": []}',
        b'{"embeddings": [[1.0]]}',
        b'{"embeddings": [[1.0], []]}',
        b'{"embeddings": [[1.0], [1.0, 2.0]]}',
        b'{"embeddings": [[1.0], ["a"]]}',
        b'{"embeddings": [[1.0], [NaN]]}',
        b'{"embeddings": "AAAA"}',
    ],
)
def test_embeddings_are_one_vector_for_each_text(body: bytes) -> None:
    with pytest.raises(errors.InvalidResponse):
        Ollama().decode_embed(EmbedCall("e", ("a", "b")), reply(body))


@pytest.mark.parametrize(
    "body", [b"{}", b"[]", b'{"models": null}', b'{"models": [{}]}', b'{"models": [{"model": 7}]}']
)
def test_a_list_of_models_that_is_none_is_invalid(body: bytes) -> None:
    with pytest.raises(errors.InvalidResponse):
        Ollama().decode_discover(reply(body))


# Streams


def test_only_done_makes_a_streamed_answer_whole() -> None:
    decoder = Ollama().decoder(CALL)
    assert [decoder.feed(piece("Hel")), decoder.feed(piece("lo"))] == [("Hel",), ("lo",)]
    with pytest.raises(errors.StreamIncomplete) as raised:
        decoder.finish()
    assert raised.value.partial_text == "Hello"
    assert decoder.feed(LAST) == ()
    assert decoder.done
    assert decoder.finish().text == "Hello"


def test_a_stream_of_server_sent_events_is_not_taken_for_ollamas(served: LocalServer) -> None:
    served.replies(sse=[{"choices": []}, "[DONE]"])
    with pytest.raises(errors.InvalidResponse, match="text/event-stream"):
        list(models.stream("ollama/llama3.2", "Hi"))


@pytest.mark.parametrize("broken", ["<html>", "null", '{"model"', "[]", '{"message": 7}', "{}"])
def test_a_line_of_wrong_shape_is_an_error(broken: str) -> None:
    decoder = Ollama().decoder(CALL)
    with pytest.raises(errors.InvalidResponse):
        decoder.feed(ServerEvent(broken))


KEYS: Final = ["message", "content", "done", "done_reason", "error", "tool_calls", "function", "embeddings"]


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=3),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=5),
        max_leaves=15,
    )
)
def test_no_body_whatever_raises_anything_but_a_model_error(body: object) -> None:
    with suppress(errors.ModelError):
        Ollama().decode(CALL, reply(body))
    with suppress(errors.ModelError):
        Ollama().decoder(CALL).feed(ServerEvent(json.dumps(body)))
    with suppress(errors.ModelError):
        Ollama().decode_embed(EmbedCall("e", ("a",)), reply(body))
    with suppress(errors.ModelError):
        Ollama().decode_discover(reply(body))
    with suppress(errors.ModelError):
        Ollama().explain(reply(body, 404))
