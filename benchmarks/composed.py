"""Programs of the corpus as one composes them of parts that run at once: by ThreadPool, LangChain, or DSPy.

    composed.py threads|langchain|dspy UNIT

What these offer is a fan: several things at once, all of them waited for. A program is then rewritten as a fan of fans,
and what it prints, logs or stores between its calls is left out: a fan has no order for it. Each program here gives the
result that the plain one gives, or says that it does not. Run by `critical_path`; in an environment of the framework's
own, whose Python prints one line of JSON.
"""

from __future__ import annotations

import json
import re
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


def agent(fan: Fan, ask: Ask, tasks: list[str]) -> Any:
    plain: Any = import_module("agent")

    def used(tool: str, given: str) -> str:
        match tool:
            case "calculator":
                return str(plain.calculator(given))
            case "web":
                return "; ".join(document["text"] for document in ask(f"search {given} 4"))
            case "table":
                return str(ask(f"lookup {given}")["value"]).strip()
            case _:
                return f"there is no tool {tool!r}"

    def one(task: str) -> tuple[str, int]:
        messages = [{"role": "user", "content": task}]
        for _ in range(6):
            said = ask(simulated.as_text(messages))
            messages.append({"role": "assistant", "content": said})
            try:
                action = json.loads(said)
            except json.JSONDecodeError:
                return said, len(messages)
            messages.append({"role": "tool", "content": used(action["tool"], action["input"])})
        return "gave up", len(messages)

    return fan([partial(one, task) for task in tasks])


def beam_search(fan: Fan, ask: Ask, start: str) -> Any:
    def scored(text: str) -> tuple[float, str]:
        return float(ask(f"How likely is: {text}")) - 0.01 * len(text), text

    def extended(text: str) -> list[tuple[float, str]]:
        if text.endswith("."):
            return [scored(text)]
        options = ask(f"Continue in three ways: {text}").split("/")
        return fan([partial(scored, f"{text} {option.strip()}") for option in options])

    beam = [(0.0, start)]
    for _ in range(4):
        found = fan([partial(extended, text) for _, text in beam])
        beam = sorted((one for part in found for one in part), reverse=True)[:3]
        if beam[0][1].endswith("."):
            break
    return beam[0][1]


def debate(fan: Fan, ask: Ask, motions: list[str]) -> Any:
    def held(motion: str) -> str:
        said: dict[str, list[str]] = {"Ann": [], "Bob": []}

        def speak(name: str, side: str, heard: str | None) -> str:
            opening = f"{name}, open {side} {motion}"
            rebuttal = f"{name}, {side} {motion}, after {said[name][-1:]} rebut: {heard}"
            argument = str(ask(opening if heard is None else rebuttal).strip())
            said[name].append(argument)
            return argument

        a, b = None, None
        for _ in range(3):
            a, b = fan([partial(speak, "Ann", "for", b), partial(speak, "Bob", "against", a)])
        question = f"Who won on {motion}? For: {'; '.join(said['Ann'])} Against: {'; '.join(said['Bob'])}"
        return "Ann" if "for" in ask(question).lower() else "Bob"

    return dict(zip(motions, fan([partial(held, motion) for motion in motions])))


def extraction(fan: Fan, ask: Ask, invoices: list[str]) -> Any:
    def amount(invoice: str) -> float | None:
        if (found := re.search(r"(\d+\.\d\d) EUR", ask(f"Amount in {invoice}?"))) is not None:
            return float(found.group(1))
        found = re.search(r"\d+", ask(f"Only digits, please: {invoice}"))
        return None if found is None else float(found.group())

    def checked(invoice: str) -> float | None:
        return amount(invoice) if ask(f"Is {invoice} an invoice?").lower() == "yes" else None

    values, languages = fan(
        [
            lambda: fan([partial(checked, one) for one in invoices]),
            lambda: fan([partial(ask, f"Language of {one}") for one in invoices]),
        ]
    )
    amounts = {one: value for one, value in zip(invoices, values) if value is not None}
    found = sorted({language.strip() for language in languages})
    return {"amounts": amounts, "total": round(sum(amounts.values()), 2), "languages": found}


def guarded(fan: Fan, ask: Ask, questions: list[str]) -> Any:
    plain: Any = import_module("guarded")

    def answer(question: str) -> str:
        for attempt in range(3):
            found = str(ask(f"({attempt}) {question}"))
            if found and "unsure" not in found:
                return found
        return "nobody knows"

    def one(question: str) -> dict[str, str] | None:
        if ask(f"Is this safe? {question}").startswith("no"):
            return None
        text = answer(question)
        translated = fan([partial(ask, f"To {language}: {text}") for language in plain.LANGUAGES])
        return {language: other.strip() for language, other in zip(plain.LANGUAGES, translated)}

    found = fan([partial(one, question) for question in questions])
    return {question: texts for question, texts in zip(questions, found) if texts is not None}


def pipeline(fan: Fan, ask: Ask, subjects: list[str]) -> Any:
    kinds = ("history", "numbers", "people")

    def one(subject: str) -> tuple[str, int, int]:
        facts = [fact.strip() for fact in fan([partial(ask, f"research: {k} of {subject}") for k in kinds])]
        size = sum(map(len, facts))
        summary = ask(f"Conclude {subject}: {', '.join(facts)}")
        if size > 30:
            summary = ask(f"Shorten {summary}")
        return summary.upper(), size, len(kinds)

    return fan([partial(one, subject) for subject in subjects])


def profiles(fan: Fan, ask: Ask, users: list[str]) -> Any:
    plain: Any = import_module("profiles")

    def one(position: int, user: str) -> Any:
        record = ask(f"lookup {user}")
        name, tags = record["name"].strip().title(), tuple(sorted(record["tags"].lower().split(",")))
        bio = ask(f"{position}. Bio of {name} ({'/'.join(tags)}), {ask(f'A tone for {tags[0]}')}")
        return plain.Profile(name, tags, bio.replace("\n", " ").strip())

    return fan([partial(one, position, user) for position, user in enumerate(users, start=1)])


def reflexion(fan: Fan, ask: Ask, tasks: list[str]) -> Any:
    plain: Any = import_module("reflexion")

    def one(task: str) -> Any:
        lessons: list[str] = []
        code = ""
        for trial in range(1, 5):
            hints = "\n".join(f"* {lesson}" for lesson in lessons) or "none"
            code = plain.code_in(ask(f"Write code for {task}. Lessons: {hints}"))
            outcome = ask(f"Does this pass the tests of {task}? {code}")
            if outcome.startswith("pass"):
                return plain.Attempt(code, True, trial, lessons)
            lessons.append(ask(f"Why did it fail? {outcome} {code}"))
        return plain.Attempt(code, False, 4, lessons)

    return fan([partial(one, task) for task in tasks])


def router(fan: Fan, ask: Ask, queries: list[str]) -> Any:
    plain: Any = import_module("router")

    def specialist(kind: str, query: str) -> Any:
        if kind == "math":
            return ask(f"math: compute {query}")
        if kind in ("code", "program"):
            return ask(f"code: review {ask(f'code: write {query}')}")
        return ask(f"talk: {query}")

    def one(query: str) -> str:
        kind = ask(f"Classify: {query}").strip().lower().rstrip(".")
        try:
            found = specialist(kind, query)
        except plain.Overloaded:
            found = ask(f"fallback: {query}")
        return f"{kind}: {found}"

    return fan([partial(one, query) for query in queries])


def tree_of_thoughts(fan: Fan, ask: Ask, question: str) -> Any:
    def deeper(text: str, score: float, depth: int) -> tuple[str, float]:
        if depth == 0:
            return text, score
        texts = [one.strip("- ").strip() for one in ask(f"List 3 next steps after: {text}").splitlines()]
        scores = map(float, fan([partial(ask, f"Score from 0 to 10: {one}") for one in texts]))
        ranked = sorted(zip(scores, texts), key=lambda one: one[0], reverse=True)[:2]
        ends = fan([partial(deeper, one, score, depth - 1) for score, one in ranked])
        best: tuple[str, float] = max(ends, key=lambda one: one[1])
        return best

    text, score = deeper(question, 0.0, 2)
    return ask(f"Answer {question!r} by {text}"), score


def triage(fan: Fan, ask: Ask, tickets: list[str]) -> Any:
    plain: Any = import_module("triage")

    def one(ticket: str) -> tuple[str, str]:
        match plain.parse(ask(f"As JSON: {ticket}")):
            case {"kind": "bug", "severity": int(severity)} if severity > 2:
                owner, how = fan([partial(ask, f"Who owns {ticket}?"), partial(ask, f"Reproduce {ticket}")])
                return "urgent", f"{owner.strip()}: {how}"
            case {"kind": "bug"}:
                return "bugs", ask(f"Shorten {ticket}")
            case {"kind": "question", "about": str(about)}:
                return "answers", ask(f"Explain {about}")
            case _:
                return "people", ticket

    queues: defaultdict[str, list[str]] = defaultdict(list)
    for queue, text in fan([partial(one, ticket) for ticket in tickets]):
        queues[queue].append(text)
    return dict(sorted(queues.items()))


PROGRAMS: Final[dict[str, Callable[..., Any]]] = {
    one.__name__: one
    for one in (
        self_consistency, best_of_n, map_reduce, evaluation, rag, agent, beam_search, debate, extraction, guarded,
        pipeline, profiles, reflexion, router, tree_of_thoughts, triage,
    )
}  # fmt: skip


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
