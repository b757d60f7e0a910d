"""Functions of Python's own that take functions or eat iterables."""

# These are programs as users write them, with what strict checkers would have told them.
# pyright: reportPossiblyUnboundVariable=false, reportConstantRedefinition=false, reportUnnecessaryIsInstance=false
# pyright: reportUnknownLambdaType=false, reportUnknownVariableType=false, reportUnknownMemberType=false
# pyright: reportUnknownArgumentType=false, reportMatchNotExhaustive=false, reportUnnecessaryComparison=false

from __future__ import annotations

import collections
import functools
import heapq
import itertools
import math
import operator
import statistics

from .world import ask, count, program, rows


def score(word: str) -> int:
    return count(word)


@program("a b c")
def sorted_by_a_call() -> list[str]:
    return sorted(["a two", "b", "c three"], key=score)


@program("a b c", "d e f", "g h i")
def max_and_min_by_a_call() -> object:
    best = max(["a", "b two", "c"], key=lambda word: count(word))
    worst = min("d", "e two", "f", key=count)
    words = ["g x", "h", "i"]
    words.sort(key=score, reverse=True)
    return best, worst, words


@program("a b c", "d")
def of_lists_of_answers() -> object:
    sizes = [count(word) for word in ("a", "b two", "c")]
    return (
        sum(sizes),
        max(sizes),
        min(sizes),
        sorted(sizes),
        ask(f"d {sum(sizes)}"),
        any(sizes),
        all(sizes),
        len(sizes),
    )


@program("a b c", "d")
def zipped_and_numbered() -> object:
    answers = [ask(word) for word in "abc"]
    pairs = list(zip(answers, range(3), strict=True))
    return pairs, dict(zip("xyz", answers, strict=True)), list(enumerate(answers, 1)), ask(f"d {pairs[0][0]}")


@program("a b c", "d")
def reduced() -> object:
    text = functools.reduce(lambda so_far, word: so_far + ask(word), "abc", "")
    return text, functools.reduce(operator.add, [count("d"), 1, 2])


@program("x y")
def reduced_in_a_chain() -> object:
    text = functools.reduce(lambda so_far, word: ask(f"{word} {so_far}"), ["a", "x"], "")
    return text, ask("y")


@program("a b c")
def grouped_and_paired() -> object:
    words = ["a", "b", "c"]
    pairs = [x + y for x, y in itertools.combinations([ask(word) for word in words], 2)]
    groups = [(key, list(group)) for key, group in itertools.groupby(sorted(pairs), key=len)]
    return pairs, groups, list(itertools.accumulate(map(len, pairs)))


@program("a b c", "d e")
def statistics_of_answers() -> object:
    sizes = [count(word) for word in ("a", "b two", "c")]
    return statistics.mean(sizes), math.sqrt(sizes[0]), heapq.nlargest(2, sizes), ask("d"), ask("e")


@program("a b c")
def counted() -> object:
    votes = collections.Counter([ask(word) for word in "abc"])
    return votes.most_common(2), sum(votes.values()), sorted(votes), votes["A"]


@program("a b")
def conversions() -> object:
    a, n = ask("a"), count("b")
    return (
        str(n),
        float(n),
        list(a),
        tuple(a),
        set(a),
        bool(a),
        int(str(n)),
        bytes(a, "utf-8"),
        complex(n),
        [*range(n)],
    )


@program("a b")
def reversed_and_sliced() -> object:
    words = [ask("a"), ask("b")]
    return list(reversed(words)), words[::-1], words[-1:], [*reversed(rows("c d"))]


@program("a b")
def next_and_iter() -> object:
    words = iter([ask("a"), ask("b")])
    first = next(words)
    return first, next(words), next(words, "none")


@program("a b")
def isinstance_and_callable() -> object:
    a = ask("a")
    return isinstance(a, str), callable(ask), issubclass(type(a), str), id(a) == id(a), ask("b"), a is a


@program("a b c", "d e")
def mapped() -> object:
    return list(map(ask, "abc")), [one.lower() for one in map(ask, "de")]


@program("a b c", "d e f")
def mapped_over_two() -> object:
    return list(map(lambda x, y: ask(f"{x} {y}"), "abc", "xyz")), [*map(ask, ["d", "e", "f"])]


@program("a b c", "d e", "f g")
def filtered() -> object:
    found = (
        list(filter(lambda word: len(ask(word)) < 3, ["a", "b two", "c"])),
        list(filter(None, [ask("x"), ""])),
    )
    out = [ask(word) for word in filter(str.islower, "deF")]
    for word in filter(ask, ["f", "g"]):
        out.append(word)
    return found, out


@program("a b c d")
def chained_iterables() -> object:
    words = itertools.chain(["a", "b"], ["c"])
    return [ask(word) for word in words], [ask(word) for word in itertools.islice("dddd", 1)]
