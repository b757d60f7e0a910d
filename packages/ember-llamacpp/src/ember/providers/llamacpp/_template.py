"""The chat template for SmolLM2: ChatML, and not a word that the user did not write."""

from __future__ import annotations

from typing import Final

# The template inside the GGUF file puts "You are a helpful AI assistant named SmolLM" before every conversation that
# has no system prompt. With that text this small model answers even "What is the capital of France?" with nonsense in
# half French; without it, rightly.
CHATML: Final = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
