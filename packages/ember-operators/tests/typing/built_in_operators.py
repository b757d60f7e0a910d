"""What the checkers infer of the built-in operators: what they take, and what comes of them."""

from collections.abc import Mapping
from typing import Any, assert_type

from ember.operators import (
    RAG,
    Agent,
    Attempt,
    BestOfN,
    Cache,
    Cascade,
    Chain,
    Debate,
    Ensemble,
    Evaluation,
    Fallback,
    Function,
    Hit,
    Interval,
    Item,
    Judge,
    LearnedRouter,
    MajorityVote,
    MapReduce,
    Network,
    Operator,
    Parallel,
    Rejected,
    Retrieve,
    Retry,
    Router,
    SelfConsistency,
    Timeout,
    Verifier,
    aevaluate,
    evaluate,
    exact,
    majority,
    non,
    op,
    optimize,
)


@op
def ask(text: str) -> str:
    return text


@op
async def later(text: str) -> bytes:
    return text.encode()


@op(validate=True)
def checked(text: str, times: int = 1) -> list[str]:
    return [text] * times


def route(text: str) -> str:
    return "a" if text else "b"


class Ask(Operator):
    prompt: str = ""

    def call(self, text: str) -> str:
        return f"{self.prompt}{text}"


# `@op` keeps the function's own signature, whatever it is; `>>` is a Chain, whoever stands on its left.
assert_type(ask("a"), str)
assert_type(checked("a", times=2), list[str])
assert_type(ask >> len, Chain)
assert_type(len >> ask >> Ask(), Chain)
assert_type(Ask() >> ask, Chain)
assert_type(Ensemble([ask]) >> majority, Chain)

# What a composition returns hangs on its members, which are of any kind: it is Any.
assert_type((ask >> len)("a"), Any)
assert_type(Parallel([ask, len])("a"), Any)
assert_type(Parallel({"text": ask, "length": len}, limit=2)("a"), Any)
assert_type(Ensemble(["smollm2", ask, later, Ask(prompt="?")], aggregate=majority, need=2)("a"), Any)
assert_type(MajorityVote([ask, ask], weights=[0.4, 0.6], early=True)("a"), Any)
assert_type(SelfConsistency(ask, n=3, extract=len, seed=1)("a"), Any)
assert_type(Judge([ask, "smollm2"], model="smollm2")("a"), Any)
assert_type(BestOfN(ask, score=len, threshold=3.0)("a"), Any)
assert_type(Verifier(ask, lambda answer: None, attempts=2)("a"), Any)
assert_type(Router({"a": ask, "b": "smollm2"}, by=route)("a"), Any)
assert_type(Cascade(["smollm2", ask], accept=bool, budget={"calls": 2})("a"), Any)
assert_type(Retry(ask, on=(ValueError, KeyError), delay=0.5)("a"), Any)
assert_type(Fallback([ask, later], hedge=0.5)("a"), Any)
assert_type(Timeout(ask, seconds=1)("a"), Any)
assert_type(Cache(ask, size=10).clear(), None)
assert_type(MapReduce(ask, "".join, split=str.split)("a"), Any)
assert_type(Debate([ask, ask])("a"), Any)
assert_type(Agent("gpt-4o", tools=[checked, later], max_steps=3)("a"), Any)
assert_type(Retrieve.of(["a"], k=1), Retrieve)
assert_type(RAG(Retrieve.of(["a"]), model=ask)("a"), Any)
assert_type(LearnedRouter.of({"a": ask}).chosen("a"), str)
assert_type(LearnedRouter.of({"a": ask}).fit([]), LearnedRouter)
assert_type(non("3E@smollm2 -> MC"), Network)
assert_type(non("3E@smollm2").op, Operator)

# Operators are values: changed ones are of the same class.
assert_type(Ensemble([ask]).replace(limit=2), Ensemble)
assert_type(Retry(ask).at["op"].set(len), Retry)
assert_type(Ensemble([ask]).parameters(), dict[str, Any])

# Aggregates keep the type of an answer.
assert_type(majority(["a", "b"]), str)
assert_type(majority([1, 2], weights=[0.5, 0.7]), int)


async def awaited() -> None:
    assert_type(await later("a"), bytes)
    assert_type(await Ensemble([ask]).acall("a"), Any)
    assert_type(await (ask >> len).acall("a"), Any)
    assert_type(await aevaluate(ask, [{"question": "a", "answer": "a"}], exact()), Evaluation)


found = evaluate(ask, [{"question": "a", "answer": "a"}], {"right": exact()}, limit=4, path="run.jsonl")
assert_type(found, Evaluation)
assert_type(found.metrics["right"], Interval)
assert_type(found.items[0], Item)
assert_type(found.metrics["right"].mean, float)
assert_type(optimize.bootstrap(Ask(), [], [], exact()).op, Ask)


def hits(retrieve: Retrieve) -> list[str]:
    answers: list[Hit] = retrieve("a")
    return [str(one.document) for one in answers]


def tried(error: Rejected, attempt: Attempt) -> None:
    assert_type(attempt.seconds, float | None)
    assert_type(attempt.attempts, tuple[Attempt, ...])
    assert_type(attempt.number, int)


def takes(function: Function[[str], str]) -> None: ...


takes(ask)

Ensemble()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
Ensemble([1])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]
Ensemble([ask], needs=2)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
Retry(ask, attempts="3")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
Parallel(ask)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
Cascade([ask])  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
ask >> 1  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue, reportUnusedExpression]
ask(1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
takes(later)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def mapping(routes: Mapping[str, str]) -> Router:
    return Router(routes, by="smollm2")
