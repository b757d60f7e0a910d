"""Where a setting comes from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

CONTEXT: Final = "context"
ENVIRONMENT: Final = "environment"
CONFIG: Final = "config.yaml"
CREDENTIALS: Final = "credentials.yaml"
DEFAULT: Final = "default"


@dataclass(frozen=True, slots=True)
class Origin:
    """What one layer says of a key, and where in that layer it says so: a file and line, a variable, a block."""

    value: Any
    layer: str
    source: str

    def __str__(self) -> str:
        return f"{self.value!r} from {self.layer} ({self.source})"


@dataclass(frozen=True, slots=True)
class Explanation:
    """The value of a key, the layer that gave it, and what the layers below would have given, highest first.

    Keys are masked, as everywhere. Printed, it is a line for each layer that has the key.
    """

    key: str
    value: Any
    layer: str
    source: str
    shadowed: tuple[Origin, ...] = ()

    def __str__(self) -> str:
        lines = [f"{self.key} = {Origin(self.value, self.layer, self.source)}"]
        lines += [f"  instead of {origin}" for origin in self.shadowed]
        return "\n".join(lines)
