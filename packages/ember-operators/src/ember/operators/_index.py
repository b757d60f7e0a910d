"""Finding documents by their words (BM25) or by the likeness of their vectors. Pure Python, for up to some 100,000."""

from __future__ import annotations

import heapq
import math
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from operator import mul
from typing import Any, Final

_WORD: Final = re.compile(r"\w+")


def words(text: str) -> list[str]:
    """Return the words of `text` in small letters: runs of letters, digits and underscores of any script.

    >>> words("The sea, the SEA!")
    ['the', 'sea', 'the', 'sea']
    """
    return _WORD.findall(text.casefold())


@dataclass(frozen=True, slots=True)
class Hit:
    """A document that was found: its place in the index, its score (larger is better), and itself."""

    index: int
    score: float
    document: Any

    def __str__(self) -> str:
        return str(self.document)


class BM25:
    """An index of documents by their words, ranked by Okapi BM25.

    The formula is that of Lucene: idf = ln(1 + (N - n + 0.5) / (n + 0.5)), a term's share tf / (tf + k1 (1 - b + b
    len/avg)) (Robertson & Zaragoza, "The Probabilistic Relevance Framework", 2009; k1 + 1 is left out, which changes no
    order). `text` says what of a document is searched: by default itself, which then must be a string.

    >>> index = BM25(["the sea is deep", "a hill", "the deep blue sea"])
    >>> [hit.document for hit in index.search("blue sea", k=2)]
    ['the deep blue sea', 'the sea is deep']
    """

    def __init__(
        self,
        documents: Iterable[Any],
        *,
        text: Callable[[Any], str] = str,
        tokens: Callable[[str], Sequence[str]] = words,
        k1: float = 1.2,
        b: float = 0.75,
    ) -> None:
        self.documents = tuple(documents)
        self._tokens, self._k1 = tokens, k1
        self._postings: dict[str, list[tuple[int, int]]] = defaultdict(list)
        lengths: list[int] = []
        for place, document in enumerate(self.documents):
            found = tokens(text(document))
            lengths.append(len(found))
            for word, times in Counter(found).items():
                self._postings[word].append((place, times))
        average = sum(lengths) / len(lengths) if any(lengths) else 1.0
        self._norms = [k1 * (1 - b + b * length / average) for length in lengths]

    def __len__(self) -> int:
        return len(self.documents)

    def __repr__(self) -> str:
        return f"BM25({len(self)} documents)"

    def idf(self, word: str) -> float:
        """Return how much `word` tells: more, the fewer documents have it."""
        having = len(self._postings.get(word, ()))
        return math.log(1 + (len(self) - having + 0.5) / (having + 0.5))

    def search(self, query: str, k: int = 5) -> list[Hit]:
        """Return the `k` best documents that share a word with `query`, best first; of equals, the earlier one."""
        scores: dict[int, float] = defaultdict(float)
        for word, times in Counter(self._tokens(query)).items():
            postings = self._postings.get(word)
            if postings is None:
                continue
            idf = self.idf(word) * times
            for place, frequency in postings:
                scores[place] += idf * frequency / (frequency + self._norms[place])
        return _best(self.documents, scores.items(), k)


class Vectors:
    """An index of documents by vectors, ranked by the cosine of the angle between them.

    `vectors` has one for each document, and `embed` makes one of a query. `Retrieve` makes both with a model.

    >>> index = Vectors(["east", "north"], [(1.0, 0.0), (0.0, 1.0)])
    >>> index.nearest((0.9, 0.2), k=1)[0].document
    'east'
    """

    def __init__(self, documents: Iterable[Any], vectors: Iterable[Sequence[float]]) -> None:
        self.documents = tuple(documents)
        self._units = [_unit(vector) for vector in vectors]
        if len(self._units) != len(self.documents):
            raise ValueError(
                f"{len(self.documents)} documents have {len(self._units)} vectors: one each is needed."
            )

    def __len__(self) -> int:
        return len(self.documents)

    def __repr__(self) -> str:
        return f"Vectors({len(self)} documents)"

    def nearest(self, vector: Sequence[float], k: int = 5) -> list[Hit]:
        """Return the `k` documents whose vectors point most nearly where `vector` does; of equals, the earlier one."""
        unit = _unit(vector)
        if self._units and len(unit) != len(self._units[0]):
            raise ValueError(
                f"The vector has {len(unit)} dimensions, those of the index {len(self._units[0])}."
            )
        return _best(self.documents, ((i, sum(map(mul, unit, own))) for i, own in enumerate(self._units)), k)


def _unit(vector: Sequence[float]) -> tuple[float, ...]:
    length = math.hypot(*vector)
    return tuple(x / length for x in vector) if length else tuple(map(float, vector))


def _best(documents: Sequence[Any], scores: Iterable[tuple[int, float]], k: int) -> list[Hit]:
    if k < 1:
        raise ValueError(f"k is how many documents are wanted, at least 1; got {k!r}.")
    best = heapq.nsmallest(k, scores, key=lambda scored: (-scored[1], scored[0]))
    return [Hit(place, score, documents[place]) for place, score in best]
