"""Keys: found in their order, refused when they cannot be keys, and never shown."""

from __future__ import annotations

import copy
import json
import logging
import pickle
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest

import ember.context
from ember.context import Found, create_context, get_context, with_context
from ember.core.errors import ConfigError, ConfigFileError, EmberError, InvalidCredential, StorageError
from ember.core.secrets import Secret

KEY = "sk-proj-0123456789abcdefghijklmnopqrstuvwxyz"


def write(home: Path, name: str, text: str) -> Path:
    home.mkdir(mode=0o700, exist_ok=True)
    (home / name).write_text(text)
    (home / name).chmod(0o600)
    get_context().reload()
    return home / name


def test_there_is_no_key_until_there_is_one(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ctx = get_context()
    assert ctx.get_credential("openai", "OPENAI_API_KEY") is None
    assert ctx.find_credential("openai") is None
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    assert ctx.get_credential("openai") == KEY
    monkeypatch.setenv("OPENAI_API_KEY", "sk-rotated")
    assert ctx.get_credential("openai") == "sk-rotated"
    monkeypatch.delenv("OPENAI_API_KEY")
    assert ctx.get_credential("openai") is None


def test_a_found_key_says_where_from(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(home, "config.yaml", f"credentials:\n  openai_api_key: {KEY}\n")
    ctx = get_context()
    assert ctx.find_credential("openai") == Found(Secret(KEY), "config.yaml", f"{path}:2")
    ctx.set_config("credentials.openai_api_key", "sk-just-set")
    found = ctx.find_credential("openai")
    assert found is not None and found.source == "set_config in this process, not saved"
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    assert ctx.find_credential("openai") == Found(Secret(KEY), "environment", "OPENAI_API_KEY")
    with create_context(credentials={"openai_api_key": KEY}) as inner:
        assert inner.find_credential("openai") == Found(Secret(KEY), "context", "create_context")


def test_named_variables_come_before_the_one_by_convention(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_HOST_API_KEY", "sk-convention")
    ctx = get_context()
    assert ctx.get_credential("my-host", "OTHER_KEY") == "sk-convention"
    monkeypatch.setenv("THIRD_KEY", "sk-third")
    assert ctx.get_credential("my-host", "THIRD_KEY") == "sk-third"
    found = ctx.find_credential("my-host", "OTHER_KEY", "THIRD_KEY")
    assert found is not None and found.source == "THIRD_KEY"


def test_a_provider_with_a_hyphen_is_found_by_either_spelling(home: Path) -> None:
    write(home, "credentials.yaml", "my_host_api_key: sk-under\n")
    assert get_context().get_credential("my-host") == "sk-under"
    write(home, "config.yaml", "credentials: {my-host_api_key: sk-hyphen}\n")
    assert get_context().get_credential("my-host") == "sk-hyphen"


def test_an_inner_block_without_a_key_uses_the_outer_ones(home: Path) -> None:
    with create_context(credentials={"openai_api_key": "sk-outer", "x_api_key": "sk-x"}):
        with with_context(credentials={"x_api_key": "sk-inner-x", "openai_api_key": None}) as inner:
            assert inner.get_credential("openai") == "sk-outer"
            assert inner.get_credential("x") == "sk-inner-x"


@pytest.mark.parametrize("padded", [f" {KEY}\n", f"\t{KEY}\r\n"])
def test_whitespace_around_a_key_is_taken_off(
    home: Path, monkeypatch: pytest.MonkeyPatch, padded: str
) -> None:
    ctx = get_context()
    monkeypatch.setenv("OPENAI_API_KEY", padded)
    assert ctx.get_credential("openai") == KEY
    monkeypatch.delenv("OPENAI_API_KEY")
    write(home, "credentials.yaml", f"openai_api_key: {json.dumps(padded)}\n")
    assert ctx.get_credential("openai") == KEY
    ctx.set_config("credentials.openai_api_key", padded)
    assert ctx.get_credential("openai") == KEY
    with create_context(credentials={"openai_api_key": padded}) as inner:
        assert inner.get_credential("openai") == KEY


@pytest.mark.parametrize(
    ("value", "flaw"),
    [
        (f"{KEY}\nX-Header: 1", "whitespace or a line break"),
        (f"Bearer {KEY}", "whitespace"),
        (f"{KEY}é", "outside ASCII"),
        (f"{KEY}\x01", "control character"),
        (KEY * 30_000, "characters long"),
    ],
)
def test_what_cannot_be_a_key_is_refused_in_every_layer_and_not_shown(
    home: Path, monkeypatch: pytest.MonkeyPatch, value: str, flaw: str
) -> None:
    ctx = get_context()
    attempts: list[tuple[str, Callable[[], object]]] = [
        ("set_config", lambda: ctx.set_config("credentials.openai_api_key", value)),
        ("create_context", lambda: create_context(credentials={"openai_api_key": value})),
        ("with_context", lambda: with_context(credentials={"openai_api_key": value})),
    ]
    if len(value) < 100_000:
        attempts.append(("OPENAI_API_KEY", lambda: ctx.get_credential("openai")))
        monkeypatch.setenv("OPENAI_API_KEY", value)
    for source, attempt in attempts:
        with pytest.raises(InvalidCredential, match=flaw) as caught:
            attempt()
        assert "'openai'" in str(caught.value) and source in str(caught.value)
        assert KEY not in str(caught.value) + repr(caught.value)
    if len(value) < 100_000:
        monkeypatch.delenv("OPENAI_API_KEY")
        path = write(
            home, "credentials.yaml", f"openai_api_key: {json.dumps(value)}\nother_api_key: sk-fine\n"
        )
        with pytest.raises(InvalidCredential, match=flaw) as caught:
            ctx.get_credential("openai")
        assert f"{path}:1" in str(caught.value)
        assert ctx.get_credential("other") == "sk-fine"


@pytest.mark.parametrize("name", ["config.yaml", "credentials.yaml"])
@pytest.mark.parametrize(
    "text", [b"a: [", b"- list", b"\xff\xfea\x00", b"\x00\x01", b"openai_api_key: [1]\nmodels: 3"]
)
def test_a_key_from_above_is_found_though_the_files_are_broken(
    home: Path, monkeypatch: pytest.MonkeyPatch, name: str, text: bytes
) -> None:
    home.mkdir(mode=0o700)
    (home / name).write_bytes(text)
    (home / name).chmod(0o600)
    ctx = get_context()
    with pytest.raises(ConfigFileError):
        ctx.get_credential("openai")
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    assert ctx.get_credential("openai", "OPENAI_API_KEY") == KEY
    with create_context(credentials={"x_api_key": "sk-x"}) as inner:
        assert inner.get_credential("x") == "sk-x"
    if name == "credentials.yaml":
        assert ctx.get_config("models.timeout") == 600.0


def test_no_view_of_a_context_shows_a_key(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(home, "credentials.yaml", f"file_api_key: {KEY}\n")
    monkeypatch.setenv("ENV_API_KEY", KEY)
    block = create_context(credentials={"run_api_key": KEY}, models={"default": "gpt-4"})
    with block as ctx:
        ctx.set_config("credentials.set_api_key", KEY)
        shown = [
            repr(ctx),
            str(ctx),
            repr(block),
            repr(ctx.section("credentials")),
            repr(ctx.find_credential("run")),
            *(str(ctx.explain(f"credentials.{name}_api_key")) for name in ("file", "env", "run", "set")),
            *(repr(ctx.get_config(f"credentials.{name}_api_key")) for name in ("file", "env", "run", "set")),
            repr(ctx.get_config("credentials")),
        ]
    assert all(KEY not in text for text in shown)
    assert "Secret('…wxyz')" in shown[0] and "models={'default': 'gpt-4'}" in shown[0]
    assert "1 unsaved" in shown[0]
    assert all("…wxyz" in text for text in shown[5:9])


def test_a_context_is_not_pickled_or_taken_apart(home: Path) -> None:
    with create_context(credentials={"openai_api_key": KEY}) as ctx:
        for take in (pickle.dumps, copy.deepcopy, json.dumps):
            with pytest.raises(TypeError) as caught:
                take(ctx)
            assert KEY not in str(caught.value)
        with pytest.raises(TypeError):
            vars(ctx)
        with pytest.raises(TypeError):
            pickle.dumps(ctx.find_credential("openai"))


def frames_of_ours(error: BaseException) -> str:
    """Return everything a traceback that prints local variables would show of Ember's own frames."""
    found = traceback.TracebackException.from_exception(error, capture_locals=True)
    package = str(Path(ember.context.__file__).parent.parent)
    shown: list[str] = []
    chain: list[traceback.TracebackException | None] = [found]
    while chain:
        one = chain.pop()
        if one is not None:
            chain += [one.__cause__, one.__context__]
            shown += [str(frame.locals) for frame in one.stack if frame.filename.startswith(package)]
    return "\n".join([*shown, str(error), repr(error)])


def test_no_error_shows_a_key_even_with_the_local_variables_of_its_frames(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ctx = get_context()
    bad = f"{KEY} {KEY}"

    def corrupt(name: str, text: str) -> Callable[[], object]:
        def attempt() -> object:
            for other in ("config.yaml", "credentials.yaml"):
                write(home, other, "")
            write(home, name, text)
            return ctx.get_credential("openai")

        return attempt

    def save_over(text: str) -> Callable[[], object]:
        def attempt() -> None:
            write(home, "config.yaml", "")
            ctx.set_config("credentials.openai_api_key", KEY)
            write(home, "config.yaml", text)
            ctx.save()

        return attempt

    def save_through_a_link() -> None:
        (home / "config.yaml").unlink()
        (home / "config.yaml").symlink_to(home / "credentials.yaml")
        ctx.save()

    attempts: list[Callable[[], object]] = [
        lambda: ctx.set_config("credentials.openai_api_key", bad),
        lambda: ctx.set_config("credentials.openai", KEY),
        lambda: ctx.set_config("credentials", {"openai": KEY}),
        lambda: ctx.set_config("credentials", KEY),
        lambda: ctx.set_config("credentials", [KEY]),
        lambda: ctx.set_config("providers.openai.api_key", KEY),
        lambda: ctx.set_config("providers.openai", {"headers": {"x-api-key": KEY}}),
        lambda: ctx.set_config("openai_api_key", KEY),
        lambda: create_context(credentials={"openai_api_key": bad}),
        lambda: create_context(credentials={"openai_api_key": KEY}, models={"unknown": 1}),
        lambda: create_context(models={"unknown": 1}, credentials={"openai_api_key": KEY}),
        lambda: create_context(providers={"openai": {"api_key": KEY}}),
        corrupt("config.yaml", f"credentials:\n  openai_api_key: {KEY}\nmodels: 3\n"),
        corrupt("config.yaml", f"credentials:\n  openai_api_key: [{KEY}]\n"),
        corrupt("config.yaml", f"credentials: {KEY}\n"),
        corrupt("config.yaml", f"providers:\n  openai: {{api_key: {KEY}}}\n"),
        corrupt("credentials.yaml", f"openai_api_key: {KEY}: {KEY}\n"),
        corrupt("credentials.yaml", f"openai_api_key: '{KEY}\n"),
        corrupt("credentials.yaml", f"openai_api_key: &{KEY} x\nb_api_key: *{KEY}\n"),
        corrupt("credentials.yaml", f"- {KEY}\n"),
        corrupt("credentials.yaml", KEY),
        corrupt("credentials.yaml", f"openai_api_key: {bad}\n"),
        save_over(f"credentials:\n  x_api_key: {KEY}\nmodels: 3\n"),
        save_over(f"credentials:\n  x_api_key: {KEY}\n  x_api_key: {KEY}\n"),
        save_through_a_link,
    ]
    for number, attempt in enumerate(attempts):
        with pytest.raises((ConfigError, InvalidCredential, StorageError)) as caught:
            attempt()
        assert isinstance(caught.value, EmberError)
        assert KEY not in frames_of_ours(caught.value), f"attempt {number}: {frames_of_ours(caught.value)}"


def test_nothing_is_logged_of_a_key_at_any_level(home: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    ctx = get_context()
    ctx.set_config("credentials.openai_api_key", KEY)
    ctx.save()
    ctx.reload()
    assert ctx.get_credential("openai") == KEY
    assert KEY not in caplog.text


def test_overrides_and_the_environment_never_reach_the_disk(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1")
    with create_context(credentials={"openai_api_key": "sk-runtime"}, models={"default": "gpt-4"}) as ctx:
        ctx.save()
        assert not home.exists()
        ctx.set_config("models.seed", 1)
        ctx.save()
        ctx.save()
    assert (home / "config.yaml").read_text() == "models:\n  seed: 1\n"
