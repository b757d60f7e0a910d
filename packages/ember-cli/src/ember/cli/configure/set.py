"""`ember configure set KEY VALUE`."""

from __future__ import annotations

import json
import re
import sys
from typing import Any, Final

import click

from .. import _say, _settings
from .._exits import USAGE, Failure
from .._group import command
from ._keys import key_argument

_JSON: Final = re.compile(r"true|false|null|-?\d+(\.\d+)?([eE][+-]?\d+)?|[\[{].*", re.DOTALL)


@command(
    examples="""
        ember configure set models.default gpt-4o
        ember configure set models.stop '["END"]'
        ember configure set credentials.openai_api_key            (asks, unseen)
        pass show openai | ember configure set credentials.openai_api_key --stdin
    """
)
@key_argument
@click.argument("value", required=False)
@click.option("--stdin", "from_stdin", is_flag=True, help="Read the value from standard input.")
@click.option(
    "--string", "as_text", is_flag=True, help="Take VALUE as text, also where it is a number or JSON."
)
@click.option("--force", is_flag=True, help="Set a key in a section that nothing installed has, of a plugin.")
def set_(key: str, value: str | None, from_stdin: bool, as_text: bool, force: bool) -> None:
    """Set KEY to VALUE in config.yaml; a provider's key goes to credentials.yaml.

    VALUE is true, false, null (which takes KEY out), a number, a JSON list or object, or else text. A key is asked for
    unseen, or read with --stdin: on the command line it would stay in your shell's history.
    """
    if _settings.is_secret(key):
        _set_key(key, value, from_stdin)
        return
    if from_stdin == (value is not None):
        raise click.UsageError("give VALUE or --stdin" + (", not both." if value is not None else "."))
    from .. import _store

    text = sys.stdin.read().rstrip("\n") if value is None else value
    parsed = text if as_text else parse(text)
    if value is not None and _settings.is_told_to_nobody(key):
        raise Failure(
            f"{key} is a secret by its name, and not taken from the command line: your shell's history has it now. "
            "Pipe it in with --stdin.",
            USAGE,
        )
    if value is not None and _holds_key(parsed):
        raise Failure(
            "VALUE holds an API key, which your shell's history now has. Make a new one, and set it by itself: "
            "ember configure set credentials.PROVIDER_api_key",
            USAGE,
        )
    if force:
        _make_section(key)
    from ember.core.errors import ConfigError, ConfigFileError, UnknownKey

    try:
        try:
            _store.write_config({key: parsed})
        except ConfigError as error:
            # `models.system 42` is text, and only the schema knows.
            if isinstance(error, (ConfigFileError, UnknownKey)) or isinstance(parsed, str) or parsed is None:
                raise
            try:
                _store.write_config({key: text})
            except ConfigError:
                raise error from None
    except ConfigFileError:
        raise
    except UnknownKey as error:
        hint = "" if error.suggestions else " --force sets it, for a plugin."
        raise Failure(f"{_settings.unknown(key, error)}{hint}", USAGE) from None
    except ConfigError as error:
        raise Failure(f"{error}", USAGE) from None
    _say.detail(f"{key} was {'taken out of' if parsed is None else 'set in'} config.yaml")


def parse(text: str) -> Any:
    """Return what `text` says as JSON if it is true, false, null, a number, a list or an object, else itself.

    >>> parse("0.7"), parse("gpt-4o"), parse('["END"]'), parse("[draft")
    (0.7, 'gpt-4o', ['END'], '[draft')
    """
    if _JSON.fullmatch(text.strip()):
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            pass
    return text


def _set_key(key: str, value: str | None, from_stdin: bool) -> None:
    from .. import _ask, _store

    if value is not None:
        raise Failure(
            f"a key is not taken from the command line, where your shell's history and every process list has it: "
            f"what you typed is no secret any more. Run `ember configure set {key}`, which asks, or pipe it in with "
            f"--stdin.",
            USAGE,
        )
    provider = _settings.provider_of(key)
    if not key.startswith("credentials.") or not provider or not key.endswith("_api_key"):
        name = re.sub(r"^providers\.|[._]?api_?key$", "", key, flags=re.IGNORECASE).strip("._") or "PROVIDER"
        raise Failure(f"keys stand under credentials. Did you mean 'credentials.{name}_api_key'?", USAGE)
    _settings.row(key)  # a file that is broken is told before anything is typed
    secret = _ask.piped() if from_stdin else _ask.hidden(f"API key of {provider}")
    if secret is None:
        raise Failure("nothing was typed, and nothing was changed.")
    done = _store.commit({provider: secret})
    _say.note(f"{key} = {secret} in {done.files[0]}")
    for note in done.notes:
        _say.warn(note)


def _holds_key(value: object) -> bool:
    if isinstance(value, dict):
        return any(_settings.is_secret(str(name)) or _holds_key(inner) for name, inner in value.items())  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    if isinstance(value, list):
        return any(map(_holds_key, value))  # pyright: ignore[reportUnknownArgumentType]
    return isinstance(value, str) and _say.redacted(value) != value


def _make_section(key: str) -> None:
    """Let the section of `key` be one, if none is registered: that of a plugin which is not loaded here."""
    from ember.context import known_settings, register_section

    section = key.partition(".")[0]
    if section not in _settings.SECTIONS and not any(
        name.startswith(f"{section}.") for name in known_settings()
    ):
        register_section(section, {})
