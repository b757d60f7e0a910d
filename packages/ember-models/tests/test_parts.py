"""Images and files in messages: what they are made of, what is refused before a request, what a provider gets."""

from __future__ import annotations

import base64
import copy
import os
import pickle
import struct
import zlib
from pathlib import Path
from typing import Any, Final

import pytest

from ember.api import File as ApiFile, Image as ApiImage
from ember.context import with_context
from ember.models import MAX_PART_BYTES, CachePoint, File, Image, Message, models
from ember.models.errors import UnsupportedError
from ember.models.testing import LocalServer


def _png() -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(b"\0\xff\0\0"))
        + chunk(b"IEND", b"")
    )


PNG: Final = _png()
PDF: Final = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj"
DATA_URL: Final = "data:image/png;base64," + base64.b64encode(PNG).decode()
AS_PNG: Final = {"type": "image_url", "image_url": {"url": DATA_URL}}
DESCRIBE: Final = {"type": "text", "text": "Describe"}


def content(server: LocalServer) -> Any:
    return server.requests[-1].json["messages"][-1]["content"]


# What a user can write


def test_a_prompt_may_be_the_parts_of_one_message(acme: LocalServer) -> None:
    assert models("acme-small", ["Describe", Image(PNG)]) == "Describe"
    assert acme.requests[-1].json["messages"] == [{"role": "user", "content": [DESCRIBE, AS_PNG]}]


def test_a_message_may_have_parts_among_others_that_are_text(acme: LocalServer) -> None:
    turns: list[Any] = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": ["Describe", Image(PNG)]},
        {"role": "assistant", "content": "A dot."},
        {"role": "user", "content": "Its colour?"},
    ]
    models("acme-small", turns)
    sent = acme.requests[-1].json["messages"]
    assert [turn["content"] for turn in sent] == ["Be brief.", [DESCRIBE, AS_PNG], "A dot.", "Its colour?"]


@pytest.mark.parametrize(
    "image",
    [
        Image(PNG),
        Image(bytearray(PNG)),
        Image(DATA_URL),
        {"type": "image", "data": PNG},
        {"type": "image", "data": base64.b64encode(PNG).decode()},
        {"type": "image", "url": DATA_URL},
    ],
    ids=["bytes", "bytearray", "data url", "plain bytes", "plain base64", "plain data url"],
)
def test_an_image_is_the_same_whatever_it_is_made_from(image: Any, acme: LocalServer) -> None:
    models("acme-small", ["Describe", image])
    assert content(acme) == [DESCRIBE, AS_PNG]


def test_a_path_is_read_when_the_part_is_made(acme: LocalServer, tmp_path: Path) -> None:
    path = tmp_path / "dot.txt"  # a name says nothing
    path.write_bytes(PNG)
    parts: list[Any] = [
        Image(path),
        Image(str(path)),
    ]
    made = Image(path)
    models("acme-small", ["Describe", *parts])
    assert content(acme) == [DESCRIBE, AS_PNG, AS_PNG]
    path.unlink()
    models("acme-small", ["Describe", made])
    assert content(acme) == [DESCRIBE, AS_PNG]


def test_a_file_is_a_pdf_or_text_and_keeps_its_name(acme: LocalServer, tmp_path: Path) -> None:
    path = tmp_path / "notes.md"
    path.write_text("# Grüße", encoding="utf-8")
    models("acme-small", ["Sum up", File(path), File(PDF), {"type": "file", "data": PDF, "name": "a.pdf"}])
    files = [part["file"] for part in content(acme)[1:]]
    assert [file["filename"] for file in files] == ["notes.md", "file.pdf", "a.pdf"]
    heads = [file["file_data"].partition(",")[0] for file in files]
    assert heads == ["data:text/plain;base64", "data:application/pdf;base64", "data:application/pdf;base64"]
    assert base64.b64decode(files[0]["file_data"].partition(",")[2]).decode() == "# Grüße"


def test_a_url_is_handed_to_the_vendor_and_not_fetched(acme: LocalServer) -> None:
    url = f"{acme.url}/cat.png?signature=secret"
    models("acme-small", ["Describe", Image(url), {"type": "image", "url": url}])
    assert content(acme)[1:] == [{"type": "image_url", "image_url": {"url": url}}] * 2
    assert len(acme.requests) == 1


def test_parts_that_are_all_text_are_a_plain_text(acme: LocalServer) -> None:
    models("acme-small", ["One", {"type": "text", "text": "Two"}, ""])
    assert content(acme) == "One\nTwo"


def test_a_message_object_holds_parts_and_tells_their_text(acme: LocalServer) -> None:
    message = Message("user", ("Describe", Image(PNG), "briefly"))
    assert message.text == "Describe\nbriefly"
    assert models("acme-small", [message]) == "Describebriefly"
    assert content(acme) == [DESCRIBE, AS_PNG, {"type": "text", "text": "briefly"}]


def test_the_facade_has_them_too() -> None:
    assert (ApiImage, ApiFile) == (Image, File)


def test_images_are_told_by_their_first_bytes() -> None:
    webp = b"RIFF\x1a\0\0\0WEBPVP8 "
    kinds = [
        Image(data).media_type for data in (PNG, b"\xff\xd8\xff\xe0rest", b"GIF89a..", b"GIF87a..", webp)
    ]
    assert kinds == ["image/png", "image/jpeg", "image/gif", "image/gif", "image/webp"]


def test_a_part_shows_what_it_is_and_how_large_but_not_what_is_in_it(tmp_path: Path) -> None:
    assert repr(Image(PNG)) == f"<Image image/png, {len(PNG)} bytes>"
    assert repr(File(b"secret text", name="n.txt")) == "<File text/plain, 11 bytes>"
    assert repr(Image("https://example.org/a/cat.png?signature=secret")) == "<Image at example.org>"
    assert "secret" not in repr(Message("user", (File(b"secret text"),)))


def test_a_part_is_a_value() -> None:
    one, other = Image(PNG), Image(DATA_URL)
    assert one == other and hash(one) == hash(other)
    assert Image(PNG) != Image(b"GIF89a..") and File(PDF, name="a") != File(PDF, name="b")
    assert copy.deepcopy(one) == pickle.loads(pickle.dumps(one)) == one
    with pytest.raises(AttributeError):
        one.data = b""  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]


# What is refused, before a request


def test_a_path_that_cannot_be_read_is_an_oserror(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no-such"):
        Image(tmp_path / "no-such.png")
    with pytest.raises(IsADirectoryError, match="folder"):
        (tmp_path / "folder").mkdir()
        Image(tmp_path / "folder")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="everything can be read by root")
def test_a_path_that_may_not_be_read_is_an_oserror(tmp_path: Path) -> None:
    path = tmp_path / "mine.png"
    path.write_bytes(PNG)
    path.chmod(0)
    with pytest.raises(PermissionError):
        Image(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes with names here")
def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(ValueError, match="ordinary files only"):
        Image(tmp_path / "pipe.png")


def test_what_is_too_large_is_refused_with_the_limit(tmp_path: Path) -> None:
    path = tmp_path / "large.png"
    with open(path, "wb") as file:
        file.write(PNG)
        file.truncate(MAX_PART_BYTES + 1)  # a hole: nothing is written
    for source in (path, PNG + bytes(MAX_PART_BYTES), "data:image/png;base64," + "A" * 28_000_000):
        with pytest.raises(ValueError, match=r"20 MiB \(20,971,520 bytes\)"):
            Image(source)
    os.truncate(path, MAX_PART_BYTES)
    assert len(Image(path).data or b"") == MAX_PART_BYTES


@pytest.mark.parametrize(
    ("kind", "source", "words"),
    [
        (Image, b"", "empty"),
        (Image, b"<svg></svg>", "PNG, JPEG, GIF or WebP. Send a PDF or text as File"),
        (Image, PDF, "Send a PDF or text as File"),
        (Image, b"BM\0\0\0\0", "no image that models take"),
        (File, PNG, "Send an image as Image"),
        (File, b"PK\x03\x04\0\0", "neither a PDF nor text in UTF-8"),
        (File, "Grüße".encode("latin-1"), "neither a PDF nor text in UTF-8"),
        (File, "Hi".encode("utf-16"), "neither a PDF nor text in UTF-8"),
        (Image, "ftp://example.org/cat.png", "http, https and data URLs"),
        (Image, "file:///etc/passwd", "http, https and data URLs"),
        (Image, "https://", "no host"),
        (Image, "https://example.org/a b.png", "spaces"),
        (Image, "https://me:pass@example.org/a.png", "user's name or password"),
        (Image, "data:image/png;base64", "no comma"),
        (Image, "data:image/png;base64,@@@@", "not base64"),
        (Image, "iVBORw0KGgo" * 1000, "is no path"),
    ],
)  # fmt: skip
def test_what_is_no_image_or_file_is_refused_with_what_to_do(kind: Any, source: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words) as told:
        kind(source)
    assert "pass" not in str(told.value).replace("password", "")


@pytest.mark.parametrize("source", [None, 7, ["a.png"], object()])
def test_what_is_no_source_is_refused(source: Any) -> None:
    with pytest.raises(TypeError, match="takes bytes, a path or a URL"):
        Image(source)


@pytest.mark.parametrize(
    ("part", "words"),
    [
        ({"type": "image_url", "image_url": {"url": "https://example.org"}}, r'"type": "image", "url"'),
        ({"type": "input_image", "image_url": "https://example.org"}, r'"type": "image", "url"'),
        ({"type": "input_text", "text": "Hi"}, r'"type": "text", "text"'),
        ({"type": "image", "source": {"type": "base64", "data": "aGk="}}, 'Anthropic\'s "source"'),
        ({"type": "file", "file": {"file_data": "aGk="}}, 'OpenAI\'s "file"'),
        ({"type": "document", "source": {}}, r'"type": "file", "data"'),
        ({"type": None, "inline_data": {"data": "aGk="}}, "Gemini's data"),
        ({"type": "imag", "data": PNG}, "Did you mean 'image'"),
        ({"type": "image"}, 'either "url" or "data"'),
        ({"type": "image", "data": PNG, "url": "https://example.org"}, 'either "url" or "data"'),
        ({"type": "image", "data": PNG, "name": "a.png"}, "'name'"),
        ({"type": "image", "data": "@"}, 'the "data" of part 1 of message 0 is not base64'),
        ({"type": "image", "url": "cat.png"}, "begins with http, https or data"),
        ({"type": "text", "text": 7}, "a string, Image"),
    ],
)
def test_a_part_in_a_vendors_form_is_refused_with_the_form_to_write(
    part: dict[str, Any], words: str, acme: LocalServer
) -> None:
    with pytest.raises(ValueError, match=words):
        models("acme-small", ["Hi", part])
    assert acme.requests == []


def test_plain_data_cannot_have_a_file_of_this_machine_read_and_sent(
    acme: LocalServer, tmp_path: Path
) -> None:
    path = tmp_path / "credentials.yaml"
    path.write_text("openai_api_key: sk-secret-0123456789")
    for fields in ({"path": str(path)}, {"url": path.as_uri()}, {"url": str(path)}, {"data": str(path)}):
        with pytest.raises(ValueError, match=r"File\(path\)|http, https or data|not base64"):
            models("acme-small", [{"role": "user", "content": ["Hi", {"type": "file", **fields}]}])
    with pytest.raises(TypeError, match="bytes or base64"):
        models("acme-small", ["Hi", {"type": "file", "data": path}])
    assert acme.requests == []


def test_what_may_be_an_image_or_a_file_is_to_be_called_one(acme: LocalServer) -> None:
    for part in (PNG, Path("cat.png")):
        with pytest.raises(TypeError, match=r"Image\(\.\.\.\) or File\(\.\.\.\)"):
            models("acme-small", ["Hi", part])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]
    with pytest.raises(TypeError, match="is a list"):
        models("acme-small", Image(PNG))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    assert acme.requests == []


def test_parts_and_messages_do_not_mix(acme: LocalServer) -> None:
    with pytest.raises(TypeError, match="one or the other"):
        models("acme-small", ["Hi", {"role": "user", "content": "Hi"}])
    with pytest.raises(TypeError, match="message 1"):
        models("acme-small", [{"role": "user", "content": "Hi"}, Image(PNG)])
    assert acme.requests == []


@pytest.mark.parametrize("role", ["system", "assistant", "tool"])
def test_only_a_users_message_has_images(role: str, acme: LocalServer) -> None:
    with pytest.raises(ValueError, match="only a user's message"):
        models(
            "acme-small", [{"role": role, "content": ["Hi", Image(PNG)]}, {"role": "user", "content": "Hi"}]
        )
    assert acme.requests == []


def test_a_provider_without_images_or_files_refuses_them_by_name(acme: LocalServer) -> None:
    for part, ability in ((Image(PNG), "images"), (File(PDF), "files")):
        with pytest.raises(UnsupportedError, match=f"does not support '{ability}'"):
            models("parrot", ["Hi", part])
    assert models("parrot", ["Hi", "there"]) == "HI\nTHERE"


def test_a_file_at_a_url_is_refused_where_the_format_has_no_place_for_it(acme: LocalServer) -> None:
    with pytest.raises(UnsupportedError, match="no URL of a file"):
        models("acme-small", ["Sum up", File("https://example.org/report.pdf")])
    assert acme.requests == []


# What it takes


def test_an_estimate_counts_images_and_files(acme: LocalServer) -> None:
    def tokens(*parts: Any) -> int | None:
        return models.estimate("acme-small", ["four", *parts]).input_tokens

    assert tokens() == 2
    assert tokens(Image(PNG)) == tokens(Image("https://example.org/cat.png")) == 1_002
    assert tokens(File(b"x" * 4_000)) == 1_002
    assert tokens(File(PDF)) == tokens(File("https://example.org/a.pdf")) == 1_502
    assert tokens(File(PDF + bytes(80_000))) == 2_002


def test_images_count_for_the_tokens_a_minute(acme: LocalServer) -> None:
    acme.answer = lambda prompt: "word " * 1_000
    with with_context(models={"tpm": 1_500}):
        models("acme-small", ["Describe", Image(PNG)])
        with pytest.raises(TimeoutError):
            models("acme-small", ["Describe", Image(PNG)], timeout=0.3)
        models("acme-large", "Hi")
    assert len(acme.requests) == 2


def test_the_local_server_refuses_what_a_vendor_would(acme: LocalServer) -> None:
    for url in ("cat.png", "data:image/png,x", "data:image/png;base64,@"):
        wrong = {
            "messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]}]
        }
        with pytest.raises(ValueError, match="Invalid request"):
            models("acme-small", "Hi", extra=wrong)


# Beside other policies


def test_an_answer_is_kept_for_the_image_it_is_about(acme: LocalServer) -> None:
    for image in (Image(PNG), Image(DATA_URL), Image(b"GIF89a.."), Image(PNG)):
        models("acme-small", ["Describe", image], cache=True)
    assert [
        request.json["messages"][0]["content"][1]["image_url"]["url"][:14] for request in acme.requests
    ] == [
        "data:image/png",
        "data:image/gif",
    ]


def test_a_fallback_that_sees_no_images_is_refused_before_anything_is_sent(acme: LocalServer) -> None:
    with pytest.raises(UnsupportedError, match="does not support 'images'"):
        models("acme-small", ["Describe", Image(PNG)], fallback="parrot")
    assert acme.requests == []
    acme.replies(500).then(text="A dot.")
    assert models("acme-small", ["Describe", Image(PNG)], fallback="acme-large") == "A dot."
    first, second = acme.requests
    assert first.json["messages"] == second.json["messages"]


def test_what_does_not_fit_a_schema_is_asked_again_with_the_image(acme: LocalServer) -> None:
    acme.replies(text="[]").then(text='{"value": [1]}')
    assert models("acme-small", ["Count", Image(PNG)], schema=list[int]).parsed == [1]
    first, second = acme.requests
    assert second.json["messages"][0] == first.json["messages"][0]


# Hints that a prompt comes again


def test_a_cache_point_is_no_part_and_a_provider_without_such_a_thing_never_sees_it(
    acme: LocalServer,
) -> None:
    for point in (CachePoint(), {"type": "cache_point"}):
        models("acme-small", ["Long text.", point, "Short question."])
        assert content(acme) == [{"type": "text", "text": text} for text in ("Long text.", "Short question.")]
        models("acme-small", [point, "Question.", point])
        assert content(acme) == "Question."
    turns: list[Any] = [
        {"role": "system", "content": ["Be brief.", CachePoint()]},
        {"role": "user", "content": [Image(PNG), CachePoint(), "Describe"]},
    ]
    models("acme-small", turns, cache_prompt="pictures")
    assert content(acme) == [AS_PNG, DESCRIBE]
    assert acme.requests[-1].json["messages"][0] == {"role": "system", "content": "Be brief."}
    assert "pictures" not in acme.requests[-1].body.decode()
    assert models("parrot", ["Hi", CachePoint(), "there"]) == "HI\nTHERE"


@pytest.mark.parametrize(
    ("prompt", "words"),
    [
        ([CachePoint()], "empty list"),
        (
            [{"role": "assistant", "content": ["Hi", CachePoint()]}],
            "only a user's message and a system prompt",
        ),
        (["Hi", {"type": "text", "text": "Hi", "cache_control": {"type": "ephemeral"}}], "CachePoint"),
        ([Message("user", "Hi", cache_points=(2,))], "numbers of its parts"),
    ],
)
def test_a_hint_in_the_wrong_place_is_refused(prompt: Any, words: str, acme: LocalServer) -> None:
    with pytest.raises(ValueError, match=words):
        models("acme-small", prompt)
    with pytest.raises(TypeError, match="cache_prompt"):
        models("acme-small", "Hi", cache_prompt=7)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    assert acme.requests == []
