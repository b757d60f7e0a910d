"""A clean venv gets our names from dist/, whatever an index offers under them."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from isolated import NotOurs, Venv, closure, own_wheels
from trees import Tree
from workspace import ROOT

UV = shutil.which("uv", path=str(ROOT / ".tools" / "bin")) or shutil.which("uv")
pytestmark = pytest.mark.skipif(UV is None, reason="needs uv, which make puts into .tools")


def build(folder: Path, into: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(into)]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)


@pytest.fixture
def dist(star: Tree, tmp_path: Path) -> Path:
    """Wheels of core and models 0.1.0."""
    for name in ("ember-core", "ember-models"):
        build(star.root / "packages" / name, tmp_path / "dist")
    return tmp_path / "dist"


@pytest.fixture
def impostor(tmp_path: Path) -> Path:
    """A folder where somebody else offers a newer ember-core than ours, within everybody's bounds."""
    theirs = Tree(tmp_path / "theirs")
    build(theirs.add("ember-core", "ember.core", version="0.1.9", code="stolen = True\n"), tmp_path / "index")
    return tmp_path / "index"


def test_a_newer_wheel_under_our_name_elsewhere_is_not_taken(
    dist: Path, impostor: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_FIND_LINKS", str(impostor))
    monkeypatch.setenv("UV_NO_INDEX", "1")
    assert UV is not None
    venv = Venv(UV, tmp_path / "venv")
    venv.install(own_wheels(dist), "ember-models")
    assert venv.run("-c", "import ember.core; assert not hasattr(ember.core, 'stolen')", cwd=tmp_path) == 0


def test_a_foreign_wheel_under_our_name_is_found_out_after_the_fact(
    dist: Path, impostor: Path, tmp_path: Path
) -> None:
    assert UV is not None
    venv = Venv(UV, tmp_path / "venv")
    stranger = next(impostor.glob("*.whl"))
    subprocess.run([UV, "pip", "install", "-q", "--python", str(venv.python), str(stranger)], check=True)
    with pytest.raises(NotOurs, match=r"ember-core came from file:.*index/ember_core-0\.1\.9"):
        venv.verify_origin(own_wheels(dist))


def test_a_name_of_ours_that_was_not_built_ends_the_run_before_an_index_is_asked(dist: Path) -> None:
    next(dist.glob("ember_core-*.whl")).unlink()
    with pytest.raises(NotOurs, match=r"ember-core~=0\.1\.0 is needed and dist/ has no wheel of it"):
        closure(own_wheels(dist), Requirement("ember-models"))


def test_an_extra_brings_what_it_names_and_without_it_nothing_comes(star: Tree, tmp_path: Path) -> None:
    extras = '[project.optional-dependencies]\nlocal = ["ember-core~=0.1.0"]\nall = ["ember-ai[local]"]\n'
    build(star.add("ember-ai", None, extras=extras), tmp_path / "dist")
    build(star.root / "packages" / "ember-core", tmp_path / "dist")
    wheels = own_wheels(tmp_path / "dist")
    assert [wheel.name for wheel in closure(wheels, Requirement("ember-ai"))] == ["ember-ai"]
    assert [wheel.name for wheel in closure(wheels, Requirement("ember-ai[all]"))] == [
        "ember-ai",
        "ember-core",
    ]
