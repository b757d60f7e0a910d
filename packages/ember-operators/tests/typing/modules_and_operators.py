"""What the checkers infer of operators: fields by keyword, the signature that a function had."""

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
