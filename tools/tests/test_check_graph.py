"""What the dependency graph may not be, each as a small tree that is wrong in one way."""

from __future__ import annotations

from pathlib import Path

import pytest

from check_graph import Graph, problems
from trees import Tree
from workspace import ROOT


def test_a_star_around_core_has_nothing_wrong(star: Tree) -> None:
    assert problems(star.root) == []


def test_a_pin_that_the_sibling_has_outgrown_is_named_with_both_versions(tree: Tree) -> None:
    tree.add("ember-core", "ember.core", version="0.2.0")
    tree.add("ember-models", "ember.models", ("ember-core~=0.1.0",))
    assert problems(tree.root) == [
        "ember-models requires ember-core~=0.1.0, but the tree has ember-core 0.2.0"
    ]


def test_a_requirement_without_an_upper_bound_is_named(tree: Tree) -> None:
    tree.add("ember-core", "ember.core", ("pyyaml>=6",))
    tree.pin("pyyaml==6.0.3\n")
    assert problems(tree.root) == ["ember-core requires pyyaml>=6 without an upper bound"]


def test_an_own_name_that_is_not_in_the_tree_is_refused(tree: Tree) -> None:
    tree.add("ember-core", "ember.core", ("ember-magic~=1.0",))
    tree.pin("ember-magic==1.0\n")
    assert "ember-core requires ember-magic, which is not in this tree" in problems(tree.root)


def test_an_unpinned_requirement_and_a_pin_out_of_bounds_send_one_to_make_lock(tree: Tree) -> None:
    tree.add("ember-core", "ember.core", ("pyyaml>=6,<7", "filelock>=4,<5"))
    tree.pin("filelock==3.9 ; python_version < '4'\n")
    assert problems(tree.root) == [
        "ember-core requires pyyaml<7,>=6, which tools/constraints.txt does not pin: run `make lock`",
        "ember-core requires filelock<5,>=4, but tools/constraints.txt has 3.9: run `make lock`",
    ]


def test_a_pin_on_an_own_name_is_refused(star: Tree) -> None:
    star.pin("ember-core==0.0.9\n")
    assert problems(star.root) == [
        "tools/constraints.txt pins ember-core, which is ours: its version is the tree's"
    ]


@pytest.mark.parametrize(
    "code",
    [
        "import ember.data",
        "from ember import data",
        "from ember.data import stream",
        "def late():\n    from ember.data import stream\n",
        "try:\n    import ember.data.sources\nexcept ImportError:\n    pass\n",
    ],
)
def test_an_import_that_is_not_declared_is_named_with_its_line(star: Tree, code: str) -> None:
    star.add("ember-data", "ember.data", ("ember-core~=0.1.0",))
    (star.root / "packages/ember-models/src/ember/models/_late.py").write_text(code)
    (problem,) = problems(star.root)
    assert problem.startswith("packages/ember-models/src/ember/models/_late.py:")
    assert problem.endswith("of ember-data, which ember-models does not declare")


def test_an_import_for_the_type_checker_alone_is_free(star: Tree) -> None:
    star.add("ember-data", "ember.data", ("ember-core~=0.1.0",))
    (star.root / "packages/ember-models/src/ember/models/_late.py").write_text(
        "import typing\nif typing.TYPE_CHECKING:\n    import ember.data\nelse:\n    import ember.core\n"
    )
    assert problems(star.root) == []


def test_an_import_that_reaches_its_portion_through_another_is_not_declared(tree: Tree) -> None:
    tree.add("ember-core", "ember.core")
    tree.add("ember-models", "ember.models", ("ember-core~=0.1.0",))
    tree.add("ember-x", "ember.providers.x", ("ember-models~=0.1.0",), code="import ember.core\n")
    (problem,) = problems(tree.root)
    assert problem.endswith("imports ember.core, of ember-core, which ember-x does not declare")


def test_a_module_of_ours_that_nobody_brings_is_named(star: Tree) -> None:
    (star.root / "packages/ember-core/src/ember/core/_late.py").write_text("import ember.magic\n")
    assert problems(star.root)[0].endswith("_late.py:1 imports ember.magic, which nobody brings")


def test_siblings_may_not_know_each_other(star: Tree) -> None:
    star.add("ember-data", "ember.data", ("ember-core~=0.1.0", "ember-models~=0.1.0"))
    assert problems(star.root) == [
        "ember-data depends on ember-models; only ember-core may be known by its siblings"
    ]


def test_a_provider_may_not_know_another(star: Tree) -> None:
    star.add("ember-x", "ember.providers.x", ("ember-models~=0.1.0", "ember-openai~=0.1.0"))
    assert any(
        line.startswith("ember-x depends on ember-models, ember-openai") for line in problems(star.root)
    )


def test_a_cycle_is_printed_in_its_order(tree: Tree) -> None:
    tree.add("ember-core", "ember.core", ("ember-models~=0.1.0",))
    tree.add("ember-models", "ember.models", ("ember-core~=0.1.0",))
    assert "cycle: ember-core -> ember-models -> ember-core" in problems(tree.root)


def test_a_portion_with_two_owners_is_named_with_both(star: Tree) -> None:
    star.add("ember-openai-too", "ember.providers.openai", ("ember-models~=0.1.0",))
    assert (
        "ember.providers.openai is brought by ember-openai and ember-openai-too: one of them hides the other"
        in problems(star.root)
    )


@pytest.mark.parametrize("folder", ["ember", "ember/providers"])
def test_a_file_in_a_folder_that_everybody_shares_is_refused(star: Tree, folder: str) -> None:
    path = star.root / "packages/ember-openai/src" / folder / "__init__.py"
    path.touch()
    assert any(
        f"src/{folder}/__init__.py" in line and "belongs to nobody" in line for line in problems(star.root)
    )


def test_a_portion_without_py_typed_is_named(star: Tree) -> None:
    (star.root / "packages/ember-core/src/ember/core/py.typed").unlink()
    assert problems(star.root) == ["packages/ember-core/src/ember/core has no py.typed"]


def test_a_distribution_without_typing_tests_is_named(star: Tree) -> None:
    (star.root / "packages/ember-core/tests/typing/names.py").unlink()
    assert problems(star.root) == ["packages/ember-core/tests/typing has no file with an assert_type"]


def test_what_the_meta_package_leaves_out_is_named(star: Tree) -> None:
    extras = '[project.optional-dependencies]\nlocal = ["ember-core~=0.1.0"]\nall = ["ember-ai[local]"]\n'
    star.add("ember-ai", None, ("ember-models~=0.1.0",), extras=extras)
    assert problems(star.root) == ["ember-ai[all] does not bring ember-openai"]


def test_the_rules_read_this_very_tree() -> None:
    assert {"ember-core", "ember-models", "ember-ai"} <= Graph(ROOT).dists.keys()
    assert "ember.core" in Graph(Path(ROOT)).owners
