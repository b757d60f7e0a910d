"""Who is asked, for what, and under which limits."""

from __future__ import annotations

import inspect
from base64 import b64decode
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Any, ClassVar, Final

import genai_prices
import pytest

from ember.context import EmberContext, create_context

from ... import BaseProvider, ModelRegistry, Response, Usage, models

NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})


ABILITIES: Final = frozenset(
    {
        "stream",
        "schema",
        "choices",
        "tools",
        "images",
        "files",
        "reasoning",
        "n",
        "logprobs",
        "embed",
        "dimensions",
    }
)
PIXEL: Final = b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="
)
"""A picture: one dot, as PNG."""


def add(a: int, b: int) -> int:
    """Return the sum of two whole numbers."""
    return a + b


class Suite:
    """One provider, and one model of it."""

    provider: ClassVar[str]
    model: ClassVar[str] = ""
    embed_model: ClassVar[str] = ""
    settings: ClassVar[Mapping[str, Any]] = NOTHING
    defaults: ClassVar[Mapping[str, Any]] = NOTHING
    """Settings of `models` for every call: `{"temperature": 0}` for a model that likes to ramble."""
    max_tokens: ClassVar[int] = 64
    """Tokens that an answer may have: enough for a number, few enough that a real service asks little for them."""

    @pytest.fixture(autouse=True)
    def block(self) -> Iterator[EmberContext]:
        """The context of one test. Each call is made once, so that a test sees what came of it."""
        with create_context(**self.configured(timeout=60.0)) as block:
            yield block

    def configured(self, timeout: float) -> dict[str, Any]:
        """Return the configuration of a test."""
        own = {"providers": {self.provider: dict(self.settings)}} if self.settings else {}
        return {"models": {"max_retries": 0, "timeout": timeout, **self.defaults}, **own}

    def foresee(self, *answers: str) -> None:
        """Say what a local server's model answers next. A real model says what it likes."""

    @property
    def subject(self) -> BaseProvider:
        """The provider itself."""
        return ModelRegistry.get(self.provider)

    @property
    def vendor_id(self) -> str:
        """What the vendor calls the model."""
        return self.model or next(iter(self.subject.known_models), "some-model")

    @property
    def name(self) -> str:
        """What users call the model."""
        return f"{self.provider}/{self.vendor_id}"

    @property
    def embedder(self) -> str:
        ids = (model for model in self.subject.known_models if "embed" in model)
        return f"{self.provider}/{self.embed_model or next(ids, self.vendor_id)}"

    def can(self, ability: str) -> bool:
        """Whether the provider says that it has an ability. To be asked for its models needs no saying."""
        if ability == "discover":
            return type(self.subject).encode_discover is not BaseProvider.encode_discover
        return ability in self.subject.supports

    def needs(self, ability: str) -> None:
        """Skip the test of what the provider does not say it can."""
        if not self.can(ability):
            pytest.skip(f"{self.provider} does not say that it supports {ability!r}")

    def ask(self, prompt: Any = "Say hello.", **params: Any) -> Response:
        params.setdefault("max_tokens", self.max_tokens)
        return models(self.name, prompt, **params)

    def streamed(self, prompt: Any = "Say hello.", **params: Any) -> Response:
        """Stream an answer, and return it after checking that it is what came in pieces."""
        params.setdefault("max_tokens", self.max_tokens)
        stream = models.stream(self.name, prompt, **params)
        pieces = list(stream)
        assert "" not in pieces
        assert "".join(pieces) == stream.response
        return stream.response

    def ways(self) -> Mapping[str, Callable[..., Any]]:
        """Return the ways in which a text can be asked for."""
        return {"whole": self.ask, **({"streamed": self.streamed} if self.can("stream") else {})}

    def price(self, usage: Usage, model: str) -> Decimal | None:
        """Return what `usage` costs by the public prices, None where they are not known."""
        provider = self.subject
        if provider.free:
            return Decimal(0)
        if provider.prices is None:
            return None
        used = genai_prices.Usage(input_tokens=usage.input_tokens, output_tokens=usage.output_tokens)
        try:
            return genai_prices.calc_price(used, model, provider_id=provider.prices).total_price
        except LookupError:
            return None


def declared_abilities(kind: type[BaseProvider]) -> set[str]:
    """Return the abilities for which a provider's class has code of its own."""
    parts = {"stream": "decoder", "embed": "encode_embed"}
    return {
        ability
        for ability, method in parts.items()
        if inspect.getattr_static(kind, method) is not inspect.getattr_static(BaseProvider, method)
    }
