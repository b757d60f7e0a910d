"""How operators put questions to models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from string import ascii_uppercase
from typing import Any

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
