"""The pins cover everything that is installed, and none of our own names."""

from __future__ import annotations

from lock import third_party_requirements
from workspace import distributions


def test_no_own_name_is_ever_asked_of_an_index() -> None:
    asked = {line.name for line in third_party_requirements()}
    assert asked.isdisjoint(dist.name for dist in distributions())
    assert {"pyyaml", "pytest", "hatchling", "ruff"} <= asked
