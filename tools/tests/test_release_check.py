"""A distribution is compared with its own last tag."""

from __future__ import annotations

import subprocess

from release_check import last_tag
from trees import Tree
from workspace import Distribution


def git(tree: Tree, *command: str) -> None:
    who = ("-c", "user.name=Nobody", "-c", "user.email=nobody@example.org")
    subprocess.run(["git", *who, *command], cwd=tree.root, check=True, capture_output=True)


def test_the_last_tag_is_the_newest_version_of_that_distribution_and_not_the_last_in_the_alphabet(
    star: Tree,
) -> None:
    git(star, "init", "-q")
    git(star, "commit", "-q", "--allow-empty", "-m", "Begin")
    for tag in ("ember-core-v0.9.0", "ember-core-v0.10.0", "ember-models-v3.0.0"):
        git(star, "tag", tag)
    assert last_tag(Distribution(star.root / "packages" / "ember-core"), star.root) == "ember-core-v0.10.0"
    assert last_tag(Distribution(star.root / "packages" / "ember-openai"), star.root) is None
