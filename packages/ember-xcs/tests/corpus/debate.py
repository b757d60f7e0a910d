"""Debate: two sides with a memory each argue in turn, about several motions; a judge decides."""

from __future__ import annotations

from asyncio import gather

from simulated import answered, ask, number


class Debater:
    def __init__(self, name: str, side: str) -> None:
        self.name = name
        self.side = side
        self.said: list[str] = []
        self.words = 0

    def speak(self, motion: str, heard: str | None) -> str:
        if heard is None:
            prompt = f"{self.name}, open {self.side} {motion}"
        else:
            prompt = f"{self.name}, {self.side} {motion}, after {self.said[-1:]} rebut: {heard}"
        argument = ask(prompt).strip()
        self.said.append(argument)
        self.words += len(argument.split())
        return argument


def hold(motion: str, rounds: int) -> str:
    ann, bob = Debater("Ann", "for"), Debater("Bob", "against")
    last_ann, last_bob = None, None
    for _ in range(rounds):
        a = ann.speak(motion, last_bob)
        b = bob.speak(motion, last_ann)
        last_ann, last_bob = a, b
    print(f"{motion}: {ann.words} words for, {bob.words} against")
    verdict = ask(f"Who won on {motion}? For: {'; '.join(ann.said)} Against: {'; '.join(bob.said)}")
    if "for" in verdict.lower():
        return ann.name
    return bob.name


def program(motions: list[str]) -> dict[str, str]:
    return {motion: hold(motion, 3) for motion in motions}


ARGUMENTS = (["tea", "cats", "rain"],)


def reply(prompt: str) -> str:
    if prompt.startswith("Who"):
        return "For, clearly." if number(prompt, 2) else "Against."
    return " ".join(f"w{number(prompt + str(i), 90)}" for i in range(2 + number(prompt, 4))) + "\n"


async def by_hand(motions: list[str]) -> dict[str, str]:
    async def held(motion: str) -> str:
        said: dict[str, list[str]] = {"Ann": [], "Bob": []}

        async def speak(name: str, side: str, heard: str | None) -> str:
            opening = f"{name}, open {side} {motion}"
            rebuttal = f"{name}, {side} {motion}, after {said[name][-1:]} rebut: {heard}"
            argument: str = (await answered(opening if heard is None else rebuttal)).strip()
            said[name].append(argument)
            return argument

        a: str | None = None
        b: str | None = None
        for _ in range(3):
            a, b = await gather(speak("Ann", "for", b), speak("Bob", "against", a))
        question = f"Who won on {motion}? For: {'; '.join(said['Ann'])} Against: {'; '.join(said['Bob'])}"
        return "Ann" if "for" in (await answered(question)).lower() else "Bob"

    return dict(zip(motions, await gather(*map(held, motions))))
