"""Values of unknown type: an external without annotations, string methods on dict fields, dataclass results."""

from __future__ import annotations

from asyncio import gather
from dataclasses import dataclass, replace
from typing import Any

from simulated import answered, ask, number, untyped


@dataclass(frozen=True)
class Profile:
    name: str
    tags: tuple[str, ...]
    bio: str = ""


def load(user: str) -> Profile:
    record: dict[str, Any] = untyped(user)
    name = record["name"].strip().title()
    tags = tuple(sorted(tag.lower() for tag in record["tags"].split(",")))
    return Profile(name, tags)


def program(users: list[str]) -> list[Profile]:
    profiles: list[Profile] = []
    for position, user in enumerate(users, start=1):
        profile = load(user)
        tone = ask(f"A tone for {profile.tags[0]}")
        bio = ask(f"{position}. Bio of {profile.name} ({'/'.join(profile.tags)}), {tone}")
        profiles.append(replace(profile, bio=bio.replace("\n", " ").strip()))
    return profiles


ARGUMENTS = (["u1", "u2", "u3", "u4", "u5"],)


def reply(prompt: str) -> Any:
    if prompt.startswith("lookup"):
        return {"name": f" {prompt[7:]} smith", "tags": f"B{number(prompt, 9)},a{number(prompt, 7)}"}
    return f"so {number(prompt, 100)}\nand on "


async def by_hand(users: list[str]) -> list[Profile]:
    async def one(position: int, user: str) -> Profile:
        record = await answered(f"lookup {user}")
        name, tags = record["name"].strip().title(), tuple(sorted(record["tags"].lower().split(",")))
        tone = await answered(f"A tone for {tags[0]}")
        bio = await answered(f"{position}. Bio of {name} ({'/'.join(tags)}), {tone}")
        return Profile(name, tags, bio.replace("\n", " ").strip())

    return await gather(*(one(position, user) for position, user in enumerate(users, start=1)))
