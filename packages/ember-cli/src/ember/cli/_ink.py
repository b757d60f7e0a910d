"""The wizard that draws, which is a program for Node: finding one that can run it, and running it.

It talks to `ember.cli.bridge`, which it starts with this very Python. No key is in its arguments or its environment.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Final, TypedDict

BUNDLE: Final = Path(__file__).with_name("_wizard") / "setup.mjs"
_CANNOT: Final = 78  # what the bundle ends with where its Node is too old for it


class Wanted(TypedDict, total=False):
    """What the command line said already."""

    provider: str | None
    base_url: str | None
    default_model: str | None
    pull: bool


def draw(wanted: Wanted) -> int | str:
    """Run the wizard, and return its exit code; or why it cannot run here, in words."""
    if os.environ.get("TERM", "") in ("", "dumb"):
        return "this terminal cannot draw"
    named = os.environ.get("EMBER_NODE")
    node = shutil.which(named or "node")
    if node is None:
        return (
            f"there is no {named!r}, which EMBER_NODE names" if named else "the wizard needs Node 20 or newer"
        )
    if not BUNDLE.exists():
        return "this installation does not have the wizard"
    # Ink would draw nothing before the end where it takes a terminal for a machine's.
    environment = {
        **os.environ,
        "EMBER_PYTHON": sys.executable,
        "CI": "false",
        "CONTINUOUS_INTEGRATION": "false",
    }
    if os.environ.get("NO_COLOR"):
        environment["FORCE_COLOR"] = "0"  # all that the wizard's library looks at
    # Ctrl-C is the wizard's: it leaves in good order, and says how.
    before = signal.signal(signal.SIGINT, _heard)
    try:
        code = subprocess.run([node, str(BUNDLE), json.dumps(wanted)], env=environment).returncode
    except OSError as error:
        return f"{node} cannot be started ({error.strerror})"
    finally:
        signal.signal(signal.SIGINT, before)
    return f"{node} cannot run the wizard, which needs Node 20 or newer" if code == _CANNOT else code


def _heard(signum: int, frame: object) -> None:
    """Do nothing: not SIG_IGN, which the wizard would inherit."""
