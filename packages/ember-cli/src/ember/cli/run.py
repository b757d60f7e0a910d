"""`ember run MODEL PROMPT`."""

from __future__ import annotations

import sys
from typing import Any

import click

from . import _answer, _say, _show
from ._group import command
from ._prompt import prompt as read_prompt
from ._siblings import api
from .models._names import complete_model


@command(
    examples="""
        ember run smollm2 "What is the capital of France?"
        ember run gpt-4o "What is in this picture?" -f cat.png
        git diff | ember run default "Write a commit message." -f -
        ember run claude-haiku-4-5 --json < question.txt
    """
)
@click.argument("model", shell_complete=complete_model)
@click.argument("prompt", required=False)
@click.option(
    "-f",
    "--file",
    "files",
    multiple=True,
    metavar="PATH",
    help="Text, image or PDF before the prompt; - is stdin.",
)
@click.option("-s", "--system", metavar="TEXT", help="The system prompt.")
@click.option("-t", "--temperature", type=float, help="Sampling temperature.")
@click.option("--max-tokens", type=click.IntRange(min=1), help="The most tokens the answer may have.")
@click.option(
    "--timeout", type=click.FloatRange(min=0.1), metavar="SECONDS", help="How long it may take in all."
)
@click.option("--no-stream", is_flag=True, help="Print the answer when it is whole.")
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print {text, model, finish_reason, input_tokens, output_tokens, cost_usd, milliseconds}.",
)
def run(
    model: str,
    prompt: str | None,
    files: tuple[str, ...],
    system: str | None,
    temperature: float | None,
    max_tokens: int | None,
    timeout: float | None,
    no_stream: bool,
    as_json: bool,
) -> None:
    """Ask MODEL, and print its answer as it comes. MODEL may be "default": the configured one.

    Without PROMPT, or for "-", the prompt is standard input. --verbose says what the answer took.
    """
    given = {"system": system, "temperature": temperature, "max_tokens": max_tokens, "timeout": timeout}
    params = {name: value for name, value in given.items() if value is not None}
    asked = None if model == "default" else model
    wanted = read_prompt(prompt, files)
    if as_json or no_stream:
        with _say.waiting(f"asking {model}"):
            said = api("models")(asked, wanted, **params)
        if as_json:
            _show.as_json(answer_fields(said))
        else:
            _show.line(_show.harmless(str(said)))
    else:
        said = streamed(asked, wanted, params)
    _say.detail(_answer.summary(said))


def streamed(model: str | None, prompt: Any, params: dict[str, Any]) -> Any:
    """Print an answer as it comes, and a line's end; return it whole."""
    models = api("models")
    stream = models.stream(model, prompt, **params)
    last = "\n"
    try:
        for piece in stream:
            sys.stdout.write(_show.harmless(piece))
            sys.stdout.flush()
            last = piece[-1:] or last
    except Exception as error:
        if type(error).__name__ != "UnsupportedError":
            raise
        said = models(model, prompt, **params)  # this provider does not stream
        _show.line(_show.harmless(str(said)))
        return said
    finally:
        stream.close()
        if last != "\n":
            sys.stdout.write("\n")
            sys.stdout.flush()
    return stream.response


def answer_fields(said: Any) -> dict[str, object]:
    """Return an answer as `--json` prints it."""
    return {
        "text": str(said),
        "model": f"{said.provider}/{said.model}",
        "finish_reason": said.finish_reason,
        "input_tokens": said.usage.input_tokens,
        "output_tokens": said.usage.output_tokens,
        "cost_usd": None if said.cost is None else f"{said.cost:f}",
        "milliseconds": round(said.latency * 1e3),
    }
