"""Google's Gemini models. Read in order: _google, _content, _stream, _embeddings, _schema, _faults."""

from ._google import Google as Google
from ._version import __version__ as __version__
