"""The part of the conformance suite that needs no server: this provider has a transport of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from ember.models.testing.conformance import ModelSuite


class TestLlamaCpp(ModelSuite):
    provider = "local"
    defaults: ClassVar[Mapping[str, Any]] = {"temperature": 0.0}
