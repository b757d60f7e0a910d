"""Ways to make one answer of many, as plain functions: what `Ensemble(aggregate=...)` and `MajorityVote` take.

Ties go to what was seen first, in the order of the answers, so equal inputs have equal results.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import TypeVar

_T = TypeVar("_T")


def normal(answer: object) -> Hashable:
    """Return `answer` as votes are counted: text without case, outer punctuation and extra space; else as it is.

    What cannot be hashed counts by its `repr`.

    >>> normal("  Paris. ") == normal("PARIS")
    True
    """
    if isinstance(answer, str):
        text = " ".join(unicodedata.normalize("NFKC", answer).casefold().split())
        return text.strip(" .!?,;:\"'`*") or text
    try:
        hash(answer)
    except TypeError:
        return repr(answer)
    return answer


def tally(
    answers: Iterable[_T],
    weights: Iterable[float] | None = None,
    key: Callable[[_T], Hashable] = normal,
) -> dict[Hashable, float]:
    """Return the votes for each `key`, in the order in which they were first seen."""
    votes: dict[Hashable, float] = {}
    if weights is None:
        for answer in answers:
            counted = key(answer)
            votes[counted] = votes.get(counted, 0) + 1
        return votes
    for answer, weight in zip(answers, weights, strict=True):
        counted = key(answer)
        votes[counted] = votes.get(counted, 0) + weight
    return votes


def majority(
    answers: Sequence[_T],
    weights: Iterable[float] | None = None,
    key: Callable[[_T], Hashable] = normal,
) -> _T:
    """Return the answer with the most votes: the first of those that count as the same, by `key`.

    `weights` has a number for each answer (else each has one vote). Raises ValueError if there is no answer.

    >>> majority(["Rome", "Paris", "paris."])
    'Paris'
    >>> majority(["Rome", "Paris"])
    'Rome'
    """
    if not answers:
        raise ValueError("A majority of no answers cannot be found: there is nothing to choose from.")
    votes = tally(answers, weights, key)
    # `max` keeps the first of equals, and a dict the order of insertion.
    winner = max(votes, key=votes.__getitem__)
    return next(answer for answer in answers if key(answer) == winner)


def borda(rankings: Sequence[Sequence[_T]], key: Callable[[_T], Hashable] = normal) -> list[_T]:
    """Return the options of all `rankings` (best first) in the order of their Borda counts.

    Of n options in all, the first of a ranking has n-1 points, the next n-2; those that it does not name share
    what is left equally (J.-C. de Borda, 1781; the treatment of partial ballots is Dummett's "averaged" one).

    >>> borda([["a", "b", "c"], ["b", "c", "a"], ["b", "a", "c"]])
    ['b', 'a', 'c']
    """
    options: dict[Hashable, _T] = {}
    for ranking in rankings:
        for option in ranking:
            options.setdefault(key(option), option)
    points = dict.fromkeys(options, 0.0)
    for ranking in rankings:
        named = list(dict.fromkeys(map(key, ranking)))
        for place, counted in enumerate(named):
            points[counted] += len(options) - 1 - place
        unnamed = [counted for counted in options if counted not in set(named)]
        for counted in unnamed:
            points[counted] += (len(unnamed) - 1) / 2
    return [options[counted] for counted in sorted(options, key=lambda counted: -points[counted])]


def approval(ballots: Sequence[Iterable[_T]], key: Callable[[_T], Hashable] = normal) -> _T:
    """Return the option that most `ballots` approve of; a ballot counts once for each option on it.

    >>> approval([{"a"}, ["b", "c"], ["c"]])
    'c'
    """
    votes: dict[Hashable, int] = {}
    options: dict[Hashable, _T] = {}
    for ballot in ballots:
        for counted, option in {key(option): option for option in ballot}.items():
            options.setdefault(counted, option)
            votes[counted] = votes.get(counted, 0) + 1
    if not votes:
        raise ValueError("No ballot approves of anything: there is nothing to choose from.")
    return options[max(votes, key=votes.__getitem__)]


def decided(votes: Mapping[Hashable, float], outstanding: float) -> bool:
    """Whether no `outstanding` votes, however cast, can change who has most, ties included."""
    if not votes:
        return False
    first, *others = sorted(votes.values(), reverse=True)
    return first - (others[0] if others else 0.0) > outstanding
