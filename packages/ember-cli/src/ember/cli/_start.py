"""Where the `ember` script begins. `--version` is answered here, before anything is imported."""

import sys

from ._version import __version__


def main() -> int:
    """Run the command that the process was started with; return its exit code."""
    arguments = sys.argv[1:]
    if arguments in (["--version"], ["-V"]):
        print(f"ember {__version__}")
        return 0
    from ._main import run

    return run(arguments)
