"""A conversation in which the model calls tools: each is run, told its result, and the model asked to go on."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal, cast

from ember.core import loop
from ember.core.events import Usage
from ember.core.externals import External
from ember.core.pool import in_pool

from ._budget import own
from ._call import Message, Prompt, ToolCall
from ._prompt import conversation
from ._provider import clipped
from ._reask import summed, summed_cost
from ._response import Response
from ._tools import Toolbox, result_text, toolbox
from .errors import ToolCallError, TooManySteps

OnError = Literal["raise", "tell"]


@dataclass(frozen=True, slots=True)
class ToolRun:
    """What came of a conversation with tools.

    `response` is the model's last answer, `steps` all of its answers, `messages` the whole conversation, which the next
    prompt can go on from. `usage` and `cost` are those of all steps together.
    """

    response: Response
    steps: tuple[Response, ...] = field(repr=False)
    messages: tuple[Message, ...] = field(repr=False)

    @property
    def usage(self) -> Usage:
        """The tokens of all steps; a count that one of them does not know is not known."""
        total: Usage | None = None
        for step in self.steps:
            total = summed(total, step.usage)
        return total or Usage()

    @property
    def cost(self) -> Decimal | None:
        """US dollars for all steps, None if the price of one is not known."""
        total: Decimal | None = None
        for number, step in enumerate(self.steps):
            total = summed_cost(number > 0, total, step.cost)
        return total

    def __str__(self) -> str:
        return str(self.response)


class Run:
    """A run under way: what has been said, and what is to be asked next."""

    def __init__(self, prompt: Prompt, params: dict[str, Any], max_steps: int, on_error: OnError) -> None:
        if type(max_steps) is not int or max_steps < 1:
            raise ValueError(f"max_steps is a whole number, at least 1; got {max_steps!r}.")
        if on_error not in ("raise", "tell"):
            raise ValueError(f'on_error is "raise" or "tell"; got {on_error!r}.')
        self.box: Toolbox = toolbox(params.get("tools"))
        if missing := [name for name in self.box.tools if name not in self.box.functions]:
            raise TypeError(f"The tool {missing[0]!r} has no function that could be run.")
        messages, system = conversation(prompt)
        self.messages = list(messages)
        if (budget := params.get("budget")) is not None:
            params["budget"] = own(budget)  # one for all answers together
        self.params = params if system is None else {**params, "system": system}
        if system is not None and params.get("system") is not None:
            raise TypeError("A system prompt is given twice: as system= and as a message. Keep one.")
        self._steps: list[Response] = []
        self._max, self._tell = max_steps, on_error == "tell"

    def take(self, answer: Response) -> ToolRun | None:
        """Take the model's answer; return the run if it is the last. Raises `TooManySteps`."""
        self._steps.append(answer)
        self.messages.append(Message("assistant", str(answer), answer.tool_calls, opaque=answer.opaque))
        if not answer.tool_calls:
            return ToolRun(answer, tuple(self._steps), tuple(self.messages))
        if len(self._steps) >= self._max:
            names = ", ".join(call.name for call in answer.tool_calls)
            raise TooManySteps(
                f"after {self._max} answers the model still asks for tools ({names}).",
                messages=tuple(self.messages),
                provider=answer.provider,
                model=answer.model,
            )
        return None

    def results(self, calls: Sequence[ToolCall], texts: Sequence[str]) -> None:
        """Take what the tools answered, one text for each call."""
        self.messages += [
            Message("tool", text, tool_call_id=call.id) for call, text in zip(calls, texts, strict=True)
        ]

    def run(self, call: ToolCall) -> str:
        """Run the tool that `call` names, and wait."""
        try:
            arguments = call.arguments
            function = self.box.functions[call.name].call
            made: Any = function(**arguments)
            return result_text(loop.run(made, call.name) if inspect.iscoroutine(made) else made)
        except Exception as error:
            return self._told(error)

    async def arun(self, call: ToolCall) -> str:
        """Run the tool that `call` names, and await it; a plain function in a thread."""
        try:
            arguments = dict(call.arguments)
            function = self.box.functions[call.name].call
            if isinstance(function, External):
                return result_text(await cast("External[..., Any]", function).aio(**arguments))
            if inspect.iscoroutinefunction(function):
                return result_text(await function(**arguments))
            return result_text(await in_pool(function, (), arguments))
        except Exception as error:
            return self._told(error)

    async def arun_all(self, calls: Sequence[ToolCall]) -> list[str]:
        """Run the tools of one answer at once. All of them end, before the error of one is raised."""
        texts = await asyncio.gather(*map(self.arun, calls), return_exceptions=True)
        for text in texts:
            if isinstance(text, BaseException):
                raise text
        return cast("list[str]", texts)

    def _told(self, error: Exception) -> str:
        if not self._tell:
            raise error
        if isinstance(error, ToolCallError):
            return f"Error: {error.problem}"
        return f"Error: {type(error).__name__}: {clipped(str(error), 1000)}"
