"""Text: everything that makes strings of answers stays lazy."""

# ruff: noqa: UP031, UP032, RUF010
# These are programs as users write them, with what strict checkers would have told them.
# pyright: reportPossiblyUnboundVariable=false, reportConstantRedefinition=false, reportUnnecessaryIsInstance=false
# pyright: reportUnknownLambdaType=false, reportUnknownVariableType=false, reportUnknownMemberType=false
# pyright: reportUnknownArgumentType=false, reportMatchNotExhaustive=false, reportUnnecessaryComparison=false

from __future__ import annotations

from .world import ask, count, program, record, rows


@program("a b", "c d")
def f_strings() -> str:
    a, b = ask("a"), ask("b")
    c = ask(f"c {a}")
    d = ask(f"d {b!r:>12}|{a!s}|{b!a}|{len(a):03d}|{1.5:.2f}")
    return f"{c} {d}"


@program("a n", "c")
def f_strings_with_computed_formats() -> str:
    a, n = ask("a"), count("n")
    width = n + 8
    return ask(f"c {a:>{width}}|{n:05d}|{n:{'>'}{width}}|{a!r:*^{n + 10}}|{{}}|{a=}")


@program("a b", "c d e")
def percent() -> list[str]:
    a, b = ask("a"), ask("b")
    return [ask("c %s and %r" % (a, b)), ask("d %s" % a), ask("e %(x)s %(y)s" % {"x": a, "y": b})]


@program("a b", "c d e")
def format_method() -> list[str]:
    a, b = ask("a"), ask("b")
    template = "e {x} {y}"
    return [ask("c {} {!r:>10}".format(a, b)), ask("d {0} {0}".format(a)), ask(template.format(x=a, y=b))]


@program("a b c", "d e")
def concatenation() -> str:
    a, b, c = ask("a"), ask("b"), ask("c")
    d = ask("d " + a + b)
    text = "e "
    text += c
    text += a * 2
    return ask(text) + d + "!"


@program("a b c", "d e")
def joins() -> str:
    parts = [ask(word) for word in "abc"]
    d = ask("d " + ", ".join(parts))
    e = ask("e " + "-".join(part.lower() for part in parts))
    return "\n".join([d, e, *parts])


@program("a b", "c d e f")
def slices() -> list[str]:
    a, b = ask("a long one"), ask("b another")
    return [ask("c " + a[:3]), ask("d " + a[-3:] + b[0]), ask("e " + b[::-1]), ask("f " + a[1 : len(b) : 2])]


@program("a b", "c d e f g h")
def string_methods() -> list[str]:
    a, b = ask("a first"), ask("b second")
    return [
        ask("c " + a.lower().strip().title()),
        ask("d " + b.replace("SECOND", "third").center(20, "*")),
        ask("e " + " ".join(a.split())),
        ask("f " + b.partition(" ")[2].removeprefix("SE").zfill(9)),
        ask(f"g {a.count('I')} {b.find('E')} {a.startswith('A')} {b.upper().isupper()}"),
        ask("h " + a.encode().decode() + b.ljust(9) + a.swapcase().capitalize()),
    ]


@program("a b", "c d")
def splitting_and_unpacking() -> list[str]:
    first, _, rest = ask("a one two").partition(" ")
    head, *tail = ask("b three four").split()
    return [ask(f"c {first} {rest}"), ask(f"d {head} {tail}")]


@program("a b", "c d e")
def parts_of_records() -> list[str]:
    a, b = record("a x"), record("b y")
    return [ask("c " + a["text"]), ask(f"d {b['size']:4d}"), ask("e " + " ".join(b["words"]) + a["words"][0])]


@program("a b", "c d e f")
def numbers_of_answers() -> list[str]:
    a, b = count("a"), count("b four")
    half = (a + b) / 2
    return [
        ask(f"c {a + 1} {-b} {a * b}"),
        ask(f"d {half:.2f} {a // 2} {b % 3} {a**2}"),
        ask(f"e {a < b} {a == b} {abs(a - b)} {round(half)}"),
        ask(f"f {float(a)} {str(b)} {int('7') + a} {min(a, b)} {max(a, b)} {divmod(b, 4)}"),
    ]


@program("a b", "c")
def membership_and_tests_of_text() -> str:
    a, b = ask("a sea"), ask("b hill")
    return ask(f"c {'SEA' in a} {'SEA' not in b} {a is None} {b is not None} {not a} {a != b}")


@program("a b c", "d e")
def chains_side_by_side() -> str:
    d = ask("d " + ask("a"))
    e = ask("e " + ask("b"))
    return d + e + ask("c")


@program("a b")
def bytes_and_repr() -> tuple[str, bytes, int]:
    a, b = ask("a"), ask("b")
    return repr(a), b.encode("utf-8"), hash(a) - hash(a.upper())


@program("a b")
def types_are_what_they_were() -> list[object]:
    a, b = ask("a"), rows("b c")
    return [
        type(a) is str,
        type(b) is list,
        isinstance(a, str),
        a.__class__.__name__,
        [type(one) for one in b],
    ]
