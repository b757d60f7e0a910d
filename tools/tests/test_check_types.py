"""Nothing with types is left off: what is checked is read from the tree."""

from __future__ import annotations

from check_types import folders, portions
from trees import Tree
from workspace import ROOT


def test_a_new_distribution_is_checked_without_anybody_listing_it(star: Tree) -> None:
    star.add("ember-data", "ember.data", ("ember-core~=0.1.0",))
    assert portions((), star.root) == ["ember.core", "ember.data", "ember.models", "ember.providers.openai"]
    assert [path.relative_to(star.root).as_posix() for path in folders((), star.root)] == [
        f"packages/{name}/tests/typing"
        for name in ("ember-core", "ember-data", "ember-models", "ember-openai")
    ]


def test_each_folder_of_tests_is_checked_below_and_beside_the_distributions(star: Tree) -> None:
    for path in (
        "packages/ember-core/tests/deep/test_a.py",
        "examples/demo.py",
        "tests-integration/test_b.py",
    ):
        file = star.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    found = {path.relative_to(star.root).as_posix() for path in folders((), star.root)}
    assert {"packages/ember-core/tests/deep", "examples", "tests-integration"} <= found


def test_these_tools_are_checked_too() -> None:
    assert {ROOT / "tools", ROOT / "tools" / "tests", ROOT / "tests-integration"} <= set(folders(()))
