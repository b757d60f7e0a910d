"""What the checkers infer from messages with images and files."""

from typing import assert_type

from ember.models import CachePoint, File, Image, Message, models

models(None, ["What is this?", Image("https://example.org/cat.png"), File(b"text", name="a.txt")])
models(None, [{"role": "user", "content": ["Describe", Image(b"..."), {"type": "image", "data": b"..."}]}])
models(None, ["Describe", {"type": "image", "url": "https://example.org/cat.png"}])
models(None, ["Describe", b"..."])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]
models(None, Image(b"..."))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
assert_type(Image(b"...").media_type, str | None)
assert_type(Message("user", ("Describe", Image(b"..."))).text, str)
models(None, [File(b"text"), CachePoint(), "Sum up"], cache_prompt=True)
models(None, "Hello", cache_prompt="greetings")
models(None, "Hello", cache_prompt=7)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
