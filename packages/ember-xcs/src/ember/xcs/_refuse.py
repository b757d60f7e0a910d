"""A handler for blocks in which no external call may be made."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NoReturn

from ember.core.concurrency import one_by_one
from ember.core.externals import External


class RefuseCalls:
    """Raises what `error` makes of an external call's name, whatever the arguments, and keeps the first."""

    def __init__(self, error: Callable[[str], Exception]) -> None:
        self._error = error
        self.refused: Exception | None = None

    def call(self, external: External[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> NoReturn:
        error = self._error(external.name)
        # User code may catch it. Whoever put this in force looks here, so that it does not get lost.
        self.refused = self.refused or error
        raise error

    async def acall(
        self, external: External[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> NoReturn:
        self.call(external, args, kwargs)

    def gather(
        self, thunks: Iterable[Callable[[], Any]], limit: int | None, return_exceptions: bool = False
    ) -> list[Any]:
        """Run one after the other: what jax follows, it follows in one thread."""
        return one_by_one(thunks, return_exceptions)
