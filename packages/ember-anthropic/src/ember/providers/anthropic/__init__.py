"""Anthropic's Claude models. Read in order: _anthropic, _message, _stream, _schema."""

from ._anthropic import Anthropic as Anthropic
from ._version import __version__ as __version__
