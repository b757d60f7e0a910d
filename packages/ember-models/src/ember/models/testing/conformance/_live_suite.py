"""The part of the suite that makes sense at a vendor's own service, for a cent at most."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import nullcontext
from decimal import Decimal
from typing import Any, ClassVar

import pytest

from ember.context import EmberContext, create_context, get_context

from ... import Usage, models
from ._model_suite import ModelSuite


class LiveSuite(ModelSuite):
    """`ModelSuite` at the vendor's own service, with the user's own key, under a budget of `dollars`.

    Skipped where CI is set, and where no key is: a test run spends nothing that nobody asked it to. Name the cheapest
    model that answers without thinking first, since answers have `max_tokens` at most.
    """

    dollars: ClassVar[Decimal] = Decimal("0.01")

    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def purse(cls, request: pytest.FixtureRequest) -> Iterator[EmberContext]:
        """What all the tests of one provider may spend."""
        suite, capture = cls(), request.config.pluginmanager.get_plugin("capturemanager")

        def tell(line: str) -> None:
            with nullcontext() if capture is None else capture.global_and_fixture_disabled():
                print(f"\n{suite.provider}: {line}", flush=True)

        def skip(why: str) -> None:
            tell(f"skipped, {why}")  # once for each provider, and not once for each test
            pytest.skip(f"{suite.provider}: {why}")

        if os.environ.get("CI"):
            skip("nothing is spent in CI")
        if get_context().find_credential(suite.provider, *suite.subject.key_variables) is None:
            skip("no key is set")
        # A call may end beyond what was left when it began. So that it ends within the limit, the dearest is set aside.
        dearest = suite.price(Usage(1_000, 4 * suite.max_tokens), suite.vendor_id)
        assert dearest is not None, f"the price of {suite.vendor_id} is not known"
        assert dearest < suite.dollars, f"one call of {suite.vendor_id} may cost {dearest} USD"
        with create_context(models={"budget": {"usd": float(suite.dollars - dearest)}}) as purse:
            yield purse
            spent = models.usage(purse)
        tell(f"{spent.calls} calls, {100 * spent.cost:.4f} of at most {100 * suite.dollars:.0f} cents")

    @pytest.fixture(autouse=True)
    def block(self, purse: EmberContext) -> Iterator[EmberContext]:
        """The context of one test, inside of what may be spent."""
        with create_context(**self.configured(timeout=60.0)) as block:
            yield block

    def configured(self, timeout: float) -> dict[str, Any]:
        own = super().configured(timeout)
        return {**own, "models": {**own["models"], "max_retries": 2}}
