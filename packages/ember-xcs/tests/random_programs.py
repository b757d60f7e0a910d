"""Random programs: plain Python that makes external calls, over as many of the language's constructs as come to mind.

A program is text: a module with functions, a class, and `program(xs, d, obj)`. The same seed gives the same text.
"""

from __future__ import annotations

import random

HEAD = """
import functools, json, math, random, re
from collections import Counter, defaultdict
from contextlib import contextmanager, suppress
from dataclasses import dataclass

total = 0
settings = {"k": 1}


class Boom(Exception):
    pass


class Other(Exception):
    pass


@dataclass
class Item:
    name: str
    score: int = 0


@dataclass(frozen=True)
class Pair:
    left: str
    right: str


class Cm:
    def __init__(self, name, swallow=False):
        self.name, self.swallow = name, swallow

    def __enter__(self):
        effect("enter " + self.name)
        return self.name

    def __exit__(self, kind, error, trace):
        effect("exit " + self.name + " " + (kind.__name__ if kind else "-"))
        return self.swallow


class Through(Cm):
    def __exit__(self, kind, error, trace):
        effect("through " + self.name + " " + (kind.__name__ if kind else "-"))


@contextmanager
def noted(name):
    effect("begin " + name)
    try:
        yield name
    finally:
        effect("end " + name)


class Thing:
    prefix = "t"

    def __init__(self):
        self.n = 0
        self.items = []
        self.last = ""

    def bump(self, by=1):
        self.n += by
        return self.n

    def keep(self, x):
        self.items.append(x)
        self.last = x
        return self

    def ask(self, x):
        a = ask(f"{self.prefix} {x}")
        self.n += 1
        return a

    def pure(self, x):
        return ask(f"{self.prefix}: {x}")

    @property
    def double(self):
        return self.n * 2


def short(x):
    return x[:8]


def size(x):
    return len(x) % 5


def twice(x):
    a = ask(f"a {x}")
    return ask(f"b {a}")


def careful(x):
    try:
        return ask(f"risky {x}")
    except Boom as e:
        return f"caught {e}"[:20]


def early(x):
    a = ask(f"early {x}")
    if len(a) % 2:
        return "odd"
    b = ask(f"late {a}")
    return b


def both(x):
    return ask("l " + x), ask("r " + x)


def many(x, n=2):
    return [ask(f"{i} {x}") for i in range(n)]


def down(x, n):
    if n <= 0:
        return ask(f"leaf {x}")
    return down(ask(f"{n} {x}")[:6], n - 1)


def put(xs, x):
    xs.append(x)
    return len(xs)


def count_up(x):
    global total
    total += len(x)
    return total
"""


_FILTERS = ("len(z) > 4", "'a' in ask(z)", "len(ask(z)) % 2", "z")


class Writer:
    """Writes one program. Variables are kept by type, so that most programs run far."""

    def __init__(self, seed: int, size: int = 14) -> None:
        self.r = random.Random(seed)
        self.lines: list[str] = []
        self.depth = 1
        self.left = size
        self.serial = 0
        self.strs = ["s0", "s1"]
        self.ints = ["n0"]
        self.lists: list[str] = ["xs", "out"]
        self.loops: int = 0
        self.in_try = 0
        self.nested = 0

    def text(self) -> str:
        self.emit('s0, s1, n0, out, tally = "zero", "one", 3, [], {}')
        self.block(self.left)
        names = ", ".join([*self.strs[:6], *self.ints[:4], "out", "tally"])
        self.emit(f"return {names}")
        return HEAD + "\n\ndef program(xs, d, obj):\n" + "\n".join(self.lines) + "\n"

    def emit(self, line: str) -> None:
        self.lines.append("    " * self.depth + line)

    def name(self, kind: str) -> str:
        self.serial += 1
        return f"{kind}{self.serial}"

    def pick(self, *choices: object) -> object:
        return self.r.choice(choices)

    def block(self, size: int) -> None:
        before = (list(self.strs), list(self.ints), list(self.lists))
        start = len(self.lines)
        for _ in range(size):
            if self.left <= -30:
                break
            self.statement()
        if len(self.lines) == start:
            self.emit("pass")
        if self.depth > 1:
            self.strs, self.ints, self.lists = before

    def inside(self, size: int) -> None:
        self.depth += 1
        self.block(max(1, size))
        self.depth -= 1

    # Expressions -----------------------------------------------------------------------------

    def s(self, deep: int = 2) -> str:
        """An expression of type str."""
        r = self.r
        if deep <= 0:
            return r.choice(
                [r.choice(self.strs), repr(r.choice(["a", "bc", "x y", ""])), f"str({r.choice(self.ints)})"]
            )
        way = r.randrange(40)
        if way < 9:
            return f"ask({self.fstring(deep - 1)})"
        if way < 12:
            return self.fstring(deep - 1)
        if way < 14:
            return f"{self.s(deep - 1)} + {self.s(deep - 1)}"
        if way == 14:
            return f"{self.s(deep - 1)}.{r.choice(['upper', 'strip', 'title', 'lower'])}()"
        if way == 15:
            return f"{self.s(deep - 1)}[{r.choice(['1:', ':5', '::2', '-3:'])}]"
        if way == 16:
            return f"{r.choice(['twice', 'careful', 'early', 'short'])}({self.s(deep - 1)})"
        if way == 17:
            return f"({self.s(deep - 1)} if {self.c(deep - 1)} else {self.s(deep - 1)})"
        if way == 18:
            return f"({self.s(deep - 1)} {r.choice(['or', 'and'])} {self.s(deep - 1)})"
        if way == 19:
            return f"', '.join({self.l(deep - 1)})"
        if way == 20:
            return f"{self.s(deep - 1)}.replace({self.s(deep - 1)!s}, 'z')[:12]"
        if way == 21:
            return f"'%s-%d' % ({self.s(deep - 1)}, {self.i(deep - 1)})"
        if way == 22:
            return f"'{{}}/{{}}'.format({self.s(deep - 1)}, {self.i(deep - 1)})"
        if way == 23:
            return f"obj.{r.choice(['ask', 'pure'])}({self.s(deep - 1)})"
        if way == 24:
            return f"max({self.l(deep - 1)} + ['m'], key=len)"
        if way == 25:
            return f"sorted({self.l(deep - 1)} + ['q'], key=lambda z: (ask('key ' + z), z))[0]"
        if way == 26:
            return f"json.dumps({self.l(deep - 1)})[:9]"
        if way == 27:
            return f"({self.l(deep - 1)} + ['e'])[{r.choice(['0', '-1'])}]"
        if way == 28:
            return f"str({self.i(deep - 1)})"
        if way == 29:
            return (
                f"tally.get({self.s(deep - 1)}, 'none')"
                if r.random() < 0.5
                else f"str(d.get({self.s(deep - 1)}, 0))"
            )
        if way == 30:
            return f"(lambda q: ask('lam ' + q))({self.s(deep - 1)})"
        if way == 31:
            return f"functools.reduce(lambda a, b: ask(a[:4] + b[:4]), {self.l(deep - 1)}, 'r')"
        if way == 32:
            return f"obj.last + {self.s(deep - 1)}"
        if way == 33:
            return f"Pair({self.s(deep - 1)}, {self.s(deep - 1)}).{r.choice(['left', 'right'])}"
        if way == 34:
            return f"down({self.s(deep - 1)}, {r.randrange(3)})"
        if way == 35:
            return f"re.sub('[aeiou]', '*', {self.s(deep - 1)})"
        if way == 36:
            return f"''.join(reversed({self.s(deep - 1)}))"
        if way == 37:
            return f"repr({self.s(deep - 1)})[1:-1]"
        if way == 38:
            return f"next(iter({self.l(deep - 1)} + ['f']))"
        return (
            f"f'{{{self.s(deep - 1)!s}:>6}}'"
            if "'" not in (x := self.s(deep - 1)) and '"' not in x
            else self.s(deep - 1)
        )

    def fstring(self, deep: int) -> str:
        r = self.r
        parts: list[str] = []
        for _ in range(r.randrange(1, 3)):
            inner = self.s(deep - 1) if r.random() < 0.4 else r.choice(self.strs + self.ints)
            if '"' in inner or "'" in inner or "{" in inner or "\\" in inner:
                inner = r.choice(self.strs)
            parts.append("{" + inner + r.choice(["", "", "", "!r", "!s"]) + "}")
        return 'f"' + r.choice(["p ", "go ", ""]) + " ".join(parts) + '"'

    def i(self, deep: int = 2) -> str:
        r = self.r
        if deep <= 0:
            return r.choice([r.choice(self.ints), str(r.randrange(5))])
        way = r.randrange(16)
        if way < 3:
            return f"len({self.s(deep - 1)})"
        if way < 5:
            return f"({self.i(deep - 1)} {r.choice(['+', '-', '*'])} {self.i(deep - 1)}) % 7"
        if way == 5:
            return f"size({self.s(deep - 1)})"
        if way == 6:
            return f"len({self.l(deep - 1)})"
        if way == 7:
            return f"sum(len(z) for z in {self.l(deep - 1)})"
        if way == 8:
            return f"({self.i(deep - 1)} if {self.c(deep - 1)} else {self.i(deep - 1)})"
        if way == 9:
            return r.choice(["obj.n", "obj.double", "obj.bump()", "len(obj.items)"])
        if way == 10:
            return f"{self.s(deep - 1)}.count('a')"
        if way == 11:
            return f"put({r.choice(['out', 'xs'])}, {self.s(deep - 1)})"
        if way == 12:
            return r.choice(["total", "settings['k']", f"count_up({self.s(deep - 1)})"])
        if way == 13:
            return f"max({self.i(deep - 1)}, {self.i(deep - 1)})"
        if way == 14:
            return f"int({self.i(deep - 1)} / 2)"
        return f"(-{self.i(deep - 1)} + 9) // 2"

    def l(self, deep: int = 2) -> str:  # noqa: E743
        r = self.r
        if deep <= 0:
            return r.choice([r.choice(self.lists), "[]", f"[{r.choice(self.strs)}]"])
        way = r.randrange(18)
        inner = f"{self.l(deep - 1)}[:3]"
        if way < 3:
            return f"[ask(f'{{z}} {r.randrange(9)}') for z in {inner}]"
        if way == 3:
            return f"[z for z in {inner} if {r.choice(_FILTERS)}]"
        if way == 4:
            return f"[{self.s(deep - 1)}, {self.s(deep - 1)}]"
        if way == 5:
            return f"many({self.s(deep - 1)})"
        if way == 6:
            return f"[y + str(q) for y in {inner} for q in range({r.randrange(3)})]"
        if way == 7:
            return f"[ask(y) for y in {inner} for q in many(y[:3]) if len(q) > 3]"
        if way == 8:
            return f"sorted({self.l(deep - 1)})"
        if way == 9:
            return f"list({self.l(deep - 1)})"
        if way == 10:
            return f"{self.l(deep - 1)} + [{self.s(deep - 1)}]"
        if way == 11:
            return f"{self.s(deep - 1)}.split()"
        if way == 12:
            return f"[*{inner}, {self.s(deep - 1)}]"
        if way == 13:
            return f"list(map({r.choice(['short', 'twice', 'str'])}, {inner}))"
        if way == 14:
            return f"[a + b for a, b in zip({inner}, {inner})]"
        if way == 15:
            return f"sorted({{z[:3]: ask(z) for z in {inner}}}.values())"
        if way == 16:
            return f"sorted({{ask(z)[:3] for z in {inner}}})"
        return f"[x if {self.c(0)} else ask(x) for x in {inner}]"

    def c(self, deep: int = 2) -> str:
        r = self.r
        way = r.randrange(13)
        if way < 3:
            return f"len({self.s(deep - 1)}) % {r.choice([2, 3])} == {r.randrange(2)}"
        if way == 3:
            return f"{self.i(deep - 1)} {r.choice(['<', '>=', '==', '!='])} {self.i(deep - 1)}"
        if way == 4:
            return f"'{r.choice('aeo<')}' {r.choice(['in', 'not in'])} {self.s(deep - 1)}"
        if way == 5:
            return f"not {self.s(deep - 1)}"
        if way == 6:
            return f"{self.i(deep - 1)} < {self.i(deep - 1)} < {self.i(deep - 1)}"
        if way == 7 and deep > 0:
            return f"({self.c(deep - 1)} {r.choice(['and', 'or'])} {self.c(deep - 1)})"
        if way == 8:
            return f"{self.s(deep - 1)} {r.choice(['==', '!=', '<'])} {self.s(deep - 1)}"
        if way == 9:
            return f"{r.choice(['any', 'all'])}(len(ask(z)) > 5 for z in {self.l(deep - 1)}[:3])"
        if way == 10:
            return f"{self.s(deep - 1)} is {r.choice(['None', 'not None'])}"
        if way == 11:
            return f"isinstance({self.s(deep - 1)}, str)"
        return f"{self.s(deep - 1)} in {self.l(deep - 1)}"

    # Statements -----------------------------------------------------------------------------

    def statement(self) -> None:
        self.left -= 1
        r = self.r
        way = r.randrange(60)
        if way < 10:
            self.assign()
        elif way < 13:
            self.emit(f"{r.choice(['out', 'xs', 'obj.items'])}.append({self.s()})")
        elif way < 15:
            self.emit(f"print({self.s()}, {self.i()})")
        elif way == 15:
            self.emit(f"effect({self.s()})")
        elif way == 16:
            self.emit(f"{r.choice(['tally', 'd'])}[{self.s()}] = {self.s()}")
        elif way < 22:
            self.branch()
        elif way < 27:
            self.loop()
        elif way == 27:
            self.repeat()
        elif way < 33:
            self.attempt()
        elif way == 33:
            self.emit(f"{r.choice(self.strs)} += {self.s(1)}")
        elif way == 34:
            self.emit(f"{r.choice(self.ints)} += {self.i(1)}")
        elif way == 35:
            self.emit(
                f"obj.{r.choice(['n += 1', 'last = ' + self.s(), 'keep(' + self.s() + ')', 'n = ' + self.i()])}"
            )
        elif way == 36:
            a, b = self.name("s"), self.name("s")
            self.emit(f"{a}, {b} = {r.choice(['both(' + self.s() + ')', self.s() + ', ' + self.s()])}")
            self.strs += [a, b]
        elif way == 37:
            a, b = self.name("s"), self.name("l")
            self.emit(f"{a}, *{b} = {self.l()} + ['st']")
            self.strs.append(a)
            self.lists.append(b)
        elif way == 38:
            self.matching()
        elif way < 41:
            self.managed()
        elif way == 41 and self.nested < 2:
            self.function()
        elif way == 42:
            a = self.name("s")
            self.emit(f"if ({a} := {self.s()}) and len({a}) > {r.randrange(8)}:")
            self.strs.append(a)
            self.inside(r.randrange(1, 3))
        elif way == 43:
            self.emit(f"settings['k'] = {self.i()}")
        elif way == 44:
            self.emit(f"xs.extend({self.l()}[:2])")
        elif way == 45:
            self.emit(f"{r.choice(['out', 'xs'])}.sort()")
        elif way == 46:
            self.emit(f"if {r.choice(['out', 'xs'])}: {r.choice(['out', 'xs'])}[-1:] = [{self.s()}]")
        elif way == 47 and self.r.random() < 0.4:
            self.emit(f"if {self.c()}: raise {r.choice(['Boom', 'Other', 'ValueError'])}({self.s()})")
        elif way == 48 and self.r.random() < 0.3:
            self.emit(f"assert {self.c()}, {self.s()}")
        elif way == 49 and self.loops:
            self.emit(f"if {self.c()}: {r.choice(['break', 'continue'])}")
        elif way == 50 and self.r.random() < 0.35:
            self.emit(f"if {self.c()}: return {self.s()}")
        elif way == 51:
            a = self.name("i")
            self.emit(f"{a} = Item({self.s()}, {self.i()})")
            self.emit(f"{a}.score += {self.i()}")
            self.emit(f"out.append({a}.name + str({a}.score))")
        elif way == 52:
            self.emit(f"d.setdefault({self.s(1)}, []) if {self.r.random() < 0.5} else d.update(u={self.s()})")
        elif way == 53:
            self.emit("if 'u' in d: del d['u']")
        elif way == 54:
            a = self.name("n")
            self.emit(f"{a} = random.random()")
            self.emit(f"out.append(ask(f'rnd {{{a}:.3f}}'))")
        elif way == 55:
            a = self.name("c")
            self.emit(f"{a} = Counter({self.l()})")
            self.emit(f"out.append(str(sorted({a}.items())))")
        elif way == 56:
            a = self.name("s")
            self.emit(f"{a} = {self.s()}")
            self.emit(f"{a} = {a} * 2")
            self.strs.append(a)
        elif way == 57:
            self.emit(f"{r.choice(['out', 'tally', 'xs'])}.{'clear' if r.random() < 0.2 else 'copy'}()")
        else:
            self.assign()

    def assign(self) -> None:
        r = self.r
        way = r.randrange(8)
        if way < 4:
            a = self.name("s") if r.random() < 0.7 else r.choice(self.strs)
            self.emit(f"{a} = {self.s(3)}")
            if a not in self.strs:
                self.strs.append(a)
        elif way < 6:
            a = self.name("n") if r.random() < 0.6 else r.choice(self.ints)
            self.emit(f"{a} = {self.i(3)}")
            if a not in self.ints:
                self.ints.append(a)
        else:
            a = self.name("l")
            self.emit(f"{a} = {self.l()}")
            self.lists.append(a)

    def branch(self) -> None:
        r = self.r
        self.emit(f"if {self.c()}:")
        self.inside(r.randrange(1, 4))
        if r.random() < 0.3:
            self.emit(f"elif {self.c()}:")
            self.inside(r.randrange(1, 3))
        if r.random() < 0.5:
            self.emit("else:")
            self.inside(r.randrange(1, 3))

    def loop(self) -> None:
        if self.depth > 4:
            return self.assign()
        r = self.r
        a = self.name("s")
        way = r.randrange(5)
        if way == 0:
            number = self.name("n")
            self.emit(f"for {number}, {a} in enumerate({self.l()}[:3]):")
            self.ints.append(number)
        elif way == 1:
            self.emit(f"for {a} in {r.choice(['xs', 'out'])}[:3]:")
        elif way == 2:
            b = self.name("s")
            self.emit(f"for {a}, {b} in zip({self.l()}[:3], {self.l()}[:3]):")
            self.strs.append(b)
        elif way == 3:
            number = self.name("n")
            self.emit(f"for {number} in range({r.randrange(1, 4)}):")
            self.ints.append(number)
            self.depth += 1
            self.emit(f"{a} = ask(f'loop {{{number}}}')")
            self.depth -= 1
        else:
            self.emit(f"for {a} in {self.l()}[:4]:")
        self.strs.append(a)
        self.loops += 1
        self.inside(r.randrange(1, 4))
        self.loops -= 1
        added = {a}
        if r.random() < 0.15:
            self.emit("else:")
            self.inside(1)
        # The variables of the loop may have no value after it.
        self.strs = [one for one in self.strs if one not in added and one[1:] and not self._of_loop(one)]
        self.ints = [one for one in self.ints if not self._of_loop(one)]

    def _of_loop(self, one: str) -> bool:
        return any(
            line.strip().startswith("for ") and f"{one}" in line.split(" in ")[0].replace(",", " ").split()
            for line in self.lines
        )

    def repeat(self) -> None:
        if self.depth > 3:
            return self.assign()
        number, a = self.name("w"), self.name("s")
        self.emit(f"{number}, {a} = 0, {self.s(1)}")
        self.strs.append(a)
        self.emit(f"while {number} < {self.r.randrange(1, 4)} and len({a}) < 40:")
        self.depth += 1
        self.emit(f"{number} += 1")
        self.emit(f"{a} = ask({a})")
        self.depth -= 1
        self.loops += 1
        self.inside(self.r.randrange(1, 3))
        self.loops -= 1

    def attempt(self) -> None:
        if self.depth > 4:
            return self.assign()
        r = self.r
        self.emit("try:")
        self.inside(r.randrange(1, 4))
        way = r.randrange(4)
        if way < 3:
            kind = r.choice(["Boom", "Exception", "(Boom, ValueError)", "Boom"])
            bound = r.random() < 0.6
            self.emit(f"except {kind}{' as e' if bound else ''}:")
            if bound:
                self.depth += 1
                self.emit(f"out.append(type(e).__name__ + {r.choice(['str(e)', chr(39) + chr(39)])}[:12])")
                self.depth -= 1
            if r.random() < 0.1:
                self.depth += 1
                self.emit(r.choice(["raise", "raise Other('again')", "raise Other('chained') from None"]))
                self.depth -= 1
            else:
                self.inside(r.randrange(1, 3))
            if r.random() < 0.2:
                self.emit("else:")
                self.inside(1)
        if way == 3 or r.random() < 0.25:
            self.emit("finally:")
            self.depth += 1
            self.emit(
                r.choice(
                    [
                        "print('finally')",
                        "effect('finally')",
                        "out.append('fin')",
                        "obj.n += 10",
                        "xs.append('fin')",
                    ]
                )
            )
            self.depth -= 1

    def managed(self) -> None:
        if self.depth > 4:
            return self.assign()
        r = self.r
        self.emit(
            r.choice(
                [
                    f"with Cm('{r.choice('abc')}') as w:",
                    "with Cm('s', True):",
                    "with suppress(Boom):",
                    "with Cm('x') as w, Cm('y'):",
                    "with Through('t') as w:",
                    "with noted('n') as w:",
                    "with noted('n'), Cm('q', True):",
                ]
            )
        )
        self.inside(r.randrange(1, 3))

    def matching(self) -> None:
        self.emit(
            f"match {self.r.choice([self.i(), self.s() + '[:1]', 'both(' + self.s() + ')', self.l()])}:"
        )
        self.depth += 1
        for pattern in self.r.sample(
            ["0 | 1", "'p'", "(m, k)", "[]", "[m, *_]", "str()", "int() as q if q > 2"], 2
        ):
            self.emit(f"case {pattern}:")
            self.inside(1)
        self.emit("case _:")
        self.inside(1)
        self.depth -= 1

    def function(self) -> None:
        r = self.r
        name = f"f{self.serial + 1}"
        self.serial += 1
        shared = r.choice(self.strs)
        before = (self.strs, self.ints, self.lists, self.loops)
        self.nested += 1
        way = r.randrange(4)
        if way == 0:
            self.emit(f"def {name}(p): return ask(p + {shared})")
        elif way == 1:
            self.emit(f"def {name}(p):")
            self.depth += 1
            self.emit(f"nonlocal {shared}")
            self.emit(f"{shared} = {shared} + p[:2]")
            self.emit(f"return ask({shared})")
            self.depth -= 1
        elif way == 2:
            self.emit(f"{name} = lambda p: ask(p[:5] + {shared}) if {shared} else p")
        else:
            self.emit(f"def {name}(p):")
            self.depth += 1
            self.emit(f"if len(ask(p)) % 2: return 'odd ' + {shared}")
            self.emit("return ask('even ' + p)")
            self.depth -= 1
        self.nested -= 1
        self.strs, self.ints, self.lists, self.loops = before
        for _ in range(r.randrange(1, 3)):
            a = self.name("s")
            self.emit(f"{a} = {name}({self.s(1)})")
            self.strs.append(a)
            if r.random() < 0.3:
                self.emit(f"{shared} = {self.s(1)}")


def write(seed: int, size: int = 14) -> str:
    """Return the text of the program of `seed`."""
    while True:
        text = Writer(seed, size).text()
        try:
            compile(text, "<random>", "exec")
        except SyntaxError:
            seed += 1_000_003
            continue
        return text
