"""What the checkers infer of `jit`: the signature that the function had, as a function, as a method, awaited."""

from typing import assert_type

from ember.xcs import jit


@jit
def count(text: str, *, times: int = 1) -> int:
    return len(text) * times


@jit(max_concurrency=4, static_argnums=(0,), static_argnames="times")
def limited(text: str, times: int) -> list[str]:
    return [text] * times


@jit
async def fetch(text: str) -> bytes:
    return text.encode()


class Writer:
    @jit
    def write(self, text: str) -> str:
        return text

    @jit
    async def send(self, text: str) -> int:
        return len(text)


assert_type(count("hi"), int)
assert_type(count("hi", times=2), int)
assert_type(limited("hi", 2), list[str])
assert_type(jit(count)("hi"), int)
assert_type(jit(lambda: 3.0)(), float)
assert_type(jit(len)([1]), int)
assert_type(Writer().write("hi"), str)
assert_type(Writer.write(Writer(), "hi"), str)


async def main() -> None:
    assert_type(await count.aio("hi"), int)
    assert_type(await fetch("hi"), bytes)
    assert_type(await fetch.aio("hi"), bytes)  # pyright: ignore[reportAssertTypeFailure, reportUnusedCoroutine]
    assert_type(await Writer().send("hi"), int)
    assert_type(await Writer().write.aio("hi"), str)


count(1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
count("hi", 2)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
Writer().write(1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
jit("text")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]
