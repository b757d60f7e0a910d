"""Errors: one tree, whole after pickling, and never with a secret in it."""

from __future__ import annotations

import copy
import inspect
import logging
import pickle
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ember.core import EmberError, Secret, errors
from ember.core.errors import (
    AlreadyRegistered,
    BlockedLoop,
    ConfigError,
    ConfigFileError,
    CredentialError,
    CredentialNotFound,
    InvalidCredential,
    NotRegistered,
    PluginError,
    StorageError,
    UnknownKey,
)

EXAMPLES: list[EmberError] = [
    EmberError("something"),
    ConfigError("temperature is a number"),
    ConfigFileError(Path("/home/a/config.yaml"), "is not YAML", 3, 7),
    UnknownKey("modles.default", ("models.default",)),
    StorageError("/home/a/.ember is a file"),
    CredentialError("no key"),
    CredentialNotFound("acme-ai", ("the environment", "credentials.yaml")),
    CredentialNotFound("acme", ("the environment",), "ACME_TOKEN"),
    InvalidCredential("the key of openai has a space in it"),
    NotRegistered("model", "gpt-44", ("gpt-4",), "Install ember-openai."),
    AlreadyRegistered("model", "gpt-4"),
    PluginError("ember.providers", "acme", "acme-ember", "failed to load (ValueError: no)."),
    BlockedLoop("search"),
    BlockedLoop("gather", "await asyncio.gather(...)"),
]


def name(error: object) -> str:
    return type(error).__name__


def pickled(error: EmberError) -> Any:
    return pickle.loads(pickle.dumps(error))


def test_there_is_an_example_of_every_class() -> None:
    classes = {
        thing for _, thing in inspect.getmembers(errors, inspect.isclass) if issubclass(thing, EmberError)
    }
    assert classes == {type(error) for error in EXAMPLES}


def test_the_tree_at_the_top_of_the_file_is_the_tree() -> None:
    drawn = errors.__doc__ or ""
    for error in EXAMPLES:
        builtin = [base.__name__ for base in type(error).__bases__ if not issubclass(base, EmberError)]
        line = next(line for line in drawn.splitlines() if f"{name(error)} " in f"{line} ")
        assert not builtin or f"{name(error)} ({builtin[0]})" in line or builtin == ["Exception"]


@pytest.mark.parametrize("error", EXAMPLES, ids=name)
@pytest.mark.parametrize("again", [pickled, copy.copy, copy.deepcopy])
def test_every_error_survives_pickling_whole(
    error: EmberError, again: Callable[[EmberError], EmberError]
) -> None:
    twin = again(error)
    assert type(twin) is type(error)
    assert (str(twin), repr(twin), twin.args, vars(twin)) == (
        str(error),
        repr(error),
        error.args,
        vars(error),
    )


def test_what_was_added_to_an_error_survives_too() -> None:
    error: Any = ConfigError("no")
    error.add_note("a note")
    error.provider = "acme"
    twin = pickle.loads(pickle.dumps(error))
    assert (twin.__notes__, twin.provider) == (["a note"], "acme")


def test_errors_come_whole_out_of_other_processes(output: Callable[..., str]) -> None:
    program = """
        import concurrent.futures, multiprocessing
        from ember.core import Secret
        from ember.core.errors import ConfigFileError, NotRegistered, StorageError

        ERRORS = [
            ConfigFileError("config.yaml", "is not YAML", 3),
            NotRegistered("model", "gpt-44", ("gpt-4",)),
            StorageError("is a file"),
        ]

        def fail(number):
            key = Secret("sk-known-in-the-child-only")
            raise ERRORS[number] if number < 3 else StorageError(f"refused {key.reveal()}")

        if __name__ == "__main__":
            context = multiprocessing.get_context("spawn")
            with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as pool:
                for number in range(4):
                    error = pool.submit(fail, number).exception()
                    print(type(error).__name__, error, error.args, vars(error).get("suggestions"))
    """
    assert output(program).splitlines() == [
        "ConfigFileError config.yaml:3: is not YAML ('config.yaml', 'is not YAML', 3, None) None",
        "NotRegistered No model named 'gpt-44' is registered. Did you mean 'gpt-4'? "
        "('model', 'gpt-44', ('gpt-4',), '') ('gpt-4',)",
        "StorageError is a file ('is a file',) None",
        "StorageError refused [secret] ('refused [secret]',) None",
    ]


@pytest.mark.parametrize(
    ("error", "builtin"),
    [
        (UnknownKey("a"), ValueError),
        (StorageError("a"), OSError),
        (CredentialNotFound("a", ()), LookupError),
        (NotRegistered("model", "a"), LookupError),
        (AlreadyRegistered("model", "a"), ValueError),
        (BlockedLoop("a"), RuntimeError),
    ],
    ids=lambda value: getattr(value, "__name__", name(value)),
)
def test_errors_are_caught_as_the_builtin_they_fit(error: EmberError, builtin: type[Exception]) -> None:
    with pytest.raises(builtin):
        raise error


def test_messages_say_what_happened_and_what_to_do() -> None:
    assert [str(error) for error in EXAMPLES] == [
        "something",
        "temperature is a number",
        "/home/a/config.yaml:3:7: is not YAML",
        "Ember has no configuration key 'modles.default'. Did you mean 'models.default'?",
        "/home/a/.ember is a file",
        "no key",
        "No API key for provider 'acme-ai'. Looked in: the environment; credentials.yaml. Export ACME_AI_API_KEY, or "
        "keep it in a file with get_context().set_config('credentials.acme-ai_api_key', ...) and save().",
        "No API key for provider 'acme'. Looked in: the environment. Export ACME_TOKEN, or keep it in a file with "
        "get_context().set_config('credentials.acme_api_key', ...) and save().",
        "the key of openai has a space in it",
        "No model named 'gpt-44' is registered. Did you mean 'gpt-4'? Install ember-openai.",
        "A model named 'gpt-4' is registered already. Pass replace=True if that is meant.",
        "The plugin 'acme' (ember.providers) of distribution 'acme-ember' failed to load (ValueError: no).",
        "search(...) blocks, and was called on Ember's I/O loop, which must never wait. "
        "Write `await search.aio(...)` there.",
        "gather(...) blocks, and was called on Ember's I/O loop, which must never wait. "
        "Write `await asyncio.gather(...)` there.",
    ]


def test_no_view_of_an_error_shows_a_secret(caplog: pytest.LogCaptureFixture) -> None:
    value = "sk-in-an-error-0123456789"
    error = PluginError("ember.providers", "acme", "acme-ember", f"was given {Secret(value).reveal()}")
    try:
        raise error
    except PluginError:
        shown = traceback.format_exc()
        logging.getLogger("test").exception("It failed: %s %r", error, error)
    views = [
        str(error),
        repr(error),
        f"{error}",
        shown,
        caplog.text,
        repr(pickle.dumps(error)),
        repr([error]),
    ]
    assert [view for view in views if value in view] == []
    assert all("[secret]" in view for view in views)
