"""A model that calls tools until it has an answer."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, Literal, cast

from ._ask import question_of
from ._attempts import Attempt
from ._fields import prompt
from ._retry import repeatable
from ._steps import Budget, Do, Member, Stepped, Steps, Together
from .errors import StepLimit


class Agent(Stepped, kw_only=False):
    """Ask `model`, run the `tools` that it asks for, tell it the results, and so on until it answers.

    Tools are functions with annotated parameters and a docstring, `async` or not; those of one step run at once. The
    model is asked at most `max_steps` times; if it then still wants tools, a `StepLimit` error has the conversation.
    What a tool raises is told to the model (`on_error="tell"`) or escapes ("raise"); what a model call inside a tool
    gave up on always escapes. A question may be a text or a list of messages. Returns the last answer.

    The model must know tools: the embedded one does not.
    """

    model: Member | None = None
    tools: Sequence[Callable[..., Any]] = ()
    max_steps: int = 10
    instruction: str | None = prompt(None)
    on_error: Literal["tell", "raise"] = "tell"
    budget: Budget | None = None

    def steps(self, *args: Any, **kwargs: Any) -> Steps[Any]:
        if self.max_steps < 1:
            raise ValueError(
                f"max_steps is how often the model is asked, at least 1; got {self.max_steps!r}."
            )
        messages = self._opening(args, kwargs)
        named = {_name(tool): tool for tool in self.tools}
        for _ in range(self.max_steps):
            answer = yield Do(
                self.model, (list(messages),), {"tools": list(self.tools)} if self.tools else {}
            )
            calls: tuple[Any, ...] = tuple(getattr(answer, "tool_calls", ()))
            if not calls:
                return answer
            messages.append(answer.message)
            work = [Do(_Tool(named, call)) for call in calls]
            results: list[Attempt] = yield Together(work, keep=True)
            for call, result in zip(calls, results, strict=True):
                messages.append({"role": "tool", "content": self._told(result), "tool_call_id": call.id})
        raise StepLimit(self.max_steps, messages)

    def _opening(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Any]:
        if len(args) == 1 and not kwargs and isinstance(args[0], list):
            messages: list[Any] = list(cast("list[object]", args[0]))
        else:
            messages = [{"role": "user", "content": question_of(args, kwargs)}]
        return [{"role": "system", "content": self.instruction}, *messages] if self.instruction else messages

    def _told(self, result: Attempt) -> str:
        if result.error is None:
            return _as_text(result.value)
        if self.on_error == "raise" or not (_about_arguments(result.error) or repeatable(result.error)):
            raise result.error
        return f"Error: {type(result.error).__name__}: {result.error}"


class _Tool(Stepped, kw_only=False):
    """One call of a tool, as the model asked for it."""

    named: dict[str, Callable[..., Any]]
    asked: Any

    def steps(self) -> Steps[Any]:
        tool = self.named.get(self.asked.name)
        if tool is None:
            raise LookupError(f"There is no tool {self.asked.name!r}, only {', '.join(self.named)}.")
        return (yield Do(tool, (), self.asked.arguments))


def _name(tool: Callable[..., Any]) -> str:
    name = getattr(tool, "__name__", None) or getattr(tool, "name", None)
    return str(name or type(tool).__name__)


def _about_arguments(error: BaseException) -> bool:
    """Whether the model wrote arguments that do not fit: an error of the models' distribution, known by its name."""
    return type(error).__name__ == "ToolCallError"


def _as_text(value: Any) -> str:
    if isinstance(value, str):
        return value
    try:
        return json.dumps(value, ensure_ascii=False)
    except TypeError:
        return str(value)
