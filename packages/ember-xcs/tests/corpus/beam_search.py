"""Beam search: extend each of the kept texts, score all, keep the best; stop when the best one is finished."""

from __future__ import annotations

from asyncio import gather

from simulated import answered, ask, number

Beam = list[tuple[float, str]]


def extend(text: str) -> list[str]:
    options = ask(f"Continue in three ways: {text}").split("/")
    return [f"{text} {option.strip()}" for option in options]


def score(text: str) -> float:
    likelihood = float(ask(f"How likely is: {text}"))
    return likelihood - 0.01 * len(text)


def step(beam: Beam, width: int) -> Beam:
    candidates: Beam = []
    for _, text in beam:
        if text.endswith("."):
            candidates.append((score(text), text))
            continue
        candidates += [(score(longer), longer) for longer in extend(text)]
    candidates.sort(reverse=True)
    return candidates[:width]


def program(start: str) -> str:
    beam: Beam = [(0.0, start)]
    for depth in range(4):
        beam = step(beam, 3)
        print(f"depth {depth}: " + ", ".join(f"{text!r}={value:.2f}" for value, text in beam))
        if beam[0][1].endswith("."):
            break
    return beam[0][1]


ARGUMENTS = ("Once",)


def reply(prompt: str) -> str:
    if prompt.startswith("How likely"):
        return f" {number(prompt, 1000) / 1000} "
    words = [f"w{number(prompt + str(i), 80)}" for i in range(3)]
    return f"{words[0]} / {words[1]}{'.' if number(prompt, 4) == 0 else ''} / {words[2]}"


async def by_hand(start: str) -> str:
    async def scored(text: str) -> tuple[float, str]:
        return float(await answered(f"How likely is: {text}")) - 0.01 * len(text), text

    async def extended(text: str) -> Beam:
        if text.endswith("."):
            return [await scored(text)]
        options = (await answered(f"Continue in three ways: {text}")).split("/")
        return await gather(*(scored(f"{text} {option.strip()}") for option in options))

    beam: Beam = [(0.0, start)]
    for _ in range(4):
        found = await gather(*(extended(text) for _, text in beam))
        beam = sorted((one for part in found for one in part), reverse=True)[:3]
        if beam[0][1].endswith("."):
            break
    return beam[0][1]
