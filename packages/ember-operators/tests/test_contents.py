"""What `ember.operators` offers, what importing it costs, and what a crowd of awaited operators holds."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from typing import Any

import pytest

from ember import operators
from ember.core import external
from ember.operators import Ensemble, Fallback, MajorityVote, Operator, Retry

BUILT_IN = (  # noqa: SIM905
    "Agent BestOfN Cache Cascade Chain Debate Ensemble Fallback Judge LearnedRouter MajorityVote MapReduce Parallel "
    "RAG Refine Retrieve Retry Router SelfConsistency Synthesize Throttle Timeout TreeSearch Verifier"
).split()


def test_every_name_that_is_offered_is_there() -> None:
    for name in dir(operators):
        assert getattr(operators, name) is not None or name.startswith("__")
    everything: dict[str, object] = {}
    exec("from ember.operators import *", everything)
    assert set(BUILT_IN) <= everything.keys()
    assert all(issubclass(getattr(operators, name), Operator) for name in BUILT_IN)
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        getattr(operators, "Nothing")  # noqa: B009


def test_importing_operators_loads_what_is_asked_for_and_nothing_heavy() -> None:
    code = (
        "import sys; bare = set(sys.modules); from ember.operators import Operator, op; before = set(sys.modules); "
        "from ember.operators import Ensemble; loaded = set(sys.modules) - bare; "
        "print([n for n in ('asyncio', 'jax', 'numpy', 'pydantic', 'ember.models', 'html') if n in loaded], "
        "'ember.operators._ensemble' in before, 'ember.operators._evaluate' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == "[] False False"


def test_a_crowd_of_awaited_operators_holds_no_threads() -> None:
    most = [0]

    @external
    async def ask(question: str) -> str:
        most[0] = max(most[0], threading.active_count())
        await asyncio.sleep(0.02)
        return question

    operator = Retry(Fallback([Ensemble([ask, MajorityVote([ask, ask])]), ask], hedge=30))

    async def crowd() -> Any:
        return await asyncio.gather(*(operator.acall(str(n)) for n in range(200)))

    before = threading.active_count()
    assert asyncio.run(crowd()) == [[str(n), str(n)] for n in range(200)]
    assert most[0] <= before + 2  # Ember's I/O loop, and no thread for each of 800 calls
