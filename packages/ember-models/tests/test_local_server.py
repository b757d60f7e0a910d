"""What the local server says, and what it writes down, seen by a plain HTTP client."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from ember.models.testing import Account, LocalServer

CHAT = "/v1/chat/completions"
HELLO = {
    "model": "gpt-4o",
    "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Say hi"}],
}
GEMINI = "/v1/models/gemini-pro"
CONTENTS = {"contents": [{"role": "user", "parts": [{"text": "Say "}, {"text": "hi"}]}]}
CLAUDE = {"model": "claude-sonnet-4", "max_tokens": 100, "messages": [{"role": "user", "content": "Say hi"}]}


class Answer:
    """A reply read to its end."""

    def __init__(self, reply: http.client.HTTPResponse) -> None:
        self.status, self.body = reply.status, reply.read()
        self.headers = {name.lower(): value for name, value in reply.getheaders()}

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def events(self) -> list[Any]:
        """The data of a stream's events, parsed where it is JSON."""
        lines = self.body.decode().splitlines()
        data = [line.removeprefix("data: ") for line in lines if line.startswith("data: ")]
        return [json.loads(each) if each.startswith("{") else each for each in data]


class Client:
    """One connection, kept open."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)

    def post(self, path: str, body: Mapping[str, Any], key: str = "sk-one") -> Answer:
        self._connection.request("POST", path, json.dumps(body), {"Authorization": f"Bearer {key}"})
        return Answer(self._connection.getresponse())

    def get(self, path: str, key: str = "sk-one") -> Answer:
        self._connection.request("GET", path, headers={"Authorization": f"Bearer {key}"})
        return Answer(self._connection.getresponse())

    def close(self) -> None:
        self._connection.close()


@pytest.fixture
def client(server: LocalServer) -> Iterator[Client]:
    connected = Client(server.port)
    yield connected
    connected.close()


# Dialects


def test_without_a_script_the_last_user_message_comes_back(client: Client) -> None:
    answer = client.post(CHAT, HELLO).json
    assert answer["choices"][0]["message"]["content"] == "Say hi"
    assert answer["choices"][0]["finish_reason"] == "stop"
    assert answer["usage"] == {"prompt_tokens": 4, "completion_tokens": 2, "total_tokens": 6}


def test_a_chat_stream_says_the_same_piece_by_piece_and_its_usage_if_asked(client: Client) -> None:
    asked = {**HELLO, "stream": True, "stream_options": {"include_usage": True}}
    *chunks, usage, mark = client.post(CHAT, asked).events
    assert "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks) == "Say hi"
    assert [chunk["choices"][0]["finish_reason"] for chunk in chunks] == [None, None, None, "stop"]
    assert usage["usage"]["total_tokens"] == 6
    assert mark == "[DONE]"


def test_a_chat_stream_that_was_not_asked_for_usage_has_none(client: Client) -> None:
    assert all("usage" not in event for event in client.post(CHAT, {**HELLO, "stream": True}).events)


def test_the_responses_api_answers_whole(client: Client) -> None:
    answer = client.post(
        "/v1/responses", {"model": "gpt-5", "input": "Say hi", "instructions": "Be brief."}
    ).json
    assert answer["output"][0]["content"][0]["text"] == "Say hi"
    assert (answer["status"], answer["usage"]["input_tokens"], answer["usage"]["output_tokens"]) == (
        "completed",
        4,
        2,
    )


def test_a_responses_stream_ends_with_the_whole_response(client: Client) -> None:
    events = client.post("/v1/responses", {"model": "gpt-5", "input": "Say hi", "stream": True}).events
    assert (
        "".join(event["delta"] for event in events if event["type"] == "response.output_text.delta")
        == "Say hi"
    )
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    assert events[-1]["type"] == "response.completed"
    assert events[-1]["response"]["output"][0]["content"][0]["text"] == "Say hi"


def test_the_messages_api_answers_whole_and_as_a_stream(client: Client) -> None:
    whole = client.post("/v1/messages", {**CLAUDE, "system": "Be brief."}).json
    assert whole["content"] == [{"type": "text", "text": "Say hi"}]
    assert whole["usage"] == {"input_tokens": 4, "output_tokens": 2}
    events = client.post("/v1/messages", {**CLAUDE, "stream": True}).events
    assert (
        "".join(event["delta"]["text"] for event in events if event["type"] == "content_block_delta")
        == "Say hi"
    )
    assert (events[0]["type"], events[-1]["type"]) == ("message_start", "message_stop")
    assert events[-2]["usage"] == {"output_tokens": 2}


def test_the_gemini_api_answers_whole_and_as_a_stream(client: Client) -> None:
    asked = {**CONTENTS, "systemInstruction": {"parts": [{"text": "Be brief."}]}}
    whole = client.post(f"{GEMINI}:generateContent", asked)
    assert whole.json["candidates"][0]["content"]["parts"] == [{"text": "Say hi"}]
    counts = {"promptTokenCount": 4, "candidatesTokenCount": 2, "totalTokenCount": 6}
    assert whole.json["usageMetadata"] == counts
    assert set(whole.headers) == {"content-type", "content-length"}
    events = client.post(f"{GEMINI}:streamGenerateContent?alt=sse", asked).events
    pieces = [event["candidates"][0] for event in events]
    assert "".join(piece["content"]["parts"][0]["text"] for piece in pieces) == "Say hi"
    assert [piece.get("finishReason") for piece in pieces] == [None, None, "STOP"]
    assert events[-1]["usageMetadata"] == counts
    silent = client.post(
        f"{GEMINI}:generateContent", {**CONTENTS, "generationConfig": {"maxOutputTokens": 0}}
    )
    assert silent.json["usageMetadata"] == {"promptTokenCount": 2, "totalTokenCount": 2}


def test_the_gemini_api_embeds_each_text_by_itself(client: Client) -> None:
    requests = [{"content": {"parts": [{"text": text}]}} for text in ("cat", "a dog", "cat")]
    answer = client.post(f"{GEMINI}:batchEmbedContents", {"requests": requests}).json
    cat, dog, again = (each["values"] for each in answer["embeddings"])
    assert cat == again != dog
    assert (len(cat), answer["usageMetadata"]) == (8, {"promptTokenCount": 4})


NO_CONTENTS: list[dict[str, Any]] = [
    {},
    {"contents": []},
    {"contents": ["Hi"]},
    {"contents": [{"parts": 3}]},
    {"requests": [{}]},
]


@pytest.mark.parametrize("body", NO_CONTENTS)
@pytest.mark.parametrize("method", ["generateContent", "streamGenerateContent", "batchEmbedContents"])
def test_contents_that_are_none_are_refused_in_googles_words(client: Client, body: Any, method: str) -> None:
    answer = client.post(f"{GEMINI}:{method}", body)
    assert (answer.status, answer.json["error"]["status"]) == (400, "INVALID_ARGUMENT")
    assert answer.json["error"]["code"] == 400


def test_ollamas_api_streams_lines_unless_told_not_to(client: Client, server: LocalServer) -> None:
    whole = client.post("/api/chat", {**HELLO, "stream": False}).json
    assert whole["message"]["content"] == "Say hi"
    assert (whole["done"], whole["prompt_eval_count"], whole["eval_count"]) == (True, 4, 2)
    streamed = client.post("/api/chat", {**HELLO, "options": {"num_predict": 1}})
    assert streamed.headers["content-type"] == "application/x-ndjson"
    first, last = map(json.loads, streamed.body.splitlines())
    assert (first["message"]["content"], first["done"]) == ("Say ", False)
    assert (last["message"]["content"], last["done"], last["done_reason"]) == ("", True, "length")
    vectors = client.post("/api/embed", {"model": "e", "input": ["a", "b"]}).json["embeddings"]
    assert len(vectors) == 2 and vectors[0] != vectors[1]
    refused = client.post("/api/chat", {"model": "m"})
    assert (refused.status, list(refused.json)) == (400, ["error"])
    assert server.ledger["sk-one"] == Account(4, 3, 10, 3)


def test_lists_of_models_are_answered_and_not_booked(client: Client, server: LocalServer) -> None:
    listed = [model["id"] for model in client.get("/v1/models").json["data"]]
    pulled = [model["model"] for model in client.get("/api/tags").json["models"]]
    assert listed and pulled
    assert server.ledger["sk-one"] == Account(requests=2)


def test_an_answer_is_cut_at_the_tokens_asked_for(client: Client) -> None:
    for limit in ("max_tokens", "max_completion_tokens"):
        choice = client.post(CHAT, {**HELLO, limit: 1}).json["choices"][0]
        assert (choice["message"]["content"], choice["finish_reason"]) == ("Say ", "length")
    assert client.post("/v1/messages", {**CLAUDE, "max_tokens": 1}).json["stop_reason"] == "max_tokens"
    answer = client.post("/v1/responses", {"model": "m", "input": "Say hi", "max_output_tokens": 1}).json
    assert (answer["status"], answer["incomplete_details"]) == ("incomplete", {"reason": "max_output_tokens"})


def test_embeddings_are_the_same_for_the_same_text_in_both_encodings(client: Client) -> None:
    from array import array
    from base64 import b64decode

    asked = {"model": "m", "input": ["cat", "dog", "cat"], "dimensions": 5}
    cat, dog, again = (each["embedding"] for each in client.post("/v1/embeddings", asked).json["data"])
    assert cat == again != dog
    assert sum(number * number for number in cat) == pytest.approx(1)
    packed = client.post("/v1/embeddings", {**asked, "encoding_format": "base64"}).json["data"][0][
        "embedding"
    ]
    assert list(array("f", b64decode(packed))) == pytest.approx(cat)


def test_the_answer_can_be_a_function_of_the_prompt(server: LocalServer, client: Client) -> None:
    server.answer = str.upper
    assert client.post(CHAT, HELLO).json["choices"][0]["message"]["content"] == "SAY HI"


def test_a_prompt_of_parts_is_read_as_its_text(client: Client) -> None:
    parts: list[dict[str, Any]] = [
        {"type": "text", "text": "Say "},
        {"type": "image_url", "image_url": {"url": "https://example.org/cat.png"}},
        {"type": "text", "text": "hi"},
    ]
    answer = client.post(CHAT, {"model": "m", "messages": [{"role": "user", "content": parts}]}).json
    assert answer["choices"][0]["message"]["content"] == "Say hi"


@pytest.mark.parametrize(
    "body", [{"messages": []}, {"model": "m"}, {"model": "m", "messages": [{"role": "user", "content": 3}]}]
)
def test_a_request_the_api_would_refuse_is_refused(client: Client, body: Any) -> None:
    answer = client.post(CHAT, body)
    assert (answer.status, answer.json["error"]["type"]) == (400, "invalid_request_error")


def test_a_path_nobody_knows_is_404_and_named(client: Client) -> None:
    answer = client.post("/v2/other", {})
    assert (answer.status, answer.body) == (404, b"this server has nothing at /v2/other")


def test_a_function_of_the_test_that_raises_is_seen_in_the_reply(server: LocalServer, client: Client) -> None:
    server.answer = lambda prompt: prompt[99]
    answer = client.post(CHAT, HELLO)
    assert (answer.status, b"IndexError" in answer.body) == (500, True)


# Scripts


def test_a_script_is_followed_and_its_last_reply_repeated(server: LocalServer, client: Client) -> None:
    server.replies(429, {"retry-after": "2"}).then(503, times=2).then(200, text="hi")
    answers = [client.post(CHAT, HELLO) for _ in range(5)]
    assert [answer.status for answer in answers] == [429, 503, 503, 200, 200]
    assert answers[0].headers["retry-after"] == "2"
    assert answers[4].json["choices"][0]["message"]["content"] == "hi"


def test_a_text_is_worded_in_the_dialect_of_the_path(server: LocalServer, client: Client) -> None:
    server.replies(text="hi there")
    assert client.post("/v1/messages", CLAUDE).json["content"][0]["text"] == "hi there"
    assert client.post("/v1/responses", {"model": "m", "input": "x"}).json["usage"]["output_tokens"] == 2


def test_errors_are_worded_in_the_dialect_of_the_path(server: LocalServer, client: Client) -> None:
    server.replies(429, text="slow down")
    assert client.post(CHAT, HELLO).json["error"]["code"] == "rate_limit_exceeded"
    error = client.post("/v1/messages", CLAUDE).json
    assert (error["type"], error["error"]) == ("error", {"type": "rate_limit_error", "message": "slow down"})


def test_a_path_with_its_own_script_does_not_follow_the_general_one(
    server: LocalServer, client: Client
) -> None:
    server.replies(500)
    server.replies(path="/v1/messages")
    assert client.post("/v1/messages", CLAUDE).status == 200
    assert client.post(CHAT, HELLO).status == 500


def test_the_dialects_answer_can_be_changed_before_it_is_sent(server: LocalServer, client: Client) -> None:
    server.replies(change=lambda answer: {**answer, "usage": None})
    assert client.post(CHAT, HELLO).json["usage"] is None
    server.replies(change=lambda events: [*events[:2], "oops"])
    assert client.post(CHAT, {**HELLO, "stream": True}).events[-1] == "oops"


def test_a_reply_has_one_body(server: LocalServer) -> None:
    with pytest.raises(TypeError, match="give text or body, not both"):
        server.replies(text="a", body=b"b")


# Books


def test_requests_are_recorded_as_they_came(server: LocalServer, client: Client) -> None:
    client.post(f"{CHAT}?beta=true", HELLO)
    client.post(CHAT, HELLO)
    first, second = server.requests
    assert (first.method, first.path, first.query, first.json) == ("POST", CHAT, "beta=true", HELLO)
    assert (first.headers["authorization"], first.key, first.done, first.aborted) == (
        "Bearer sk-one",
        "sk-one",
        True,
        False,
    )
    assert (first.connection, second.connection, server.connections) == (1, 1, 1)
    assert first.at <= second.at <= time.monotonic()


def test_a_request_does_not_show_its_key(server: LocalServer, client: Client) -> None:
    client.post(CHAT, HELLO, key="sk-very-secret")
    assert "sk-very-secret" not in repr(server.requests)


def test_only_answers_sent_whole_are_in_the_ledger(server: LocalServer, client: Client) -> None:
    server.replies(500).then(fault="end", after=1).then()
    for _ in range(4):
        client.post(CHAT, {**HELLO, "stream": True})
    client.post(CHAT, HELLO, key="sk-two")
    assert server.ledger == {"sk-one": Account(4, 2, 8, 4), "sk-two": Account(1, 1, 4, 2)}


def test_the_high_water_is_the_most_requests_there_were_at_once(server: LocalServer) -> None:
    server.latency = 0.2
    everybody_is_in = threading.Barrier(8)

    def ask() -> None:
        client = Client(server.port)
        everybody_is_in.wait(5)
        client.post(CHAT, HELLO)
        client.close()

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    server.wait_for(lambda: server.in_flight == 8)
    for thread in threads:
        thread.join()
    assert (server.high_water, server.in_flight, server.stats().requests) == (8, 0, 8)


def test_latency_is_waited_before_each_reply(server: LocalServer, client: Client) -> None:
    server.latency = 0.1
    begun = time.monotonic()
    client.post(CHAT, HELLO)
    assert time.monotonic() - begun >= 0.1


def test_reset_forgets_scripts_and_books(server: LocalServer, client: Client) -> None:
    server.replies(500)
    client.post(CHAT, HELLO)
    server.reset()
    assert (server.requests, server.ledger, server.stats().requests) == ([], {}, 0)
    assert client.post(CHAT, HELLO).status == 200


def test_only_the_last_requests_are_kept_but_all_are_counted() -> None:
    with LocalServer(keep=2) as server:
        client = Client(server.port)
        for prompt in ("a", "b", "c"):
            client.post("/v1/responses", {"model": "m", "input": prompt})
        client.close()
        assert [request.json["input"] for request in server.requests] == ["b", "c"]
        assert server.stats().requests == 3
