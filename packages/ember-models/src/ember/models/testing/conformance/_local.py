"""The vendor, on this machine: a local server that answers in the provider's format."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, Final, cast
from urllib.parse import urlsplit

import pytest

from ember.context import EmberContext, create_context

from .._dialect import Dialect
from .._fitting import fitting, schema_in
from .._home import fresh_home
from .._network import refusing
from .._record import Account, Request
from .._server import LocalServer
from ._suite import NOTHING, Suite

KEY: Final = "sk-conformance-0123456789abcdef"
OTHER_KEY: Final = "sk-conformance-fedcba9876543210"


class LocalSuite(Suite):
    """A suite whose provider sends to a server of this test's, with a key of this test's."""

    speaks: ClassVar[Mapping[str, Dialect]] = cast("Mapping[str, Dialect]", NOTHING)

    @pytest.fixture(autouse=True)
    def server(self, tmp_path: Path) -> Iterator[LocalServer]:
        """The server, an empty home, and no way out to the network."""
        name = self.provider.upper().replace("-", "_")
        with (
            fresh_home(tmp_path / "ember-home") as environment,
            refusing() as refused,
            LocalServer(speaks=self.speaks) as server,
        ):
            server.answer, self._server, self._environment = self._say, server, environment
            self._foreseen = deque[str]()
            environment.setenv(f"{name}_API_KEY", KEY)
            environment.setenv(f"{name}_BASE_URL", self.base_url())
            yield server
        assert not refused, f"{self.provider} reached for the network: {', '.join(refused)}"

    @pytest.fixture(autouse=True)
    def block(self, server: LocalServer) -> Iterator[EmberContext]:
        """The context of one test. Each call is made once, so that a test sees what came of it."""
        with create_context(**self.configured(timeout=10.0)) as block:
            yield block

    def base_url(self, prefix: str = "") -> str:
        """Return the server's base URL, with the path that the vendor's own has."""
        return f"{self._server.url}{prefix}{urlsplit(self.subject.base_url).path}"

    def set_variable(self, name: str, value: str) -> None:
        """Set the provider's own environment variable `name`: "API_KEY" or "BASE_URL"."""
        self._environment.setenv(f"{self.provider.upper().replace('-', '_')}_{name}", value)

    @property
    def takes_key(self) -> bool:
        return self.subject.needs_key or bool(self.subject.key_variables)

    def foresee(self, *answers: str) -> None:
        self._foreseen.extend(answers)

    def _say(self, prompt: str) -> str:
        """What is foreseen; else JSON where it is asked for; else, what the user said."""
        if self._foreseen:
            return self._foreseen.popleft()
        schema = schema_in(self._server.requests[-1].json)
        return prompt if schema is None else json.dumps(fitting(schema))

    def ledger(self) -> Account:
        """Return what the server has counted, over all keys: it does not know every vendor's header."""
        total = Account()
        for account in self._server.ledger.values():
            total.requests += account.requests
            total.calls += account.calls
            total.input_tokens += account.input_tokens
            total.output_tokens += account.output_tokens
        return total

    def id_header(self) -> str:
        """Return the header in which the last request's reply had its id, "" for none."""
        dialect = self._server.dialect(self._server.requests[-1].path)
        return dialect.id_header if dialect is not None else ""


def strings_in(value: object) -> Iterator[str]:
    """Yield the strings of a JSON value, in its order."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for part in cast("dict[str, object]", value).values():
            yield from strings_in(part)
    elif isinstance(value, list):
        for part in cast("list[object]", value):
            yield from strings_in(part)


def said_in(request: Request) -> str:
    """Return all the strings of a request's body, one after another."""
    return "\0".join(strings_in(request.json))


def without_keys(value: Any) -> str:
    """Return what a text or an object shows, for a search that is to find no key."""
    return f"{value!s} {value!r} {getattr(value, '__dict__', '')!r}"
