"""What the checkers infer of operators: fields by keyword, the signature that a function had."""

from collections.abc import Callable
from typing import Any, assert_type

from ember.operators import Chain, Module, Operator, op, param


@op
def count(text: str, *, times: int = 1) -> int:
    return len(text) * times


class Greet(Operator):
    greeting: str = "Hello"
    weight: float = param(0.5)

    def call(self, name: str) -> str:
        return f"{self.greeting}, {name}!"

    @op
    def twice(self, name: str) -> str:
        return self.call(name) * 2


class Pair(Module, kw_only=False):
    left: int
    right: int = 0


assert_type(count("hi", times=2), int)
assert_type(count >> Greet(), Chain)
assert_type(str.upper >> count, Chain)
assert_type(Greet(greeting="Hi", weight=1.0).replace(greeting="Ho"), Greet)
assert_type(Greet().at["greeting"].set("Hi"), Greet)
assert_type(Greet().twice("Ada"), str)
assert_type(Pair(1, right=2).parameters(), dict[str, Any])

count(1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
Greet("Hi")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
Greet(greeting=1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


class Specified(Operator):
    input_spec = dict[str, int]

    def call(self, inputs: dict[str, int]) -> int:
        return len(inputs)


class Counted(Operator):
    output_spec = int

    def call(self, text: str) -> str:
        return text


class Both(Operator):
    input_spec = dict[str, int]
    output_spec = Pair

    def call(self, inputs: dict[str, int]) -> dict[str, int]:
        return inputs


class Instances(Operator):
    input_spec: Any = None
    output_spec: Any = None

    def call(self, inputs: str) -> str:
        return inputs


class Awaited(Operator):
    async def call(self, text: str) -> bytes:
        return text.encode()


def takes(function: Callable[[str], str]) -> None: ...


async def main() -> None:
    assert_type(await Awaited()("a"), bytes)


assert_type(Greet()("Ada"), str)
assert_type(Greet()(name="Ada"), str)
assert_type(Specified()(a=1), int)
assert_type(Specified()('{"a": 1}'), int)
assert_type(Counted()("5"), int)
assert_type(Both()(left=1), Pair)
assert_type(Instances()({"a": 1}), Any)
assert_type(Greet.load("file", like=Greet()), Greet)
takes(Greet())
takes(op(str.upper))

Greet()(1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
Greet()()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
Counted()(1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
