"""Models on one's own servers: Ollama, and all that speak OpenAI's API. Read in order: _ollama, _chat, _compatible."""

from ._compatible import (
    VLLM as VLLM,
    Compatible as Compatible,
    LlamaServer as LlamaServer,
    LMStudio as LMStudio,
)
from ._ollama import Ollama as Ollama
from ._version import __version__ as __version__
