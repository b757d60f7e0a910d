"""Comprehensions and generator expressions: elements overlap, filters and inner sources wait for their own alone."""

# ruff: noqa: C400, C402
# These are programs as users write them, with what strict checkers would have told them.
# pyright: reportPossiblyUnboundVariable=false, reportConstantRedefinition=false, reportUnnecessaryIsInstance=false
# pyright: reportUnknownLambdaType=false, reportUnknownVariableType=false, reportUnknownMemberType=false
# pyright: reportUnknownArgumentType=false, reportMatchNotExhaustive=false, reportUnnecessaryComparison=false

from __future__ import annotations

from .world import ask, count, effect, program, record, rows


@program("a b c")
def list_of_calls() -> list[str]:
    return [ask(word) for word in "abc"]


@program("a b c", "d e f")
def chains_in_elements() -> list[str]:
    return [ask(f"{after} {ask(word)}") for word, after in zip("abc", "def", strict=True)]


@program("a b c")
def dicts_and_sets() -> object:
    return {word: ask(word) for word in "abc"}, sorted({ask(word) for word in "ab"})


@program("a b c", "d e")
def keys_that_are_answers() -> dict[str, str]:
    made = {ask(word): word for word in "abc"}
    return {key: ask(f"{after} {key}") for key, after in zip(made, "de", strict=False)}


@program("a b c", "d e")
def filters_on_answers() -> list[str]:
    return [
        ask(f"{after} {word}")
        for word, after in (("a", "d"), ("b long", "x"), ("c", "e"))
        if len(ask(word)) < 3
    ]


@program("a b c")
def filtered_twice() -> list[str]:
    return [word for word in "abc" if ask(word) if word != "b" and ask("f " + word)]


@program("a b", "c d e f")
def nested_loops() -> list[str]:
    return [
        ask(f"{last} {first}") for first in [ask("a"), ask("b")] for last in ("cd" if "A" in first else "ef")
    ]


@program("a b", "x y z w")
def inner_source_is_an_answer() -> list[str]:
    return [
        ask(word.lower())
        for prompt in ("a x y", "b z w")
        for word in rows(prompt)
        if len(word) == 1 and word not in "AB"
    ]


@program("a b c d")
def comprehension_in_a_comprehension() -> list[list[str]]:
    return [[ask(word) for word in pair] for pair in ("ab", "cd")]


@program("a b c", "d")
def walrus_in_a_filter() -> list[str]:
    return [ask(f"d {found}") if word == "b" else found for word in "abc" if (found := ask(word)) != "C"]


@program("a b c", "d")
def eaten_generators() -> object:
    longest = max((ask(word) for word in ("a", "b two", "c")), key=len)
    return longest, ask("d " + longest)


@program("a b c", "d e")
def summed_and_joined() -> object:
    total = sum(count(word) for word in "abc")
    return total, " ".join(ask(word) for word in "de")


@program("a b c", "d e f", "g h")
def every_eater() -> object:
    made = (
        tuple(ask(word) for word in "abc"),
        frozenset(ask(word) for word in "de"),
        sorted(ask(word) for word in "fg"),
    )
    return (
        made[0],
        sorted(made[1]),
        made[2],
        list(ask(word) for word in "h"),
        dict((word, ask(word)) for word in "ij"),
    )


@program()
def any_and_all_stop_where_they_decide() -> object:
    yes = any(ask(word) == "A" for word in "abc") if ask("b") else None
    no = all(len(ask(f"n {word}")) < 4 for word in ("x", "yy", "zzz"))
    return yes, no


@program("a b c")
def effects_in_elements(xs: list[str]) -> list[str]:
    def seen(word: str) -> str:
        answer = ask(word)
        effect(f"saw {word}")
        return answer

    return [seen(word) for word in "abc"]


@program("a b c", "d")
def conditional_elements() -> list[str]:
    return [answer if (answer := ask(word)) != "B" else ask("d " + answer) for word in "abc"]


@program("a b", "c d")
def unpacked_targets() -> list[str]:
    pairs = [("a", ("c", 1)), ("b", ("d", 2))]
    return [ask(f"{then} {ask(first)} {number}") for first, (then, number) in pairs]


@program("a b", "c d")
def starred_targets() -> list[str]:
    return [ask(f"{last} {ask(first)} {rest}") for first, *rest, last in (("a", 1, 2, "c"), ("b", "d"))]


@program("a b", "c d")
def over_items_of_a_dict_of_answers() -> dict[str, str]:
    found = {"c": ask("a"), "d": ask("b")}
    return {key: ask(f"{key} {value}") for key, value in found.items()}


@program("a b c")
def sources_that_are_computed() -> object:
    words = ["c", "a", "b"]
    return [ask(f"{word} {number}") for number, word in enumerate(sorted(words), start=1)], [*reversed(words)]


@program("a", "b c")
def sources_that_are_answers() -> list[str]:
    return [ask(word.lower()) for word in rows("a b c")[1:]] + [record("d")["text"]]
