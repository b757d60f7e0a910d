"""What the checkers infer from the context: known keys have types, and a default's type is kept."""

from collections.abc import Mapping
from typing import Any, assert_type

from ember.context import (
    EmberContext,
    Explanation,
    Found,
    Setting,
    create_context,
    get_context,
    register_section,
    with_context,
)
from ember.core.events import Scope
from ember.core.secrets import Secret

ctx = get_context()
assert_type(ctx, EmberContext)
assert_type(ctx.parent, EmberContext | None)
assert_type(ctx.scope, Scope)

assert_type(ctx.get_config("models.default"), str | None)
assert_type(ctx.get_config("models.default", "gpt-4"), str)
assert_type(ctx.get_config("models.temperature"), float | None)
assert_type(ctx.get_config("models.timeout", 60), float)
assert_type(ctx.get_config("models.max_tokens", 100), int)
assert_type(ctx.get_config("providers.x.path", "/v1"), str)
assert_type(ctx.get_config("providers.x.ports", [80]), list[int])
value: object = ctx.get_config("providers.x.path")

assert_type(ctx.section("models"), Mapping[str, Any])
assert_type(ctx.get_credential("openai", "OPENAI_API_KEY"), str | None)
found = ctx.find_credential("openai", "A", "B")
assert_type(found, Found | None)
if found is not None:
    assert_type(found.secret, Secret)
assert_type(ctx.explain("models.default"), Explanation)

with create_context(models={"default": "gpt-4"}) as child_ctx:
    assert_type(child_ctx, EmberContext)
with with_context(models={"temperature": 0.9}) as inner:
    assert_type(inner, EmberContext)


async def main() -> None:
    async with create_context(models={"default": "gpt-4"}) as awaited:
        assert_type(awaited, EmberContext)


register_section("cluster", {"workers": Setting(int, 4)})

create_context(models="gpt-4")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
ctx.get_credential()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
