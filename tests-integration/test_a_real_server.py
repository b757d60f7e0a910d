"""llama.cpp's own HTTP server, asked as any server that speaks OpenAI's API: discovery, answers, streams, vectors."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ember.core.errors import EmberError
from ember.models import models
from ember.models.errors import AuthenticationError, StreamIncomplete
from ember.providers.llamacpp._index import Index
from ember.providers.llamacpp._model import Key, model
from ember.providers.llamacpp._pull import fetch
from ember.providers.llamacpp._weights import SMOLLM2


@pytest.fixture(scope="session")
def weights() -> str:
    """The path of SmolLM2's file, fetched once per machine."""
    kept = Path(os.environ.get("EMBER_TEST_WEIGHTS") or Path.home() / ".cache" / "ember-tests")
    kept.mkdir(parents=True, exist_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EMBER_HOME", str(kept / "home"))
        return str(fetch(SMOLLM2, Index.of_this_machine(None), kept))


@pytest.fixture
def llama(weights: str, ember_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The listener of a loaded model, as the server that `llama-server/...` and `compatible/...` mean."""
    loaded = model(Key("smollm2", weights)).loaded()
    for name in ("LLAMA_SERVER", "COMPATIBLE"):
        monkeypatch.setenv(f"{name}_BASE_URL", f"{loaded.native.listening_address}/v1")
        monkeypatch.setenv(f"{name}_API_KEY", loaded.key)


pytestmark = pytest.mark.usefixtures("llama")
QUESTION = "What is the capital of France?"
FRANCE = {
    "type": "object",
    "properties": {"capital": {"type": "string"}},
    "required": ["capital"],
    "additionalProperties": False,
}


def test_it_says_which_model_it_serves_and_that_model_answers() -> None:
    assert models.discover("llama-server") == ("llama-server/smollm2",)
    [name] = models.discover("compatible")
    answer = models(name, QUESTION, temperature=0, max_tokens=24)
    assert "Paris" in answer
    assert (answer.provider, answer.finish_reason, answer.cost) == ("compatible", "stop", None)
    assert answer.usage.input_tokens and answer.usage.output_tokens


def test_a_stream_is_the_same_answer_in_pieces() -> None:
    whole = models("llama-server/smollm2", QUESTION, temperature=0, max_tokens=24)
    stream = models.stream("llama-server/smollm2", QUESTION, temperature=0, max_tokens=24)
    pieces = list(stream)
    assert len(pieces) > 1
    assert "".join(pieces) == stream.response == whole
    assert stream.response.usage.output_tokens == whole.usage.output_tokens
    assert stream.response.finish_reason == whole.finish_reason


def test_an_answer_is_cut_where_it_was_asked_to_be() -> None:
    answer = models("llama-server/smollm2", "Tell me about the sea.", max_tokens=3)
    assert (answer.finish_reason, answer.usage.output_tokens) == ("length", 3)


def test_schema_and_choices_constrain_what_it_says() -> None:
    answer = models("llama-server/smollm2", QUESTION, schema=FRANCE, temperature=0, max_tokens=40)
    assert set(answer.parsed) == {"capital"}
    label = models(
        "llama-server/smollm2", "I loved it!", choices=["good", "bad"], temperature=0, max_tokens=40
    )
    assert label in ("good", "bad")


def test_a_wrong_key_is_refused_by_its_source(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMPATIBLE_API_KEY", "a-wrong-key-0123")
    with pytest.raises(AuthenticationError, match="COMPATIBLE_API_KEY"):
        models("compatible/smollm2", "Hi", max_tokens=2)


def test_leaving_a_stream_early_leaves_the_server_able_to_answer() -> None:
    with models.stream("llama-server/smollm2", "Count to a thousand.", max_tokens=400) as stream:
        next(stream)
    assert models("llama-server/smollm2", QUESTION, temperature=0, max_tokens=8)
    with pytest.raises((RuntimeError, StreamIncomplete)):
        _ = stream.response


def test_a_server_without_vectors_says_so_and_one_with_them_gives_them(
    weights: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(EmberError, match="embeddings"):
        models.embed("compatible/smollm2", ["the sea"])
    loaded = model(Key("smollm2", weights, vectors=True)).loaded()
    monkeypatch.setenv("COMPATIBLE_BASE_URL", f"{loaded.native.listening_address}/v1")
    monkeypatch.setenv("COMPATIBLE_API_KEY", loaded.key)
    vectors = models.embed("compatible/smollm2", ["the sea", "the ocean", "tax law"])
    assert len(vectors) == 3 and {len(vector) for vector in vectors} == {576}
    assert vectors.usage.input_tokens
