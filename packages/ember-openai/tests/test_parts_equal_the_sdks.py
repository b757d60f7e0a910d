"""Images and files travel as the official SDK sends them, in both of OpenAI's APIs."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any, Final

import pytest

from ember.context import with_context
from ember.models import File, Image, models
from ember.models.errors import UnsupportedError
from ember.models.testing import LocalServer

if TYPE_CHECKING:
    import openai

KEY: Final = "sk-local-0123456789abcdef"
PNG: Final = b"\x89PNG\r\n\x1a\nrest"
PDF: Final = b"%PDF-1.7\nrest"
URL: Final = "https://example.org/cat.png"
PDF_URL: Final = "https://example.org/a.pdf"


def as_url(kind: str, data: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


PNG_URL: Final = as_url("image/png", PNG)
PARTS: Final[list[Any]] = [
    "What is this? 🙂",
    Image(PNG),
    Image(URL),
    File(PDF, name="a.pdf"),
    File(b"Hi"),
    "Briefly.",
]
CHAT: Final[list[Any]] = [
    {"type": "text", "text": "What is this? 🙂"},
    {"type": "image_url", "image_url": {"url": PNG_URL}},
    {"type": "image_url", "image_url": {"url": URL}},
    {"type": "file", "file": {"filename": "a.pdf", "file_data": as_url("application/pdf", PDF)}},
    {"type": "file", "file": {"filename": "file.txt", "file_data": as_url("text/plain", b"Hi")}},
    {"type": "text", "text": "Briefly."},
]
RESPONSES: Final[list[Any]] = [
    {"type": "input_text", "text": "What is this? 🙂"},
    {"type": "input_image", "detail": "auto", "image_url": PNG_URL},
    {"type": "input_image", "detail": "auto", "image_url": URL},
    {"type": "input_file", "filename": "a.pdf", "file_data": as_url("application/pdf", PDF)},
    {"type": "input_file", "filename": "file.txt", "file_data": as_url("text/plain", b"Hi")},
    {"type": "input_text", "text": "Briefly."},
]


@pytest.fixture(autouse=True)
def here(server: LocalServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_BASE_URL", f"{server.url}/v1")


def turns(parts: list[Any]) -> list[dict[str, Any]]:
    return [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello."},
        {"role": "user", "content": parts},
    ]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_a_chat_completion_has_the_same_parts(
    stream: bool, server: LocalServer, client: openai.OpenAI
) -> None:
    create: Any = client.chat.completions.create
    messages = [{"role": "system", "content": "Be brief."}, *turns(CHAT)]
    options = {"stream": True, "stream_options": {"include_usage": True}} if stream else {}
    made = create(model="gpt-4o", messages=messages, **options)
    if stream:
        list(made)
        list(models.stream("openai/gpt-4o", turns(PARTS), system="Be brief."))
    else:
        models("openai/gpt-4o", turns(PARTS), system="Be brief.")
    theirs, ours = server.requests
    assert ours.body == theirs.body


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_a_response_has_the_same_parts(stream: bool, server: LocalServer, client: openai.OpenAI) -> None:
    create: Any = client.responses.create
    options = {"stream": True} if stream else {}
    content = [*RESPONSES, {"type": "input_file", "file_url": PDF_URL}]
    made = create(model="gpt-4o", input=turns(content), instructions="Be brief.", **options)
    with with_context(providers={"openai": {"api": "responses"}}):
        if stream:
            list(made)
            list(models.stream("openai/gpt-4o", turns([*PARTS, File(PDF_URL)]), system="Be brief."))
        else:
            models("openai/gpt-4o", turns([*PARTS, File(PDF_URL)]), system="Be brief.")
    theirs, ours = server.requests
    assert ours.body == theirs.body


def test_the_server_counts_the_same_for_both(server: LocalServer, client: openai.OpenAI) -> None:
    create: Any = client.chat.completions.create
    theirs = create(model="gpt-4o", messages=turns(CHAT))
    ours = models("openai/gpt-4o", turns(PARTS))
    assert ours.usage.input_tokens == theirs.usage.prompt_tokens == 406
    assert server.ledger[KEY].input_tokens == 812


def test_a_file_at_a_url_is_for_responses_only(server: LocalServer) -> None:
    with pytest.raises(UnsupportedError, match="no URL of a file") as told:
        models("openai/gpt-4o", ["Sum up", File(PDF_URL)])
    assert (told.value.provider, told.value.model) == ("openai", "gpt-4o")
    assert server.requests == []
