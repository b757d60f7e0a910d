"""What the checkers infer of external calls: the signature stays, in both forms, for functions and for methods."""

from collections.abc import Callable, Coroutine
from typing import Any, assert_type

from ember.core import Estimate, External, external, handling


@external
async def search(query: str, limit: int = 10) -> list[str]:
    return [query] * limit


@external
def count(text: str) -> int:
    return len(text)


def guess(query: str) -> Estimate | None:
    return None


@external(kind="tool", estimate=guess)
async def fetch(query: str) -> bytes:
    return query.encode()


@external(kind="tool")
def store(content: bytes) -> None: ...


assert_type(search("a"), list[str])
assert_type(search("a", limit=3), list[str])
assert_type(count("a"), int)
assert_type(fetch("a"), bytes)
assert_type(store(b""), None)
assert_type(search.name, str)
assert_type(search.estimate("a"), Estimate | None)
search(1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
search("a", depth=3)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
fetch()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


async def awaited() -> None:
    assert_type(await search.aio("a"), list[str])
    assert_type(await count.aio("a"), int)
    assert_type(await fetch.aio(query="a"), bytes)
    await search.aio(1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


class Library:
    @external
    async def find(self, title: str) -> list[str]:
        return [title]

    @external(kind="tool")
    def lend(self, title: str, *, days: int = 14) -> int:
        return days


library = Library()
assert_type(library.find("Emma"), list[str])
assert_type(library.lend("Emma", days=3), int)
assert_type(Library.find(library, "Emma"), list[str])
library.find(3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
library.lend("Emma", weeks=3)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


async def methods() -> None:
    assert_type(await library.find.aio("Emma"), list[str])
    assert_type(await library.lend.aio("Emma"), int)


def takes_any_external(call: External[[str], list[str]]) -> Coroutine[Any, Any, list[str]]:
    return call.aio("a")


found = takes_any_external(library.find)
counted = takes_any_external(count)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
as_callable: Callable[[str], int] = count
external(3)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
handling("handler")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
