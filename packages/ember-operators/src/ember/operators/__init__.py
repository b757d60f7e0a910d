"""Operators: plain Python to call, pytrees to JAX, validated where asked.

Read in order: _fields, _module, _pytree, _operator, _contract, _spec, _function, _compose; then _steps, on which the
built-in operators stand.
"""

from . import optimize as optimize
from ._agent import Agent as Agent
from ._attempts import Attempt as Attempt
from ._cache import Cache as Cache
from ._calling import agather as agather, arun as arun, run as run
from ._compose import Chain as Chain, Parallel as Parallel
from ._descent import descend as descend
from ._ensemble import Ensemble as Ensemble, MajorityVote as MajorityVote, SelfConsistency as SelfConsistency
from ._evaluate import aevaluate as aevaluate, evaluate as evaluate
from ._evaluation import Evaluation as Evaluation, Item as Item
from ._fields import Param as Param, param as param, prompt as prompt, static as static
from ._function import Function as Function, op as op
from ._improve import BestOfN as BestOfN, Refine as Refine, Verifier as Verifier
from ._index import BM25 as BM25, Hit as Hit, Vectors as Vectors
from ._interval import (
    Difference as Difference,
    Interval as Interval,
    difference as difference,
    interval as interval,
)
from ._judge import Judge as Judge, Synthesize as Synthesize
from ._learned import (
    Calibration as Calibration,
    LearnedRouter as LearnedRouter,
    Logged as Logged,
    Threshold as Threshold,
    VoteWeights as VoteWeights,
    Words as Words,
    calibration_error as calibration_error,
)
from ._many import Debate as Debate, MapReduce as MapReduce, TreeSearch as TreeSearch
from ._metrics import (
    Metric as Metric,
    contains as contains,
    exact as exact,
    graded as graded,
    number as number,
    token_f1 as token_f1,
)
from ._module import Module as Module
from ._notation import Network as Network, non as non
from ._operator import Operator as Operator
from ._retrieve import RAG as RAG, Answer as Answer, Retrieve as Retrieve
from ._retry import Fallback as Fallback, Retry as Retry, Timeout as Timeout
from ._route import Cascade as Cascade, Router as Router
from ._steps import Stepped as Stepped
from ._throttle import Throttle as Throttle
from ._version import __version__ as __version__
from ._vote import approval as approval, borda as borda, majority as majority
from .errors import (
    CannotLoad as CannotLoad,
    CannotSave as CannotSave,
    GradientThroughModel as GradientThroughModel,
    NoRoute as NoRoute,
    NotationError as NotationError,
    Problem as Problem,
    Rejected as Rejected,
    SpecMismatch as SpecMismatch,
    StepLimit as StepLimit,
)
