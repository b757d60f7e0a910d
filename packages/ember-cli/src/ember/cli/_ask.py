"""What the user types: answers to questions, and keys, which are never shown nor taken from the command line."""

from __future__ import annotations

import sys

from ember.core.secrets import Secret

from ._exits import FAILED, USAGE, Failure

_LONGEST = 65_536


def ask(question: str, default: str = "") -> str:
    """Return what the user answers on a terminal, or `default` for an empty line."""
    shown = f"{question} [{default}]: " if default else f"{question}: "
    sys.stderr.write(shown)
    sys.stderr.flush()
    answer = sys.stdin.readline()
    if not answer:
        sys.stderr.write("\n")
        raise Failure("the input ended before the question was answered. Nothing was changed.", FAILED)
    return answer.strip() or default


def confirm(question: str, *, default: bool) -> bool:
    """Return whether the user says yes."""
    while True:
        answer = ask(f"{question} [{'Y/n' if default else 'y/N'}]").lower()
        if answer in ("", "y", "yes", "n", "no"):
            return default if not answer else answer.startswith("y")


def choose(question: str, names: tuple[str, ...], default: str = "") -> str:
    """Return the one of `names` that the user chooses, by its number or its name."""
    while True:
        answer = ask(question, default)
        if answer.isdecimal() and 1 <= int(answer) <= len(names):
            return names[int(answer) - 1]
        if answer in names:
            return answer
        from ember.core.suggest import nearest

        near = nearest(answer, names, 1)
        sys.stderr.write(
            f"There is no {answer!r} here." + (f" Did you mean {near[0]!r}?\n" if near else "\n")
        )


def hidden(question: str) -> Secret | None:
    """Return what the user types or pastes unseen, None for an empty line."""
    from getpass import getpass

    if not sys.stdin.isatty():
        raise Failure("there is no terminal to type a key into. Pipe it in, with --stdin.", USAGE)
    try:
        return _key(getpass(f"{question}: ", stream=sys.stderr))
    except EOFError:
        raise Failure("the input ended before a key was typed. Nothing was changed.", FAILED) from None


def piped() -> Secret:
    """Return the key that stands in standard input, of which it is the first line."""
    key = _key(sys.stdin.readline(_LONGEST))
    if key is None:
        raise Failure("standard input holds no key: its first line is empty.", USAGE)
    return key


# The text in clear is a local variable only where nothing is raised: a traceback may show local variables.
def _key(text: str) -> Secret | None:
    bare = text.strip()
    return Secret(bare) if bare else None
