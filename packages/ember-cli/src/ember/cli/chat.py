"""`ember chat [MODEL]`."""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import Any

import click

from . import _answer, _say
from ._group import command
from ._siblings import api
from .models._names import complete_model
from .run import streamed

_HELP = "/model NAME asks another model, /clear forgets what was said, /help, /exit (or Ctrl-D)"


@command(
    examples="""
        ember chat
        ember chat gpt-4o --system "Answer in one sentence."
    """
)
@click.argument("model", required=False, shell_complete=complete_model)
@click.option("-s", "--system", metavar="TEXT", help="The system prompt.")
@click.option("-t", "--temperature", type=float, help="Sampling temperature.")
@click.option("--max-tokens", type=click.IntRange(min=1), help="The most tokens an answer may have.")
def chat(model: str | None, system: str | None, temperature: float | None, max_tokens: int | None) -> None:
    """Talk with MODEL, or the default one, a line at a time. It is told all that was said before.

    Lines that begin with / are commands; /help lists them. Ctrl-C stops an answer. Nothing is kept when it ends.
    """
    given = {"system": system, "temperature": temperature, "max_tokens": max_tokens}
    params = {name: value for name, value in given.items() if value is not None}
    asked = api("models").about(model)  # an unknown model is told before anything is typed
    _say.note(f"{asked.provider}/{asked.model}. {_HELP}")
    turns: list[Any] = []
    while (line := _line()) is not None:
        if line.startswith("/"):
            word, _, rest = line[1:].partition(" ")
            if word in ("exit", "quit"):
                break
            model = _obey(word, rest.strip(), model, turns)
        elif line:
            _turn(model, line, turns, params)


def _line() -> str | None:
    """Return what is typed next, None at the end."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        line = sys.stdin.readline()
        return line.strip() if line else None
    with suppress(ImportError):  # not on Windows
        import readline as _readline

        _readline.set_auto_history(True)
    try:
        return input("> ").strip()
    except EOFError:
        print()
        return None


def _obey(word: str, rest: str, model: str | None, turns: list[Any]) -> str | None:
    """Do what a line that begins with / says; return the model to go on with."""
    if word == "clear":
        turns.clear()
        _say.note("Forgotten.")
    elif word == "model" and rest:
        try:
            about = api("models").about(rest)
        except Exception as error:
            _say.complain(str(error))
        else:
            _say.note(f"{about.provider}/{about.model}")
            return rest
    else:
        _say.note(_HELP)
    return model


def _turn(model: str | None, line: str, turns: list[Any], params: dict[str, Any]) -> None:
    from ember.core.errors import EmberError

    turns.append({"role": "user", "content": line})
    try:
        said = streamed(model, list(turns), params)
    except KeyboardInterrupt:
        turns.pop()
        _say.note("Stopped; this question is forgotten.")
    except EmberError as error:
        turns.pop()
        if not sys.stdin.isatty():
            raise
        _say.complain(str(error))  # a chat outlives a provider that was busy
    else:
        turns.append(said.message)
        _say.detail(_answer.summary(said))
