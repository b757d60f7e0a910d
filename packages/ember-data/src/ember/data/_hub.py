"""Data sets of the Hugging Face hub, by the parquet files that it keeps of each.

The hub says where they are (`/api/datasets/<id>/parquet`); each is fetched when its rows are asked for, kept in Ember's
home, and read as any parquet file is. HF_ENDPOINT names another hub, HF_TOKEN a token, which goes to that hub alone.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Final, cast
from urllib.parse import quote

from ember.core.secrets import Secret
from ember.core.suggest import nearest

from ._columnar import ColumnFile
from ._cursor import Bad, Piece, State
from ._decode import Columns
from ._expressions import Condition
from ._source import Reader
from .errors import SourceChanged, SourceDenied, SourceError, SourceNotFound

_ENDPOINT: Final = "https://huggingface.co"


@dataclass(frozen=True)
class Hub(Reader):
    """The rows of one split of a data set, `config` being what the hub calls a subset; "" where there is one only."""

    id: str
    config: str = ""
    split: str = ""
    columns: Columns = None
    schema: Any = None
    where: Condition | None = None
    kept: tuple[str, ...] | None = None
    share: tuple[int, int] = (0, 1)  # every n-th row, from the i-th on

    def pieces(self, start: State) -> Iterator[Piece | Bad]:
        from ._fetch import fetched  # HTTP: not before the hub is asked

        urls = self._urls()
        first, (ahead, n) = 0, self.share
        if start is not None:
            first, ahead = start["file"], start["ahead"]
        if start is not None and start["of"] != len(urls):
            raise SourceChanged(
                f"{self.id} is in {len(urls)} files at the hub now, and was in {start['of']} when the state was taken. "
                f"Begin anew without it."
            )
        for number in range(first, len(urls)):
            inner = None if start is None or number > first else start["at"]
            columns = self.columns if self.kept is None else self.kept
            copy = fetched(urls[number], _headers(urls[number]))
            file = ColumnFile(copy.path, columns, self.schema, "parquet", self.where, copy)
            for found, ahead in file.every(inner, ahead, n):  # noqa: B020
                if found is not None:
                    at = {"file": number, "of": len(urls), "at": found[1], "ahead": ahead}
                    yield Piece(found.rows, at) if isinstance(found, Piece) else Bad(found.record, at)

    def _urls(self) -> list[str]:
        from ._fetch import get

        address = f"{_endpoint()}/api/datasets/{quote(self.id)}/parquet"
        try:
            told = json.loads(get(address, _headers(address)))
        except SourceNotFound as error:
            raise SourceNotFound(
                f"hf://{self.id}",
                (),
                "The hub has none of that name, or not for all: set HF_TOKEN.",
            ) from error
        except SourceDenied as error:
            raise SourceDenied(
                f"The hub does not show {self.id} to you. Accept its terms at {_endpoint()}/datasets/{self.id}, and "
                f"set HF_TOKEN to a token of yours."
            ) from error
        except ValueError as error:
            raise SourceError(f"The hub's answer about {self.id} is not JSON.") from error
        configs = cast("dict[str, dict[str, list[str]]]", told)
        splits = _chosen(configs, self.config, "subset", self.id)
        urls: list[str] = _chosen(splits, self.split, "split", self.id)
        return urls

    def narrowed(self, columns: tuple[str, ...]) -> Hub | None:
        """Return these rows with `columns` alone."""
        if self.schema is not None or (self.columns is not None and not set(columns) <= set(self.columns)):
            return None
        return replace(self, kept=columns)

    def filtered(self, condition: Condition) -> Hub | None:
        """Return these rows without those that do not meet `condition`."""
        seen = self.kept if self.kept is not None else self.columns
        if seen is not None and not condition.columns() <= set(seen):
            return None
        return replace(self, where=condition if self.where is None else self.where & condition)

    def sharded(self, i: int, n: int) -> Hub | None:
        """Return every `n`-th of these rows, from row `i` on."""
        return replace(self, share=(i, n)) if self.where is None and self.share == (0, 1) else None

    def reads(self) -> str:
        """Return what is read, and how, in words."""
        columns = self.columns if self.kept is None else self.kept
        where = "" if self.where is None else f", where {self.where!r}"
        share = "" if self.share == (0, 1) else " every {1}-th row from {0} on,".format(*self.share)
        names = "all columns" if columns is None else ", ".join(columns)
        return f"reads parquet files of the hub,{share} {names}{where}"

    def __repr__(self) -> str:
        parts = [part for part in (self.config, self.split) if part]
        return repr(f"hf://{self.id}" + (f" ({', '.join(parts)})" if parts else ""))


def _chosen(offered: dict[str, Any], wanted: str, what: str, id: str) -> Any:
    if wanted in offered:
        return offered[wanted]
    if not wanted and len(offered) == 1:
        return next(iter(offered.values()))
    if not wanted and what == "subset" and "default" in offered:
        return offered["default"]
    names = ", ".join(sorted(offered))
    if not wanted:
        raise SourceError(f"{id} has several {what}s: {names}. Choose one: stream('hf://{id}', {what}=...).")
    raise SourceNotFound(
        f"{id}, {what} {wanted}", nearest(wanted, offered), f"Its {what}s are: {names}." if offered else ""
    )


def _endpoint() -> str:
    return os.environ.get("HF_ENDPOINT", "").rstrip("/") or _ENDPOINT


def _headers(url: str) -> dict[str, str]:
    token = os.environ.get("HF_TOKEN", "").strip()
    if not token or not url.startswith(_endpoint() + "/"):
        return {}
    return {"Authorization": f"Bearer {Secret(token).reveal()}"}
