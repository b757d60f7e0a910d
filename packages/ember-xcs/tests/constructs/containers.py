"""Containers: displays, subscripts, unpacking, mutation of what was made inside and of what was handed in."""

# ruff: noqa: PIE800
# These are programs as users write them, with what strict checkers would have told them.
# pyright: reportPossiblyUnboundVariable=false, reportConstantRedefinition=false, reportUnnecessaryIsInstance=false
# pyright: reportUnknownLambdaType=false, reportUnknownVariableType=false, reportUnknownMemberType=false
# pyright: reportUnknownArgumentType=false, reportMatchNotExhaustive=false, reportUnnecessaryComparison=false

from __future__ import annotations

import collections
import copy
import json
from typing import Any

from .world import Thing, ask, count, effect, program, record, rows

STATE = ("SHARED", "BOOK")
SHARED: list[str] = ["old"]
BOOK: dict[str, str] = {}


@program("a b c d", "e")
def displays() -> object:
    whole = [ask("a"), (ask("b"), {"k": ask("c")}), {"list": [ask("d")]}]
    return whole, ask(f"e {whole}")


@program("a b c d")
def sets_and_keys() -> object:
    found = {ask("a"), ask("b"), "A"}
    named = {ask("c"): ask("d"), "x": "y"}
    return sorted(found), named, {**named, "z": ask("e"), **{"C": "w"}}


@program("a b c", "d")
def starred() -> object:
    some = [ask("a"), ask("b")]
    more = (*some, ask("c"), *"xy")
    return {*more}, [*some, *more], ask(f"d {len(more)}")


@program("a b c", "d e")
def unpacking() -> object:
    a, (b, c) = ask("a"), (ask("b"), ask("c"))
    a, b = b, a
    first, *middle, last = [a, b, c, ask("d"), ask("e")]
    return first, middle, last


@program("a b c")
def appending(xs: list[str]) -> list[str]:
    out: list[str] = []
    for word in "abc":
        out.append(ask(word))
    out.extend(xs)
    out.insert(0, "first")
    out += ["last"]
    return out


@program("a b c", "d e f")
def appending_under_a_condition() -> tuple[list[str], list[str]]:
    long, short = [], []
    for word in ("a", "b long one", "c"):
        answer = ask(word)
        if len(answer) > 3:
            long.append(ask("d " + answer))
        elif answer == "A":
            short.append(ask("e " + answer))
        else:
            short.append(ask("f " + answer))
    return long, short


@program("a b c")
def dicts_by_key() -> dict[str, object]:
    found: dict[str, Any] = {}
    for word in "abc":
        found[word] = ask(word)
    found["a"] = found["a"] + found["b"]
    found.setdefault("z", []).append(found["c"])
    del found["b"]
    found.update(size=len(found))
    return found


@program("a b c")
def counting() -> object:
    votes: collections.Counter[str] = collections.Counter()
    where: collections.defaultdict[int, list[str]] = collections.defaultdict(list)
    for word in ("a", "b", "c", "a"):
        answer = ask(word)
        votes[answer] += 1
        where[len(answer)].append(answer)
    return votes.most_common(1), dict(where)


@program("a b c", "d e")
def queues() -> list[str]:
    queue = collections.deque(["a", "b", "c"])
    out: list[Any] = []
    while queue:
        out.append(ask(queue.popleft()))
    return [ask("d " + out[0]), ask("e " + out.pop())]


@program("a b", "c")
def sorting_in_place() -> object:
    words = [ask("b"), ask("a")]
    words.sort()
    words.reverse()
    last = words.pop()
    return words, ask("c " + last)


@program("a b", order="a container that others can see")
def changing_what_was_handed_in(xs: list[str], d: dict[str, str], tags: set[str]) -> int:
    a, b = ask("a"), ask("b")
    xs.append(a)
    d["b"] = b
    tags.add(b)
    xs[0] = ask(f"c {xs[-1]}")
    del d["k"]
    xs += [ask("d")]
    return len(xs) + len(d) + len(tags)


@program("a b")
def changing_globals_in_place(xs: list[str]) -> str:
    a, b = ask("a"), ask("b")
    SHARED.append(a)
    BOOK[a] = b
    return ask(f"c {SHARED} {BOOK}")


@program("a b", "c d")
def aliases() -> object:
    first: list[str] = []
    second = first
    first.append(ask("a"))
    second.append(ask("b"))
    holder: dict[str, Any] = {"one": first, "two": [second]}
    holder["one"].append(ask(f"c {len(second)}"))
    return holder, first is second, ask("d")


@program("a b", "c")
def copies() -> object:
    made = {"k": [ask("a")]}
    shallow, deep = copy.copy(made), copy.deepcopy(made)
    made["k"].append(ask("b"))
    shallow["z"] = [ask("c")]
    return made, shallow, deep, list(made), [*made["k"]][:1], ask("d")


@program("a b", "c d")
def nested_subscripts() -> object:
    table: dict[str, dict[str, list[str]]] = {"x": {"y": []}}
    table["x"]["y"].append(ask("a"))
    table["x"]["z"] = [ask("b")]
    return ask("c " + table["x"]["y"][0]), ask("d " + table["x"]["z"][-1]), table


@program("a b", "c d")
def libraries_see_real_values() -> object:
    made = {"a": ask("a"), "b": [ask("b")]}
    text = json.dumps(made)
    return ask("c " + text), json.loads(text)["a"] + ask("d")


@program("a b", "c")
def lists_that_calls_return() -> object:
    words = rows("a x y")
    more = record("b z")
    words.append("end")
    more["words"] += words
    return words, more, ask(f"c {len(words)} {more['words'][-1]}")


@program("a b", "c")
def comparisons_of_containers() -> object:
    one, two = [ask("a")], (ask("b"),)
    return one == ["A"], two != ("A",), "A" in one, "B" not in two, one < ["Z"], ask(f"c {one}{two}")


@program("a b c")
def objects_in_containers() -> object:
    things = [Thing(name) for name in "abc"]
    for thing in things:
        thing.note(ask(thing.name))
    return things


@program("a b")
def effects_between_changes(xs: list[str]) -> object:
    out = [ask("a")]
    effect(f"{len(out)} {xs}")
    out.append(ask("b"))
    xs.append("seen")
    effect(out)
    return out


@program("a n", "b c")
def indices_that_come_late() -> object:
    letters, n = list("xyz"), count("n")
    a = ask("a")
    return ask("b " + letters[n]), ask(f"c {letters[n:]} {letters[:-n]} {a}")
