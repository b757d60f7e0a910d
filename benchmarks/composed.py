"""Programs of the corpus as one composes them of parts that run at once: by ThreadPool, LangChain, or DSPy.

    composed.py threads|langchain|dspy UNIT

What these offer is a fan: several things at once, all of them waited for. A program is then a fan of fans, and what
does not have that shape cannot be expressed. Each program here gives the result that the plain one gives, or says that
it does not. Run by `critical_path`; in an environment of the framework's own, whose Python prints one line of JSON.
"""

from __future__ import annotations

import json
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, Final

CORPUS: Final = Path(__file__).parents[1] / "packages" / "ember-xcs" / "tests" / "corpus"
sys.path.insert(0, str(CORPUS))

measured: Any = import_module("measured")
simulated: Any = import_module("simulated")

Ask = Callable[[str], Any]
Fan = Callable[[Sequence[Callable[[], Any]]], list[Any]]
AT_ONCE: Final = 64
"""Threads that each of them is allowed; LangChain's own choice, six on two cores, would make it slower."""


# The ways to run several things at once --------------------------------------------------------------


def by_threads() -> Fan:
    def fan(parts: Sequence[Callable[[], Any]]) -> list[Any]:
        with ThreadPoolExecutor(AT_ONCE) as pool:
            return [done.result() for done in [pool.submit(part) for part in parts]]

    return fan


def by_langchain() -> Fan:
    runnables: Any = import_module("langchain_core.runnables")

    def as_runnable(part: Callable[[], Any]) -> Any:
        def run(given: object) -> Any:
            return part()

        return runnables.RunnableLambda(run)

    def fan(parts: Sequence[Callable[[], Any]]) -> list[Any]:
        parallel = runnables.RunnableParallel(
            {str(place): as_runnable(part) for place, part in enumerate(parts)}
        )
        return list(parallel.invoke(None, config={"max_concurrency": AT_ONCE}).values())

    return fan


def by_dspy() -> Fan:
    dspy: Any = import_module("dspy")

    class Part(dspy.Module):  # type: ignore[misc]
        def __init__(self, part: Callable[[], Any]) -> None:
            dspy.Module.__init__(self)
            self.part = part

        def forward(self) -> Any:
            return self.part()

    def fan(parts: Sequence[Callable[[], Any]]) -> list[Any]:
        parallel = dspy.Parallel(num_threads=AT_ONCE, disable_progress_bar=True)
        return list(parallel([(Part(part), {}) for part in parts]))

    return fan


FANS: Final[dict[str, Callable[[], Fan]]] = {
    "threads": by_threads,
    "langchain": by_langchain,
    "dspy": by_dspy,
}


# The programs ----------------------------------------------------------------------------------------


def self_consistency(fan: Fan, ask: Ask, questions: list[str]) -> Any:
    plain: Any = import_module("self_consistency")

    def one(question: str) -> dict[str, Any]:
        texts = fan([partial(ask, f"[{sample}] {question} Think step by step.") for sample in range(5)])
        values = [plain.extract(text) for text in texts]
        winner, count = Counter(value for value in values if value is not None).most_common(1)[0]
        verdict = ask(f"Is {winner} right for: {question} yes or no?").strip().lower()
        return {
            "answer": winner,
            "share": round(count / 5, 2),
            "unreadable": values.count(None),
            "sure": verdict == "yes",
        }

    return fan([partial(one, question) for question in questions])


def best_of_n(fan: Fan, ask: Ask, topics: list[str]) -> Any:
    def drafted(topic: str, variant: int) -> tuple[float, str]:
        text = ask(f"Draft {variant} on {topic}").strip().capitalize()
        clear, true = fan([partial(ask, f"By {rubric}, rate: {text}") for rubric in ("clarity", "truth")])
        return float(clear) + 2.0 * float(true), text

    def one(topic: str) -> tuple[str, str]:
        drafts = fan([partial(drafted, topic, variant) for variant in range(4)])
        ranked = sorted(drafts, key=lambda one: one[0], reverse=True)
        return ranked[0][1], min((text for _, text in ranked), key=len)

    return dict(zip(topics, fan([partial(one, topic) for topic in topics])))


def map_reduce(fan: Fan, ask: Ask, documents: dict[str, str]) -> Any:
    plain: Any = import_module("map_reduce")

    def short(text: str) -> str:
        return str(ask(f"Summarise: {text}").removeprefix("Summary:").strip())

    def one(text: str) -> dict[str, Any]:
        parts: list[str] = fan([partial(short, part) for part in plain.chunks(text, 30)])
        level = 0
        while len(parts) > 1:
            level += 1
            pairs = [parts[i : i + 2] for i in range(0, len(parts), 2)]
            joined = fan(
                [partial(short, f"({level}) " + " + ".join(pair)) for pair in pairs if len(pair) > 1]
            )
            parts = [*joined, *(pair[0] for pair in pairs if len(pair) == 1)]
        title = ask(f"A title for: {parts[0]}").title()
        return {"summary": parts[0], "title": title, "length": len(parts[0])}

    return dict(zip(documents, fan([partial(one, text) for text in documents.values()])))


def evaluation(fan: Fan, ask: Ask, examples: list[dict[str, Any]]) -> Any:
    def one(example: dict[str, Any]) -> bool | None:
        try:
            prediction = ask(f"Q: {example['question']}\nA:").split("\n")[0].strip()
        except TimeoutError:
            return None
        if prediction == example["gold"]:
            return True
        return bool(ask(f"Is {prediction!r} the same as {example['gold']!r}? yes/no").lower().startswith("y"))

    found = fan([partial(one, example) for example in examples])
    rights = [right for right in found if right is not None]
    by_kind: defaultdict[str, list[bool]] = defaultdict(list)
    for example, right in zip(examples, found):
        if right is not None:
            by_kind[example["kind"]].append(right)
    return {
        "accuracy": round(sum(rights) / len(rights), 3),
        "failed": [place for place, right in enumerate(found) if right is None],
        "shares": {kind: sum(ones) / len(ones) for kind, ones in sorted(by_kind.items())},
    }


def rag(fan: Fan, ask: Ask, questions: list[str]) -> Any:
    plain: Any = import_module("rag")

    def relevance(question: str, document: dict[str, Any]) -> float:
        try:
            return float(ask(f"Rate 0-10 how {document['text']!r} helps with {question!r}"))
        except ValueError:
            return 0.0

    def others(question: str) -> list[Any]:
        queries = ask(f"Rephrase twice: {question}").split("|")
        return fan([partial(ask, f"search {query.strip()} 2") for query in queries])

    def one(question: str) -> Any:
        first, rest = fan([partial(ask, f"search {question} 2"), partial(others, question)])
        seen: dict[str, dict[str, Any]] = {}
        for document in [*first, *(document for found in rest for document in found)]:
            seen.setdefault(document["id"], document)
        scores = fan([partial(relevance, question, document) for document in seen.values()])
        order = sorted(zip(scores, seen.values()), key=lambda one: one[0], reverse=True)
        documents = [document for _, document in order[:3]]
        context = "\n".join(f"[{i}] {document['text']}" for i, document in enumerate(documents, 1))
        text = ask(f"Context:\n{context}\n\nQuestion: {question}\nAnswer:")
        return plain.Answer(text.strip(), [document["id"] for document in documents])

    return fan([partial(one, question) for question in questions])


PROGRAMS: Final[dict[str, Callable[..., Any]]] = {
    one.__name__: one for one in (self_consistency, best_of_n, map_reduce, evaluation, rag)
}


def as_it_is(function: Any) -> Any:
    return function


def seconds(way: str, unit: float) -> dict[str, float]:
    """Return how long each program takes at its second run, with calls of `unit` seconds on average."""
    fan = FANS[way]()
    taken: dict[str, float] = {}
    result = ""
    for name, program in PROGRAMS.items():
        expected = measured.run(name, as_it_is, 0.0).result
        module: Any = import_module(name)
        world = simulated.begin(module.reply, unit)

        def ask(prompt: str, world: Any = world) -> Any:
            time.sleep(simulated.seconds(prompt))
            return world.reply(prompt)

        for _ in range(2):
            begun = time.perf_counter()
            result = f"returned {program(fan, ask, *module.ARGUMENTS)!r}"
            taken[name] = time.perf_counter() - begun
        if result != expected:
            raise SystemExit(f"{name} by {way} gave {result}, and not {expected}")
    return taken


if __name__ == "__main__":
    print(json.dumps(seconds(sys.argv[1], float(sys.argv[2]))))
