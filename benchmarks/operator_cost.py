"""What operators cost over the plain Python in them, beside Equinox, DSPy and LangChain.

python benchmarks/operator_cost.py [--rounds 15] [--alone]

Everything is measured in interleaved rounds of some milliseconds, and the best round counts: it is the one that nothing
disturbed. DSPy and LangChain are in environments of their own; `--alone` leaves them out.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# Half of jax's annotations are unknown to a strict checker.

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from timeit import Timer
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from import_cost import cpu_ms
from outsiders import environment
from pydantic import BaseModel, TypeAdapter

from ember.core import external
from ember.operators import (
    Cache,
    Cascade,
    Chain,
    Ensemble,
    Fallback,
    MajorityVote,
    Module,
    Operator,
    Parallel,
    Retry,
    Router,
    op,
)

CALL_NS, SPEC_NS, CONSTRUCT_NS, FLATTEN, TOGETHER, IMPORT_MS = 25.0, 1000.0, 2000.0, 2.0, 1.05, 60.0
BUILT_IN_US = 25.0
SHORTER = 20
"""Into how many a round is cut."""
HEAVY = ("jax", "numpy", "pydantic", "asyncio", "yaml")
OUTSIDERS = {"dspy": "dspy==3.4.1", "langchain-core": "langchain-core==1.7.2"}


class Plain:
    def __call__(self, x: Any) -> Any:
        return x


class Same(Operator):
    def call(self, x: Any) -> Any:
        return x


@op
def same(x: Any) -> Any:
    return x


class EquinoxSame(eqx.Module):
    def __call__(self, x: Any) -> Any:
        return x


class Text(BaseModel):
    text: str


class Validated(Operator):
    input_spec = Text
    output_spec = Text

    def call(self, inputs: Text) -> Text:
        return inputs


class One(Operator):
    value: Any


class EquinoxOne(eqx.Module):
    value: Any


class Decided(Module):
    """Its annotations say what is an array: JAX flattens it by itself."""

    weights: jax.Array
    bias: jax.Array
    rate: float = 0.7


class DecidedTree(Module):
    parts: list[Decided]
    name: str = "tree"


class Looked(Module):
    """At its values one has to look, once for each instance."""

    weights: Any
    bias: Any
    rate: float = 0.7


class LookedTree(Module):
    parts: Any
    name: str = "tree"


class EquinoxPart(eqx.Module):
    weights: Any
    bias: Any
    rate: float = eqx.field(static=True, default=0.7)


class EquinoxTree(eqx.Module):
    parts: Any
    name: str = eqx.field(static=True, default="tree")


def best(timers: dict[str, Timer], rounds: int, number: int) -> dict[str, float]:
    """Return nanoseconds of one call of each, in the best of interleaved rounds.

    Many short rounds: on a busy machine, hardly any is left alone for as long as 30 ms, and many are for 2.
    """
    found = dict.fromkeys(timers, float("inf"))
    for _ in range(rounds * SHORTER):
        for name, timer in timers.items():
            found[name] = min(found[name], timer.timeit(number // SHORTER) / (number // SHORTER) * 1e9)
    return found


def calls(rounds: int) -> dict[str, float]:
    """The statements themselves are timed: a lambda around each would cost more than what is looked for."""

    def returns(x: Any) -> Any:
        return x

    names: dict[str, Any] = {
        "f": returns,
        "method": Plain(),
        "operator": Same(),
        "function": same,
        "equinox": EquinoxSame(),
    }
    return best(
        {name: Timer("f('a')", globals={"f": thing}) for name, thing in names.items()}, rounds, 100_000
    )


def specs(rounds: int) -> dict[str, float]:
    validate, given, operator, plain = (
        TypeAdapter(Text).validator.validate_python,
        {"text": "a"},
        Validated(),
        Same(),
    )
    return best(
        {
            "pydantic": Timer(lambda: validate(plain(validate(given)))),
            "operator": Timer(lambda: operator(given)),
        },
        rounds,
        10_000,
    )


def constructs(rounds: int) -> dict[str, float]:
    made = {"operator": Timer(lambda: One(value=1)), "equinox": Timer(lambda: EquinoxOne(value=1))}
    return best(made, rounds, 5_000)


def flattens(rounds: int) -> dict[str, float]:
    def arrays() -> Any:
        return {"weights": jnp.ones((2, 2)), "bias": jnp.zeros(2)}

    trees: dict[str, Any] = {
        "annotations decide": DecidedTree(parts=[Decided(**arrays()) for _ in range(3)]),
        "values are looked at": LookedTree(parts=tuple(Looked(**arrays()) for _ in range(3))),
        "equinox": EquinoxTree(parts=[EquinoxPart(**arrays()) for _ in range(3)]),
    }
    flatten = jax.tree_util.tree_flatten
    return best({name: Timer(partial[Any](flatten, tree)) for name, tree in trees.items()}, rounds, 5_000)


def upper(text: str) -> str:
    return text.upper()


def twice(text: str) -> str:
    return upper(upper(text))


def route(text: str) -> str:
    return "upper" if len(text) < 9 else "lower"


def retried(text: str) -> str:
    for attempt in range(3):
        try:
            return upper(text)
        except ValueError:
            if attempt == 2:
                raise
    raise AssertionError


def fallen_back(text: str) -> str:
    for one in (upper, str.lower):
        try:
            return one(text)
        except ValueError as error:
            last = error
    raise last


def cascaded(text: str) -> str:
    answer = upper(text)
    return answer if len(answer) else text.lower()


def voted(text: str) -> str:
    with ThreadPoolExecutor(3) as pool:
        answers = list(pool.map(upper, [text] * 3))
    return Counter(answers).most_common(1)[0][0]


def built_in(rounds: int) -> dict[str, dict[str, float]]:
    """Return nanoseconds of a call of built-in operators over plain functions, and of what one writes by hand."""
    kept: dict[str, str] = {}

    def looked_up(text: str) -> str:
        if text not in kept:
            kept[text] = upper(text)
        return kept[text]

    def routed(text: str) -> str:
        return routes[route(text)](text)

    routes = {"upper": upper, "lower": str.lower}
    pairs: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
        "chain of two": (Chain((upper, upper)), twice),
        "Retry": (Retry(upper), retried),
        "Fallback": (Fallback([upper, str.lower]), fallen_back),
        "Cascade": (Cascade([upper, str.lower], accept=len), cascaded),
        "Router": (Router(routes, by=route), routed),
        "Cache, known": (Cache(upper), looked_up),
        "MajorityVote of three, in threads": (MajorityVote([upper] * 3), voted),
    }
    found: dict[str, dict[str, float]] = {}
    for name, (operator, by_hand) in pairs.items():
        timers = {"operator": Timer(partial(operator, "a")), "by hand": Timer(partial(by_hand, "a"))}
        found[name] = best(timers, rounds, 40 * SHORTER)
    return found


@external
async def waits(_: Any) -> str:
    await asyncio.sleep(0.1)
    return "there"


def together(rounds: int) -> dict[str, float]:
    """Return seconds of one call of 100 ms, and of five in one operator: the best of rounds."""
    five: dict[str, Callable[..., Any]] = {
        "one": waits,
        "Ensemble": Ensemble([waits] * 5),
        "Parallel": Parallel([waits] * 5),
    }
    found = dict.fromkeys(five, float("inf"))
    for _ in range(max(5, rounds // 2)):
        for name, do in five.items():
            begun = time.perf_counter()
            do("x")
            found[name] = min(found[name], time.perf_counter() - begun)
    return found


def outsiders() -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, requirement in OUTSIDERS.items():
        try:
            python = environment(name, requirement)
            command = [str(python), str(Path(__file__).with_name("operator_rival.py")), name]
            done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)
            found[name] = json.loads(done.stdout.strip().rpartition("\n")[2])
        except (OSError, subprocess.SubprocessError, ValueError) as error:
            print(f"{name}: left out, {error}")
    return found


def main() -> int:
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--rounds", type=int, default=15)
    options.add_argument("--alone", action="store_true", help="without DSPy and LangChain")
    given = options.parse_args()
    rounds = given.rounds
    failed: list[str] = []

    def gate(what: str, value: float, limit: float, unit: str) -> None:
        good = value <= limit
        print(f"    {what}: {value:.3g} {unit}, gate {limit:g} {unit}{'' if good else '   MISSED'}")
        if not good:
            failed.append(what)

    called = calls(rounds)
    print("a call that returns its argument, ns")
    for name, nanoseconds in called.items():
        print(f"    {name:24}{nanoseconds:10.0f}")
    others = {} if given.alone else outsiders()
    for name, said in others.items():
        print(f"    {name + ' ' + said['version']:24}{said['call']:10.0f}")
    gate("an operator over a method", called["operator"] - called["method"], CALL_NS, "ns")

    checked = specs(rounds)
    print(f"with specs, ns: {checked['operator']:.0f}; pydantic's validators alone {checked['pydantic']:.0f}")
    gate("over pydantic", checked["operator"] - checked["pydantic"], SPEC_NS, "ns")

    made = constructs(rounds)
    rest = "".join(f", {name} {said['construct']:.0f}" for name, said in others.items())
    print(f"construct, ns: {made['operator']:.0f}; equinox {made['equinox']:.0f}{rest}")
    gate("construct", made["operator"], CONSTRUCT_NS, "ns")

    flat = flattens(rounds)
    print(
        "flatten 4 nodes with 6 arrays, ns: "
        + ", ".join(f"{name} {value:.0f}" for name, value in flat.items())
    )
    gate("annotations decide, of Equinox's", flat["annotations decide"] / flat["equinox"], 1 / FLATTEN, "x")
    gate(
        "values are looked at, of Equinox's", flat["values are looked at"] / flat["equinox"], 1 / FLATTEN, "x"
    )

    at_once = together(rounds)
    print(
        "five calls of 100 ms at once, ms: "
        + ", ".join(f"{name} {s * 1e3:.1f}" for name, s in at_once.items())
    )
    gate("Ensemble of five, of one call", at_once["Ensemble"] / at_once["one"], TOGETHER, "x")
    gate("Parallel of five, of one call", at_once["Parallel"] / at_once["one"], TOGETHER, "x")

    print("built-in operators over plain functions, us a call: operator, by hand")
    built = built_in(rounds)
    for name, said in built.items():
        print(f"    {name:36}{said['operator'] / 1e3:8.1f}{said['by hand'] / 1e3:8.1f}")
    over = max(said["operator"] - said["by hand"] for said in built.values())
    gate("the dearest of them over by hand", over / 1e3, BUILT_IN_US, "us")
    for name, said in others.items():
        print(f"    {name}: " + ", ".join(f"{what} {ns / 1e3:.1f}" for what, ns in said["built_in"].items()))

    pairs = [(cpu_ms("pass"), cpu_ms("import ember.operators")) for _ in range(15)]
    bare, operators = map(min, zip(*pairs))
    equinox = min(cpu_ms("import equinox") for _ in range(3))
    program = f"import sys, ember.operators; print(*[name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = done.stdout.split()
    print(
        f"import ember.operators: {operators - bare:.0f} ms of CPU above bare Python; equinox {equinox - bare:.0f} ms"
    )
    gate("import", operators - bare, IMPORT_MS, "ms")
    gate(f"of {', '.join(HEAVY)} it loads", len(loaded), 0, "modules")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
