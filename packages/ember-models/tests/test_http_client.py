"""The user's own HTTP client: calls travel by it, and everything the engine promises holds all the same."""

from __future__ import annotations

import asyncio
import importlib.util
import logging
import os
import pickle
import shutil
import ssl
import subprocess
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from acme import KEY
from secured import Answering, certificate as certificate, serving

from ember.api import models
from ember.context import create_context, get_context, with_context
from ember.core import loop
from ember.core.errors import ConfigError, ConfigFileError
from ember.models.errors import (
    AuthenticationError,
    ConnectionFailed,
    InvalidRequestError,
    InvalidResponse,
    ModelError,
    ModelTimeout,
    ProviderUnavailable,
    RateLimitError,
    ResponseTooLarge,
    StreamIncomplete,
)
from ember.models.testing import LocalServer

Script = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(params=["httpx", "httpx2"])
def library(request: pytest.FixtureRequest) -> Any:
    return pytest.importorskip(request.param)


@pytest.fixture
def client(library: Any) -> Any:
    """A client as a user makes one, told from Ember's own by a header; closed where it was used."""
    made = library.AsyncClient(headers={"x-mine": "yes"})
    yield made
    loop.run(made.aclose())


def call(client: Any, **params: Any) -> str:
    return models("acme-small", "Hi", http_client=client, **params)


def failure(client: Any, **params: Any) -> ModelError:
    with pytest.raises(ModelError) as caught:
        call(client, **params)
    return caught.value


# Where it is given


def test_a_call_travels_by_the_client_it_names(acme: LocalServer, client: Any) -> None:
    assert call(client) == "Hi"
    assert asyncio.run(models.acall("acme-small", "Awaited", http_client=client)) == "Awaited"
    assert "".join(models.stream("acme-small", "In pieces", http_client=client)) == "In pieces"
    models.embed("acme-embed", ["One", "Two"], http_client=client)
    assert [request.headers.get("x-mine") for request in acme.requests] == ["yes"] * 4
    assert {request.key for request in acme.requests} == {KEY}
    assert len({request.connection for request in acme.requests}) == 1  # kept alive, whoever waits

    models("acme-small", "Hi")
    assert "x-mine" not in acme.requests[-1].headers


def test_a_block_names_it_for_all_calls_or_for_a_providers(acme: LocalServer, client: Any) -> None:
    with create_context(models={"http_client": client}):
        models("acme-small", "Hi")
        models.embed("acme-embed", ["Hi"])
        with with_context(models={"http_client": None}):
            models("acme-small", "Hi")
    with create_context(providers={"acme": {"http_client": client}}):
        models("acme-small", "Hi")
        models("gpt-4o", "Hi")
    by_it = [request.headers.get("x-mine") == "yes" for request in acme.requests]
    assert by_it == [True, True, False, True, False]


def test_a_call_goes_before_its_provider_and_that_before_the_rest(acme: LocalServer, library: Any) -> None:
    first, second, third = (library.AsyncClient(headers={"x-mine": name}) for name in ("a", "b", "c"))
    with create_context(models={"http_client": third}, providers={"acme": {"http_client": second}}):
        models("gpt-4o", "Hi")
        models("acme-small", "Hi")
        models("acme-small", "Hi", http_client=first)
    assert [request.headers["x-mine"] for request in acme.requests] == ["c", "b", "a"]
    for each in (first, second, third):
        loop.run(each.aclose())


def test_no_file_and_no_lasting_setting_can_name_one(acme: LocalServer, client: Any, ember_home: Any) -> None:
    for key in ("models.http_client", "providers.acme.http_client"):
        with pytest.raises(ConfigError, match="object of a program"):
            get_context().set_config(key, client)
        with pytest.raises(ConfigError, match="object of a program"):
            get_context().set_config(key, "package.module:factory")
    with pytest.raises(ConfigError, match="object of a program"):
        create_context(models={"http_client": "package.module:factory"})
    with pytest.raises(ConfigError, match="expects text"):
        create_context(models={"default": client})
    ember_home.mkdir(mode=0o700, exist_ok=True)
    (ember_home / "config.yaml").touch(0o600)
    (ember_home / "config.yaml").write_text("models:\n  http_client: package.module:factory\n")
    get_context().reload()
    with pytest.raises(ConfigFileError, match=r"config\.yaml:2.*object of a program"):
        models("acme-small", "Hi")


@pytest.mark.parametrize(
    "make",
    [object, dict, lambda: "http://proxy", lambda: asyncio.run],
    ids=["object", "dict", "text", "function"],
)
def test_what_is_no_client_is_refused_before_anything_is_sent(acme: LocalServer, make: Any) -> None:
    with pytest.raises(TypeError, match="AsyncClient of httpx or httpx2; got"):
        call(make())
    assert acme.requests == []


def test_a_client_that_blocks_is_refused_with_what_to_make_instead(acme: LocalServer, library: Any) -> None:
    with library.Client() as blocking, pytest.raises(TypeError, match="make an AsyncClient"):
        call(blocking)
    with library.Client() as blocking, create_context(models={"http_client": blocking}):
        with pytest.raises(TypeError, match="make an AsyncClient"):
            models("acme-small", "Hi")
    assert acme.requests == []


def test_a_class_made_from_a_client_is_one(acme: LocalServer, library: Any) -> None:
    class Corporate(library.AsyncClient):  # type: ignore[misc]
        pass

    mine = Corporate(headers={"x-mine": "yes"})
    assert call(mine) == "Hi"
    loop.run(mine.aclose())


def test_a_provider_without_http_has_no_use_for_one(acme: LocalServer, client: Any) -> None:
    assert models("parrot", "Hi", http_client=client) == "HI"
    with create_context(models={"http_client": client}):
        assert models("parrot", "Hi") == "HI"


def test_the_models_asked_in_the_first_ones_place_are_asked_by_it_too(acme: LocalServer, client: Any) -> None:
    acme.replies(503).then()
    assert call(client, fallback=["acme-large"]) == "Hi"
    assert [request.headers.get("x-mine") for request in acme.requests] == ["yes"] * 2


# Whose it is


def test_it_is_never_closed_and_a_closed_one_is_an_error(acme: LocalServer, library: Any) -> None:
    mine = library.AsyncClient()
    with create_context(models={"http_client": mine}):
        models("acme-small", "Hi")
    assert not mine.is_closed
    loop.run(mine.aclose())
    with pytest.raises(InvalidRequestError, match="is closed"):
        call(mine, max_retries=2)
    assert len(acme.requests) == 1


def test_one_that_another_loop_has_used_is_refused_before_anything_is_sent(
    acme: LocalServer, library: Any
) -> None:
    mine = library.AsyncClient()

    async def main() -> None:
        async with mine:
            await mine.get(f"{acme.url}/elsewhere")
            with pytest.raises(InvalidRequestError, match="another event loop"):
                await models.acall("acme-small", "Hi", http_client=mine)

    asyncio.run(main())
    assert len(acme.requests) == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_one_that_a_parent_process_has_used_is_refused_in_its_child(
    acme: LocalServer, library: Any, script: Script
) -> None:
    done = script(
        f"""
        import os, warnings
        import {library.__name__} as library
        warnings.simplefilter("ignore", DeprecationWarning)
        register()
        client = library.AsyncClient()
        print(models("acme-small", "Hi", http_client=client), flush=True)
        if os.fork() == 0:
            try:
                models("acme-small", "Hi", http_client=client)
            except ValueError as error:
                print("before a fork" in str(error), flush=True)
            os._exit(0)
        os.wait()
        """
    )
    assert done.stdout == "Hi\nTrue\n", done.stderr
    assert len(acme.requests) == 1


def test_one_opened_on_another_loop_and_not_used_there_is_fine(acme: LocalServer, library: Any) -> None:
    async def main() -> str:
        async with library.AsyncClient() as mine:
            answer = await models.acall("acme-small", "Hi", http_client=mine)
            await loop.arun(mine.aclose())
            return answer

    assert asyncio.run(main()) == "Hi"


def test_a_hook_may_read_the_answer_first(acme: LocalServer, library: Any) -> None:
    read: list[bytes] = []

    async def log(response: Any) -> None:
        read.append(await response.aread())

    mine = library.AsyncClient(event_hooks={"response": [log]})
    acme.replies(text="Read twice", gzip="ok")
    assert call(mine) == "Read twice" and b"Read twice" in read[0]
    loop.run(mine.aclose())


def test_its_own_auth_and_cookies_are_sent(acme: LocalServer, library: Any) -> None:
    mine = library.AsyncClient(auth=("user", "pass"), cookies={"session": "7"})
    call(mine)
    assert acme.requests[0].headers["authorization"].startswith("Basic ")
    assert acme.requests[0].headers["cookie"] == "session=7"
    loop.run(mine.aclose())


def test_it_is_in_no_repr_and_no_pickle(acme: LocalServer, client: Any) -> None:
    bound = models.instance("acme-small", http_client=client, temperature=0.5)
    assert "Client" not in repr(bound) and "0.5" in repr(bound)
    assert bound("Hi") == "Hi"
    assert "Client" not in repr(pickle.loads(pickle.dumps(bound("Hi"))).__dict__)
    with pytest.raises(TypeError):
        pickle.dumps(bound)


# Faults


@pytest.mark.parametrize(
    ("how", "error"),
    [
        ({"fault": "drop"}, ConnectionFailed),
        ({"fault": "reset"}, ConnectionFailed),
        ({"fault": "drop", "after": 20}, ConnectionFailed),
        ({"fault": "reset", "after": 20}, ConnectionFailed),
        ({"fault": "drop", "after": 20, "chunked": True}, ConnectionFailed),
        ({"raw": b"SSH-2.0-OpenSSH_9.6\r\n\r\n", "close": True}, InvalidResponse),
        ({"raw": b"HTTP/1.1 200 OK\r\ncontent-length: -5\r\n\r\n", "close": True}, InvalidResponse),
        ({"body": b"<html>WiFi</html>", "headers": {"content-type": "text/html"}}, InvalidResponse),
        ({"body": b"null"}, InvalidResponse),
        ({"body": b"\xff\xfe\xfa"}, InvalidResponse),
        ({"text": "Hello", "gzip": "bad"}, InvalidResponse),
        ({"headers": {"content-encoding": "br"}, "body": b"whatever"}, InvalidResponse),
        ({"size": 200_000_000}, ResponseTooLarge),
        ({"size": 200_000_000, "gzip": "ok"}, ResponseTooLarge),
        ({"status": 401}, AuthenticationError),
        ({"status": 429}, RateLimitError),
        ({"status": 503, "body": b"[" * 100_000}, ProviderUnavailable),
    ],
    ids=lambda how: str(how)[:60],
)
@pytest.mark.parametrize("form", ["call", "stream"])
def test_a_fault_is_the_same_error_by_every_client(
    acme: LocalServer, client: Any, how: dict[str, Any], error: type[ModelError], form: str
) -> None:
    if form == "stream" and how.get("after"):
        how = {**how, "after": 0}  # pieces: a stream that broke later has some, and is another error
    given = dict(how)
    acme.replies(given.pop("status", 200), given.pop("headers", None), **given)
    with pytest.raises(error) as caught:
        if form == "call":
            call(client, timeout=20)
        else:
            "".join(models.stream("acme-small", "Hi", http_client=client, timeout=20))
    assert caught.value.__cause__ is None
    acme.wait_for(lambda: acme.in_flight == 0)
    acme.replies()
    assert call(client, timeout=20) == "Hi"


def test_a_compressed_answer_and_stream_are_unpacked(acme: LocalServer, client: Any) -> None:
    acme.replies(text="Hello", gzip="ok", chunk=1)
    assert call(client) == "Hello"
    assert "".join(models.stream("acme-small", "Hi", http_client=client)) == "Hello"


def test_a_port_nobody_listens_on_and_a_host_there_is_not_are_connection_errors(
    acme: LocalServer, client: Any
) -> None:
    acme.stop()
    assert "refused" in str(failure(client))
    acme.start()
    away = {"acme": {"base_url": "https://nobody.invalid/v1"}}
    with with_context(providers=away, credentials={"acme_api_key": KEY}):
        assert type(failure(client)) is ConnectionFailed


def test_what_passes_is_tried_again(acme: LocalServer, client: Any) -> None:
    acme.replies(503, {"retry-after": "0.01"}).then()
    assert call(client, max_retries=2) == "Hi"
    assert len(acme.requests) == 2


@pytest.mark.parametrize("status", [301, 307])
def test_a_client_that_follows_redirects_does_not_follow_these(
    acme: LocalServer, library: Any, status: int
) -> None:
    mine = library.AsyncClient(follow_redirects=True)
    with LocalServer() as other:
        acme.replies(status, {"location": f"{other.url}/v1/chat/completions"})
        assert failure(mine).status == status
        assert other.requests == [] and other.connections == 0
    loop.run(mine.aclose())


@pytest.mark.parametrize(
    "how",
    [{"fault": "hang"}, {"fault": "hang", "after": 20}, {"text": "x" * 3000, "rate": 30.0}],
    ids=lambda how: str(how)[:40],
)
def test_the_deadline_is_total_and_closes_the_connection(acme: LocalServer, client: Any, how: Any) -> None:
    acme.replies(**how)
    begun = time.monotonic()
    assert isinstance(failure(client, timeout=0.5), ModelTimeout)
    assert 0.4 <= time.monotonic() - begun <= 5.0
    acme.wait_for(lambda: acme.in_flight == 0 and acme.requests[0].aborted)


def test_the_clients_own_timeouts_do_not_cut_a_call_short(acme: LocalServer, library: Any) -> None:
    mine = library.AsyncClient(timeout=0.05)
    acme.replies(latency=0.3)
    assert call(mine) == "Hi"
    loop.run(mine.aclose())


@pytest.mark.parametrize("how", [{"fault": "hang"}, {"fault": "hang", "after": 20}], ids=str)
def test_a_cancelled_call_ends_at_once_and_the_server_sees_it(
    acme: LocalServer, client: Any, how: Any
) -> None:
    acme.replies(**how)

    async def main() -> None:
        task = asyncio.create_task(models.acall("acme-small", "Hi", http_client=client))
        await asyncio.to_thread(acme.wait_for, lambda: acme.requests)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    acme.wait_for(lambda: acme.in_flight == 0 and acme.requests[0].aborted)


def test_a_stream_keeps_what_came_and_a_stream_that_is_left_ends(acme: LocalServer, client: Any) -> None:
    acme.replies(text="one two three four", fault="drop", after=3)
    with pytest.raises(StreamIncomplete) as caught:
        list(models.stream("acme-small", "Hi", http_client=client))
    assert caught.value.partial_text.startswith("one")

    acme.replies(text=" ".join("word" for _ in range(500)), delay=0.01)
    stream = models.stream("acme-small", "Hi", http_client=client)
    next(stream)
    stream.close()
    acme.wait_for(lambda: acme.in_flight == 0 and acme.requests[-1].aborted)


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="needs /proc to measure memory")
def test_a_slow_reader_holds_up_the_sender_instead_of_filling_memory(
    acme: LocalServer, library: Any, script: Script
) -> None:
    acme.replies(text=" ".join(["x" * 100_000] * 250))
    done = script(
        f"""
        import resource, time
        import {library.__name__} as library
        register()
        def megabytes():
            with open("/proc/self/statm") as file:
                return int(file.read().split()[1]) * resource.getpagesize() / 1e6
        stream = models.stream("acme-small", "Hi", http_client=library.AsyncClient())
        next(stream)
        before = megabytes()
        time.sleep(0.4)
        print(megabytes() - before)
        """
    )
    assert float(done.stdout) < 10, done.stderr


def test_neither_the_key_nor_the_clients_own_secrets_are_in_an_error(acme: LocalServer, library: Any) -> None:
    class Failing(library.Auth):  # type: ignore[misc]
        def auth_flow(self, request: Any) -> Any:
            if KEY in request.headers["authorization"]:
                raise KeyError(f"no password hunter-two for {request.headers['authorization']}")
            yield request

    mine = library.AsyncClient(auth=Failing())
    error = failure(mine, max_retries=2)
    assert type(error) is InvalidRequestError and "test_http_client.py:" in str(error)
    said = "".join(traceback.format_exception(error)) + repr(vars(error))
    assert KEY not in said and "hunter-two" not in said
    assert acme.requests == []
    loop.run(mine.aclose())

    proxied = library.AsyncClient(proxy="http://user:hunter-two@127.0.0.1:9")
    error = failure(proxied)
    said = "".join(traceback.format_exception(error)) + repr(vars(error))
    assert isinstance(error, ConnectionFailed) and "hunter-two" not in said and KEY not in said
    loop.run(proxied.aclose())


def test_neither_key_nor_prompt_is_logged_at_any_level(
    acme: LocalServer, client: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    models("acme-small", "A prompt of mine", http_client=client)
    "".join(models.stream("acme-small", "A prompt of mine", http_client=client))
    assert "127.0.0.1" in caplog.text  # the client does tell what it does
    assert KEY not in caplog.text and "A prompt of mine" not in caplog.text


def test_an_endpoint_is_one_by_whatever_client_it_is_called(acme: LocalServer, client: Any) -> None:
    models("acme-small", "Hi")
    call(client)
    here = [each for each in models.health() if each.base_url == f"{acme.url}/v1"]
    assert [each.model for each in here] == ["acme-small"]


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs the openssl command")
def test_it_verifies_certificates_and_shows_its_own(
    acme: LocalServer, library: Any, certificate: Path
) -> None:
    trusting = ssl.create_default_context(cafile=certificate)
    known = ssl.create_default_context(cafile=certificate)
    known.load_cert_chain(certificate)
    with serving(certificate, known_callers=True) as url:
        there = {"acme": {"base_url": url}}
        with with_context(providers=there, credentials={"acme_api_key": KEY}):
            mine = library.AsyncClient(verify=known)
            assert call(mine) == "Secured."
            stranger = library.AsyncClient(verify=trusting)
            assert type(failure(stranger)) is ConnectionFailed
            before = models.usage().requests
            distrustful = library.AsyncClient()
            error = failure(distrustful, max_retries=2)
            assert "self-signed certificate" in str(error) and models.usage().requests == before + 1
    assert len(Answering.posts) == 1
    for each in (mine, stranger, distrustful):
        loop.run(each.aclose())


def test_a_hundred_calls_at_once_share_it(acme: LocalServer, client: Any) -> None:
    acme.latency = 0.05

    async def main() -> list[str]:
        prompts = [f"Number {n}" for n in range(100)]
        calls = (models.acall("acme-small", prompt, http_client=client) for prompt in prompts)
        return await asyncio.gather(*calls)

    assert asyncio.run(main()) == [f"Number {n}" for n in range(100)]


def test_an_exit_with_the_client_open_is_quiet(acme: LocalServer, library: Any, script: Script) -> None:
    done = script(
        f"""
        import {library.__name__} as library
        register()
        client = library.AsyncClient()
        print(models("acme-small", "Hi", http_client=client))
        """
    )
    assert (done.stdout, done.stderr, done.returncode) == ("Hi\n", "", 0)


def test_without_a_client_neither_library_is_loaded(acme: LocalServer, script: Script) -> None:
    done = script(
        """
        register()
        models("acme-small", "Hi")
        print([name for name in ("httpx", "httpx2", "ember.models._http_client") if name in sys.modules])
        """
    )
    assert done.stdout == "[]\n", done.stderr
    assert importlib.util.find_spec("ember.models._http_client") is not None
