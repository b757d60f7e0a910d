"""What a server, a line or a machine does wrong, and the typed error each of it becomes."""

from __future__ import annotations

import json
import pickle
import socket
import time
from collections.abc import Callable
from subprocess import CompletedProcess
from typing import Any

import pytest
from acme import KEY, Acme

from ember.api import models
from ember.context import with_context
from ember.core.errors import EmberError
from ember.models import Call, Completion, Endpoint, HttpReply, HttpRequest, ModelRegistry, Usage, errors
from ember.models.errors import (
    AuthenticationError,
    ConnectionFailed,
    ContentFilterError,
    InvalidRequestError,
    InvalidResponse,
    ModelError,
    ModelNotFound,
    ModelTimeout,
    ProviderUnavailable,
    QuotaError,
    RateLimitError,
    ResponseTooLarge,
)
from ember.models.testing import LocalServer

Script = Callable[..., "CompletedProcess[str]"]


def failure(**params: Any) -> ModelError:
    """Make a call that fails and return how."""
    with pytest.raises(ModelError) as caught:
        models("acme-small", "Hi", **params)
    return caught.value


# Statuses


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, InvalidRequestError),
        (401, AuthenticationError),
        (402, InvalidRequestError),
        (403, AuthenticationError),
        (404, ModelNotFound),
        (405, InvalidRequestError),
        (408, ProviderUnavailable),
        (409, ProviderUnavailable),
        (413, InvalidRequestError),
        (422, InvalidRequestError),
        (429, RateLimitError),
        (500, ProviderUnavailable),
        (502, ProviderUnavailable),
        (503, ProviderUnavailable),
        (504, ProviderUnavailable),
        (529, ProviderUnavailable),
        (599, ProviderUnavailable),
        (300, InvalidResponse),
        (304, InvalidResponse),
    ],
)
def test_each_status_is_its_error_and_one_request(
    acme: LocalServer, status: int, error: type[ModelError]
) -> None:
    acme.replies(status, {"x-request-id": "req-7", "retry-after": "1.5"})
    raised = failure()
    assert type(raised) is error
    assert (raised.provider, raised.model, raised.status) == ("acme", "acme-small", status)
    assert (raised.request_id, raised.retry_after) == ("req-7", 1.5)
    for word in ("acme/acme-small", f"HTTP {status}", "req-7"):
        assert word in str(raised)
    assert len(acme.requests) == 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_never_followed(acme: LocalServer, status: int) -> None:
    with LocalServer() as other:
        acme.replies(status, {"location": f"{other.url}/v1/chat/completions"})
        raised = failure()
        assert isinstance(raised, InvalidResponse) and raised.status == status
        assert other.requests == [] and other.connections == 0


def test_the_servers_own_words_are_in_the_error(acme: LocalServer) -> None:
    acme.replies(400, json={"error": {"message": "max_tokens is too large", "type": "invalid_request_error"}})
    assert "max_tokens is too large" in str(failure())


def test_an_exhausted_account_is_told_from_a_limit(acme: LocalServer) -> None:
    acme.replies(429, json={"error": {"message": "No credit.", "code": "insufficient_quota"}})
    raised = failure()
    assert isinstance(raised, QuotaError) and isinstance(raised, RateLimitError)


def test_a_content_filter_is_told_from_a_bad_request(acme: LocalServer) -> None:
    acme.replies(400, json={"error": {"message": "Refused.", "code": "content_filter"}})
    assert isinstance(failure(), ContentFilterError)


@pytest.mark.parametrize(
    "value", ["soon", "-1", "nan", "inf", "", "1e999", "Wed, 99 Oct 2026 07:28:00 GMT", "\x80"]
)
def test_a_retry_after_that_is_no_time_is_none(acme: LocalServer, value: str) -> None:
    acme.replies(429, {"retry-after": value})
    raised = failure()
    assert isinstance(raised, RateLimitError) and raised.retry_after is None


@pytest.mark.parametrize(
    "how",
    [
        {"body": b"<html>down</html>"},
        {"body": b""},
        {"json": None},
        {"json": [1]},
        {"json": {"error": None}},
        {"json": {"error": {"message": None}}},
        {"json": {"error": "plain words"}},
        {"body": b"\xff\xfe"},
        {"body": b"[" * 100_000},
        {"body": b"{}", "gzip": "bad"},
        {"body": b"x" * 1000, "fault": "drop", "after": 10},
        {"size": 200_000_000},
    ],
    ids=str,
)
def test_the_status_counts_whatever_the_error_page_holds(acme: LocalServer, how: Any) -> None:
    acme.replies(503, **how)
    raised = failure()
    assert type(raised) is ProviderUnavailable and raised.status == 503
    assert len(str(raised)) < 600


def test_a_refused_key_says_where_the_key_came_from(acme: LocalServer) -> None:
    acme.replies(401)
    assert "the key came from ACME_API_KEY" in str(failure())
    with with_context(credentials={"acme_api_key": "sk-in-a-block"}):
        assert "with_context" in str(failure())


def test_a_model_the_server_does_not_have_comes_with_the_nearest_names(acme: LocalServer) -> None:
    acme.replies(404, json={"error": {"message": "There is no model acme-smal."}})
    with pytest.raises(ModelNotFound) as caught:
        models("acme/acme-smal", "Hi")
    assert "There is no model acme-smal. Did you mean 'acme-small' or 'acme-large'?" in str(caught.value)
    assert caught.value.status == 404 and len(acme.requests) == 1
    with pytest.raises(ModelNotFound) as caught:
        models("acme/entirely-different", "Hi")
    assert "Did you mean" not in str(caught.value) and "models.list()" in str(caught.value)


def test_errors_survive_pickling_with_all_they_know(acme: LocalServer) -> None:
    acme.replies(429, {"retry-after": "3", "x-request-id": "req-1"})
    raised = failure()
    copy = pickle.loads(pickle.dumps(raised))
    assert type(copy) is RateLimitError and str(copy) == str(raised) and vars(copy) == vars(raised)


# The line


@pytest.mark.parametrize(
    "how",
    [
        {"fault": "drop"},
        {"fault": "reset"},
        {"fault": "drop", "after": 20},
        {"fault": "reset", "after": 20},
        {"fault": "drop", "after": 20, "chunked": True},
        {"raw": b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{", "close": True},
        {"raw": b"", "close": True},
    ],
    ids=str,
)
def test_a_connection_that_breaks_is_a_connection_error(acme: LocalServer, how: Any) -> None:
    acme.replies(**how)
    raised = failure()
    assert type(raised) is ConnectionFailed and isinstance(raised, ConnectionError)


@pytest.mark.parametrize(
    "raw",
    [
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"\x00\x01\x02\x03garbage\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nZZ\r\n",
        b"HTTP/1.1 two hundred OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon here\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nx-long: " + b"y" * 100_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: -5\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}",
    ],
    ids=lambda raw: repr(raw[:45]),
)
def test_a_server_that_does_not_speak_http_is_a_typed_error(acme: LocalServer, raw: bytes) -> None:
    acme.replies(raw=raw, close=True)
    raised = failure(timeout=5)
    assert isinstance(raised, (InvalidResponse, ConnectionFailed)) and not isinstance(raised, ModelTimeout)


def test_a_port_nobody_listens_on_is_a_connection_error(acme: LocalServer) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, not listening: refused, and nobody else can have it
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/v1"
        with with_context(providers={"acme": {"base_url": url}}, credentials={"acme_api_key": KEY}):
            raised = failure()
    assert type(raised) is ConnectionFailed and "refused" in str(raised)


def test_a_host_that_does_not_exist_is_a_connection_error(acme: LocalServer) -> None:
    with with_context(
        providers={"acme": {"base_url": "https://nobody.invalid/v1"}}, credentials={"acme_api_key": KEY}
    ):
        raised = failure()
    assert type(raised) is ConnectionFailed and "nobody.invalid" in str(raised)


def test_a_connection_the_server_closed_meanwhile_is_not_used_again(acme: LocalServer) -> None:
    acme.replies(close=True)
    for _ in range(3):
        assert models("acme-small", "Hi") == "Hi"
        time.sleep(0.05)
    acme.replies()
    models("acme-small", "Hi")
    acme.stop()
    acme.start()
    assert models("acme-small", "Hi again") == "Hi again"


def test_a_proxy_from_the_environment_is_used_and_gets_no_key_of_its_own(
    acme: LocalServer, script: Script
) -> None:
    allowed = (
        'from ember.context import get_context\nget_context().set_config("providers.acme.allow_http", True)\n'
    )
    call = allowed + 'register()\nprint(models("acme-small", "Hi", max_retries=0))'
    proxied = {"ACME_BASE_URL": "http://vendor.invalid/v1", "HTTP_PROXY": acme.url, "http_proxy": acme.url}
    done = script(call, NO_PROXY="", no_proxy="", **proxied)
    assert done.stdout == "Hi\n", done.stderr
    (request,) = acme.requests
    assert request.headers["host"] == "vendor.invalid" and "proxy-authorization" not in request.headers

    done = script(call, NO_PROXY="vendor.invalid", no_proxy="vendor.invalid", **proxied)
    assert "ConnectionFailed" in done.stderr and len(acme.requests) == 1


# The body


@pytest.mark.parametrize(
    "how",
    [
        {"body": b"<html>Welcome to the hotel WiFi</html>", "headers": {"content-type": "text/html"}},
        {"body": b""},
        {"body": b"null"},
        {"body": b"[]"},
        {"body": b'"text"'},
        {"body": b"NaN"},
        {"body": b'{"choices": [{"message": {"content": "Hel'},
        {"body": b'{"choices": ]}'},
        {"body": b"\xff\xfe\xfa"},
        {"body": b'{"choices": [{"message": {"content": "\xff"}}]}'},
        {"body": b"[" * 200_000},
        {"body": b'{"a":' * 200_000},
        {"body": b"1" * 10_000},
        {"json": {"hello": "world"}},
        {"json": {"choices": None}},
        {"json": {"choices": []}},
        {"json": {"choices": [None]}},
        {"json": {"choices": [{"message": None}]}},
        {"json": {"choices": [{"message": {"content": None}, "finish_reason": "stop"}]}},
        {"json": {"choices": [{"message": {"content": 7}, "finish_reason": "stop"}]}},
        {"json": {"choices": [{"message": {"content": ["Hi"]}}]}},
    ],
    ids=lambda how: str(how)[:60],
)
def test_an_answer_that_is_none_is_never_taken_for_one(acme: LocalServer, how: Any) -> None:
    acme.replies(200, how.pop("headers", None), **how)
    before = models.usage()
    raised = failure()
    assert isinstance(raised, InvalidResponse) and isinstance(raised, ValueError)
    assert (raised.status, raised.provider) == (200, "acme")
    assert len(str(raised)) < 600
    after = models.usage()
    assert (after.calls, after.cost, after.input_tokens) == (before.calls, before.cost, before.input_tokens)


def test_an_html_page_is_named_by_its_type_and_shown_in_part(acme: LocalServer) -> None:
    acme.replies(body=b"<html>" + b"x" * 5000, headers={"content-type": "text/html; charset=utf-8"})
    raised = failure()
    assert "text/html" in str(raised) and "<html>xxx" in str(raised)
    assert str(raised).count("x") <= 210


def test_a_failed_reading_carries_the_request_id(acme: LocalServer) -> None:
    acme.replies(body=b"null", headers={"x-request-id": "req-9"})
    assert failure().request_id == "req-9"


def test_a_compressed_answer_is_unpacked(acme: LocalServer) -> None:
    acme.replies(text="Hello", gzip="ok")
    assert models("acme-small", "Hi") == "Hello"
    acme.replies(text="Hello", gzip="ok", chunk=1)
    assert models("acme-small", "Hi") == "Hello"


def test_broken_compression_is_an_invalid_answer(acme: LocalServer) -> None:
    acme.replies(text="Hello", gzip="bad")
    assert isinstance(failure(), InvalidResponse)


def test_a_compression_nobody_asked_for_is_an_invalid_answer(acme: LocalServer) -> None:
    acme.replies(headers={"content-encoding": "br"}, body=b"whatever")
    assert "'br'" in str(failure())


def test_an_unexpected_body_larger_than_the_cap_is_not_read_on(acme: LocalServer) -> None:
    acme.replies(size=200_000_000)
    raised = failure()
    assert type(raised) is ResponseTooLarge
    acme.wait_for(lambda: acme.in_flight == 0)


@pytest.mark.parametrize("gzip", [None, "ok"], ids=["plain", "bomb"])
def test_two_hundred_megabytes_do_not_fit_into_memory(acme: LocalServer, script: Script, gzip: Any) -> None:
    how: Any = {"gzip": gzip} if gzip else {}
    acme.replies(size=200_000_000, **how)
    done = script(
        """
        import resource
        register()
        def peak():
            return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 if sys.platform == "darwin" else 1024) / 1024
        try:
            models("acme-small", "Hi", timeout=0.001)  # all that the first call loads
        except TimeoutError:
            pass
        before = peak() * 1024
        try:
            models("acme-small", "Hi")
        except ValueError as error:
            print(type(error).__name__, peak() * 1024 - before < 150)
        """
    )
    assert done.stdout == "ResponseTooLarge True\n", done.stderr


def test_an_answer_of_thirty_megabytes_is_read(acme: LocalServer) -> None:
    text = "x" * 30_000_000
    acme.replies(text=text)
    assert len(models("acme-small", "Hi")) == len(text)


def test_missing_usage_is_unknown_and_not_nothing(acme: LocalServer) -> None:
    acme.replies(change=lambda answer: {**answer, "usage": None})
    answer = models("acme-small", "Hi")
    assert (answer.usage.input_tokens, answer.usage.output_tokens, answer.cost) == (None, None, None)


@pytest.mark.parametrize("count", [-5, 10**30, "many", 1.5, True])
def test_a_count_that_cannot_be_is_not_believed(acme: LocalServer, count: Any) -> None:
    acme.replies(change=lambda answer: {**answer, "usage": {"prompt_tokens": count, "completion_tokens": 2}})
    answer = models("acme-small", "Hi")
    assert (answer.usage.input_tokens, answer.usage.output_tokens) == (None, 2)


# Providers that are a stranger's code


class Faulty(Acme):
    """A vendor whose code fails as the test says."""

    name = "faulty"
    base_url = "http://127.0.0.1:9"
    needs_key = False
    model_patterns = ()

    def __init__(self, where: str, what: Any) -> None:
        super().__init__()
        self._where, self._what = where, what

    def _fails(self, where: str) -> Any:
        if where == self._where:
            if isinstance(self._what, BaseException):
                raise self._what
            return self._what
        return None

    def encode(self, call: Call, endpoint: Endpoint) -> HttpRequest:
        return self._fails("encode") or super().encode(call, endpoint)

    def decode(self, call: Call, reply: HttpReply) -> Completion:
        return self._fails("decode") or super().decode(call, reply)

    def explain(self, reply: HttpReply) -> ModelError:
        return self._fails("explain") or super().explain(reply)


@pytest.fixture
def faulty(acme: LocalServer, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Registers a vendor that fails in one place, and says how to call it."""
    monkeypatch.setenv("FAULTY_BASE_URL", acme.url)

    def made(where: str, what: Any) -> ModelError:
        ModelRegistry.register(Faulty(where, what), replace=True)
        with pytest.raises(ModelError) as caught:
            models("faulty/m", "Hi")
        return caught.value

    yield made
    ModelRegistry.unregister("faulty")


@pytest.mark.parametrize(
    "bug", [KeyError("tools"), RuntimeError("bug"), AssertionError(), ZeroDivisionError()]
)
def test_a_provider_that_cannot_write_its_request_is_at_fault_and_nothing_is_sent(
    acme: LocalServer, faulty: Any, bug: Exception
) -> None:
    raised = faulty("encode", bug)
    assert type(raised) is InvalidRequestError and "fault of the provider" in str(raised)
    assert type(bug).__name__ in str(raised) and "test_faults.py:" in str(raised)
    assert acme.requests == []


@pytest.mark.parametrize("bug", [KeyError("x"), RuntimeError("bug"), AssertionError(), RecursionError()])
def test_a_provider_that_cannot_read_an_answer_gives_none(faulty: Any, bug: Exception) -> None:
    raised = faulty("decode", bug)
    assert type(raised) is InvalidResponse and type(bug).__name__ in str(raised)


@pytest.mark.parametrize("nothing", [7, "text", Completion(None, "m", "stop", Usage())])  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
def test_what_a_provider_decodes_must_be_an_answer(faulty: Any, nothing: Any) -> None:
    assert type(faulty("decode", nothing)) is InvalidResponse


@pytest.mark.parametrize("what", [KeyError("x"), "words"])
def test_a_provider_that_cannot_explain_leaves_the_status_to_speak(
    acme: LocalServer, faulty: Any, what: Any
) -> None:
    acme.replies(429)
    assert type(faulty("explain", what)) is RateLimitError


def test_counts_of_a_provider_are_not_believed_if_they_cannot_be(acme: LocalServer, faulty: Any) -> None:
    usage = Usage(-1, 5, float("nan"), 10**40)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    ModelRegistry.register(Faulty("decode", Completion("x", "m", "stop", usage)), replace=True)
    assert models("faulty/m", "Hi").usage == Usage(None, 5)
    json.dumps(models.usage().input_tokens)


@pytest.mark.parametrize("url", ["http://127.0.0.1:99999/", "not a url", "ftp://127.0.0.1/", ""])
def test_a_request_to_no_url_is_refused(faulty: Any, url: str) -> None:
    raised = faulty("encode", HttpRequest(url, {}, b"{}"))
    assert type(raised) is InvalidRequestError and "URL" in str(raised)


@pytest.mark.parametrize("value", ["one\r\nx-b: sk-two-0123456789", "one\nsk-two", 5, None])
def test_a_header_that_cannot_be_sent_is_refused_without_showing_it(
    acme: LocalServer, faulty: Any, value: Any
) -> None:
    raised = faulty("encode", HttpRequest(f"{acme.url}/v1/chat/completions", {"x-a": value}, b"{}"))
    assert type(raised) is InvalidRequestError and "cannot be sent" in str(raised)
    assert "sk-two" not in repr(raised) + str(raised)
    assert all("x-b" not in request.headers for request in acme.requests)


def test_a_transport_that_fails_is_a_connection_error(acme: LocalServer) -> None:
    class Broken:
        async def send(self, request: HttpRequest) -> Any:
            raise TimeoutError("a cable is loose")

    class Wired(Acme):
        name = "wired"
        needs_key = False
        transport = Broken()

    ModelRegistry.register(Wired())
    try:
        with pytest.raises(ConnectionFailed, match="TimeoutError: a cable is loose") as caught:
            models("wired/m", "Hi")
        assert not isinstance(caught.value, ModelTimeout)
    finally:
        ModelRegistry.unregister("wired")


def test_every_failure_is_of_one_tree() -> None:
    raised = [
        error for error in vars(errors).values() if isinstance(error, type) and issubclass(error, Exception)
    ]
    assert len(raised) > 10 and all(issubclass(error, EmberError) for error in raised)
