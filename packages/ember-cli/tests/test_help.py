"""What the command says of itself, and how little it loads for that."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator

import click
import pytest
from command_runs import Run

from ember.cli._tree import ember as tree

HEAVY = (
    "jax",
    "numpy",
    "pydantic",
    "rich",
    "yaml",
    "ruamel",
    "asyncio",
    "aiohttp",
    "openai",
    "anthropic",
    "google.genai",
)


def commands(group: click.Group = tree, *above: str) -> Iterator[tuple[str, ...]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        yield (*above, name)
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from commands(command, *above, name)


HELP = """\
Call language models, see what is available, and know what is wrong.

Usage: ember [OPTIONS] COMMAND [ARGS]...

Examples:
  ember setup                              keys, a default model, a first answer
  ember run smollm2 "Say hello."           ask a model
  ember models --providers                 who can be asked, and with which key
  ember configure set models.default gpt-4o

Get started:
  setup       Set up keys, a default model and the embedded model.
  test        Check every configured provider, or call a model.
  doctor      Say what is wrong with this installation.

Ask:
  run         Ask a model once.
  chat        Talk with a model.
  models      List models and providers.

Work:
  data        List, show and read data sets.
  eval        Score a model or an operator on a data set.
  trace       Look at recorded runs.

Look after:
  configure   Read and change settings and keys.
  usage       Say what calls used and cost.
  completion  Print a shell's completion script.

Options:
  -V, --version  Print the version and exit.
  -q, --quiet    Say nothing but data, warnings and errors.
  -v, --verbose  Say more.
  --debug        Say everything; show where an error comes from.
  -h, --help     Show this message and exit.

  Exit codes: 0 done, 1 failed, 2 used wrongly, 4 a key is missing or refused,
  5 a provider or the network failed, 130 interrupted.
"""


def test_the_whole_help(process: Run) -> None:
    assert process("--help") == (0, HELP, "")
    assert process("-h") == (0, HELP, "")


def test_without_a_word_it_is_the_help_and_no_mistake(ember: Run) -> None:
    assert ember() == ember("--help")


def test_a_group_without_a_command_is_a_mistake(ember: Run) -> None:
    code, out, err = ember("configure")
    assert (code, out) == (2, "") and "Usage: ember configure [OPTIONS] COMMAND" in err


@pytest.mark.parametrize("flag", ["--version", "-V"])
def test_the_version_is_one_line(process: Run, flag: str) -> None:
    assert process(flag) == (0, "ember 0.1.0\n", "")
    assert process("--verbose", flag) == (0, "ember 0.1.0\n", "")


@pytest.mark.parametrize("path", list(commands()), ids=" ".join)
def test_every_help_has_an_example_and_fits_80_columns(ember: Run, path: tuple[str, ...]) -> None:
    code, out, err = ember(*path, "--help")
    assert (code, err) == (0, "")
    assert "Examples:\n  " in out and f"Usage: ember {' '.join(path)}" in out
    assert max(map(len, out.splitlines())) <= 80


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["configure", "--help"], ["run", "--help"]])
def test_help_loads_nothing_heavy(arguments: list[str]) -> None:
    code = (
        "import sys, json; sys.argv = ['ember', *json.loads(sys.argv[1])]; from ember.cli import main; main(); "
        "print(json.dumps(sorted(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, json.dumps(arguments)],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    loaded = set(json.loads(done.stderr.splitlines()[-1]))
    assert not [name for name in HEAVY if name in loaded]
    assert "ember.models" not in loaded


def test_a_misspelt_command_is_guessed_at(ember: Run) -> None:
    assert ember("confgure", "list") == (
        2,
        "",
        "error: ember has no command 'confgure'. Did you mean 'configure'?\nUsage: ember [OPTIONS] COMMAND [ARGS]...\n"
        "Try 'ember --help'.\n",
    )


def test_a_misspelt_option_is_guessed_at(ember: Run) -> None:
    code, out, err = ember("configure", "list", "--jsn")
    assert (code, out) == (2, "") and "No such option '--jsn'. Did you mean --json?" in err.replace(
        "'--json'", "--json"
    )
    assert "Try 'ember configure list --help'." in err


def test_how_much_is_said_may_be_chosen_anywhere_in_the_line(ember: Run) -> None:
    for line in (
        ("--quiet", "configure", "list"),
        ("configure", "--quiet", "list"),
        ("configure", "list", "-q"),
    ):
        assert ember(*line) == (0, "", "")
    assert "Nothing is set." in ember("configure", "list").err
