"""Put questions about countries, and sums, to a calculator and to SmolLM2, with and without facts, and log the calls.

    pip install countryinfo==1.0.1 reasoning-gym==0.1.25 && python -m ember.providers.llamacpp pull smollm2
    python examples/learned_router/collect.py

It takes some minutes; broken off, it goes on where it stopped. `calls.jsonl` beside it is what it wrote.
"""

from __future__ import annotations

import ast
import json
import operator
import random
import re
from collections.abc import Iterator
from importlib import import_module
from importlib.resources import files
from pathlib import Path
from typing import Any

from ember.api import models
from ember.operators import BM25, Evaluation, evaluate, exact, op

HERE = Path(__file__).parent
KINDS = {
    "region": "In which part of the world is {name}?",
    "capital": "What is the capital of {name}?",
    "currency": "Which currency is used in {name}?",
    "area": "How many square kilometres has {name}?",
    "population": "How many people live in {name}?",
}


def countries() -> list[dict[str, Any]]:
    """Return the facts that every country of the package has."""
    found: list[dict[str, Any]] = []
    for file in sorted(files("countryinfo").joinpath("data").iterdir(), key=lambda file: file.name):
        if not file.name.endswith(".json"):
            continue
        fact = json.loads(file.read_text(encoding="utf-8"))
        wanted = {name: fact.get(name) for name in ("name", "region", "capital", "area", "population")}
        wanted["currency"] = next(iter(fact.get("currencies") or []), None)
        if all(wanted.values()):
            found.append({name: str(value) for name, value in wanted.items()})
    return found


def about_countries(facts: list[dict[str, Any]], count: int) -> Iterator[dict[str, Any]]:
    """Yield questions with four choices, of which one is right."""
    chance = random.Random(2026)
    for number in range(count):
        kind, fact = chance.choice(list(KINDS)), chance.choice(facts)
        others = sorted({other[kind] for other in facts} - {fact[kind]})
        choices = [fact[kind], *chance.sample(others, 3)]
        chance.shuffle(choices)
        yield {
            "number": number,
            "kind": kind,
            "question": KINDS[kind].format(name=fact["name"]),
            "choices": choices,
            "answer": fact[kind],
        }


def sums(count: int, first: int) -> Iterator[dict[str, Any]]:
    """Yield sums of reasoning-gym, half of them with brackets, products and quotients; wrong choices are near."""
    reasoning_gym: Any = import_module("reasoning_gym")
    chance = random.Random(2027)
    for at, entry in enumerate(
        entry
        for name in ("chain_sum", "basic_arithmetic")
        for entry in reasoning_gym.create_dataset(name, size=count // 2, seed=0)
    ):
        right = int(entry["answer"])
        near = chance.sample([n for n in range(-12, 13) if n], 3)
        choices = [str(right), *(str(right + n) for n in near)]
        chance.shuffle(choices)
        yield {
            "number": first + at,
            "kind": "sum",
            "question": entry["question"],
            "choices": choices,
            "answer": str(right),
        }


@op
def calculator(item: dict[str, Any]) -> str:
    """Work out the first thing in the question that can be: whole numbers, + - * / and brackets."""
    found = re.search(r"[-(\d][-+*/() \d]*", item["question"])
    try:
        return str(_worth(ast.parse(found[0].strip(), mode="eval").body)) if found else ""
    except SyntaxError:
        return ""


def _divided(one: int, other: int) -> int:
    return one // other  # the quotients of reasoning-gym are whole


_DOES: dict[type, Any] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: _divided,
}


def _worth(node: ast.expr) -> int:
    match node:
        case ast.BinOp(left, does, right):
            return int(_DOES[type(does)](_worth(left), _worth(right)))
        case ast.UnaryOp(ast.USub(), inner):
            return -_worth(inner)
        case ast.Constant(int(value)):
            return value
        case _:
            raise SyntaxError("This is no sum.")


@op
def closed_book(item: dict[str, Any]) -> str:
    """What the model knows by itself."""
    return models("smollm2", f"Question: {item['question']}\nAnswer:", choices=item["choices"])


def open_book(facts: list[dict[str, Any]]) -> Any:
    """What it reads in the sheet of facts that BM25 finds."""
    sheets = [
        ". ".join(f"{name} of {fact['name']}: {value}" for name, value in fact.items()) for fact in facts
    ]
    index = BM25(sheets)

    @op
    def look_up(item: dict[str, Any]) -> str:
        found = "\n".join(str(hit) for hit in index.search(item["question"], k=1))
        return models("smollm2", f"{found}\nQuestion: {item['question']}\nAnswer:", choices=item["choices"])

    return look_up


def main() -> None:
    facts = countries()
    asked = [*about_countries(facts, 400), *sums(160, first=400)]
    routes = {"calculator": calculator, "closed book": closed_book, "open book": open_book(facts)}
    found: dict[str, Evaluation] = {
        name: evaluate(one, asked, exact(), ask=lambda item: item, limit=4, path=HERE / f"{name}.part")
        for name, one in routes.items()
    }
    with (HERE / "calls.jsonl").open("w", encoding="utf-8") as file:
        for item in asked:
            row = {name: item[name] for name in ("question", "kind")}
            at = int(item["number"])
            row["rewards"] = {name: one.items[at].scores["exact_match"] for name, one in found.items()}
            row["tokens"] = {name: one.items[at].input_tokens for name, one in found.items()}
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
    for one in found.values():
        print(one)


if __name__ == "__main__":
    main()
