"""Failures: the earliest in the order of the program counts; handlers, `else` and `finally` run as without jit."""

# These are programs as users write them, with what strict checkers would have told them.
# pyright: reportPossiblyUnboundVariable=false, reportConstantRedefinition=false, reportUnnecessaryIsInstance=false
# pyright: reportUnknownLambdaType=false, reportUnknownVariableType=false, reportUnknownMemberType=false
# pyright: reportUnknownArgumentType=false, reportMatchNotExhaustive=false, reportUnnecessaryComparison=false

from __future__ import annotations

import contextlib
from typing import Any

from .world import Other, Refused, ask, count, effect, program


@program("a b c")
def try_in_a_loop() -> list[str]:
    out: list[Any] = []
    for word in "abc":
        try:
            out.append(ask(word))
        except Refused as error:
            out.append(f"<{error}>")
    return out


@program("a b", "d e")
def try_else_finally() -> object:
    out: list[Any] = []
    for word, after in ("ad", "be"):
        try:
            answer = ask(word)
        except Refused:
            out.append("refused")
        else:
            out.append(ask(after + " " + answer))
        finally:
            out.append(f"end {word}")
    return out


@program("a b s")
def calls_together_in_a_try() -> object:
    try:
        a, b = ask("a"), ask("b")
    except Refused as error:
        a = b = str(error)
    return a, b, ask("s")


@program("a s")
def finally_with_effects() -> object:
    try:
        effect("in")
        return ask("a"), ask("s")
    finally:
        effect("out")
        print("done")


@program("a b", raises=True)
def raise_from() -> object:
    a, b = ask("a"), ask("b")
    try:
        raise KeyError(a)
    except KeyError as error:
        raise Other(f"no {b}") from error


@program("a b", raises=True)
def raise_in_a_handler() -> object:
    try:
        int(ask("a") + ask("b"))
    except ValueError:
        raise Other(ask("c")) from None
    return "none"


@program(raises=True, order="the beginning of a try or with that is left by return")
def reraised() -> object:
    side = ask("s")
    try:
        number = int(ask("a"))
    except ValueError as error:
        effect(f"saw {error}")
        if side == "x":
            return 0
        raise
    return number


@program("a b c", raises=True)
def the_first_matching_handler() -> list[str]:
    out: list[Any] = []
    for word in "abc":
        try:
            answer = ask(word)
            if answer == "B":
                raise Other(answer)
            out.append(str({"A": 1}[answer]))
        except (Refused, Other) as error:
            out.append(f"one {error}")
        except LookupError as error:
            out.append(f"two {error}")
    return out


@program("a b", raises=True)
def nested_tries() -> object:
    log: list[Any] = []
    try:
        try:
            log.append(ask("a") + ask("b"))
            raise Other("inner")
        except Refused:
            log.append("refused")
        finally:
            log.append(ask("c"))
    except Other as error:
        log.append(f"outer {error}")
    else:
        log.append("fine")
    return log


@program("a b", raises=True)
def exception_groups() -> list[str]:
    out, errors = [], []
    for word in "ab":
        try:
            out.append(ask(word))
            raise Other(word)
        except (Refused, Other) as error:
            errors.append(error)
    try:
        raise ExceptionGroup("many", errors)
    except* Other as group:
        out.append(f"others {len(group.exceptions)}")
    except* Refused as group:
        out.append(f"refused {len(group.exceptions)}")
    return out


@program("s t", raises=True)
def retries() -> object:
    side = ask("s")
    for attempt in range(3):
        try:
            number = int(ask(f"a {attempt}")[-1])
            if number < 2:
                raise Other(f"{number}")
            break
        except Other:
            continue
    else:
        number = -1
    return number, side, ask("t")


@program("a", raises=True)
def what_a_failed_body_has_done_stays(xs: list[str]) -> object:
    made: list[Any] = []
    try:
        made.append(ask("a"))
        xs.append("seen")
        made.append(ask("b"))
        raise Other("x")
    except (Refused, Other):
        made.append("handled")
    return made, ask("c")


@program("a b")
def errors_of_computations() -> object:
    a, b = ask("a"), count("b")
    try:
        return a[b + 7]
    except IndexError as error:
        return f"{error} {ask('c')}"


@program("a b", "c d")
def suppressed() -> list[str]:
    out: list[Any] = []
    for word, after in ("ac", "bd"):
        with contextlib.suppress(Refused):
            out.append(ask(f"{after} {ask(word)}"))
    return out


@program("a b")
def return_in_a_try() -> object:
    def safe(word: str) -> str:
        try:
            return ask(word)
        except Refused:
            return "none"
        finally:
            effect(f"left {word}")

    return safe("a") + safe("b")


@program("a b", raises=True)
def notes_and_attributes_of_errors() -> object:
    a, b = ask("a"), ask("b")
    try:
        error = Other(a)
        error.add_note(b)
        raise error
    except Other as caught:
        return caught.args, caught.__notes__


@program("a b", raises=True)
def an_unhandled_failure_after_effects() -> object:
    first = ask("a")
    effect(first)
    second = ask("b")
    effect(second)
    return int(second)


@program(raises=True)
def containers_made_in_a_try_are_seen_after_it() -> object:
    out: list[Any] = []
    for word in "ab":
        try:
            made: dict[str, list[str]] = {"list": []}
            made["list"].append(ask(word))
            made["more"] = [ask(f"{word} more")]
        except Refused as error:
            out.append(str(error))
        out.append(made)
    return out


@program(raises=True)
def what_was_put_into_them_before_the_failure_stays() -> object:
    out: dict[str, Any] = {"rows": []}
    parts: list[str] = []
    try:
        parts = []
        for word in "ab":
            parts.append(ask(word))
        out["rows"].append([])
        out["rows"][-1].append(ask("c"))
        out["parts"] = parts
        parts.append(ask("d"))
    except Refused:
        out["refused"] = True
    return out, parts


@program(raises=True)
def tries_in_tries_that_change_what_is_outside() -> object:
    made: list[str] = []
    try:
        first = ask("a")
        try:
            made.append("x")
            made.append(ask("b") + first)
        except Other:
            made.append("other")
    except Refused:
        made.append("refused")
    return made
