"""Finding documents, and answering from them."""

# Lambdas for members are of no known type.
# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# pyright: reportUnknownMemberType=false

from __future__ import annotations

import asyncio
import math
import pickle
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, strategies as st

from ember.operators import BM25, RAG, Answer, Hit, Retrieve, Vectors

texts = st.lists(st.lists(st.sampled_from("abcdef"), max_size=8).map(" ".join), max_size=8)


@given(texts, st.lists(st.sampled_from("abcdefg"), max_size=4).map(" ".join), st.integers(1, 5))
def test_bm25_is_its_formula(documents: list[str], query: str, k: int) -> None:
    split = [text.split() for text in documents]
    average = sum(map(len, split)) / len(split) if any(split) else 1.0

    def score(words: list[str]) -> float:
        total = 0.0
        for term in query.split():
            n, tf = sum(term in other for other in split), Counter(words)[term]
            idf = math.log(1 + (len(split) - n + 0.5) / (n + 0.5))
            total += idf * tf / (tf + 1.2 * (0.25 + 0.75 * len(words) / average))
        return total

    expected = sorted(((-score(words), place) for place, words in enumerate(split) if score(words) > 0))[:k]
    found = BM25(documents).search(query, k)
    assert [round(hit.score, 9) for hit in found] == [round(-negative, 9) for negative, _ in expected]
    assert all(hit.document == documents[hit.index] for hit in found)


def test_of_equal_documents_the_earlier_comes_first() -> None:
    assert [hit.index for hit in BM25(["sea", "hill", "sea", "sea"]).search("sea", 2)] == [0, 2]


def test_words_are_found_in_any_case_and_script() -> None:
    index = BM25(["Das Straßencafé", "北京 是 首都", "a hill"])
    assert [hit.index for hit in index.search("STRASSENCAFÉ")] == [0]
    assert [hit.index for hit in index.search("首都")] == [1]
    assert index.search("nothing of it") == []


def test_documents_may_be_records_of_which_one_field_is_searched() -> None:
    records = [{"title": "Sea", "n": 1}, {"title": "Hill", "n": 2}]
    assert BM25(records, text=lambda record: record["title"]).search("hill")[0].document["n"] == 2


vectors = st.lists(st.floats(-10, 10).map(lambda x: round(x, 3)), min_size=3, max_size=3)


@given(st.lists(vectors, min_size=1, max_size=6), vectors)
def test_the_nearest_vectors_have_the_largest_cosines(stored: list[list[float]], asked: list[float]) -> None:
    def cosine(a: list[float], b: list[float]) -> float:
        lengths = math.hypot(*a) * math.hypot(*b)
        return sum(x * y for x, y in zip(a, b)) / lengths if lengths else 0.0

    found = Vectors(range(len(stored)), stored).nearest(asked, k=len(stored))
    assert [hit.score for hit in found] == pytest.approx(
        sorted((cosine(one, asked) for one in stored), reverse=True), abs=1e-9
    )


def test_vectors_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="2 documents have 1 vectors"):
        Vectors("ab", [(1.0,)])
    with pytest.raises(ValueError, match="2 dimensions, those of the index 1"):
        Vectors("a", [(1.0,)]).nearest((1.0, 2.0))
    with pytest.raises(ValueError, match="at least 1"):
        BM25(["a"]).search("a", k=0)


def by_first_letter(words: Any) -> list[tuple[float, float]]:
    return [(math.cos(ord(word[0])), math.sin(ord(word[0]))) for word in words]


def test_retrieval_by_meaning_embeds_the_documents_once_and_each_question() -> None:
    retrieve = Retrieve.of(["apple", "zebra"], embed=by_first_letter, k=1)
    [hit] = retrieve("aardvark")
    assert (
        isinstance(hit, Hit) and (hit.index, hit.document) == (0, "apple") and hit.score == pytest.approx(1.0)
    )
    assert asyncio.run(retrieve.acall("zoo"))[0].document == "zebra"
    with pytest.raises(ValueError, match="embed="):
        Retrieve(Vectors(["a"], [(1.0,)]))("b")


def test_an_answer_from_documents_names_its_sources() -> None:
    prompts: list[str] = []

    def model(prompt: str) -> str:
        prompts.append(prompt)
        return "Very deep [1]."

    rag = RAG(Retrieve.of(["The sea is deep.", "A hill.", "The deep wood."], k=2), model=model)
    for answer in (rag("How deep is the sea?"), asyncio.run(rag.acall("How deep is the sea?"))):
        assert isinstance(answer, Answer) and answer == "Very deep [1]."
        assert [hit.index for hit in answer.sources] == [0, 2]
        assert pickle.loads(pickle.dumps(answer)).sources == answer.sources
    assert prompts[0].startswith("[1] The sea is deep.\n[2] The deep wood.")
    assert prompts[0].endswith("Question: How deep is the sea?")
