"""Images for Ollama travel as its own client sends them; those for compatible servers as OpenAI's SDK does."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any, Final

import pytest

from ember.models import File, Image, models
from ember.models.errors import UnsupportedError
from ember.models.testing import LocalServer

if TYPE_CHECKING:
    import openai

PNG: Final = b"\x89PNG\r\n\x1a\nrest"
JPEG: Final = b"\xff\xd8\xff\xe0rest"
URL: Final = "https://example.org/cat.png"


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_images_travel_beside_the_text(stream: bool, served: LocalServer, client: Any) -> None:
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "What are these?\nBriefly.", "images": [PNG, JPEG]},
    ]
    prompt: list[Any] = ["What are these?", Image(PNG), Image(JPEG), "Briefly."]
    made: Any = client.chat("llava", messages, stream=stream)
    if stream:
        list(made)
        list(models.stream("ollama/llava", prompt, system="Be brief."))
    else:
        ours = models("ollama/llava", prompt, system="Be brief.")
        assert ours.usage.input_tokens == made.prompt_eval_count == 206
    first, second = served.requests
    assert second.body == first.body.replace(b',"tools":[]', b"")


def test_ollama_takes_no_url_and_no_file(served: LocalServer) -> None:
    with pytest.raises(UnsupportedError, match=r"no URL of an image.*Image\(\.\.\.\) reads it"):
        models("ollama/llava", ["What is this?", Image(URL)])
    with pytest.raises(UnsupportedError, match="does not support 'files'"):
        models("ollama/llava", ["Sum up", File(b"text")])
    assert served.requests == []


def test_compatible_servers_get_what_openais_sdk_sends(
    served: LocalServer, openai_client: openai.OpenAI
) -> None:
    url = f"data:image/png;base64,{base64.b64encode(PNG).decode()}"
    text = f"data:text/plain;base64,{base64.b64encode(b'text').decode()}"
    parts: list[Any] = [
        {"type": "text", "text": "What are these?"},
        {"type": "image_url", "image_url": {"url": url}},
        {"type": "image_url", "image_url": {"url": URL}},
        {"type": "file", "file": {"filename": "file.txt", "file_data": text}},
    ]
    openai_client.chat.completions.create(model="m", messages=[{"role": "user", "content": parts}])
    models("compatible/m", ["What are these?", Image(PNG), Image(URL), File(b"text")])
    first, second = served.requests
    assert second.body == first.body


@pytest.mark.parametrize("name", ["vllm", "lmstudio", "llama-server"])
def test_servers_that_take_images_but_no_files_say_so(name: str) -> None:
    with pytest.raises(UnsupportedError, match="does not support 'files'"):
        models(f"{name}/m", ["Sum up", File(b"text")])
