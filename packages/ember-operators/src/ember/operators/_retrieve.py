"""Answers from documents: find some, and have a model answer from them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from ember.core import resolve

from ._fields import prompt
from ._index import BM25, Hit, Vectors
from ._steps import Budget, Do, Member, Stepped, Steps


class Retrieve(Stepped, kw_only=False):
    """Find the `k` documents of `index` that fit a question best, as `Hit`s, best first.

    `index` is a `BM25` (by words), a `Vectors` (by meaning; `embed` makes a vector of the question: an embedding
    model's name, or a function from a list of texts to their vectors), or anything with a `search(query, k)`.

    >>> found = Retrieve(BM25(["the sea is deep", "a hill"]), k=1)("How deep is the sea?")
    >>> found[0].document
    'the sea is deep'
    """

    index: Any
    k: int = 5
    embed: Callable[[Sequence[str]], Sequence[Sequence[float]]] | str | None = None
    budget: Budget | None = None

    @classmethod
    def of(
        cls,
        documents: Iterable[Any],
        *,
        embed: Callable[[Sequence[str]], Sequence[Sequence[float]]] | str | None = None,
        text: Callable[[Any], str] = str,
        k: int = 5,
    ) -> Retrieve:
        """Make an index of `documents` and return what searches it: by words, or with `embed` by meaning.

        `text` says what of a document counts. With `embed`, all documents are embedded here and now.
        """
        kept = tuple(documents)
        if embed is None:
            return cls(BM25(kept, text=text), k)
        return cls(Vectors(kept, embedder(embed)(list(map(text, kept)))), k, embed)

    def steps(self, question: str) -> Steps[list[Hit]]:
        if not isinstance(self.index, Vectors):
            found: list[Hit] = yield Do(self.index.search, (question, self.k))
            return found
        if self.embed is None:
            raise ValueError(
                "An index of vectors is searched with a vector: say with embed= what makes one of a text."
            )
        vectors = yield Do(embedder(self.embed), ([str(question)],))
        return self.index.nearest(vectors[0], self.k)


def embedder(one: Callable[..., Any] | str) -> Callable[..., Any]:
    """Return what makes vectors of texts: `one` itself, or the embedding model of that name."""
    return resolve("embedder", one) if isinstance(one, str) else one


class Answer(str):
    """What a model answered from documents: a `str`, with the `sources` it was shown and the model's own `response`."""

    sources: tuple[Hit, ...]
    response: Any

    def __new__(cls, response: Any, sources: Iterable[Hit] = ()) -> Answer:
        made = super().__new__(cls, response)
        made.response, made.sources = response, tuple(sources)
        return made

    def __reduce__(self) -> Any:
        return Answer, (self.response, self.sources)


class RAG(Stepped, kw_only=False):
    """Find documents for a question with `retrieve`, show them to `model`, and return its `Answer`, with `.sources`.

    The documents stand in the prompt numbered from 1, then `instruction`, then the question.

    >>> first = lambda prompt: prompt.splitlines()[0]
    >>> answer = RAG(Retrieve(BM25(["The sea is deep.", "A hill is high."]), k=1), model=first)("How deep is the sea?")
    >>> answer, answer.sources[0].index
    ('[1] The sea is deep.', 0)
    """

    retrieve: Member
    model: Member | None = None
    instruction: str = prompt("Answer the question from these texts. If they do not tell, say so.")
    budget: Budget | None = None

    def steps(self, question: str) -> Steps[Answer]:
        hits: list[Any] = yield Do(self.retrieve, (question,))
        shown = "\n".join(f"[{number}] {hit}" for number, hit in enumerate(hits, 1))
        response = yield Do(self.model, (f"{shown}\n\n{self.instruction}\n\nQuestion: {question}",))
        return Answer(response, hits)
