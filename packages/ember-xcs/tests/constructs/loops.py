"""Loops: turns overlap where nothing is carried from one to the next, and go on as soon as what is carried is there."""

# These are programs as users write them, with what strict checkers would have told them.
# pyright: reportPossiblyUnboundVariable=false, reportConstantRedefinition=false, reportUnnecessaryIsInstance=false
# pyright: reportUnknownLambdaType=false, reportUnknownVariableType=false, reportUnknownMemberType=false
# pyright: reportUnknownArgumentType=false, reportMatchNotExhaustive=false, reportUnnecessaryComparison=false

from __future__ import annotations

from typing import Any

from .world import Other, ask, count, effect, program, rows


@program("a b c", "d e f")
def for_with_two_calls() -> list[str]:
    out: list[Any] = []
    for word, after in ("ad", "be", "cf"):
        first = ask(word)
        out.append(ask(f"{after} {first}"))
    return out


@program("a b c", "d")
def for_else() -> list[str]:
    out: list[Any] = []
    for word in "abc":
        out.append(ask(word))
    else:
        out.append(ask("d"))
    return out


@program("x y")
def for_with_break() -> list[str]:
    side = ask("x")
    out = [side]
    for word in ("a", "y", "c"):
        answer = ask(word)
        out.append(answer)
        if answer == "Y":
            break
    else:
        out.append("never")
    return out


@program("a b c", "d e")
def for_with_continue() -> list[str]:
    out: list[Any] = []
    for word, after in (("a", "d"), ("b", "e"), ("c", "x")):
        answer = ask(word)
        if answer == "C":
            continue
        out.append(ask(f"{after} {answer}"))
    return out


@program("b s")
def while_on_answers() -> object:
    text, steps = ask("a"), 0
    while len(text) < 8:
        text = ask(f"b {text}")
        steps += 1
    side = ask("s")
    return text, steps, side


@program("b s")
def while_else_and_break() -> object:
    text, out = ask("a"), ["begun"]
    while text:
        text = ask("b " + text)
        if len(text) > 5:
            break
    else:
        out.append("never")
    n = 0
    while n < count("s"):
        n += 1
    else:
        out.append(ask("e"))
    return out, text, n


@program("b c", "x y")
def two_loops_side_by_side() -> object:
    first, second = ask("a"), ask("z")
    for _ in range(2):
        first = ask(f"b {first}")
    for _ in range(2):
        second = ask(f"c {second}")
    return first, second, ask("x"), ask("y")


@program("a b c")
def return_out_of_a_loop() -> str:
    side = [ask(word) for word in "bc"]
    for word in ("a", "aa", "aaa"):
        answer = ask(word)
        if len(answer) == 2:
            return answer + side[0]
    return "none"


@program("a b c d")
def nested_loops() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for pair in ("ab", "cd"):
        for word in pair:
            found.setdefault(pair, []).append(ask(word))
    return found


@program("a b c")
def carried_values(thing: object) -> object:
    total, longest, text = 0, "", ""
    for word in ("a", "b two", "c"):
        answer = ask(word)
        total += len(answer)
        text += answer[:1]
        longest = answer if len(answer) > len(longest) else longest
    return total, longest, text


@program("a b c")
def enumerated_zipped_and_reversed() -> list[str]:
    out: list[Any] = []
    for number, (word, other) in enumerate(zip("abc", reversed("xyz"), strict=True)):
        out.append(f"{number}{other}{ask(word)}")
    return out


@program("a", "b c d")
def over_an_answer() -> list[str]:
    out: list[Any] = []
    for word in rows("a b c d"):
        out.append(ask(f"{word.lower()} again") if word != "A" else word)
    return out


@program("a b c")
def loop_variables_afterwards() -> object:
    for word in "abc":
        answer = ask(word)
    return word, answer


@program("a b c")
def effects_in_a_loop() -> None:
    for word in "abc":
        answer = ask(word)
        effect(answer)
        print(word, answer)


@program("a b", raises=True)
def raise_in_a_loop() -> list[str]:
    out: list[Any] = []
    for word in "abc":
        answer = ask(word)
        effect(f"after {word}")
        if answer == "B":
            raise Other(answer)
        out.append(answer)
    return out


@program("a b c")
def index_loops() -> list[str]:
    words, out, i = ["a", "b", "c"], [""] * 3, 0
    while i < len(words):
        out[i] = ask(words[i])
        i += 1
    return out


@program("a b")
def changing_what_is_gone_over() -> object:
    queue, seen = ["a", "b"], []
    for word in queue:
        seen.append(ask(word))
        if len(queue) < 4:
            queue.append(word + "2")
    return queue, seen


@program("a b")
def plain_loops_between(xs: list[str]) -> object:
    total = 0
    a = ask("a")
    for n in range(100):
        total += n
        if n == 50:
            continue
    return a, total, ask(f"b {total}"), n
