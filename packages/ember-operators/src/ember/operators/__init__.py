"""Operators: plain Python to call, pytrees to JAX, validated where asked.

Read in order: _fields, _module, _pytree, _operator, _contract, _spec, _function, _compose; then _steps, on which the
built-in operators stand. These are imported when they are first asked for: all of them would cost more than the rest.
"""

from typing import TYPE_CHECKING

from ._calling import agather as agather, arun as arun, run as run
from ._compose import Chain as Chain, Parallel as Parallel
from ._fields import Param as Param, param as param, prompt as prompt, static as static
from ._function import Function as Function, op as op
from ._module import Module as Module
from ._operator import Operator as Operator
from ._version import __version__ as __version__
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

if TYPE_CHECKING:
    from . import optimize as optimize
    from ._agent import Agent as Agent
    from ._attempts import Attempt as Attempt
    from ._cache import Cache as Cache
    from ._descent import descend as descend
    from ._ensemble import (
        Ensemble as Ensemble,
        MajorityVote as MajorityVote,
        SelfConsistency as SelfConsistency,
    )
    from ._evaluate import aevaluate as aevaluate, evaluate as evaluate
    from ._evaluation import Evaluation as Evaluation, Item as Item
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
    from ._notation import Network as Network, non as non
    from ._retrieve import RAG as RAG, Answer as Answer, Retrieve as Retrieve
    from ._retry import Fallback as Fallback, Retry as Retry, Timeout as Timeout
    from ._route import Cascade as Cascade, Router as Router
    from ._steps import Stepped as Stepped
    from ._throttle import Throttle as Throttle
    from ._vote import approval as approval, borda as borda, majority as majority
else:
    _LATER = {
        "optimize": "optimize",
        "Agent": "_agent",
        "Attempt": "_attempts",
        "Cache": "_cache",
        "descend": "_descent",
        "Ensemble": "_ensemble",
        "MajorityVote": "_ensemble",
        "SelfConsistency": "_ensemble",
        "aevaluate": "_evaluate",
        "evaluate": "_evaluate",
        "Evaluation": "_evaluation",
        "Item": "_evaluation",
        "BestOfN": "_improve",
        "Refine": "_improve",
        "Verifier": "_improve",
        "BM25": "_index",
        "Hit": "_index",
        "Vectors": "_index",
        "Difference": "_interval",
        "Interval": "_interval",
        "difference": "_interval",
        "interval": "_interval",
        "Judge": "_judge",
        "Synthesize": "_judge",
        "Calibration": "_learned",
        "LearnedRouter": "_learned",
        "Logged": "_learned",
        "Threshold": "_learned",
        "VoteWeights": "_learned",
        "Words": "_learned",
        "calibration_error": "_learned",
        "Debate": "_many",
        "MapReduce": "_many",
        "TreeSearch": "_many",
        "Metric": "_metrics",
        "contains": "_metrics",
        "exact": "_metrics",
        "graded": "_metrics",
        "number": "_metrics",
        "token_f1": "_metrics",
        "Network": "_notation",
        "non": "_notation",
        "RAG": "_retrieve",
        "Answer": "_retrieve",
        "Retrieve": "_retrieve",
        "Fallback": "_retry",
        "Retry": "_retry",
        "Timeout": "_retry",
        "Cascade": "_route",
        "Router": "_route",
        "Stepped": "_steps",
        "Throttle": "_throttle",
        "approval": "_vote",
        "borda": "_vote",
        "majority": "_vote",
    }

    def __getattr__(name):
        if name == "__all__":
            return [one for one in __dir__() if not one.startswith("_")]
        if name not in _LATER:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module

        module = import_module(f"{__name__}.{_LATER[name]}")
        globals()[name] = found = module if name == _LATER[name] else getattr(module, name)
        return found

    def __dir__():
        return sorted({*globals(), *_LATER})
