"""jax, when somebody needs it, and without its types: half of them are unknown to a strict type checker."""

from __future__ import annotations

from typing import Any


def the_jax() -> Any:
    """Import jax (0.8 s if nobody has before) and return it."""
    import jax

    return jax
