"""Fixtures: an empty tree of distributions, and a sound one."""

from __future__ import annotations

from pathlib import Path

import pytest

from trees import Tree


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path)


@pytest.fixture
def star(tree: Tree) -> Tree:
    """Core, one host, one guest: a tree with nothing wrong in it."""
    tree.add("ember-core", "ember.core")
    tree.add("ember-models", "ember.models", ("ember-core~=0.1.0",), code="import ember.core\n")
    tree.add("ember-openai", "ember.providers.openai", ("ember-models~=0.1.0",), code="import ember.models\n")
    return tree
