"""Setup without questions."""

from __future__ import annotations

import os
from typing import Any, NamedTuple

import click

from ember.core.secrets import Secret

from . import _ask, _say, _store, _validate
from ._exits import KEY, OK, USAGE, Failure
from ._siblings import api


class Wanted(NamedTuple):
    """What the command line asks for."""

    provider: str | None
    base_url: str | None
    key_stdin: bool
    key_env: str | None
    default_model: str | None
    pull: bool
    verify: bool


def run(wanted: Wanted) -> None:
    """Check and store what is wanted, or raise Failure with nothing written."""
    if wanted.provider is None and wanted.default_model is None and not wanted.pull:
        raise click.UsageError("--non-interactive needs --provider, --default-model or --pull.")
    if wanted.key_stdin and wanted.key_env:
        raise click.UsageError("give --key-stdin or --key-env, not both.")
    if wanted.provider is None and (wanted.key_stdin or wanted.key_env or wanted.base_url):
        raise click.UsageError("a key and a base URL are a provider's: name it with --provider.")
    credentials: dict[str, Secret] = {}
    base_urls: dict[str, str | None] = {}
    if wanted.default_model is not None:
        api("models").about(wanted.default_model)  # raises, with what may be meant
    if wanted.provider is not None and not (wanted.provider == "local" and wanted.pull):
        key = _key(wanted)
        base_urls[wanted.provider] = _checked(wanted.provider, key, wanted)
        if key is not None:
            credentials[wanted.provider] = key
    if wanted.pull:
        from ._pull import pull
        from ._vendors import EMBEDDED

        progress = _say.Progress(EMBEDDED)
        try:
            path = pull(EMBEDDED, progress)
        finally:
            progress.end()
        _say.note(f"{EMBEDDED} is in {path}")
    report(_store.commit(credentials, base_urls, wanted.default_model), credentials)


def report(done: _store.Committed, credentials: dict[str, Secret]) -> None:
    """Say what was written."""
    for provider, key in credentials.items():
        _say.note(f"Stored the key of {provider}, {key}.")
    for path in done.files:
        _say.note(f"Wrote {path}")
    for note in done.notes:
        _say.warn(note)


def _key(wanted: Wanted) -> Secret | None:
    if wanted.key_stdin:
        return _ask.piped()
    if wanted.key_env is None:
        return None
    if not os.environ.get(wanted.key_env, "").strip():
        raise Failure(f"the variable {wanted.key_env} holds no key.", KEY)
    return _from_environment(wanted.key_env)


def _from_environment(variable: str) -> Secret:
    return Secret(os.environ[variable].strip())


def _checked(provider: str, key: Secret | None, wanted: Wanted) -> str | None:
    """Return the base URL to store with the key: None for the vendor's own. Raises Failure if the check fails."""
    about = _address(provider, key, wanted.base_url)
    stored = None if about.base_url == about.default_base_url else about.base_url
    if about.problem:
        missing = about.needs_key and about.key is None
        hint = " Give it with --key-stdin or --key-env VARIABLE." if missing else ""
        raise Failure(f"{about.problem}{hint}", KEY if missing else USAGE)
    if not wanted.verify:
        _say.note(f"{provider} at {about.base_url} was not asked.")
        return stored
    with _say.waiting(f"asking {provider} at {about.base_url}"):
        verdict = _validate.validate(provider, key, wanted.base_url)
    if verdict.code != OK:
        raise Failure(f"{verdict.message} Asked at {verdict.base_url}. Nothing was written.", verdict.code)
    if verdict.outcome == "ok":
        _say.note(
            f"{provider} at {verdict.base_url} takes the key."
            if key
            else f"{provider} answers at {verdict.base_url}."
        )
    else:
        _say.warn(f"{provider} at {verdict.base_url} could not be checked: {verdict.message}")
    return stored


def _address(provider: str, key: Secret | None, base_url: str | None) -> Any:
    with _validate.trying(provider, key, base_url):
        return api("models").about_provider(provider)
