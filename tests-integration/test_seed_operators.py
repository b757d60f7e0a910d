"""The architecture's examples of operators, as written, over real calls; and operators in programs under xcs.jit."""

# pyright: reportUnknownMemberType=false, reportUnknownLambdaType=false, reportUnknownArgumentType=false
# Half of jax's annotations are unknown to a strict checker.

from __future__ import annotations

import asyncio
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from ember.api import Operator, models, op, operators, xcs
from ember.context import with_context
from ember.core import resolve
from ember.models.testing import LocalServer
from ember.operators import CannotSave, Chain, Module, Parallel, SpecMismatch


class InputModel(BaseModel):
    question: str
    limit: int = 20


class OutputModel(BaseModel):
    answer: str
    sure: bool


# Function decorator approach
@operators.op
def summarize(text: str) -> str:
    return models("gpt-4", f"Summarize: {text}")


# Class-based with validation
class ValidatedOp(Operator):
    input_spec = InputModel
    output_spec = OutputModel

    def call(self, inputs: InputModel) -> str:
        return models("gpt-4", inputs.question, max_tokens=inputs.limit)


class Ask(Operator):
    """A custom operator, as anybody would write one."""

    prompt: str
    model: str = "gpt-4"

    def call(self, text: str) -> str:
        return models(self.model, f"{self.prompt} {text}")


class AskAsync(Operator):
    model: str = "gpt-4"

    async def call(self, text: str) -> str:
        return await models.acall(self.model, f"awaited {text}")


@op
async def ask_async(text: str) -> str:
    return await models.acall("gpt-4", f"async {text}")


@pytest.fixture
def vendor(ember_home: Path, server: LocalServer, monkeypatch: pytest.MonkeyPatch) -> LocalServer:
    """OpenAI, on this machine, and not too quick. It says what it was asked."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-0123456789abcdef")
    monkeypatch.setenv("OPENAI_BASE_URL", f"{server.url}/v1")
    server.latency = 0.1
    return server


def test_a_function_under_op_is_called_as_before(vendor: LocalServer) -> None:
    assert summarize("the sea") == "Summarize: the sea"
    assert summarize("the sea").usage is not None  # type: ignore[attr-defined]  # pyright: ignore[reportUnknownMemberType, reportAttributeAccessIssue]
    assert asyncio.run(summarize.acall("a hill")) == "Summarize: a hill"


def test_a_validated_operator_takes_and_gives_what_its_specs_say(vendor: LocalServer) -> None:
    vendor.latency = 0.0
    vendor.replies(200, text=json.dumps({"answer": "blue", "sure": True}))
    assert ValidatedOp()(question="What colour is the sea?") == OutputModel(answer="blue", sure=True)
    assert vendor.requests[0].json["max_tokens"] == 20
    with pytest.raises(SpecMismatch, match="The input of ValidatedOp does not fit InputModel: `question`"):
        ValidatedOp()(question=5)
    assert len(vendor.requests) == 1
    vendor.replies(200, text="blue, I think")
    with pytest.raises(
        SpecMismatch, match="The output of ValidatedOp does not fit OutputModel: Invalid JSON"
    ):
        ValidatedOp()('{"question": "What colour is the sea?"}')


def test_operators_and_models_compose(vendor: LocalServer) -> None:
    pipeline = Ask(prompt="draft") >> resolve("model", "gpt-4") >> str.upper
    assert pipeline("tea") == "DRAFT TEA"
    assert len(vendor.requests) == 2


def test_models_are_saved_by_name_and_never_with_a_key(vendor: LocalServer, tmp_path: Path) -> None:
    pipeline = Ask(prompt="draft") >> resolve("model", "gpt-4")
    pipeline.save(tmp_path / "pipeline")
    with zipfile.ZipFile(tmp_path / "pipeline") as archive:
        assert b"0123456789" not in archive.read("module.json")
    again = Chain.load(tmp_path / "pipeline")
    assert again("tea") == "draft tea"
    assert getattr(again.ops[1], "name", None) == "gpt-4"
    with pytest.raises(CannotSave, match="`prompt` holds a credential"):
        Ask(prompt="sk-0123456789abcdef").save(tmp_path / "key")


def test_parallel_calls_are_under_way_at_once_in_the_callers_context(vendor: LocalServer) -> None:
    panel = Parallel({"a": Ask(prompt="a"), "b": AskAsync(), "c": ask_async, "d": resolve("model", "gpt-4")})
    want = {"a": "a x", "b": "awaited x", "c": "async x", "d": "x"}
    with with_context(models={"temperature": 0.25}):
        assert panel("x") == want
        assert asyncio.run(panel.acall("x")) == want
    assert vendor.high_water == 4
    assert {request.json["temperature"] for request in vendor.requests} == {0.25}


@xcs.jit
def of_operators(items: list[str]) -> list[str]:
    first, second = Ask(prompt="one"), Ask(prompt="two")
    return [second(first(item)) for item in items]


@xcs.jit
def of_chains(items: list[str]) -> list[str]:
    chain = Ask(prompt="one") >> Ask(prompt="two") >> str.upper
    return [chain(item) for item in items]


@xcs.jit
def of_functions(items: list[str]) -> list[str]:
    return [summarize(item) for item in items]


@xcs.jit
def of_asynchronous(items: list[str]) -> list[str]:
    chain = AskAsync() >> ask_async
    return [chain(item) for item in items]


@xcs.jit
def of_validated(items: list[str]) -> list[Any]:
    check = Checked()
    return [check(text=item) for item in items]


@xcs.jit
def of_panels(items: list[str]) -> list[Any]:
    panel = Parallel([Ask(prompt="one"), Ask(prompt="two")])
    return [panel(item) for item in items]


class Text(BaseModel):
    text: str


class Checked(Operator):
    input_spec = Text
    output_spec = str

    def call(self, inputs: Text) -> str:
        return models("gpt-4", inputs.text)


@pytest.mark.parametrize(
    "program, at_once, want",
    [
        (of_operators, 4, [f"two one {x}" for x in "abcd"]),
        (of_chains, 4, [f"TWO ONE {x}".upper() for x in "abcd"]),
        (of_functions, 4, [f"Summarize: {x}" for x in "abcd"]),
        (of_asynchronous, 4, [f"async awaited {x}" for x in "abcd"]),
        (of_validated, 4, list("abcd")),
        (of_panels, 8, [[f"one {x}", f"two {x}"] for x in "abcd"]),
    ],
)
def test_operators_under_jit_overlap(vendor: LocalServer, program: Any, at_once: int, want: Any) -> None:
    assert program(list("abcd")) == want
    assert vendor.high_water == at_once


@xcs.jit
def of_changes(text: str) -> list[str]:
    record = Text(text=text)
    record.text = models("gpt-4", f"{record.text}!")
    later = models("gpt-4", record.text + "?")
    record.text = str.upper(later)
    return [record.text, later]


def test_what_a_program_changes_is_read_in_order(vendor: LocalServer) -> None:
    assert of_changes("a") == ["A!?", "a!?"]


def test_an_operator_itself_can_be_jitted(vendor: LocalServer) -> None:
    class Panel(Operator):
        members: list[Ask]

        def call(self, text: str) -> list[str]:
            return [member(text) for member in self.members]

        @xcs.jit
        def twice(self, text: str) -> list[str]:
            return [member(text) for member in self.members] + [member(text) for member in self.members]

    panel = Panel(members=[Ask(prompt=str(i)) for i in range(3)])
    assert panel("x") == xcs.jit(panel)("x") == ["0 x", "1 x", "2 x"]
    assert vendor.high_water == 3
    assert xcs.jit(summarize)("x") == "Summarize: x"
    assert panel.twice("y") == ["0 y", "1 y", "2 y"] * 2
    assert vendor.high_water == 6


@xcs.jit
@op
def jitted_operator(items: list[str]) -> list[str]:
    return [models("gpt-4", item) for item in items]


@op
@xcs.jit
def operator_of_jitted(items: list[str]) -> list[str]:
    return [models("gpt-4", item) for item in items]


@pytest.mark.parametrize("program", [jitted_operator, operator_of_jitted, operator_of_jitted >> list])
def test_op_and_jit_go_in_either_order(vendor: LocalServer, program: Any) -> None:
    assert program(["a", "b", "c"]) == ["a", "b", "c"]
    assert vendor.high_water == 3


def test_a_gradient_through_a_call_is_refused_by_name(vendor: LocalServer) -> None:
    import jax
    import jax.numpy as jnp

    class Weighted(Operator):
        weight: jax.Array

        def call(self, text: str) -> jax.Array:
            return self.weight * len(models("gpt-4", text))

    with pytest.raises(xcs.GradientThroughCall, match="models"):
        xcs.grad(lambda operator: operator("x"))(Weighted(weight=jnp.array(1.0)))
    assert isinstance(Weighted(weight=jnp.array(1.0)), Module)
    assert type(Chain((summarize,))) is Chain
