"""What the checkers infer of streams: the type of a row follows it through the chain."""

from dataclasses import dataclass
from typing import Any, assert_type

from ember.data import Collected, Stream, StreamIterator, Summary, Weighted, stream


@dataclass
class Question:
    text: str
    level: int


def numbers() -> list[int]:
    return [1, 2, 3]


assert_type(stream("rows.jsonl"), Stream[dict[str, Any]])
assert_type(stream("rows.jsonl", columns=["level"], on_error="skip"), Stream[dict[str, Any]])
assert_type(stream("rows.jsonl", schema=Question), Stream[Question])
assert_type(stream([1, 2]), Stream[int])
assert_type(stream(numbers), Stream[int])
assert_type(stream([1, 2]).filter(lambda n: n > 1).transform(str), Stream[str])
assert_type(stream([1, 2]).batch(2), Stream[list[int]])
assert_type(stream([1, 2]).batch(2).unbatch(), Stream[int])
assert_type(stream(["a b"]).flat_map(str.split).take(3).skip(1), Stream[str])
assert_type(stream([1, 2]).window(2), Stream[list[int]])
assert_type(iter(stream([1, 2])), StreamIterator[int])
assert_type(stream([1, 2]).to_list(), list[int])
assert_type(stream([1, 2]).first(), int)
for row in stream(["a"]):
    assert_type(row, str)

stream(3)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
stream([1, 2]).filter(3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
stream([1, 2]).unbatch()  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]

assert_type(stream([1]).shuffle(seed=3), Stream[int])
assert_type(stream([1]).sample(3), Stream[int])
assert_type(stream([1]).sample(Weighted(lambda n: n, 3)), Stream[int])
assert_type(stream([1]).stratify(str, 2), Stream[int])
assert_type(stream([1]).split({"train": 0.9, "test": 0.1}), dict[str, Stream[int]])
assert_type(stream([1]).zip(stream(["a"])), Stream[tuple[Any, ...]])
assert_type(stream(["a"]).progress().prefetch().tee(print), Stream[str])
assert_type(stream("rows.jsonl").select("level"), Stream[dict[str, Any]])
assert_type(stream([1]).collect(), Collected[int])
assert_type(stream([1]).to_jsonl("rows.jsonl"), Summary)
assert_type(iter(stream([1])).state_dict(), dict[str, Any])


async def main() -> None:
    async for row in stream([1]):
        assert_type(row, int)
