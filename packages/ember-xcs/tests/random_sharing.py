"""Random programs of another style: shared and changing state, results of unknown types, and the rarer statements.

Where `random_programs` composes expressions, this one draws from templates. A template is text with places to fill:
`$S` a string, `$I` a number, `$L` a list, `$C` a condition, `$A` anything; `$s`, `$i`, `$l`, `$d`, `$n`, `$a` a variable that
holds a string, number, list, dict, node, anything; `$1`, `$2`, `$3` new names; `$B` a block. What it declares stands after `->`.
"""

# Templates are read across, one a line.
# ruff: noqa: E501

from __future__ import annotations

import random
import re
from typing import Final

HEAD: Final = """
import collections, functools, itertools, json, math, re
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace

total = 0
settings = {"k": 1, "seen": []}
memo = {}
history = []


class Boom(Exception):
    pass


class Other(Exception):
    def __init__(self, text, code=0):
        super().__init__(text)
        self.text, self.code = text, code


class Quiet(Other):
    pass


@dataclass
class Box:
    name: str
    items: list = field(default_factory=list)
    score: int = 0

    def add(self, x):
        self.items.append(x)
        self.score += len(x)
        return self

    def best(self):
        return max(self.items, key=len, default="none")

    def ask(self, x):
        self.items.append(ask(f"{self.name} {x}"))
        return self.items[-1]


@dataclass(frozen=True, order=True)
class Key:
    left: str
    right: int = 0


@dataclass
class Card:
    name: str
    items: list = field(default_factory=list)
    best: str = ""

    def __post_init__(self):
        self.best = ask(f"card {self.name}"[:20])
        self.items.append(self.best)
        Node.count += 1

    @functools.cached_property
    def text(self):
        history.append(self.name)
        self.items.append(ask(f"text {self.best}"[:20]))
        return self.items[-1]


class Gate:
    def __enter__(self):
        effect("gate")
        return self

    def __exit__(self, kind, error, trace):
        effect(f"shut {kind.__name__ if kind else None}")


gate = Gate()


class Node:
    count = 0
    shared = []

    def __init__(self, name, items=None, **meta):
        self.name = name
        self.items = [] if items is None else items
        self.meta = meta
        Node.count += 1

    def __repr__(self):
        return f"{type(self).__name__}({self.name!r}, {len(self.items)})"

    def __eq__(self, other):
        return isinstance(other, Node) and self.name == other.name

    def __hash__(self):
        return hash(self.name)

    def __lt__(self, other):
        return self.name < other.name

    def __len__(self):
        return len(self.items)

    def __iter__(self):
        return iter(self.items)

    def __contains__(self, x):
        return x in self.items or x == self.name

    def __getitem__(self, place):
        return self.items[place]

    def __setitem__(self, place, x):
        self.items[place] = x

    def __delitem__(self, place):
        del self.items[place]

    def __add__(self, other):
        return Node(self.name + "+", self.items + list(other))

    def __iadd__(self, other):
        self.items += [other]
        return self

    def __call__(self, x):
        self.items.append(x)
        return ask(f"{self.name}! {x}")

    def __bool__(self):
        return self.name != "e"

    def __format__(self, spec):
        return f"<{self.name}{spec}>"

    def __enter__(self):
        effect("in " + self.name)
        self.items.append("in")
        return self

    def __exit__(self, kind, error, trace):
        effect(f"out {self.name} {kind.__name__ if kind else None}")
        self.items.append("out")
        return kind is Boom

    @property
    def size(self):
        return len(self.items)

    @property
    def label(self):
        return self.meta.get("label", self.name)

    @label.setter
    def label(self, x):
        self.meta["label"] = x
        history.append(x)

    def push(self, *xs):
        self.items.extend(xs)
        return self

    def ask(self, x):
        a = ask(f"{self.name} {x}")
        self.meta["last"] = a
        return a

    def child(self, x):
        return Node(x, self.items)

    @classmethod
    def make(cls, x):
        cls.shared.append(x)
        return cls(x, cls.shared)

    @staticmethod
    def pure(x):
        return ask("pure " + x)


class Sub(Node):
    def __init__(self, name, *rest, **meta):
        super().__init__(name, list(rest), **meta)
        self.first = ask("sub " + name) if rest else "bare"

    def push(self, *xs):
        for x in xs:
            super().push(x, self.first)
        return self

    def __len__(self):
        return super().__len__() + 1


def counted(f):
    @functools.wraps(f)
    def inner(*args, **kwargs):
        settings["k"] += 1
        history.append(f.__name__)
        try:
            return f(*args, **kwargs)
        finally:
            settings["k"] += 10
    return inner


@counted
def deco(x, sep=" "):
    return ask("deco" + sep + x)


def remember(x):
    if x not in memo:
        memo[x] = ask("memo " + x)
    return memo[x]


@functools.lru_cache(maxsize=None)
def cached(x):
    return ask("lru " + x)


def collect(x, into=[]):
    into.append(x)
    return into


def gather(x, *, into=None, twice=False):
    into = [] if into is None else into
    into.append(ask("g " + x))
    if twice:
        into.append(into[-1])
    return into


def kw(x, *rest, sep="-", **more):
    return ask(sep.join([x, *rest, *more]))


def tell(x):
    print("tell", x)
    return ask("told " + str(x)[:9])


def mutate(l, x):
    l.append(ask("m " + x))
    return l


def wrap(l):
    return [l, l]


def same(x):
    return x


def rec(x, n, acc):
    acc.append(x)
    if n <= 0 or len(x) > 30:
        return acc
    return rec(ask(f"rec {x}"), n - 1, acc)


def walk(tree):
    if isinstance(tree, list):
        return [walk(one) for one in tree]
    if isinstance(tree, dict):
        return {key: walk(one) for key, one in tree.items()}
    return ask(f"w {tree}"[:20])


def gen(x):
    for n in range(3):
        history.append(n)
        yield ask(f"gen {n} {x}")


@contextmanager
def managed(name):
    history.append("+" + name)
    try:
        yield name
    except Boom:
        history.append("!" + name)
    finally:
        history.append("-" + name)


@contextmanager
def kept(name):
    history.append("<" + name)
    try:
        yield name
    except Other:
        history.append("?" + name)
        raise
    finally:
        history.append(">" + name)


def bump(by=1):
    global total
    total += by
    return total


def counter():
    state = [0]

    def step(x):
        state[0] += 1
        return f"{state[0]} {ask('step ' + x)}"
    return step


def finder(l, x):
    for n, one in enumerate(l):
        if len(ask(f"find {one} {x}")) % 2:
            return n
    else:
        l.append("none")
    return -1


def stubborn(x):
    for n in range(3):
        try:
            a = ask(f"try {n} {x}")
            if len(a) > 4:
                continue
            return a
        except Boom as e:
            history.append(str(e))
        finally:
            history.append(n)
    return "gave up"


def override(x):
    try:
        return ask("ov " + x)
    finally:
        if len(x) % 2:
            return "final"


def chained(x):
    try:
        return ask("ch " + x)
    except Boom as e:
        raise Other(f"chained {x}"[:20], len(x)) from e


def first(l, test):
    return next((one for one in l if test(one)), None)


def classify(x):
    match x:
        case None:
            return "none"
        case int(n) if n > 3:
            return "big"
        case int():
            return "small"
        case str(t) if "a" in t:
            return "a-text"
        case str():
            return "text"
        case []:
            return "empty"
        case [one]:
            return f"one {one}"
        case [a, *rest]:
            return f"{a} and {len(rest)}"
        case {"name": name, **more}:
            return f"named {name} {sorted(more)}"
        case Box(name=name, score=0):
            return "box " + name
        case Node(items=[a, b, *_]):
            return f"node {a} {b}"
        case _:
            return type(x).__name__


class Shape:
    def __repr__(self):
        return f"Shape({sorted(self.__dict__)})"
"""

STRINGS: Final = """
ask($S) | ask($S) | ask(f"{$S} $k") | ask($s + '$k') | $s | $s | '$k' | $S[:$k] | $S + $S | $S.upper() | str($A) | f"{$A}" | f"{$i:03d}{$S!r}"
f"{$l}" | f"{$d}" | f"{$n:>}" | repr($n) | $n.name | $n.label | $n.ask($S) | $n($S) | $n.pure($S) | Node.pure($S) | remember($S) | remember($s)
cached($s) | cached('$k') | deco($S) | deco($S, sep='/') | kw($S, $S, sep='+') | kw($S, z=1) | kw(*$l[:2], 'x') | tell($s) | tell($A) | stubborn($S)
override($S) | chained($S) | classify($A) | classify($l) | classify($n) | classify($d) | '-'.join(map(str, $l)) | ','.join(sorted(map(str, $l)))
json.dumps($l, default=str) | str(sorted($d.items(), key=str)) | $d.get('$k', $s) | ask($d.get('$k', $s)) | str($d.pop('$k', $S)) | str($l.pop()) if $l else 'np'
str(max($l, key=str, default='m')) | str(min($L, key=lambda z: len(str(z)), default='m')) | ($S if $C else $S) | ($S or $S) | ($S and $s) | look($l) | look($d) | look($l, $S)
(lambda q: ask(q + $s))($S) | functools.reduce(lambda p, q: f"{p}{q}"[-12:], $L, $S) | re.sub('[aeo]', '_', $S) | slow($S) | ask(x=$S) if 0 else slow($s)
"%s %d" % ($S, $I) | "{} {z}".format($S, z=$i) | str(next(iter($l), 'nil')) | str(first($l, lambda z: len(str(z)) > $k)) | $S.split(' ')[0] | type($A).__name__ | str(fetch($S))
"""

NUMBERS: Final = """
$i | $k | len($S) | len($l) | len($n) | len($d) | $I + $I | $I * $k % 11 | bump() | bump($i) | $n.size | total | settings['k'] | Node.count | len(history) | $l.count('a') if $l else 0
finder($l, $S) | sum(len(str(z)) for z in $L) | sum(1 for z in $L if ask(f's {z}')) | int(ask($S) > 'a') | hash($S) == hash($S) | len(memo) | ord(ask($S)[:1] or 'e') | len(set(map(str, $L)))
(len($S) if $C else $I) | $n.meta.setdefault('k', $i) if 0 else $k | len({*$l[:0], $s, $S}) | max($I, $I) | min(len($S), $I) | divmod($I, 3)[1] | len(collect($S)) | abs($I - $I) | round($I / 3)
"""

LISTS: Final = """
$l | $l | [] | [$S] | [$S, $S] | $l[:$k] | $l[::-1] | [*$l, $S] | $l + [$S] | [ask(f'{z} $k') for z in $l[:3]] | [ask(z) for z in ['p', 'q', $s]] | gather($S) | gather($S, twice=True)
gather($S, into=$l) | collect($S) | mutate($l, $S) | list(map(str, $l)) | list(map(ask, [$s, '$k'])) | list(filter(None, [$S, $S])) | sorted([$S, $S, $S]) | sorted(map(str, $l), key=len)
[z for z in $l if len(ask(f'f {z}')) % 2] | [(y := ask(f'{z}'[:9])) + y for z in $l[:2]] | list(reversed($l)) | list($d) | list($d.values()) | [str(z) for z in $n] | $n.items | $n.push($S).items
same($l) | rec($S, $k, []) | rec($S, 2, $l) if len($l) < 9 else [] | list(itertools.islice(gen($s), 2)) | [f"{x}{y}" for x, y in zip($L, $L)] | [y for x, y in enumerate($L)] | list(dict.fromkeys([$S, $S]))
[w for z in $l[:2] for w in (ask(f'n {z}'), z)] | walk([$S, [$S]]) | json.loads(json.dumps([$S, $S])) | re.findall('[a-z]+', $S) | list(itertools.chain($l[:2], [$S])) | $S.split() | [$l, $l][$C][:4] | Node.shared
[f(z) for f in (lambda z: ask(f'la {z}'), str) for z in $l[:2]] | list($n + [$S]) | ($l if $C else [$S]) | [*map(slow, [$s, 'r'])] | sorted({z: ask(f'{z}') for z in $l[:2] if isinstance(z, str)}.values())
"""

CONDITIONS: Final = """
$C and $C | $C or $C | not $C | $S == $S | $S < $S | $S in $l | $S in $n | '$k' in $d | 'a' in $S | len($S) % 2 == 0 | len($S) > $k | $l | $n | $n == $n | $i < $I <= 9 | $A is None | isinstance($A, str)
isinstance($A, (list, dict)) | any(ask(f'any {z}') > 'n' for z in $l[:3]) | all(len(ask(f'all {z}')) > 1 for z in $l[:3]) | $l == $l | $l is $l | $S.startswith('$k') | ($w := ask($S)) and len($w) > 2 | bool($A) | $A == $A
"""

ANYTHING: Final = """
fetch($S) | fetch($S) | fetch('$k') | fetch(f'$k{$i}') | $a | $a | $s | $l | $d | $n | $I | $S | None | fetch($S) if $C else $a | (fetch($S), $S) | {'k': $S, 'a': $a} | [$a, fetch($S)] | Key($S, $i) | Box($S) | walk($a) if 0 else $a | same(fetch($S))
"""

STATEMENTS: Final = """
$1 = $S -> s1
$1 = $S -> s1
$1 = ask($S) -> s1
$s = $S
$s += $S
$i += $I
$1 = $I -> i1
$1 = $L -> l1
$1 = $l -> l1
$l = $L
$1 = $A -> a1
$1 = fetch($S) -> a1
$a = fetch($S)
$1 = $2 = [$S] -> l1 l2
$1 = {'k': $S, '$k': $l} -> d1
$1 = {ask(f'{z}'): z for z in $l[:2]} -> d1
$1 = $d -> d1
$1 = Node($S, $l) -> n1
$1 = Node($S) -> n1
$1 = Sub($S, $S) -> n1
$1 = Node.make($S) -> n1
$1 = $n.child($S) -> n1
$1 = $n -> n1
$1 = wrap($l) ; $1[0].append($S) ; out.append(str($1[1]))
$1 = [$l, $l, {'in': $l}] ; $1[2]['in'].append($S) ; $1[0] += [$S] ; out.append($1)
out.append($S)
out.append($S)
out.append($A)
out.append($n)
out.append($l[:4])
print($S)
print($A, $i)
print($l)
print($n, $d, sep='|')
effect($S)
effect($l)
$l.append($S)
$l.append($S)
$l.extend([$S, $S])
$l.insert(0, $S)
$l += [$S]
$l += $L[:2]
$l[:] = [$S, *$l[:2]]
$l[0:1] = [$S, $S]
$l[:1] = []
if $l: $l[-1] = $S
if $l: $l[0] = ask(f'{$l[0]}'[:12])
if $l: del $l[0]
if $l: $l[-1] += $S
if len($l) > 1: $l[0], $l[1] = $l[1], $S
$l.sort(key=str)
$l.reverse()
$d['$k'] = $S
$d['$k'] = $l
$d[$S] = $S
$d.setdefault('l', []).append($S) if isinstance($d.get('l', []), list) else None
$d.update(u=$S, v=$i)
$d.update({$S: $s})
$d['n'] = $d.get('n', 0) + 1
$d |= {'o': $S}
del $d['$k']
$d.pop('k', None)
$n.name = $S
$n.name += $S
$n.items = $l
$n.items.append($S)
$n.meta['m'] = $l
$n.meta['c'] = $n.meta.get('c', 0) + len($S)
$n.label = $S
$n.push($S, $S)
$n += $S
if $n.items: $n[0] = $S
if $n.items: del $n[0]
$n.extra = $A
Node.count += 1
Node.shared.append($S)
obj.keep = $l
history.append($S)
settings['seen'].append($S)
settings[$S[:2]] = $i
memo[$S] = $s
collect($S, into=$l)
collect($S)
mutate($l, $S)
bump($I)
gather($S, into=$l)
rec($S, 1, $l)
tell($A)
$1, $2 = $S, $S -> s1 s2
$1, *$2 = $L + ['st'] -> l2
*$1, $2 = [$S, *$l, $S] -> l1 s2
($1, $2), $3 = (ask($S), ask($S)), $I -> s1 s2 i3
$1 = $2 = $S -> s1 s2
$s, $s = $s, $S
out.append(str($a['name'])) if isinstance($a, dict) else out.append(str($a))
for $1 in $a if isinstance($a, (list, dict)) else []: out.append(ask(f'{$1}'[:9]))
$1 = $a ; $1.append($S) if isinstance($1, list) else None ; out.append($1)
$1 = fetch($S) ; $2 = $1 ; out.append($1 == $2) ; out.append([$1, $2])
$1 = fetch($S) ; out.append(f'{$1}') ; out.append($1 is None) ; out.append(type($1).__name__)
$1 = fetch($S) ; out.append($1.ask($S) if hasattr($1, 'ask') else str($1))
$1 = fetch('dict $k') ; $1['x'] = $S ; out.append($1) ; out.append(sorted($1, key=str)) ; out.append(len($1))
$1 = fetch('list $k') ; $1.append($S) ; $1[0] = $l ; out.append($1) ; out.append([ask(f'{z}'[:8]) for z in $1])
$1 = fetch('node $k') ; $1.push($S) ; $1.name = $S ; out.append($1) ; out.append(len($1)) ; out.append($1.ask('q')) -> n1
$1 = fetch('box $k') ; $1.items.append($S) ; out.append($1.add($S).best()) ; out.append($1)
$1 = fetch('int $k') + $I ; out.append($1 * 2) -> i1
$1 = fetch('none') ; out.append($1 or $S) ; out.append($1 is None)
$1 = sorted([fetch('int 1'), fetch('int 2'), $i]) ; out.append($1)
$1 = {fetch('str $k'): $S, fetch('int $k'): $S} ; out.append($1)
$1 = Box($S) ; $2 = $1 ; $2.add($S) ; out.append($1.score) ; out.append($1.best()) ; out.append(replace($1, score=$i))
$1 = Box($S, $l) ; $1.ask($S) ; out.append($1)
$1 = Card($S) ; out.append($1) ; out.append($1.text) ; out.append($1.best) ; out.append($1.text)
$1 = Card($S, $l) ; out.append($1.text) ; $1.name = $S ; out.append($1)
$1 = Key($S, $i) ; out.append({$1: $S}[Key($1.left, $1.right)]) ; out.append($1 < Key('b'))
$1 = counter() ; out.append($1($S)) ; out.append($1($s)) ; out.append([$1(z) for z in ('u', 'v')])
$1 = [lambda: ask(f'late {$2}') for $2 in range(2)] ; out.append([f() for f in $1])
$1 = gen($S) ; out.append(next($1)) ; out.append(list($1)[:$k])
$1 = iter($l) ; out.append(next($1, None)) ; out.append(list($1))
$1 = iter([$S, $S, $S]) ; out.append(next($1)) ; out.append([ask(z) for z in $1])
$1 = zip($L, [$S, $S]) ; out.append(next($1, 'no')) ; out.append(list($1))
$1 = (ask(z) for z in [$s, '$k', 'g']) ; out.append(next($1)) ; out.append(sum(len(z) for z in $1))
$1 = map(ask, [$s, '$k']) ; out.append(next($1)) ; $l.append('mid') ; out.append(list($1))
$1 = enumerate($l) ; $l.append($S) ; out.append(list($1)[:5])
$1 = collections.Counter($L) if 0 else collections.Counter([$S, $S]) ; $1[$S] += 1 ; out.append(sorted($1.items()))
$1 = collections.defaultdict(list) ; $1[$S].append($S) ; $1[$s].append($S) ; out.append(dict($1))
$1 = collections.deque([$S], maxlen=2) ; $1.append($S) ; $1.appendleft($S) ; out.append(list($1))
$1 = functools.partial(kw, $S, sep='=') ; out.append($1($S))
$1 = {$S, $S} ; $1.add($S) ; out.append(sorted($1)) ; $1.discard($s) ; out.append(len($1))
$1 = tuple([$S, $l]) ; $1[1].append($S) ; out.append($1) ; out.append($1[0] in $1)
$1 = Shape() ; $1.x = $S ; $1.y = [$1.x] ; $1.y += [$S] ; out.append($1)
$1 = Shape() ; setattr($1, 'z', $S) ; out.append(getattr($1, 'z')) ; out.append(repr($1))
out.append([n.name for n in sorted([$n, $n])])
out.append($n in [$n, $n]) ; out.append({$n: 1}.get($n))
out.append(sorted([$n, Node($S)])[0].name)
out.append([*$n, *$l][:6])
out.append(dict(zip($l, $L)) if all(isinstance(z, str) for z in $l) else 0)
if $C: raise Other($S, $I)
if $C: raise Boom($S) from Other($S)
if $C: return $A
assert $C, $S
"""

BLOCKS: Final = """
if $C:;$B
if $C:;$B;else:;$B
if $C:;$B;elif $C:;$B;else:;$B
for $1 in $L[:3]:;$B -> b1
for $1 in $l[:3]:;$B;else:;$B -> b1
for $1, $2 in enumerate($L[:3]):;$B -> I1 b2
for $1 in [$S, $S]:;$B -> s1
for $1 in ('p', 'q', 'r'):; if len(ask($1)) % 2: continue;$B -> s1
for $1 in ('p', 'q', 'r'):;$B; if len(ask($1 + $S)) % 3: break; else:; out.append('else') -> s1
for $1 in ('p', 'q'):; $s = ask($s + $1);$B -> s1
for $1 in [*$n][:3]:; $n.meta[$1] = ask(f'it {$1}') if isinstance($1, str) else 0;$B -> b1
for $1, $2 in list($d.items())[:3]:;$B -> b1 b2
for $1 in ('p', 'q'):; try:; $l.append(ask($1)); if len($l) > 5: break; except Boom: continue; finally: out.append('fin');$B -> s1
for $1 in ('p', 'q', 'r'):; try:;$B2; if $C: continue; if $C: break; finally: history.append($1) -> s1
$1 = 0; while $1 < 3:; $1 += 1; if len(ask(f'wh {$1} {$s}')) % 3 == 0: break;$B; else:; out.append('w-else') -> i1
$1 = $S; while len($1) < 14:; $1 += ask($1) + '.';$B
try:;$B;except Boom as e:; out.append(str(e))
try:;$B;except (Boom, KeyError) as e:; out.append(type(e).__name__);$B
try:;$B;except Other as e:; out.append((e.text, e.code));except Exception as e:; out.append(type(e).__name__)
try:;$B;except Exception as e:; out.append(repr(e)[:40]); out.append(type(e.__cause__).__name__);else:;$B
try:;$B;finally:;$B
try:;$B;except Boom:;$B;finally:; history.append('f')
try:; try:;$B2; except KeyError: out.append('ke'); finally:;$B2;except Exception as e:; out.append(type(e).__name__); out.append(str(e.__context__)[:12])
try:; raise ExceptionGroup('eg', [Boom($S), Other($S)]);except* Boom as g:; out.append(str(g.exceptions[0]));except* Other:; out.append($S)
try:;$B; raise Quiet($S, $i);except Other as e:; out.append(e.text)
with $n:;$B
with $n as $1:; $1.push($S);$B -> n1
with suppress(Boom, KeyError, IndexError):;$B
with managed('m'):;$B
with kept('k'):; $1 = ask($S); out.append($1);$B; $2 = ask($S)#; out.append($2)
with kept($S) as $1:; out.append($1);$B
with gate:;$B; $1 = ask($S)#; out.append($1)
with Gate() as $1:;$B
with Node($S) as $1, managed('x'):;$B
match $A:; case None:;$B2; case str(z) if 'a' in z: out.append(z); case {'name': z}: out.append(z); case [z, *_]: out.append(z); case Box(name=z) | Node(name=z): out.append(z); case int(z): out.append(z); case _:;$B2
match ($S, $l):; case (x, [y, *z]): out.append((x, y, z)); case (x, []):;$B2; case _: pass
match $S:; case 'yes' | 'no' as z: out.append(z); case z if len(z) > $k:;$B2; case _:;$B2
def $1(x, l=[]):; l.append(x); $l.append(ask(f'{x} {$s}')); return len(l)#; out.append($1($S)); out.append($1($S)); $B0
def $1(x):; if len(ask(x)) % 2: return $l; return [x, $s]#; $2 = $1($S); $2.append($S); out.append($2);
def $1(x, n=2):; $2.append(x); return x if n <= 0 else $1(ask(x), n - 1)#; $2 = []; out.append($1($S)); out.append($2)
def $1(*a, **k):; return kw(*a[:2], **k) if len(a) > 1 else ask(str(a))#; out.append($1($S, $S, z=$S)); out.append($1($S)); out.append($1(*$l[:1], **{'q': 1}))
"""

_PLACE: Final = re.compile(r"\$([SILCAslidnakw])")
_KEYS: Final = ["k", "a", "e", "name", "1", "2", "3"]


def _choices(text: str) -> list[str]:
    return [one.strip() for line in text.strip().splitlines() for one in line.split(" | ")]


_OF: Final = {
    "S": _choices(STRINGS.replace("'yes' | 'no'", "")),
    "I": _choices(NUMBERS),
    "L": _choices(LISTS),
    "C": _choices(CONDITIONS),
    "A": _choices(ANYTHING),
}
_STATEMENTS: Final = STATEMENTS.strip().splitlines()
_BLOCKS: Final = BLOCKS.strip().splitlines()
_STOPS: Final = ("raise ", "return ", "assert ")


class Writer:
    """Writes one program."""

    def __init__(self, seed: int, size: int) -> None:
        self.r = random.Random(seed)
        self.left = size
        self.serial = 0
        self.lines: list[str] = []
        self.names: dict[str, list[str]] = {
            "s": ["xs[0]", "s"], "i": ["i"], "l": ["out", "xs", "l", "obj.items"], "d": ["d", "w"], "n": ["obj", "m"], "a": ["a"],
        }  # fmt: skip

    def name(self) -> str:
        self.serial += 1
        return f"v{self.serial}"

    def text(self) -> str:
        """Return the program."""
        self.lines = [
            "def program(xs, d, obj):", "    global total", "    out = []", "    s, i, l, w = 's', 2, ['l'], {'w': 'w'}",
            "    a, m = fetch('first'), Node('m', l)",
        ]  # fmt: skip
        while self.left > 0:
            self.statement("    ", 0)
        self.lines.append(f"    return out, {', '.join(self._top())}")
        return HEAD + "\n\n" + "\n".join(self.lines) + "\n"

    def _top(self) -> list[str]:
        return [name for kind in "sldna" for name in self.names[kind]][:14]

    def fill(self, text: str, deep: int, made: dict[str, str]) -> str:
        """Return `text` with its places filled."""
        r = self.r
        for number in "123":
            if f"${number}" in text:
                if number not in made:
                    made[number] = self.name()
                text = text.replace(f"${number}", made[number])

        def one(found: re.Match[str]) -> str:
            kind = found[1]
            if kind == "k":
                before, after = text[: found.start()], text[found.end() :]
                quoted = (before[-1:] in "'\"" or after[:1] in "'\"") and before.count("'") % 2 == 1
                return r.choice(_KEYS) if quoted else str(r.randrange(4))
            if kind == "w":
                return made.setdefault("w", self.name())
            if kind.islower():
                return r.choice(self.names[kind][-9:] if r.random() < 0.8 else self.names[kind])
            if deep <= 0:
                return r.choice(
                    {"S": ["$s", "'$k'", "ask($s)"], "I": ["$i", "$k"], "L": ["$l", "[$s]"], "C": ["len($s) % 2", "$l", "$s in $l"],
                     "A": ["$a", "$s", "$l"]}[kind]
                ).replace("'$k'", f"'{r.choice(_KEYS)}'").replace("$k", str(r.randrange(4))).replace("$s", r.choice(self.names["s"])).replace("$l", r.choice(self.names["l"])).replace("$i", r.choice(self.names["i"])).replace("$a", r.choice(self.names["a"]))  # fmt: skip
            inner = self.fill(r.choice(_OF[kind]), deep - 1, {})
            return f"({inner})" if " " in inner else inner

        return _PLACE.sub(one, text)

    def declare(self, told: str, made: dict[str, str]) -> None:
        """Note the variables that a template declares."""
        for one in told.split():
            kind, name = one[0], made.get(one[1])
            if name is None:
                continue
            if kind == "b":
                kind = "a"
            self.names[kind.lower()].append(name)

    def statement(self, indent: str, depth: int) -> None:
        """Write one statement, perhaps with blocks."""
        self.left -= 1
        r = self.r
        made: dict[str, str] = {}
        if depth < 4 and r.random() < 0.33:
            template, _, told = r.choice(_BLOCKS).partition(" -> ")
            self.block(template, told, indent, depth, made)
            return
        template, _, told = r.choice(_STATEMENTS).partition(" -> ")
        if any(word in template for word in _STOPS) and r.random() < 0.6:
            template, told = "pass", ""
        for part in template.split(" ; "):
            self.lines.append(indent + self.fill(part, 2, made).strip())
        self.declare(told, made)

    def block(self, template: str, told: str, indent: str, depth: int, made: dict[str, str]) -> None:
        """Write a template with blocks: its parts, one level deeper after each colon at the end."""
        r = self.r
        level = 0
        kept = {kind: list(names) for kind, names in self.names.items()}
        openers: list[tuple[int, str]] = []
        deep = template.split("#")
        for half, piece in enumerate(deep):
            if half:
                level = 0
                openers = []
                self.names = {kind: list(names) for kind, names in kept.items()}
            for part in piece.split(";"):
                bare = part.strip()
                if not bare:
                    continue
                word = bare.split(" ")[0].rstrip(":*")
                if bare in ("$B", "$B2", "$B0"):
                    if bare == "$B0":
                        continue
                    before = {kind: list(names) for kind, names in self.names.items()}
                    self.declare(told, made)
                    for _ in range(r.randrange(1, 4)):
                        self.statement(indent + "    " * level, depth + level)
                    self.names = before
                    continue
                if word in ("else", "elif", "except", "finally", "case"):
                    matches = {
                        "else": ("for", "while", "try", "if"), "elif": ("if",), "except": ("try",), "finally": ("try",), "case": ("match",)
                    }[word]  # fmt: skip
                    if not part.startswith(" "):
                        while openers and not (openers[-1][1] in matches and openers[-1][0] == 0):
                            openers.pop()
                    else:
                        while openers and openers[-1][1] not in matches:
                            openers.pop()
                    at = openers[-1][0] if openers else 0
                    level = at + (1 if word == "case" else 0)
                self.lines.append(indent + "    " * level + self.fill(bare, 2, made))
                if word in ("for", "while", "try", "if", "match", "with", "def") and bare.endswith(":"):
                    openers.append((level, word))
                if bare.endswith(":"):
                    level += 1
        self.names = kept
        if told and "i1" in told.split():
            self.declare("i1", made)


def write(seed: int, size: int = 13) -> str:
    """Return the text of the program of `seed`."""
    while True:
        text = Writer(seed, size).text()
        try:
            compile(text, "<random>", "exec")
        except SyntaxError:
            seed += 1_000_003
            continue
        return text
