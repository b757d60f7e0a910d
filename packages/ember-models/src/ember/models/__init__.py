"""Call language models. Read in order: _facade, _request, _route, _job, _engine, _stream, _transport, _provider."""

from typing import TYPE_CHECKING

from ember.core.events import Usage as Usage

from . import errors as errors
from ._call import (
    Budget as Budget,
    Call as Call,
    EmbedCall as EmbedCall,
    Message as Message,
    Tool as Tool,
    ToolCall as ToolCall,
)
from ._deltas import (
    Piece as Piece,
    ReasoningDelta as ReasoningDelta,
    StreamEnd as StreamEnd,
    StreamEvent as StreamEvent,
    TextDelta as TextDelta,
    ToolCallDelta as ToolCallDelta,
)
from ._facade import (
    BoundEmbedder as BoundEmbedder,
    BoundModel as BoundModel,
    Models as Models,
    bound as bound,
    embedder as embedder,
    models as models,
)
from ._likelihood import TokenLogprob as TokenLogprob
from ._matrix import Matrix as Matrix
from ._parts import (
    MAX_PART_BYTES as MAX_PART_BYTES,
    CachePoint as CachePoint,
    File as File,
    Image as Image,
    Part as Part,
)
from ._provider import (
    BaseProvider as BaseProvider,
    Completion as Completion,
    Endpoint as Endpoint,
    Exchange as Exchange,
    HttpReply as HttpReply,
    HttpRequest as HttpRequest,
    StreamDecoder as StreamDecoder,
    Transport as Transport,
    Vectors as Vectors,
)
from ._response import Embeddings as Embeddings, Response as Response
from ._route import ModelRegistry as ModelRegistry
from ._sse import EventParser as EventParser, LineParser as LineParser, ServerEvent as ServerEvent
from ._usage import Totals as Totals
from ._version import __version__ as __version__

if TYPE_CHECKING:  # for annotations; importing it for real would bring the engine, which the first call does
    from ._about import ModelInfo as ModelInfo, ProviderInfo as ProviderInfo
    from ._attempts import Health as Health
    from ._budget import BudgetState as BudgetState, Spending as Spending
    from ._cached import AnswerCache as AnswerCache
    from ._disk_cache import CacheStats as CacheStats
    from ._http_client import HttpClient as HttpClient
    from ._ledger import Spent as Spent
    from ._run_tools import ToolRun as ToolRun
    from ._stream import AsyncTextStream as AsyncTextStream, TextStream as TextStream
