"""OpenAI's models, and those of any server that speaks its formats. Read in order: _openai, _responses, _stream."""

from ._openai import OpenAI as OpenAI
from ._version import __version__ as __version__
