"""`ember configure edit`."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

from .. import _ask, _say
from .._exits import FAILED, USAGE, Failure
from .._group import command


@command(examples="        ember configure edit\n        EDITOR=nano ember configure edit")
def edit() -> None:
    """Open config.yaml in your editor (VISUAL, EDITOR, or vi).

    A copy is edited, and takes the file's place when it is found right; otherwise the file stays as it was.
    """
    from ember.context import get_context
    from ember.core import files
    from ember.core.home import folder, home, prepare

    if not sys.stdin.isatty():
        raise Failure("there is no terminal for an editor. `ember configure set` changes one setting.", USAGE)
    path = prepare(home()) / "config.yaml"
    before = files.read(path)
    with tempfile.TemporaryDirectory(prefix="edit-", dir=folder("cache")) as scratch:
        copy = Path(scratch) / "config.yaml"
        files.replace(
            copy, before or files.Content(b"# Ember's settings: `ember configure show models` lists them.\n")
        )
        while True:
            _open(copy)
            copy.chmod(0o600)
            problem = _problem(Path(scratch))
            if not problem:
                break
            _say.complain(problem)
            if not _ask.confirm("Edit it again?", default=True):
                raise Failure("config.yaml is as it was.", FAILED)
        after = files.read(copy)
        assert after is not None
        with files.lock(path):
            now = files.read(path)
            if (now and now.data) != (before and before.data):
                raise Failure(
                    f"{path} was changed meanwhile by another program. Nothing was written.", FAILED
                )
            files.replace(path, after)
    get_context().reload(discard=True)


def _open(path: Path) -> None:
    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR") or ("notepad" if os.name == "nt" else "vi")
    try:
        words = [editor] if os.name == "nt" else shlex.split(editor)
        code = subprocess.run([*words, str(path)]).returncode
    except (OSError, ValueError) as error:
        raise Failure(f"the editor {editor!r} cannot be started ({error}). Set EDITOR to another.") from None
    if code:
        raise Failure(f"the editor {editor!r} ended with {code}. config.yaml is as it was.")


def _problem(place: Path) -> str:
    """Return what is wrong with the config.yaml in the folder `place`, as reading it from there tells."""
    from ember.context import get_context
    from ember.core.errors import EmberError

    context, known = get_context(), os.environ.get("EMBER_HOME")
    os.environ["EMBER_HOME"] = str(place)
    try:
        context.reload(discard=True)
        context.section("models")
    except EmberError as error:
        return str(error)
    finally:
        if known is None:
            del os.environ["EMBER_HOME"]
        else:
            os.environ["EMBER_HOME"] = known
        context.reload(discard=True)
    return ""
