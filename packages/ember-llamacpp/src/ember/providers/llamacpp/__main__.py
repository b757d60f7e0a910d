"""`python -m ember.providers.llamacpp pull [smollm2]`: fetch a model's weights."""

from __future__ import annotations

import argparse
import sys

from ember.core.errors import EmberError

from ._pull import pull
from ._weights import KNOWN


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m ember.providers.llamacpp")
    commands = parser.add_subparsers(dest="command", required=True)
    fetch = commands.add_parser(
        "pull", help="fetch a model's weights; goes on where an interrupted pull stopped"
    )
    fetch.add_argument(
        "name", nargs="?", default="smollm2", help=f"one of: {', '.join(KNOWN)} (default: smollm2)"
    )
    name: str = parser.parse_args().name
    shown = -1

    def progress(done: int, total: int) -> None:
        nonlocal shown
        percent = done * 100 // max(total, 1)
        if percent // 5 != shown // 5 and sys.stderr.isatty():
            print(f"\r{name}: {percent:3} % of {total / 1e6:.0f} MB", end="", file=sys.stderr, flush=True)
            shown = percent

    try:
        path = pull(name, progress=progress)
    except EmberError as error:
        print(f"{error}", file=sys.stderr)
        return 1
    if shown >= 0:
        print(file=sys.stderr)
    print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
