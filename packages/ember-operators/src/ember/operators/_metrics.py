"""How good an answer is: functions of the answer and the item it was asked with, as `evaluate` takes them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, cast

from ._ask import choose
from ._index import words
from ._steps import Member, member
from ._vote import normal

Metric = Callable[[Any, Mapping[str, Any]], float]
"""A metric: a number, or True or False, for an answer and its item. A larger one is better."""


def exact(field: str = "answer") -> Metric:
    """Whether the answer is the item's `field`, without regard to case, space and outer punctuation; a list has any.

    >>> exact()(" paris.", {"answer": "Paris"}), exact("right")("Rome", {"right": ["Paris", "Lutetia"]})
    (True, False)
    """

    def exact_match(answer: Any, item: Mapping[str, Any]) -> bool:
        return any(normal(answer) == normal(right) for right in _rights(item, field))

    return exact_match


def contains(field: str = "answer") -> Metric:
    """Whether the item's `field`, or one of a list there, stands in the answer as whole words.

    >>> contains()("I think it is Paris.", {"answer": "paris"}), contains()("Parisian", {"answer": "Paris"})
    (True, False)
    """

    def contained(answer: Any, item: Mapping[str, Any]) -> bool:
        said = " ".join(words(str(answer)))
        return any(f" {' '.join(words(str(right)))} " in f" {said} " for right in _rights(item, field))

    return contained


def number(field: str = "answer", tolerance: float = 1e-6) -> Metric:
    """Whether the last number in the answer is the item's `field`, within a relative `tolerance`.

    >>> number()("6 times 7 is 1,042.0", {"answer": 1042})
    True
    """

    def same_number(answer: Any, item: Mapping[str, Any]) -> bool:
        found = re.findall(r"-?\d[\d,]*(?:\.\d+)?(?:[eE][+-]?\d+)?", str(answer))
        if not found:
            return False
        said, right = float(found[-1].replace(",", "")), float(str(item[field]).replace(",", ""))
        return abs(said - right) <= tolerance * max(1.0, abs(right))

    return same_number


def token_f1(field: str = "answer") -> Metric:
    """How much the words of the answer and of the item's `field` overlap, from 0 to 1; the best of a list.

    The harmonic mean of precision and recall over words, articles left out (Rajpurkar et al., "SQuAD", 2016).

    >>> token_f1()("the blue sea", {"answer": "A deep blue sea"})
    0.8
    """

    def f1(answer: Any, item: Mapping[str, Any]) -> float:
        return max((_f1(_content(answer), _content(right)) for right in _rights(item, field)), default=0.0)

    return f1


def graded(model: Member | None = None, field: str = "answer") -> Metric:
    """Whether `model` says that the answer means the same as the item's `field`. This asks the model for each item.

    A model's grades are opinions: compare some with your own before you believe the rest.

    >>> graded(lambda prompt, choices: "yes")("The city of Paris", {"answer": "Paris"})
    True
    """

    def grade(answer: Any, item: Mapping[str, Any]) -> bool:
        text = f"Right answer: {item[field]}\nGiven answer: {answer}\n\nDo they mean the same?"
        do = choose(model, text, ["yes", "no"])
        return str(member(do.who)(*do.args, **do.kwargs)) == "yes"

    return grade


def _rights(item: Mapping[str, Any], field: str) -> list[Any]:
    right = item[field]
    several = isinstance(right, (list, tuple, set, frozenset))
    return list(cast("list[Any]", right)) if several else [right]


def _content(text: Any) -> list[str]:
    return [word for word in words(str(text)) if word not in ("a", "an", "the")]


def _f1(said: list[str], right: list[str]) -> float:
    if not said or not right:
        return float(said == right)
    common = sum((Counter(said) & Counter(right)).values())
    return 2 * common / (len(said) + len(right))
