"""What a user may say to `models`, and what of it reaches the server."""

from __future__ import annotations

import asyncio
import copy
import pickle
from collections.abc import Callable, Mapping
from subprocess import CompletedProcess
from typing import Any

import pytest
from acme import Acme, Parrot

from ember.api import models
from ember.context import create_context, get_context, with_context
from ember.core.errors import ConfigError, CredentialNotFound, InvalidCredential
from ember.models import BoundModel, Message, ModelRegistry
from ember.models.errors import InvalidRequestError, UnsupportedError
from ember.models.testing import LocalServer

Script = Callable[..., "CompletedProcess[str]"]


def sent(server: LocalServer) -> dict[str, Any]:
    """Return the body of the only request."""
    (request,) = server.requests
    body: dict[str, Any] = request.json
    return body


# Prompts


def test_a_list_of_messages_is_sent_turn_by_turn(acme: LocalServer) -> None:
    models(
        "acme-small",
        [
            {"role": "user", "content": "Two and two?"},
            {"role": "assistant", "content": "Four."},
            {"role": "user", "content": "And one?"},
        ],
    )
    assert [turn["role"] for turn in sent(acme)["messages"]] == ["user", "assistant", "user"]


def test_messages_may_be_message_objects(acme: LocalServer) -> None:
    assert models("acme-small", [Message("user", "Hello")]) == "Hello"


def test_a_system_prompt_is_an_argument_or_a_message(acme: LocalServer) -> None:
    models("acme-small", "Hi", system="Be brief.")
    models("acme-small", [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}])
    models("acme-small", [{"role": "developer", "content": "Be brief."}, {"role": "user", "content": "Hi"}])
    first, *others = [request.json["messages"] for request in acme.requests]
    assert first == [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}]
    assert others == [first, first]


def test_a_system_message_goes_before_the_configured_system_prompt(acme: LocalServer) -> None:
    with create_context(models={"system": "Be long."}):
        models("acme-small", [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}])
        models("acme-small", "Hi", system="")
    assert [m["content"] for m in acme.requests[0].json["messages"]] == ["Be brief.", "Hi"]
    assert [m["content"] for m in acme.requests[1].json["messages"]] == ["Hi"]


def test_two_system_prompts_are_one_too_many(acme: LocalServer) -> None:
    with pytest.raises(TypeError, match="given twice"):
        models(
            "acme-small", [{"role": "system", "content": "A"}, {"role": "user", "content": "Hi"}], system="B"
        )


@pytest.mark.parametrize(
    ("prompt", "error", "words"),
    [
        ("", ValueError, "empty"),
        ("  \n ", ValueError, "empty"),
        ([], ValueError, "no message to answer"),
        ([{"role": "system", "content": "only this"}], ValueError, "no message to answer"),
        (None, TypeError, "NoneType"),
        (7, TypeError, "int"),
        (b"bytes", TypeError, "bytes"),
        ({"role": "user", "content": "Hi"}, TypeError, "dict"),
        ([7], TypeError, "message 0"),
        ([""], ValueError, "empty list"),
        ([{"role": "user"}], ValueError, "message 0"),
        ([{"role": "user", "content": "Hi", "name": "bob"}], ValueError, "'name'"),
        ([{"role": "robot", "content": "Hi"}], ValueError, "robot"),
        ([{"role": "user", "content": None}], TypeError, "NoneType"),
        (
            [{"role": "user", "content": "Hi"}, {"role": "user", "content": [7]}],
            TypeError,
            "part 0 of message 1",
        ),
        ([Message("user", None)], TypeError, "NoneType"),  # type: ignore[arg-type]
        ((turn for turn in ("Hi",)), TypeError, "generator"),
    ],
)
def test_a_prompt_of_another_shape_is_refused_before_anything_is_sent(
    acme: LocalServer, prompt: Any, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        models("acme-small", prompt)
    assert acme.requests == []


def test_text_of_every_kind_arrives_as_it_was(acme: LocalServer) -> None:
    prompt = 'naïve \N{SNOWMAN} \N{GRINNING FACE} \x00 \u2028 "quoted" \\ back\nnew line'
    assert models("acme-small", prompt) == prompt


def test_text_that_no_encoding_can_carry_is_refused(acme: LocalServer) -> None:
    with pytest.raises(InvalidRequestError, match="cannot be written as JSON"):
        models("acme-small", "half a \ud83d pair")
    assert acme.requests == []


# Parameters


def test_parameters_have_their_usual_names(acme: LocalServer) -> None:
    given = {
        "temperature": 0.5,
        "top_p": 0.9,
        "max_tokens": 10,
        "stop": ["END", "STOP"],
        "seed": -1,
        "frequency_penalty": -0.5,
        "presence_penalty": 1,
    }
    models("acme-small", "Hi", **given)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    assert {name: sent(acme)[name] for name in given} == given


def test_a_single_stop_is_a_list_of_one(acme: LocalServer) -> None:
    models("acme-small", "Hi", stop="END")
    assert sent(acme)["stop"] == ["END"]


def test_what_is_given_goes_before_what_is_configured_and_none_takes_it_out(acme: LocalServer) -> None:
    with with_context(models={"temperature": 0.9, "stop": ["END"]}):
        models("acme-small", "Hi", temperature=0.1)
        models("acme-small", "Hi", temperature=None, stop="")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    first, second = (request.json for request in acme.requests)
    assert (first["temperature"], first["stop"]) == (0.1, ["END"])
    assert "temperature" not in second and "stop" not in second


def test_a_vendors_own_fields_go_through_extra(acme: LocalServer) -> None:
    models("acme-small", "Hi", extra={"service_tier": "flex", "temperature": 2})
    assert (sent(acme)["service_tier"], sent(acme)["temperature"]) == ("flex", 2)


@pytest.mark.parametrize("form", ["call", "acall", "stream", "astream", "instance", "estimate"])
def test_an_unknown_parameter_is_a_type_error_that_knows_better(acme: LocalServer, form: str) -> None:
    with pytest.raises(TypeError, match=r"no parameter 'temprature'. Did you mean 'temperature'"):
        match form:
            case "call":
                models("acme-small", "Hi", temprature=0.5)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
            case "acall":
                asyncio.run(models.acall("acme-small", "Hi", temprature=0.5))  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
            case "stream":
                models.stream("acme-small", "Hi", temprature=0.5)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
            case "astream":
                models.astream("acme-small", "Hi", temprature=0.5)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
            case "instance":
                models.instance("acme-small", temprature=0.5)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
            case _:
                models.estimate("acme-small", "Hi", temprature=0.5)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    assert acme.requests == []


def test_a_parameter_like_no_other_is_pointed_to_extra(acme: LocalServer) -> None:
    with pytest.raises(TypeError, match="extra="):
        models("acme-small", "Hi", zzz=1)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"temperature": "0.5"}, TypeError),
        ({"temperature": True}, TypeError),
        ({"temperature": float("nan")}, ValueError),
        ({"temperature": float("inf")}, ValueError),
        ({"temperature": -0.1}, ValueError),
        ({"top_p": 1.5}, ValueError),
        ({"frequency_penalty": float("-inf")}, ValueError),
        ({"max_tokens": 1.5}, TypeError),
        ({"max_tokens": 0}, ValueError),
        ({"max_tokens": -1}, ValueError),
        ({"seed": "one"}, TypeError),
        ({"stop": 5}, TypeError),
        ({"stop": ["a", 5]}, TypeError),
        ({"stop": [""]}, TypeError),
        ({"stop": b"END"}, TypeError),
        ({"system": 5}, TypeError),
        ({"extra": [("a", 1)]}, TypeError),
        ({"timeout": "soon"}, TypeError),
        ({"timeout": 0}, ValueError),
        ({"timeout": -1}, ValueError),
        ({"timeout": float("inf")}, ValueError),
        ({"timeout": float("nan")}, ValueError),
        ({"choices": "yes"}, ValueError),
        ({"choices": ["yes"]}, ValueError),
        ({"choices": ["yes", "yes"]}, ValueError),
        ({"choices": ["yes", ""]}, ValueError),
        ({"choices": ["yes", 1]}, ValueError),
        ({"choices": 5}, ValueError),
        ({"schema": "object"}, TypeError),
        ({"schema": {}, "choices": ["yes", "no"]}, TypeError),
    ],
    ids=repr,
)
def test_a_value_that_cannot_be_is_refused_before_anything_is_sent(
    acme: LocalServer, given: Mapping[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error, match=next(iter(given))):
        models("acme-small", "Hi", **given)
    assert acme.requests == []


def test_extra_that_is_no_json_is_refused(acme: LocalServer) -> None:
    with pytest.raises(InvalidRequestError, match="cannot be written as JSON"):
        models("acme-small", "Hi", extra={"when": object()})
    assert acme.requests == []


def test_a_model_name_is_text(acme: LocalServer) -> None:
    with pytest.raises(TypeError, match="model is a name"):
        models(4, "Hi")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def test_what_a_provider_cannot_do_is_refused_before_anything_is_sent(acme: LocalServer) -> None:
    with pytest.raises(
        UnsupportedError, match=r"parrot/parrot.*does not support 'stream'.*plain answers only"
    ):
        models.stream("parrot", "Hi")
    with pytest.raises(UnsupportedError, match="'choices'"):
        models("parrot", "Hi", choices=["a", "b"])
    with pytest.raises(UnsupportedError, match="'schema'"):
        models("parrot", "Hi", schema={"type": "object"})
    with pytest.raises(UnsupportedError, match="'embed'"):
        models.embed("parrot", "Hi")
    provider = ModelRegistry.get("parrot")
    assert isinstance(provider, Parrot) and provider.inside.sent == []


# Which model


def test_no_model_means_the_configured_one(acme: LocalServer) -> None:
    get_context().set_config("models.default", "acme-large")
    models(None, "Hi")
    assert sent(acme)["model"] == "acme-large"


def test_no_model_and_none_configured_means_the_embedded_one(acme: LocalServer) -> None:
    class Embedded(Parrot):
        name = "local"

    ModelRegistry.register(Embedded(), replace=True)
    try:
        answer = models(None, "Hi")
    finally:
        ModelRegistry.unregister("local")
    assert (answer, answer.provider, answer.model) == ("HI", "local", "parrot")


def test_no_model_no_default_and_nothing_embedded_says_how_to_get_one(
    acme: LocalServer, script: Script
) -> None:
    done = script(
        """
        register()
        try:
            models(None, "Hi")
        except LookupError as error:
            print(type(error).__name__, error)
        """,
        EMBER_PLUGINS="none",
    )
    assert done.stdout.startswith("UnknownModel"), done.stderr
    assert "set_config('models.default'" in done.stdout and "install ember-llamacpp" in done.stdout
    assert acme.requests == []


def test_without_a_key_the_error_says_where_it_was_looked_for(
    acme: LocalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ACME_API_KEY")
    monkeypatch.delenv("ACME_BASE_URL")
    with pytest.raises(CredentialNotFound, match="ACME_API_KEY") as caught:
        models("acme-small", "Hi")
    assert caught.value.provider == "acme"


def test_another_server_under_the_same_protocol_may_need_no_key(
    acme: LocalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ACME_API_KEY")
    models("acme-small", "Hi")
    assert "authorization" not in acme.requests[0].headers


def test_a_key_that_cannot_be_one_is_refused_by_name_and_not_by_value(
    acme: LocalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ACME_API_KEY", "sk-first\nsk-second-0123456789")
    with pytest.raises(InvalidCredential, match="ACME_API_KEY") as caught:
        models("acme-small", "Hi")
    assert "second" not in f"{caught.value} {caught.value!r}"
    assert acme.requests == []


@pytest.mark.parametrize(
    "url",
    [
        "ftp://host/v1",
        "localhost:8000",
        "http://",
        "http://user:password@127.0.0.1/v1",
        "http://api.openai.com@127.0.0.1/v1",
        "https://api.openai.com:password@127.0.0.1/v1",
        "file:///etc/passwd",
        "http://127.0.0.1:99999/v1",
        "http://127.0.0.1:port/v1",
        "http://[::1/v1",
        "http://127.0.0.1/a b",
    ],
)
def test_a_base_url_that_is_none_is_a_configuration_error(acme: LocalServer, url: str) -> None:
    with (
        with_context(providers={"acme": {"base_url": url}}),
        pytest.raises(ConfigError, match=r"providers\.acme\.base_url") as caught,
    ):
        models("acme-small", "Hi")
    assert "password" not in str(caught.value)


# Instances


def test_what_comes_with_the_prompt_goes_before_what_the_instance_has(acme: LocalServer) -> None:
    bound = models.instance("acme-small", temperature=0.7, max_tokens=5)
    with with_context(models={"temperature": 0.1, "top_p": 0.5}):
        bound("Hi", temperature=0.9)
    body = sent(acme)
    assert (body["temperature"], body["max_tokens"], body["top_p"]) == (0.9, 5, 0.5)


def test_an_instance_follows_the_context_it_is_called_in(acme: LocalServer) -> None:
    bound = models.instance(None)
    with with_context(models={"default": "acme-large"}):
        bound("Hi")
    assert sent(acme)["model"] == "acme-large"


def test_an_instance_has_every_form_of_call(acme: LocalServer) -> None:
    bound = models.instance("acme-small", temperature=0)

    async def both() -> tuple[str, str]:
        return await bound.acall("one two"), "".join([piece async for piece in bound.astream("three four")])

    assert asyncio.run(both()) == ("one two", "three four")
    assert "".join(bound.stream("five six")) == "five six"
    assert {request.json["temperature"] for request in acme.requests} == {0}


def test_an_instance_shows_its_settings_but_no_content() -> None:
    bound = models.instance("acme-small", temperature=0.7, system="secret plan", extra={"a": "secret"})
    assert repr(bound) == "models.instance('acme-small', temperature=0.7)"


def test_models_and_instances_can_be_copied_and_pickled(acme: LocalServer) -> None:
    assert copy.deepcopy(models) is models and pickle.loads(pickle.dumps(models)) is models
    bound: BoundModel = pickle.loads(pickle.dumps(models.instance("acme-small", temperature=0.5)))
    assert bound("Hi") == "Hi"
    assert sent(acme)["temperature"] == 0.5


# What there is


def test_known_models_are_listed_as_provider_and_model(acme: LocalServer) -> None:
    assert models.list("acme") == ("acme/acme-small", "acme/acme-large")
    assert {"acme/acme-small", "parrot/parrot"} <= set(models.list())
    assert {"acme", "parrot"} <= set(models.providers())
    assert acme.requests == []


def test_listing_an_unknown_provider_suggests_the_nearest(acme: LocalServer) -> None:
    with pytest.raises(LookupError, match="Did you mean 'acme'"):
        models.list("acmee")


# Awaiting


def test_awaited_calls_of_one_loop_run_at_once(acme: LocalServer) -> None:
    acme.latency = 0.2

    async def main() -> list[str]:
        return await asyncio.gather(*(models.acall("acme-small", str(n)) for n in range(20)))

    assert asyncio.run(main()) == [str(n) for n in range(20)]
    assert acme.high_water == 20


def test_a_blocking_call_inside_a_running_loop_works(acme: LocalServer) -> None:
    async def main() -> str:
        return models("acme-small", "Hi") + "".join(models.stream("acme-small", " there"))

    assert asyncio.run(main()) == "Hi there"


def test_the_awaitable_forms_are_external_calls_like_any_other(acme: LocalServer) -> None:
    async def main() -> tuple[str, int]:
        return await models.aio("acme-small", "Hi"), len(await models.embed.aio("acme-embed", ["a", "b"]))

    assert asyncio.run(main()) == ("Hi", 2)


def test_a_provider_may_be_swapped_for_another_of_its_name(acme: LocalServer) -> None:
    class Louder(Acme):
        def encode(self, call: Any, endpoint: Any) -> Any:
            return super().encode(call, type(endpoint)(endpoint.base_url + "/loud", endpoint.key))

    models("acme-small", "Hi")
    ModelRegistry.register(Louder(), replace=True)
    models("acme-small", "Hi")
    assert [r.path for r in acme.requests] == ["/v1/chat/completions", "/v1/loud/chat/completions"]
