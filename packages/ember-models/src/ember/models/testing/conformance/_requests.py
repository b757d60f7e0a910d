"""What is sent: all that the caller said, to where it was configured, with the key in a header and nowhere else."""

from __future__ import annotations

import copy
from base64 import b64encode
from typing import Any, Final

import pytest

from ember.core.errors import CredentialNotFound

from ... import File, Image, errors, models
from .._dialect import Said
from .._server import LocalServer
from ._local import KEY, OTHER_KEY, LocalSuite, said_in
from ._suite import PIXEL

SAMPLING: Final[dict[str, Any]] = {
    "temperature": 0.25,
    "top_p": 0.75,
    "max_tokens": 321,
    "stop": ["END", "\n\n"],
    "seed": 12_345,
    "frequency_penalty": 0.5,
    "presence_penalty": -0.5,
}
TURNS: Final = [
    {"role": "user", "content": "My name is Ada."},
    {"role": "assistant", "content": "Hello, Ada."},
    {"role": "user", "content": "Who am I?"},
]


class Requests(LocalSuite):
    """A request says what the call says."""

    def test_a_conversation_arrives_whole_and_in_order(self, server: LocalServer) -> None:
        turns = copy.deepcopy(TURNS)
        for way, ask in self.ways().items():
            ask(turns, system="Be brief, please.")
            sent = said_in(server.requests[-1])
            places = [sent.find(turn["content"]) for turn in TURNS]
            assert -1 not in places and places == sorted(places), way
            assert "Be brief, please." in sent, way
            assert turns == TURNS, "the caller's own list was changed"

    def test_what_a_tool_found_is_sent_back(self, server: LocalServer) -> None:
        self.needs("tools")

        def look_up(word: str) -> str:
            """Look a word up."""
            return f"{word} is a bird, and très «vif»"

        self.foresee(Said("Let me see.", look_up={"word": "macaw"}), "It is a bird.")
        assert models.run_tools(self.name, "What is a macaw?", tools=[look_up]).response == "It is a bird."
        offered, told = map(said_in, server.requests)
        assert "look_up" in offered and "Look a word up." in offered
        assert "Let me see." in told and "macaw is a bird, and très «vif»" in told

    @pytest.mark.parametrize(("kind", "data"), [("images", PIXEL), ("files", b"A text of many words.\n")])
    def test_what_is_attached_arrives_with_the_text_around_it(
        self, kind: str, data: bytes, server: LocalServer
    ) -> None:
        self.needs(kind)
        part = Image(data) if kind == "images" else File(data, name="words.txt")
        for way, ask in self.ways().items():
            ask(["Before it.", part, "After it."])
            sent = said_in(server.requests[-1]).replace("-", "+").replace("_", "/")
            assert "Before it." in sent and "After it." in sent, way
            assert b64encode(data).decode() in sent or data.decode("latin-1") in sent, way

    @pytest.mark.parametrize("parameter", SAMPLING)
    def test_a_parameter_is_sent_or_refused_and_never_left_out(
        self, parameter: str, server: LocalServer
    ) -> None:
        models(self.name, "Say hello.")
        plain, value = server.requests[-1].json, SAMPLING[parameter]
        try:
            models(self.name, "Say hello.", **{parameter: value})
        except errors.UnsupportedError as error:
            assert parameter in str(error)
            assert len(server.requests) == 1
            return
        assert server.requests[-1].json != plain
        assert str(value).strip("[]").split(",")[0].strip("'") in str(server.requests[-1].json)

    def test_a_vendors_own_fields_are_sent_as_they_are(self, server: LocalServer) -> None:
        field = {"a": [1, None, True], "b": "ü"}
        for way, ask in self.ways().items():
            ask(extra={"field_of_the_vendor": field})
            assert server.requests[-1].json.get("field_of_the_vendor") == field, way

    def test_the_key_is_in_a_header_and_nowhere_else(self, server: LocalServer) -> None:
        if not self.takes_key:
            pytest.skip(f"{self.provider} takes no key")
        for way, ask in self.ways().items():
            ask()
            request = server.requests[-1]
            assert sum(KEY in value for value in request.headers.values()) == 1, way
            assert KEY not in f"{request.path}?{request.query}", way
            assert KEY.encode() not in request.body, way

    def test_another_key_is_used_from_the_next_call_on(self, server: LocalServer) -> None:
        if not self.takes_key:
            pytest.skip(f"{self.provider} takes no key")
        self.ask()
        self.set_variable("API_KEY", OTHER_KEY)
        self.ask()
        first, second = (" ".join(request.headers.values()) for request in server.requests)
        assert KEY in first and OTHER_KEY not in first
        assert OTHER_KEY in second and KEY not in second

    def test_a_key_that_is_needed_and_missing_is_asked_for_by_name(self, server: LocalServer) -> None:
        if not self.subject.needs_key:
            pytest.skip(f"{self.provider} needs no key")
        for name in ("API_KEY", "BASE_URL"):
            self._environment.delenv(f"{self.provider.upper().replace('-', '_')}_{name}")
        with pytest.raises(CredentialNotFound, match="_API_KEY"):
            self.ask()
        assert not server.requests

    def test_requests_go_to_the_base_url_and_its_path(self, server: LocalServer) -> None:
        self.set_variable("BASE_URL", self.base_url("/behind/a/proxy"))
        for way, ask in self.ways().items():
            ask()
            assert server.requests[-1].path.startswith("/behind/a/proxy/"), way
        if self.can("embed"):
            models.embed(self.embedder, "a cat")
            assert server.requests[-1].path.startswith("/behind/a/proxy/")
        if self.can("discover"):
            models.discover(self.provider)
            assert server.requests[-1].path.startswith("/behind/a/proxy/")
