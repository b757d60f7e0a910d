"""What the checkers infer from `models`: a call is a `Response`, that is a `str`, and unknown keywords are errors."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, assert_type

import httpx
import httpx2

from ember.context import get_context
from ember.core.errors import EmberError
from ember.core.events import Usage
from ember.models import (
    AsyncTextStream,
    BoundModel,
    Budget,
    BudgetState,
    Embeddings,
    Matrix,
    Message,
    Response,
    TextStream,
    Tool,
    ToolCall,
    ToolRun,
    Totals,
    models,
)
from ember.models.errors import ModelError, RateLimitError, SchemaMismatch

answer = models("gpt-4", "Hello", temperature=0.7, max_tokens=10, timeout=5, extra={"user": "me"})
assert_type(answer, Response)
text: str = answer
assert_type(answer.usage, Usage)
assert_type(answer.usage.input_tokens, int | None)
assert_type(answer.cost, Decimal | None)
assert_type(answer.finish_reason, str | None)
assert_type(answer.tool_calls, tuple[ToolCall, ...])
assert_type(answer.probabilities, Mapping[str, float] | None)
assert_type(answer.latency, float)
assert_type(answer.parsed, Any)

models(None, [{"role": "user", "content": "Hello"}], system="Be brief.", choices=["yes", "no"])
models(None, [Message("user", "Hello")], schema={"type": "object"}, stop="END", seed=1)

models(None, "Hello", fallback="gpt-4", max_concurrency=2, rpm=60, tpm=1e6)
models(None, "Hello", fallback=["gpt-4"], fallback_on=(RateLimitError, ModelError))
models(None, "Hello", fallback_on=KeyError)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
assert_type(answer.failures, tuple[EmberError, ...])
assert_type(ModelError("no").failures, tuple[EmberError, ...])

models(None, "Hello", budget=0.10)
models(None, "Hello", budget={"usd": 5, "calls": 3})
models(None, "Hello", budget=Budget(tokens=1_000, allow_unknown=True))
models(None, "Hello", budget="5")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
assert_type(models.budgets(), tuple[BudgetState, ...])
assert_type(models.budgets()[0].left.usd, Decimal | None)
assert_type(models.budgets()[0].spent.usd, Decimal)

models.embed("e", ["a"], dimensions=5, max_retries=0, max_concurrency=2, budget=0.1)
models.embed("e", ["a"], fallback="f")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
assert_type(models.embed("e", "a").vectors, Matrix)
assert_type(models.embed("e", "a")[0], tuple[float, ...])

models(None, "Hello", schema=list[int], reask=2)
models(None, "Hello", reask="often")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
misfit = SchemaMismatch("no", text="[]")
assert_type(misfit.text, str)
assert_type(misfit.errors, tuple[str, ...])


def add(a: int, b: int) -> int:
    return a + b


call = models(None, "1 + 2?", tools=[add, Tool("search", "Search.")]).tool_calls[0]
assert_type(call.arguments, Mapping[str, Any])
assert_type(call.text, str)
run = models.run_tools(None, "1 + 2?", tools=[add], max_steps=3, on_error="tell", temperature=0)
assert_type(run, ToolRun)
assert_type(run.response, Response)
assert_type(run.messages, tuple[Message, ...])
assert_type(run.cost, Decimal | None)
models(None, [answer.message, {"role": "tool", "content": "3", "tool_call_id": call.id}])
models.run_tools(None, "Hello", tools=[add], on_error="ignore")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
models(None, "Hello", tools=[7])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]

models("gpt-4", "Hello", temprature=0.7)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
models("gpt-4", "Hello", temperature="hot")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
models("gpt-4", 7)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
models("gpt-4")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
models(4, "Hello")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]

gpt4 = models.instance("gpt-4", temperature=0.7)
assert_type(gpt4, BoundModel)
assert_type(gpt4("Hello"), Response)
assert_type(gpt4.stream("Hello"), TextStream)
models.instance("gpt-4", temprature=0.7)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
gpt4("Hello", temprature=0.7)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]

stream = models.stream("gpt-4", "Hello")
for piece in stream:
    assert_type(piece, str)
assert_type(stream.response, Response)
with models.stream("gpt-4", "Hello") as opened:
    assert_type(opened, TextStream)

vectors = models.embed("text-embedding-3-small", ["one", "two"])
assert_type(vectors, Embeddings)
assert_type(vectors[0], tuple[float, ...])
assert_type(vectors[:1], tuple[tuple[float, ...], ...])
models.embed("text-embedding-3-small", 7)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]

assert_type(models.usage(), Totals)
assert_type(models.usage(get_context()), Totals)
assert_type(models.usage().cost, Decimal)
assert_type(models.providers(), tuple[str, ...])
assert_type(models.estimate("gpt-4", "Hello").cost, Decimal | None)
for name in models.list():
    known: str = name


async def awaited() -> None:
    assert_type(await models.acall("gpt-4", "Hello"), Response)
    assert_type(await models.aio("gpt-4", "Hello"), Response)
    assert_type(await gpt4.acall("Hello"), Response)
    assert_type(await models.embed.aio("text-embedding-3-small", "one"), Embeddings)
    pieces = models.astream("gpt-4", "Hello")
    assert_type(pieces, AsyncTextStream)
    async for part in pieces:
        assert_type(part, str)
    assert_type(pieces.response, Response)
    assert_type(await models.arun_tools(None, "1 + 2?", tools=[add]), ToolRun)
    assert_type(gpt4.run_tools("1 + 2?", tools=[add]), ToolRun)
    await models.acall("gpt-4", "Hello", temprature=0.7)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


def by_a_client_of_ones_own(old: httpx.AsyncClient, new: httpx2.AsyncClient, blocking: httpx.Client) -> None:
    models("gpt-4", "Hello", http_client=old)
    models.stream("gpt-4", "Hello", http_client=new)
    models("gpt-4", "Hello", http_client=blocking)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
