"""Call language models. Read in order: _facade, _request, _route, _engine, _stream, _transport, _provider."""

from typing import TYPE_CHECKING

from ember.core.events import Usage as Usage

from . import errors as errors
from ._call import Call as Call
from ._call import EmbedCall as EmbedCall
from ._call import Message as Message
from ._facade import BoundModel as BoundModel
from ._facade import Models as Models
from ._facade import bound as bound
from ._facade import models as models
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
from ._response import Embeddings as Embeddings
from ._response import Response as Response
from ._route import ModelRegistry as ModelRegistry
from ._sse import ServerEvent as ServerEvent
from ._usage import Totals as Totals
from ._version import __version__ as __version__

if TYPE_CHECKING:  # for annotations; importing it for real would bring the engine, which the first call does
    from ._stream import AsyncTextStream as AsyncTextStream, TextStream as TextStream
