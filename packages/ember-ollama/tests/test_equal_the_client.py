"""For the same call, Ollama's own client and Ember put the same bytes on the wire, and read the same answer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

import pytest

from ember.context import with_context
from ember.models import models
from ember.models.errors import ModelError, ModelNotFound, ProviderUnavailable
from ember.models.testing import LocalServer

PROMPT: Final = 'Hi, ça va? 你好 🙂\n\t"quoted"'
HI: Final = [{"role": "user", "content": PROMPT}]
TALK: Final = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "My name is Ada."},
    {"role": "assistant", "content": "Hello, Ada."},
    {"role": "user", "content": "Who am I?"},
]
POINT: Final = {"type": "object", "properties": {"x": {"type": "integer"}}, "required": ["x"]}

# What the user writes for Ember, and for the client.
CALLS: Final[dict[str, tuple[dict[str, Any], dict[str, Any]]]] = {
    "plain": ({}, {}),
    "all sampling parameters": (
        {
            "temperature": 0.0,
            "top_p": 0.9,
            "max_tokens": 100,
            "stop": ["END", "\n\n"],
            "seed": 7,
            "frequency_penalty": 0.5,
            "presence_penalty": -0.5,
        },
        {
            "options": {
                "temperature": 0.0,
                "top_p": 0.9,
                "num_predict": 100,
                "stop": ["END", "\n\n"],
                "seed": 7,
                "frequency_penalty": 0.5,
                "presence_penalty": -0.5,
            }
        },
    ),
    "schema": ({"schema": POINT}, {"format": POINT}),
    "options of the model": (
        {"temperature": 0.5, "extra": {"options": {"num_ctx": 8192, "temperature": 0.1}}},
        {"options": {"temperature": 0.1, "num_ctx": 8192}},
    ),
    "kept loaded": ({"extra": {"keep_alive": "5m"}}, {"keep_alive": "5m"}),
}


def asked(body: bytes) -> bytes:
    """Return a request of the client's without the list of tools that it sends even when there are none."""
    return body.replace(b',"tools":[]', b"")


@pytest.mark.parametrize("messages", [HI, TALK], ids=["one turn", "many turns"])
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("case", CALLS)
def test_a_chat_is_asked_for_in_the_same_bytes(
    case: str, stream: bool, messages: list[dict[str, str]], served: LocalServer, client: Any
) -> None:
    ours, theirs = CALLS[case]
    served.answer = lambda prompt: '{"x": 1}'
    made: Any = client.chat("llama3.2", messages, stream=stream, **theirs)
    if stream:
        list(made)
        "".join(models.stream("ollama/llama3.2", messages, **ours))
    else:
        models("ollama/llama3.2", messages, **ours)
    first, second = served.requests
    assert second.body == asked(first.body)
    assert (second.method, second.path) == (first.method, first.path)
    for name in ("content-type", "accept", "authorization"):
        assert second.headers.get(name) == first.headers.get(name), name


def test_a_key_travels_as_the_client_sends_it(
    served: LocalServer, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OLLAMA_API_KEY", "local-0123456789abcdef")
    with type(client)(served.url) as with_key:
        with_key.list()
    models.discover("ollama")
    first, second = served.requests
    assert second.headers["authorization"] == first.headers["authorization"]


def test_settings_of_the_configuration_are_sent_with_each_call(served: LocalServer, client: Any) -> None:
    client.chat("llama3.2", HI, options={"num_ctx": 4096, "temperature": 0.2}, keep_alive="1h")
    settings = {"options": {"num_ctx": 4096, "temperature": 0.9}, "keep_alive": "1h"}
    with with_context(providers={"ollama": settings}):
        models("ollama/llama3.2", PROMPT, temperature=0.2)
    first, second = served.requests
    assert second.json == {name: value for name, value in first.json.items() if name != "tools"}


def test_embeddings_are_asked_for_in_the_same_bytes_and_are_the_same(
    served: LocalServer, client: Any
) -> None:
    theirs = client.embed("nomic-embed-text", ["a", "ß"], truncate=False, dimensions=5)
    ours = models.embed("ollama/nomic-embed-text", ["a", "ß"], dimensions=5, extra={"truncate": False})
    first, second = served.requests
    assert (second.path, second.body) == (first.path, first.body)
    assert [list(vector) for vector in ours] == theirs.embeddings
    assert (ours.usage.input_tokens, ours.usage.output_tokens) == (theirs.prompt_eval_count, 0)


def test_the_same_models_are_discovered(served: LocalServer, client: Any) -> None:
    theirs = client.list()
    assert models.discover("ollama") == tuple(f"ollama/{model.model}" for model in theirs.models)
    first, second = served.requests
    assert (second.method, second.path, second.body) == (first.method, first.path, first.body)


def line(**changed: Any) -> dict[str, Any]:
    return {"model": "llama3.2", "created_at": "2026-01-01T00:00:00Z", **changed}


WHOLE: Final[dict[str, Mapping[str, Any]]] = {
    "text": {"message": {"role": "assistant", "content": "Grüße 🙂"}, "done_reason": "stop"},
    "cut": {"message": {"role": "assistant", "content": "Hel"}, "done_reason": "length"},
    "counted": {
        "message": {"role": "assistant", "content": "Hi"},
        "done_reason": "stop",
        "prompt_eval_count": 26,
        "eval_count": 298,
        "eval_duration": 4799921000,
    },
    "thought": {
        "message": {"role": "assistant", "content": "4", "thinking": "2 and 2"},
        "done_reason": "stop",
    },
}


@pytest.mark.parametrize("case", WHOLE)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_an_answer_is_read_alike(case: str, stream: bool, served: LocalServer, client: Any) -> None:
    body = line(done=True, **WHOLE[case])
    if stream:
        served.replies(200, change=lambda lines: [*lines[:-1], _line(body)])
        last = list(client.chat("m", HI, stream=True))
        text = "".join(part.message.content or "" for part in last)
        with models.stream("ollama/m", HI) as told:
            pieces = "".join(told)
        ours, theirs = told.response, last[-1]
        assert pieces == text
    else:
        served.replies(200, json=body)
        theirs, ours = client.chat("m", HI), models("ollama/m", HI)
        text = theirs.message.content or ""
    assert (str(ours), ours.model, ours.finish_reason) == (text, theirs.model, theirs.done_reason)
    assert (ours.usage.input_tokens, ours.usage.output_tokens) == (
        theirs.prompt_eval_count,
        theirs.eval_count,
    )


def _line(body: Mapping[str, Any]) -> bytes:
    return json.dumps(body).encode() + b"\n"


def test_tool_calls_are_read_alike(served: LocalServer, client: Any) -> None:
    called = {"function": {"name": "weather", "arguments": {"city": "Zürich", "days": 2}}}
    served.replies(
        200,
        json=line(
            done=True,
            done_reason="stop",
            message={"role": "assistant", "content": "", "tool_calls": [called]},
        ),
    )
    theirs, ours = client.chat("m", HI), models("ollama/m", HI)
    assert theirs.message.tool_calls is not None
    [call], [known] = ours.tool_calls, theirs.message.tool_calls
    assert (call.name, call.arguments) == (known.function.name, known.function.arguments)
    assert ours.finish_reason == "tool_calls"  # Ollama says "stop"


@pytest.mark.parametrize(
    ("status", "kind"), [(404, ModelNotFound), (500, ProviderUnavailable), (503, ProviderUnavailable)]
)
def test_an_error_has_the_servers_words_and_status(
    status: int, kind: type[ModelError], served: LocalServer, client: Any
) -> None:
    served.replies(status, json={"error": "model 'm' not found"})
    with pytest.raises(Exception, match="model 'm' not found") as theirs:
        client.chat("m", HI)
    with pytest.raises(kind, match="model 'm' not found") as ours:
        models("ollama/m", HI)
    assert ours.value.status == status == getattr(theirs.value, "status_code", None)


def test_an_error_in_the_middle_of_a_stream_is_one_for_both(served: LocalServer, client: Any) -> None:
    served.replies(change=lambda lines: [*lines[:1], _line({"error": "the runner has died"})])
    with pytest.raises(Exception, match="the runner has died"):
        list(client.chat("m", HI, stream=True))
    with pytest.raises(ProviderUnavailable, match="the runner has died"):
        list(models.stream("ollama/m", HI))
