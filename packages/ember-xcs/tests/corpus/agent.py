"""A tool loop: the model names a tool as JSON, the tool's result goes back to it, until it has the answer."""

from __future__ import annotations

import json
from asyncio import gather
from typing import Any

from simulated import answered, as_text, chat, number, search, untyped


def calculator(expression: str) -> str:
    left, _, right = expression.partition("+")
    return str(int(left) + int(right))


def web(query: str) -> str:
    return "; ".join(document["text"] for document in search(query))


def row(key: str) -> str:
    return str(untyped(key)["value"]).strip()


TOOLS = {"calculator": calculator, "web": web, "table": row}


class Agent:
    def __init__(self, task: str, steps: int = 6) -> None:
        self.task = task
        self.steps = steps
        self.messages: list[dict[str, str]] = [{"role": "user", "content": task}]

    def act(self) -> str | None:
        said = chat(self.messages)
        self.messages.append({"role": "assistant", "content": said})
        try:
            action: dict[str, Any] = json.loads(said)
        except json.JSONDecodeError:
            return said
        tool = TOOLS.get(action["tool"])
        if tool is None:
            result = f"there is no tool {action['tool']!r}"
        else:
            result = tool(action["input"])
        self.messages.append({"role": "tool", "content": result})
        return None

    def run(self) -> str:
        for _ in range(self.steps):
            final = self.act()
            if final is not None:
                return final
        return "gave up"


def program(tasks: list[str]) -> list[tuple[str, int]]:
    results: list[tuple[str, int]] = []
    for task in tasks:
        agent = Agent(task)
        answer = agent.run()
        results.append((answer, len(agent.messages)))
    return results


ARGUMENTS = (["add them", "find Paris", "what is left", "go on"],)


def reply(prompt: str) -> Any:
    if prompt.startswith("search"):
        return [{"text": f"page {number(prompt, 50)}"}, {"text": "other"}]
    if prompt.startswith("lookup"):
        return {"value": f"row {number(prompt, 50)}", "at": 1}
    kind = number(prompt, 5)
    if kind == 4:
        return f"The answer is {number(prompt, 100)}."
    given = f"{number(prompt, 9)}+{number(prompt, 7)}" if kind == 0 else f"thing {number(prompt, 99)}"
    return json.dumps({"tool": ["calculator", "web", "table", "oracle"][kind], "input": given})


async def by_hand(tasks: list[str]) -> list[tuple[str, int]]:
    async def one(task: str) -> tuple[str, int]:
        messages = [{"role": "user", "content": task}]
        for _ in range(6):
            said = await answered(as_text(messages))
            messages.append({"role": "assistant", "content": said})
            try:
                action = json.loads(said)
            except json.JSONDecodeError:
                return said, len(messages)
            given = action["input"]
            match action["tool"]:
                case "calculator":
                    result = calculator(given)
                case "web":
                    result = "; ".join(document["text"] for document in await answered(f"search {given} 4"))
                case "table":
                    result = str((await answered(f"lookup {given}"))["value"])
                case other:
                    result = f"there is no tool {other!r}"
            messages.append({"role": "tool", "content": result})
        return "gave up", len(messages)

    return await gather(*map(one, tasks))
