"""Streams of rows at parse speed, in constant memory, that resume exactly. Read _stream, _cursor, _source, _stage."""

from ._cursor import (
    Bad as Bad,
    Cursor as Cursor,
    Piece as Piece,
    State as State,
    Through as Through,
)
from ._describe import Column as Column, Description as Description
from ._expressions import Condition as Condition, Expression as Expression, col as col
from ._iterator import AsyncStreamIterator as AsyncStreamIterator, StreamIterator as StreamIterator
from ._open import stream as stream
from ._registry import Card as Card, DataRegistry as DataRegistry, Dataset as Dataset
from ._run import Run as Run, Summary as Summary
from ._sample import (
    Balanced as Balanced,
    Reservoir as Reservoir,
    Sampler as Sampler,
    Stratified as Stratified,
    Weighted as Weighted,
)
from ._source import Loader as Loader, Reader as Reader, Source as Source
from ._stage import Rowwise as Rowwise, Stage as Stage
from ._stream import Collected as Collected, Stream as Stream
from .errors import (
    BadRecord as BadRecord,
    DataError as DataError,
    SharedIterator as SharedIterator,
    SourceChanged as SourceChanged,
    SourceDenied as SourceDenied,
    SourceError as SourceError,
    SourceNotFound as SourceNotFound,
    StateMismatch as StateMismatch,
    UnknownColumn as UnknownColumn,
    UnknownFormat as UnknownFormat,
)
