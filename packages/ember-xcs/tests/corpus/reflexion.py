"""Reflexion: try, test, reflect on the failure, try again with what was learnt; several tasks."""

from __future__ import annotations

import re
from asyncio import gather
from dataclasses import dataclass, field

from simulated import answered, ask, note, number


@dataclass
class Attempt:
    code: str
    passed: bool
    trials: int
    lessons: list[str] = field(default_factory=list[str])


def code_in(answer: str) -> str:
    found = re.search(r"```(?:python)?\n(.*?)```", answer, re.DOTALL)
    return found.group(1).strip() if found else answer.strip()


def solve(task: str, trials: int = 4) -> Attempt:
    lessons: list[str] = []
    code = ""
    for trial in range(1, trials + 1):
        hints = "\n".join(f"* {lesson}" for lesson in lessons) or "none"
        code = code_in(ask(f"Write code for {task}. Lessons: {hints}"))
        outcome = ask(f"Does this pass the tests of {task}? {code}")
        if outcome.startswith("pass"):
            return Attempt(code, True, trial, lessons)
        lessons.append(ask(f"Why did it fail? {outcome} {code}"))
    return Attempt(code, False, trials, lessons)


def program(tasks: list[str]) -> list[Attempt]:
    attempts = [solve(task) for task in tasks]
    for task, attempt in zip(tasks, attempts):
        note(f"{task}: {'passed' if attempt.passed else 'failed'} after {attempt.trials}")
    return attempts


ARGUMENTS = (["fizzbuzz", "primes", "sort", "parse"],)


def reply(prompt: str) -> str:
    if prompt.startswith("Write"):
        return f"Sure:\n```python\nx = {number(prompt, 1000)}\n```\n"
    if prompt.startswith("Does"):
        return "passed" if number(prompt, 3) == 0 else f"failed: case {number(prompt, 9)}"
    return f"lesson {number(prompt, 100)}"


async def by_hand(tasks: list[str]) -> list[Attempt]:
    async def solved(task: str) -> Attempt:
        lessons: list[str] = []
        code = ""
        for trial in range(1, 5):
            hints = "\n".join(f"* {lesson}" for lesson in lessons) or "none"
            code = code_in(await answered(f"Write code for {task}. Lessons: {hints}"))
            outcome = await answered(f"Does this pass the tests of {task}? {code}")
            if outcome.startswith("pass"):
                return Attempt(code, True, trial, lessons)
            lessons.append(await answered(f"Why did it fail? {outcome} {code}"))
        return Attempt(code, False, 4, lessons)

    return await gather(*map(solved, tasks))
