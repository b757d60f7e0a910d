"""For the same call, the official SDK and this provider ask for the same thing at the same place, with the same key."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final, get_args

import pytest

from ember.core.secrets import Secret
from ember.models import Call, EmbedCall, Endpoint, HttpReply, HttpRequest, Message
from ember.models.testing import LocalServer, Request as Sent
from ember.providers.google import Google

KEY: Final = "AIza-local-0123456789abcdef"
SIGNIFICANT: Final = ("authorization", "x-goog-api-key", "content-type", "x-goog-user-project")

HI: Final = (Message("user", 'Hi, ça va? 你好 🙂\n\t"quoted"'),)
TALK: Final = (
    Message("user", "I am Ada."),
    Message("assistant", "Hello, Ada."),
    Message("user", "Who am I?"),
)
POINT: Final = {
    "type": "object",
    "title": "Point",
    "properties": {"x": {"type": "integer", "minimum": 0}, "y": {"$ref": "#/$defs/Y"}},
    "additionalProperties": False,
    "required": ["x", "y"],
    "$defs": {"Y": {"type": ["integer", "null"]}},
}
MODEL: Final = "gemini-2.5-flash"
AS_JSON: Final = "application/json"
CHOICE: Final = {
    "type": "object",
    "properties": {"choice": {"type": "string", "enum": ["yes", "no"]}},
    "required": ["choice"],
    "additionalProperties": False,
}


def said(messages: tuple[Message, ...]) -> list[dict[str, Any]]:
    """Messages as the SDK takes them."""
    roles = {"user": "user", "assistant": "model"}
    return [{"role": roles[each.role], "parts": [{"text": each.text}]} for each in messages]


# What our call is, and the SDK's `config` for the same.
CASES: Final[dict[str, tuple[Call, dict[str, Any]]]] = {
    "plain": (Call(MODEL, HI), {}),
    "system": (Call(MODEL, HI, system="Be brief."), {"system_instruction": "Be brief."}),
    "many turns": (Call(MODEL, TALK, max_tokens=50), {"max_output_tokens": 50}),
    "every parameter": (
        Call(
            MODEL,
            TALK,
            system="Be brief.",
            temperature=0.0,
            top_p=0.9,
            max_tokens=50,
            stop=("END", "\n\n"),
            seed=0,
            presence_penalty=0.1,
            frequency_penalty=-0.2,
        ),
        {
            "system_instruction": "Be brief.",
            "temperature": 0.0,
            "top_p": 0.9,
            "max_output_tokens": 50,
            "stop_sequences": ["END", "\n\n"],
            "seed": 0,
            "presence_penalty": 0.1,
            "frequency_penalty": -0.2,
        },
    ),
    "schema": (
        Call(MODEL, HI, schema=POINT),
        {"response_mime_type": AS_JSON, "response_json_schema": POINT},
    ),
    "choices": (
        Call(MODEL, HI, choices=("yes", "no")),
        {"response_mime_type": AS_JSON, "response_json_schema": CHOICE},
    ),
    "a tuned model": (Call("tunedModels/mine-1", HI), {}),
    "the full name": (Call(f"models/{MODEL}", HI), {}),
    "vendor fields": (
        Call(
            MODEL,
            HI,
            temperature=0.5,
            max_tokens=10,
            extra={"generationConfig": {"topK": 5, "maxOutputTokens": 60}, "safetySettings": []},
        ),
        {
            "temperature": 0.5,
            "max_output_tokens": 10,
            "http_options": {
                "extra_body": {
                    "generationConfig": {"topK": 5, "maxOutputTokens": 60},
                    "safetySettings": [],
                }
            },
        },
    ),
}


def endpoint(server: LocalServer) -> Endpoint:
    return Endpoint(server.url, Secret(KEY))


def assert_same(ours: Sent, theirs: Sent) -> None:
    assert ours is not theirs
    assert (ours.method, ours.path, ours.query) == (theirs.method, theirs.path, theirs.query)
    asked = dict(theirs.json)
    if asked.get("generationConfig") == {}:  # where its `config` had only other things in it
        del asked["generationConfig"]
    assert ours.json == asked
    assert {name: ours.headers.get(name) for name in SIGNIFICANT} == {
        name: theirs.headers.get(name) for name in SIGNIFICANT
    }
    assert KEY not in ours.path + ours.query


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("case", CASES)
def test_content_is_asked_for_in_the_same_words(
    case: str,
    stream: bool,
    server: LocalServer,
    sdk: Any,
    post: Callable[[HttpRequest], HttpReply],
) -> None:
    call, config = CASES[case]
    call = replace(call, stream=stream)
    asked: dict[str, Any] = {"model": call.model, "contents": said(call.messages), "config": config}
    if stream:
        list(sdk.generate_content_stream(**asked))
    else:
        sdk.generate_content(**asked)
    theirs = server.requests[-1]
    post(Google().encode(call, endpoint(server)))
    assert_same(server.requests[-1], theirs)
    assert theirs.query == ("alt=sse" if stream else "")


def test_a_plain_text_is_the_sdks_plain_text(
    server: LocalServer, sdk: Any, post: Callable[[HttpRequest], HttpReply]
) -> None:
    sdk.generate_content(model=MODEL, contents="Hi")
    theirs = server.requests[-1]
    post(Google().encode(Call(MODEL, (Message("user", "Hi"),)), endpoint(server)))
    assert_same(server.requests[-1], theirs)


@pytest.mark.parametrize("version", ["v1beta", "v1alpha"])
def test_another_version_of_the_api_is_asked_at_the_same_place(
    version: str, server: LocalServer, sdk: Any, post: Callable[[HttpRequest], HttpReply]
) -> None:
    sdk.generate_content(model=MODEL, contents="Hi", config={"http_options": {"api_version": version}})
    theirs = server.requests[-1]
    there = Endpoint(server.url, Secret(KEY), {"api": version})
    post(Google().encode(Call(MODEL, (Message("user", "Hi"),)), there))
    assert_same(server.requests[-1], theirs)


@pytest.mark.parametrize("texts", [("one",), ("one", "zwei 🙂", "")])
@pytest.mark.parametrize("extra", [{}, {"outputDimensionality": 5, "taskType": "RETRIEVAL_QUERY"}])
def test_embeddings_are_asked_for_in_the_same_words(
    texts: tuple[str, ...],
    extra: dict[str, Any],
    server: LocalServer,
    sdk: Any,
    post: Callable[[HttpRequest], HttpReply],
) -> None:
    sdk.embed_content(
        model="gemini-embedding-001",
        contents=list(texts),
        config={
            "output_dimensionality": extra.get("outputDimensionality"),
            "task_type": extra.get("taskType"),
        },
    )
    theirs = server.requests[-1]
    post(Google().encode_embed(EmbedCall("gemini-embedding-001", texts, extra), endpoint(server)))
    assert_same(server.requests[-1], theirs)


def test_shorter_embeddings_are_asked_for_in_the_same_words(
    server: LocalServer, sdk: Any, post: Callable[[HttpRequest], HttpReply]
) -> None:
    sdk.embed_content(model="gemini-embedding-001", contents=["a"], config={"output_dimensionality": 5})
    theirs = server.requests[-1]
    post(Google().encode_embed(EmbedCall("gemini-embedding-001", ("a",), dimensions=5), endpoint(server)))
    assert_same(server.requests[-1], theirs)


def test_a_model_of_many_media_embeds_each_text_by_itself_where_the_sdk_is_given_contents(
    server: LocalServer, sdk: Any, post: Callable[[HttpRequest], HttpReply]
) -> None:
    # Given two texts, the SDK asks these models for the one vector of both together.
    sdk.embed_content(model="gemini-embedding-2", contents=said((Message("user", "a"), Message("user", "b"))))
    theirs = server.requests[-1]
    post(Google().encode_embed(EmbedCall("gemini-embedding-2", ("a", "b")), endpoint(server)))
    assert_same(server.requests[-1], theirs)


def test_every_known_model_is_one_the_sdk_knows(sdk: Any) -> None:
    from google.genai import interactions

    known = {name for choice in get_args(interactions.Model) for name in get_args(choice)}
    embedding = {"gemini-embedding-001", "gemini-embedding-2"}  # which its list of chat models leaves out
    assert set(Google.known_models) - embedding <= known
