"""Images and files travel as the official SDK sends them."""

from __future__ import annotations

from typing import Any, Final

import pytest

from ember.models import File, Image, models
from ember.models.testing import LocalServer

KEY: Final = "AIza-local-0123456789abcdef"
MODEL: Final = "gemini-2.5-flash"
PNG: Final = b"\x89PNG\r\n\x1a\n\xfb\xff\xfe\xff?>"  # which the two alphabets write differently
PDF: Final = b"%PDF-1.7\nrest"
PARTS: Final[list[Any]] = [
    "What is this? 🙂",
    Image(PNG),
    Image("https://example.org/cat.jpg?signature=x"),
    Image("https://example.org/files/cat"),
    File(PDF, name="a.pdf"),
    File(b"Hi"),
    File("https://example.org/a.pdf"),
    "Briefly.",
]


@pytest.fixture(autouse=True)
def here(server: LocalServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GEMINI_API_KEY", KEY)
    monkeypatch.setenv("GOOGLE_BASE_URL", server.url)


def theirs() -> list[Any]:
    """The same parts, made by the SDK."""
    from google.genai.types import Content, FileData, Part

    said: Any = Part
    last = [
        said.from_text(text="What is this? 🙂"),
        said.from_bytes(data=PNG, mime_type="image/png"),
        said.from_uri(file_uri="https://example.org/cat.jpg?signature=x", mime_type="image/jpeg"),
        said(file_data=FileData(file_uri="https://example.org/files/cat")),
        said.from_bytes(data=PDF, mime_type="application/pdf"),
        said.from_bytes(data=b"Hi", mime_type="text/plain"),
        said.from_uri(file_uri="https://example.org/a.pdf"),
        said.from_text(text="Briefly."),
    ]
    return [
        Content(role="user", parts=[said.from_text(text="Hi")]),
        Content(role="model", parts=[said.from_text(text="Hello.")]),
        Content(role="user", parts=last),
    ]


TURNS: Final[list[Any]] = [
    {"role": "user", "content": "Hi"},
    {"role": "assistant", "content": "Hello."},
    {"role": "user", "content": PARTS},
]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_content_has_the_same_parts(stream: bool, server: LocalServer, sdk: Any) -> None:
    asked: dict[str, Any] = {
        "model": MODEL,
        "contents": theirs(),
        "config": {"system_instruction": "Be brief.", "max_output_tokens": 50},
    }
    if stream:
        list(sdk.generate_content_stream(**asked))
        list(models.stream(f"google/{MODEL}", TURNS, system="Be brief.", max_tokens=50))
    else:
        sdk.generate_content(**asked)
        models(f"google/{MODEL}", TURNS, system="Be brief.", max_tokens=50)
    first, second = server.requests
    assert second.json == first.json


def test_the_server_counts_the_same_for_both(server: LocalServer, sdk: Any) -> None:
    other = sdk.generate_content(model=MODEL, contents=theirs())
    ours = models(f"google/{MODEL}", TURNS)
    assert ours.usage.input_tokens == other.usage_metadata.prompt_token_count == 606
