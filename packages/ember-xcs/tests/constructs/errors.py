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


@program("a b c")
def variables_of_a_try_that_nobody_reads_after_it() -> object:
    out: list[Any] = []
    try:
        for number, word in enumerate("abc"):
            answer = ask(word)
            out.append((number, answer))
    except Refused as error:
        out.append(str(error))
    return out


@program("a b c")
def variables_of_a_try_that_are_read_after_it() -> object:
    word = answer = "-"
    try:
        for word in [ask(one) for one in "abc"]:
            answer = ask(f"d {word}")
    except Refused:
        pass
    return word, answer


@program("a b")
def variables_of_a_try_that_its_next_turn_reads() -> object:
    out: list[Any] = []
    last = "-"
    for word in "ab":
        try:
            answer = ask(word)
            out.append(ask(f"c {last} {answer}"))
            last = ask(f"d {answer}")
        except Refused:
            out.append("refused")
    return out


@program("a")
def variables_of_a_try_that_a_function_reads() -> object:
    def told() -> str:
        return f"{first} {second}"

    first = "-"
    try:
        first = ask("a")
        second = ask("b")
        return told()
    except (Refused, NameError) as error:
        second = str(error)
    return told()


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


@program()
def finally_that_fails_on_the_way_out_of_a_try() -> object:
    try:
        try:
            return ask("a")
        finally:
            ask("b")
    except Refused as error:
        return f"refused {error}"


@program()
def finally_that_fails_on_the_way_out_of_a_loop_in_a_try() -> object:
    out: list[Any] = []
    for word in "ab":
        try:
            while True:
                try:
                    out.append(ask(word))
                    break
                finally:
                    out.append(ask(f"c {word}"))
        except Refused as error:
            out.append(f"refused {error}")
    return out


@program("a b")
def finally_that_fails_while_an_exception_passes_through_it() -> object:
    a, b = ask("a"), ask("b")
    try:
        try:
            raise KeyError(a)
        finally:
            ask(f"c {b}")
    except (KeyError, Refused) as error:
        return repr(error), repr(error.__context__)


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


@program("a b")
def a_try_that_ends_the_function_where_it_fails() -> str:
    try:
        first = ask("a")
        second = ask("b")
        return first + second
    except Refused:
        return "refused"


@program("a b", "c d")
def a_try_whose_variables_count_only_where_it_succeeds() -> object:
    out: list[str] = []
    for word, other in ("ac", "bd"):
        try:
            first = ask(word)
            second = ask(other)
        except Refused as error:
            out.append(str(error))
            continue
        out.append(first + second)
    return out


@program("a b")
def a_try_around_a_loop_with_variables_of_its_own() -> object:
    out: list[str] = []
    try:
        for word in "ab":
            answer = ask(word)
            out.append(answer)
    except Refused:
        out.append("refused")
    return out


@program(raises=True)
def the_variables_of_a_try_are_as_they_were_where_it_failed() -> object:
    word = match = walrus = "none"
    try:
        for word in [ask(one) for one in "ab"]:  # noqa: B007
            pass
        ask("c")
        match ask("d"):
            case match:
                pass
        ask("e")
        if (walrus := ask("f")) and len(walrus) > 3:
            pass
        ask("g")
        del walrus
        ask("h")
    except Refused:
        pass
    seen = [word, match]
    try:
        seen.append(walrus)
    except NameError:
        seen.append("no value")
    return seen


@program(raises=True)
def a_variable_that_an_earlier_turn_left_behind() -> object:
    out: list[str] = []
    left = "none"
    for word in "abc":
        try:
            if word != "b":
                left = ask(word) + word
            ask(f"{word} more")
        except Refused:
            if ask("again") == "x":
                continue
            out.append("refused")
        else:
            out.append(left)
    return out


@program(raises=True)
def a_loop_without_calls_over_what_failed_in_a_try() -> object:
    out: list[str] = []
    letter = "none"
    for word in "ab":
        try:
            for letter in word + "z":
                out.append(letter)
            letter = ask(word)
        except Refused:
            out.append("refused")
    return out


@program(raises=True)
def a_call_whose_answer_nobody_needs_before_a_try_in_a_try() -> object:
    made: list[str] = []
    try:
        ask("a")
        try:
            made.append("x")
        except Other:
            made.append("other")
    except Refused:
        made.append("refused")
    return made


@program(raises=True)
def the_name_of_a_failure_is_gone_however_its_handler_is_left() -> object:
    error: Any = "none"
    try:
        try:
            ask("a")
        except Refused as error:
            raise Other(ask("b")) from error
    except Other:
        pass
    try:
        return str(error)  # type: ignore[misc]
    except NameError:
        return "no value"


@program("a b")
def continue_in_the_else_of_a_loop() -> object:
    out: list[str] = []
    for word in "ab":
        answer = ask(word)
        if answer == "X":
            continue
        for letter in answer:
            if letter == "Y":
                break
        else:
            continue
        out.append(answer)
    return out


@program(raises=True)
def a_counter_in_a_closure_is_as_it_was_where_a_try_failed() -> object:
    seen = "-"

    def note(word: str) -> str:
        nonlocal seen
        seen += word
        return ask(seen)

    try:
        note("a")
        note("b")
    except Refused:
        pass
    return seen
