"""Call language models. Read in order: _facade, _call, _route, _engine, _transport, _provider, _response."""

from ember.core.events import Usage as Usage

from . import errors as errors
from ._call import Call as Call
from ._call import EmbedCall as EmbedCall
from ._call import Message as Message
from ._provider import BaseProvider as BaseProvider
from ._provider import Completion as Completion
from ._provider import Endpoint as Endpoint
from ._provider import Exchange as Exchange
from ._provider import HttpReply as HttpReply
from ._provider import HttpRequest as HttpRequest
from ._provider import StreamDecoder as StreamDecoder
from ._provider import ToolCall as ToolCall
from ._provider import Transport as Transport
from ._provider import Vectors as Vectors
from ._sse import ServerEvent as ServerEvent
from ._version import __version__ as __version__
