"""Pipes that break, terminals that cannot draw, absent distributions, commands of others, what nobody foresaw."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from command_runs import Run


def test_a_reader_that_has_had_enough_is_no_failure() -> None:
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-m", "ember.cli", "configure", "show", "models"],
        stdout=write,
        stderr=subprocess.PIPE,
        timeout=60,
    )
    os.close(write)
    assert (done.returncode, done.stderr) == (0, b"")


def test_output_has_no_colors_where_it_is_no_terminal(process: Run) -> None:
    for line in (["--help"], ["configure", "get", "nothing"], ["configure", "list"]):
        done = process(*line, TERM="xterm-256color")
        assert "\033" not in done.out + done.err


def test_what_an_encoding_cannot_show_does_not_end_the_command(process: Run) -> None:
    process("configure", "set", "models.system", "naïve – 日本")
    done = process("configure", "get", "models.system", PYTHONIOENCODING="ascii:strict")
    assert (done.code, done.out) == (0, "na?ve ? ??\n")


def test_an_absent_distribution_is_named_with_what_installs_it() -> None:
    code = (
        "import sys; sys.modules['ember.models'] = None; sys.argv = ['ember', 'models']; "
        "from ember.cli import main; sys.exit(main())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: ember.api.models lives in the distribution ember-models")
    assert "`pip install ember-models`" in done.stderr


@pytest.fixture
def stranger(tmp_path: Path) -> Path:
    """A folder with a distribution that adds the commands `greet`, `broken`, `wrong` and, in vain, `models`."""
    place = tmp_path / "site"
    info = place / "acme_ember-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-ember\nVersion: 1.0\n")
    lines = [
        "greet = acme_ember:greet",
        "broken = acme_absent:x",
        "wrong = acme_ember:number",
        "models = acme_ember:greet",
    ]
    (info / "entry_points.txt").write_text("[ember.commands]\n" + "\n".join(lines) + "\n")
    (place / "acme_ember.py").write_text(
        "import click\n\n\n@click.command()\n@click.argument('name')\ndef greet(name):\n"
        "    '''Greet NAME.'''\n    click.echo(f'Hello {name}!')\n\n\nnumber = 3\n"
    )
    return place


def test_a_strangers_distribution_adds_a_command(process: Run, stranger: Path) -> None:
    path = str(stranger)
    assert process("greet", "Ann", PYTHONPATH=path) == (0, "Hello Ann!\n", "")
    out = process("--help", PYTHONPATH=path).out
    assert "Commands of other distributions:" in out and "greet" in out and "from acme-ember" in out
    assert "Did you mean 'greet'?" in process("gret", PYTHONPATH=path).err
    assert "Hello" not in process("models", "--help", PYTHONPATH=path).out


def test_a_strangers_broken_command_is_named_and_breaks_nothing_else(process: Run, stranger: Path) -> None:
    path = str(stranger)
    code, out, err = process("broken", PYTHONPATH=path)
    assert (code, out) == (1, "") and "acme-ember" in err and "Traceback" not in err
    code, out, err = process("wrong", PYTHONPATH=path)
    assert (code, out) == (1, "") and "acme-ember" in err and "click.Command" in err
    assert process("configure", "path", PYTHONPATH=path).code == 0


def test_what_nobody_foresaw_is_said_in_a_line_and_shown_with_debug(process: Run, stranger: Path) -> None:
    key = "sk-live-0123456789abcdef9999"
    (stranger / "acme_ember.py").write_text(
        f"import click\n\n\n@click.command()\n@click.argument('name')\ndef greet(name):\n    raise KeyError('{key}')\n"
    )
    code, out, err = process("greet", "Ann", PYTHONPATH=str(stranger))
    assert (code, out) == (1, "") and err.count("\n") == 1 and "KeyError" in err and "--debug" in err
    code, out, err = process("--debug", "greet", "Ann", PYTHONPATH=str(stranger))
    assert code == 1 and "Traceback" in err and key not in err
