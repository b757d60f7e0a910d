"""How operators put questions to models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from string import ascii_uppercase
from typing import Any

from ember.core import Estimate, External, resolve

from ._steps import Do, Member


def question_of(args: Sequence[Any], kwargs: Mapping[str, Any]) -> str:
    """Return what an operator was asked, as text for a prompt."""
    given = [*map(str, args), *(f"{name}: {value}" for name, value in kwargs.items())]
    return "\n".join(given)


def labels(count: int) -> list[str]:
    """Return so many labels: letters while they last, else numbers."""
    return (
        list(ascii_uppercase[:count]) if count <= len(ascii_uppercase) else [str(n + 1) for n in range(count)]
    )


def choose(model: Member | None, text: str, among: Sequence[str]) -> Do:
    """Return the call that has `model` choose one of the labels."""
    return Do(model, (text,), {"choices": list(among)})


def is_model(one: Any) -> bool:
    """Whether `one` is asked as a model is: by a name, or one that was bound to it."""
    return one is None or isinstance(one, str) or getattr(one, "kind", None) == "model"


class Asked(External[..., Any]):
    """A model by its name (None: the default one), with settings, that is looked up when it is called."""

    kind = "model"

    def __init__(self, model: str | None, settings: Mapping[str, Any]) -> None:
        self.model, self.settings = model, dict(settings)
        self.name = model or "default"

    def run(self, *args: Any, **kwargs: Any) -> Any:
        return resolve("model", self.model).run(*args, **{**self.settings, **kwargs})

    async def arun(self, *args: Any, **kwargs: Any) -> Any:
        return await resolve("model", self.model).arun(*args, **{**self.settings, **kwargs})

    def estimate(self, *args: Any, **kwargs: Any) -> Estimate | None:
        """Say what the call would use, without making it."""
        found: Estimate | None = resolve("model", self.model).estimate(*args, **{**self.settings, **kwargs})
        return found

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Asked) and (self.model, self.settings) == (other.model, other.settings)

    def __hash__(self) -> int:
        return hash((self.model, tuple(self.settings)))

    def __repr__(self) -> str:
        settings = ", ".join(f"{name}={value!r}" for name, value in self.settings.items())
        return f"{self.name}({settings})" if settings else self.name
