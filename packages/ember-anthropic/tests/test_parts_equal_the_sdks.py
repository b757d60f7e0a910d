"""Images and files travel as the official SDK sends them."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any, Final

import pytest

from ember.models import File, Image, models
from ember.models.testing import LocalServer

if TYPE_CHECKING:
    import anthropic

KEY: Final = "sk-local-0123456789abcdef"
MODEL: Final = "claude-sonnet-5-5"
PNG: Final = b"\x89PNG\r\n\x1a\nrest"
PDF: Final = b"%PDF-1.7\nrest"


def as_base64(kind: str, data: bytes) -> dict[str, str]:
    return {"type": "base64", "media_type": kind, "data": base64.b64encode(data).decode()}


PARTS: Final[list[Any]] = [
    "What is this? 🙂",
    Image(PNG),
    Image("https://example.org/cat"),
    File(PDF),
    File(PDF, name="a.pdf"),
    File("https://example.org/a.pdf"),
    File("\N{ZERO WIDTH NO-BREAK SPACE}Grüße".encode(), name="hi.txt"),
    "Briefly.",
]
BLOCKS: Final[list[Any]] = [
    {"type": "text", "text": "What is this? 🙂"},
    {"type": "image", "source": as_base64("image/png", PNG)},
    {"type": "image", "source": {"type": "url", "url": "https://example.org/cat"}},
    {"type": "document", "source": as_base64("application/pdf", PDF)},
    {"type": "document", "source": as_base64("application/pdf", PDF), "title": "a.pdf"},
    {"type": "document", "source": {"type": "url", "url": "https://example.org/a.pdf"}},
    {
        "type": "document",
        "source": {"type": "text", "media_type": "text/plain", "data": "Grüße"},
        "title": "hi.txt",
    },
    {"type": "text", "text": "Briefly."},
]


@pytest.fixture(autouse=True)
def here(server: LocalServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    monkeypatch.setenv("ANTHROPIC_BASE_URL", server.url)


def turns(parts: list[Any]) -> list[dict[str, Any]]:
    return [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello."},
        {"role": "user", "content": parts},
    ]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_a_message_has_the_same_blocks(
    stream: bool, server: LocalServer, client: anthropic.Anthropic
) -> None:
    create: Any = client.messages.create
    options = {"stream": True} if stream else {}
    made = create(model=MODEL, max_tokens=50, messages=turns(BLOCKS), system="Be brief.", **options)
    if stream:
        list(made)
        list(models.stream(MODEL, turns(PARTS), system="Be brief.", max_tokens=50))
    else:
        models(MODEL, turns(PARTS), system="Be brief.", max_tokens=50)
    theirs, ours = server.requests
    assert ours.body == theirs.body


def test_the_server_counts_the_same_for_both(server: LocalServer, client: anthropic.Anthropic) -> None:
    create: Any = client.messages.create
    theirs = create(model=MODEL, max_tokens=50, messages=turns(BLOCKS))
    ours = models(MODEL, turns(PARTS), max_tokens=50)
    assert ours.usage.input_tokens == theirs.usage.input_tokens == 606
