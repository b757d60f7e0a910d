"""The wheel as users meet it: installed, found by its entry point, called by name, on a real server."""

from __future__ import annotations

import time
from decimal import Decimal
from typing import Any

import genai_prices
import pytest

from ember.context import create_context
from ember.core.errors import CredentialNotFound
from ember.models import errors, models
from ember.models.testing import LocalServer
from ember.providers.google import Google

KEY = "AIza-local-0123456789abcdef"


@pytest.fixture(autouse=True)
def configured(server: LocalServer, ember_home: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GEMINI_API_KEY", raising=False)
    monkeypatch.setenv("GOOGLE_API_KEY", KEY)
    monkeypatch.setenv("GOOGLE_BASE_URL", server.url)


def fault(code: int, status: str, message: str, *details: dict[str, Any]) -> dict[str, Any]:
    return {"error": {"code": code, "message": message, "status": status, "details": list(details)}}


def test_gemini_answers_by_its_bare_name(server: LocalServer) -> None:
    response = models("gemini-pro", "Hello there", system="Be brief.")
    assert response == "Hello there"
    assert (response.provider, response.model, response.finish_reason) == ("google", "gemini-pro", "stop")
    assert (response.usage.input_tokens, response.usage.output_tokens) == (4, 2)
    assert response.cost == Decimal("0.125") * 4 / 1_000_000 + Decimal("0.375") * 2 / 1_000_000
    asked = server.requests[-1]
    assert (asked.path, asked.query, asked.key) == ("/v1/models/gemini-pro:generateContent", "", KEY)
    assert asked.json["systemInstruction"]["parts"] == [{"text": "Be brief."}]


def test_gemini_streams(server: LocalServer) -> None:
    stream = models.stream("gemini-2.5-flash", "One two three")
    assert [text for text in stream if text] == ["One ", "two ", "three"]
    assert (stream.response.usage.input_tokens, stream.response.usage.output_tokens) == (3, 3)
    assert (stream.response.finish_reason, stream.response.request_id) == ("stop", "resp_local")
    asked = server.requests[-1]
    assert (asked.path, asked.query) == ("/v1/models/gemini-2.5-flash:streamGenerateContent", "alt=sse")
    assert (asked.key, KEY in asked.query) == (KEY, False)


def test_texts_are_embedded_in_their_order(server: LocalServer) -> None:
    vectors = models.embed("gemini-embedding-001", ["one", "two three"])
    assert [len(vector) for vector in vectors] == [8, 8]
    assert list(vectors[1]) == list(models.embed("gemini-embedding-001", ["two three"])[0])
    assert vectors.usage.input_tokens == 3
    assert vectors.cost == Decimal("0.15") * 3 / 1_000_000
    assert server.requests[0].path == "/v1/models/gemini-embedding-001:batchEmbedContents"


def test_a_choice_is_made_by_schema(server: LocalServer) -> None:
    server.replies(text='{"choice":"positive"}')
    assert models("gemini-2.5-flash", "I love it.", choices=["positive", "negative"]) == "positive"
    schema = server.requests[-1].json["generationConfig"]["responseJsonSchema"]
    assert schema["properties"]["choice"]["enum"] == ["positive", "negative"]


def test_a_schema_gives_a_parsed_answer(server: LocalServer) -> None:
    server.replies(text='{"x": 1}')
    assert models("gemini-2.5-flash", "A point", schema={"type": "object"}).parsed == {"x": 1}


@pytest.mark.parametrize("status", [400, 401, 403])
def test_a_wrong_key_is_an_authentication_error_that_does_not_show_it(
    status: int, server: LocalServer
) -> None:
    reason = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}
    said = fault(status, "INVALID_ARGUMENT", f"API key not valid: {KEY}", reason)
    server.replies(status, json=said)
    with pytest.raises(errors.AuthenticationError) as raised:
        models("gemini-2.5-flash", "Hi")
    assert KEY not in str(raised.value)
    assert (raised.value.provider, raised.value.model) == ("google", "gemini-2.5-flash")


STATUSES: list[tuple[int, str, type[errors.ModelError]]] = [
    (400, "INVALID_ARGUMENT", errors.InvalidRequestError),
    (403, "PERMISSION_DENIED", errors.AuthenticationError),
    (404, "NOT_FOUND", errors.ModelNotFound),
    (429, "RESOURCE_EXHAUSTED", errors.RateLimitError),
    (500, "INTERNAL", errors.ProviderUnavailable),
    (503, "UNAVAILABLE", errors.ProviderUnavailable),
]


@pytest.mark.parametrize(("status", "word", "expected"), STATUSES)
def test_an_error_has_its_type_and_says_what_google_said_whole_streamed_or_embedded(
    status: int, word: str, expected: type[errors.ModelError], server: LocalServer
) -> None:
    wait = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "0.05s"}
    server.replies(status, json=fault(status, word, "Something is wrong", wait))
    for ask in (
        lambda: models("gemini-2.5-flash", "Hi"),
        lambda: list(models.stream("gemini-2.5-flash", "Hi")),
        lambda: models.embed("gemini-embedding-001", ["Hi"]),
    ):
        with pytest.raises(expected, match="Something is wrong") as raised:
            ask()
        assert type(raised.value) is expected
        assert (raised.value.status, raised.value.retry_after) == (status, 0.05)


def test_a_daily_quota_that_is_used_up_is_not_waited_for(server: LocalServer) -> None:
    quota = {"violations": [{"quotaId": "GenerateRequestsPerDayPerProjectPerModel-FreeTier"}]}
    said = fault(429, "RESOURCE_EXHAUSTED", "You exceeded your quota", quota, {"retryDelay": "40s"})
    server.replies(429, json=said)
    begun = time.monotonic()
    with pytest.raises(errors.QuotaError):
        models("gemini-2.5-flash", "Hi")
    assert (len(server.requests), time.monotonic() - begun < 5) == (1, True)


def test_a_blocked_prompt_is_a_content_filters_error(server: LocalServer) -> None:
    server.replies(json={"promptFeedback": {"blockReason": "SAFETY"}})
    with pytest.raises(errors.ContentFilterError, match="SAFETY"):
        models("gemini-2.5-flash", "Hi")
    server.replies(sse=[{"promptFeedback": {"blockReason": "SAFETY"}}])
    with pytest.raises(errors.ContentFilterError, match="SAFETY"):
        list(models.stream("gemini-2.5-flash", "Hi"))


def test_a_prompt_of_many_tokens_costs_what_its_tier_says(server: LocalServer) -> None:
    for read in (200_000, 200_001):
        counts = {"promptTokenCount": read, "candidatesTokenCount": 100, "cachedContentTokenCount": 50_000}
        answer = {
            "candidates": [{"content": {"parts": [{"text": "Hi"}]}, "finishReason": "STOP"}],
            "usageMetadata": counts,
        }
        server.replies(json=answer)
        usage = genai_prices.Usage(input_tokens=read, output_tokens=100, cache_read_tokens=50_000)
        price = genai_prices.calc_price(usage, "gemini-2.5-pro", provider_id="google").total_price
        assert models("gemini-2.5-pro", "Hi").cost == price


@pytest.mark.parametrize("model", Google.known_models)
def test_every_known_model_has_a_price(model: str) -> None:
    usage = genai_prices.Usage(input_tokens=1_000, output_tokens=0 if "embedding" in model else 10)
    assert genai_prices.calc_price(usage, model, provider_id="google").total_price > 0


def test_the_variable_named_for_gemini_comes_before_the_one_named_for_google(
    server: LocalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    models("gemini-pro", "Hi")
    monkeypatch.setenv("GEMINI_API_KEY", "AIza-of-gemini-0123456789")
    models("gemini-pro", "Hi")
    assert [request.key for request in server.requests] == [KEY, "AIza-of-gemini-0123456789"]


def test_the_version_of_the_api_is_configured(server: LocalServer) -> None:
    with create_context(providers={"google": {"api": "v1beta"}}):
        models("gemini-pro", "Hi")
    assert server.requests[-1].path == "/v1beta/models/gemini-pro:generateContent"


def test_without_a_key_the_error_names_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GOOGLE_API_KEY")
    monkeypatch.delenv("GOOGLE_BASE_URL")
    with pytest.raises(CredentialNotFound, match="GEMINI_API_KEY"):
        models("gemini-pro", "Hi")
