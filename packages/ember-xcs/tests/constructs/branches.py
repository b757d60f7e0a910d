"""Decisions on answers: what does not depend on them goes on."""

# ruff: noqa: SIM201
# These are programs as users write them, with what strict checkers would have told them.
# pyright: reportPossiblyUnboundVariable=false, reportConstantRedefinition=false, reportUnnecessaryIsInstance=false
# pyright: reportUnknownLambdaType=false, reportUnknownVariableType=false, reportUnknownMemberType=false
# pyright: reportUnknownArgumentType=false, reportMatchNotExhaustive=false, reportUnnecessaryComparison=false

from __future__ import annotations

from typing import Any

from .world import Thing, ask, count, effect, program, record, rows


@program("b s")
def if_else() -> object:
    a = ask("a")
    if a == "A":
        found = ask("b")
    else:
        found = ask("c")
    return found, ask("s")


@program("b c d")
def if_elif_else_each_in_its_turn() -> list[str]:
    out: list[Any] = []
    for word in ("x", "yy", "zzz"):
        size = count(word)
        if size == 1:
            answer = ask("b " + word)
        elif size == 2:
            answer = ask("c " + word)
        else:
            answer = ask("d " + word)
        out.append(answer)
    return out


@program("b s")
def conditional_expressions() -> object:
    found = ask("b") if ask("a") == "A" else ask("c")
    return found, ask("s"), "long" if len(found) > 3 else "short"


@program("b s")
def boolean_operators() -> object:
    first = ask("a") and ask("b")
    second = ask("s") or ask("never")
    third = (ask("") or ask("t")) and not ask("u") == "x"
    return first, second, third


@program("b s")
def comparison_chains() -> object:
    inside = 0 < count("a") < 3 <= count("b two")
    return inside, ask("s"), 1 < 2 < count("c") > 0


@program("b s")
def walrus() -> object:
    if (found := ask("a")) == "A" and (size := count("b")) > 0:
        text = f"{found} {size}"
    else:
        text = "none"
    while (more := ask(f"c {text}")) and len(more) < 12:
        text = more
    return text, more, ask("s")


@program("b c s")
def match_on_answers() -> list[object]:
    out: list[object] = []
    for word in ("x", "y z", "w"):
        match rows(word):
            case ["X"]:
                out.append(ask("b"))
            case [first, *rest] if rest:
                out.append(ask(f"c {first} {rest}"))
            case other:
                out.append(other)
    return [*out, ask("s")]


@program("b c s")
def match_on_records() -> list[object]:
    out: list[object] = []
    for word in ("x", "yy"):
        match record(word):
            case {"size": 1, "text": text, **others}:
                out.append(ask(f"b {text} {sorted(others)}"))
            case {"size": int(size) | float(size)}:
                out.append(ask(f"c {size}"))
    return [*out, ask("s")]


@program("a s")
def match_on_classes(thing: Thing) -> object:
    match thing:
        case Thing(name="thing", count=0):
            found = ask("a")
        case _:
            found = "none"
    match (found, 1):
        case ("A", n):
            effect(n)
        case (str(), _):
            effect("other")
    return found, ask("s")


@program("a b", "c d")
def early_return() -> str:
    def judge(word: str, after: str) -> str:
        answer = ask(word)
        if len(answer) > 3:
            return answer
        return ask(f"{after} {answer}")

    return judge("a", "c") + judge("b", "d")


@program("b c s")
def nested_decisions() -> object:
    out = {}
    for word in ("x", "yy"):
        answer = ask(word)
        if answer.isupper():
            if len(answer) == 1:
                out[word] = ask("b")
            elif answer:
                out[word] = ask("c")
        else:
            out[word] = "none"
    return out, ask("s")


@program("b s")
def effects_under_a_decision() -> object:
    if ask("a") == "A":
        effect("yes")
        print("yes")
    first = ask("b")
    effect("after")
    return first, ask("s")


@program("a b", raises=True)
def asserts() -> object:
    a, b = ask("a"), ask("b")
    assert a == "A", f"a is {a}"
    assert b == "C", f"b is {b}"
    return a


@program("a s")
def truth_of_containers_and_objects(thing: Thing) -> object:
    found = [ask("a")] if thing.name else []
    return "some" if found else "none", bool(found), not found, ask("s") if thing.notes else ask("s t")
