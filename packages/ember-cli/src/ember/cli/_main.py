"""One run of the command: arguments in, exit code out, and every way it can end."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from io import TextIOWrapper

import click

from . import _say
from ._exits import INTERRUPTED, OK, code_of
from ._tree import ember

COMPLETE = "_EMBER_COMPLETE"


def run(arguments: Sequence[str]) -> int:
    """Run `ember` with `arguments`; return the exit code. Nothing escapes but SystemExit."""
    for stream in (sys.stdout, sys.stderr):
        # What a terminal's encoding cannot show becomes "?" and not a traceback.
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")
    if instruction := os.environ.get(COMPLETE):
        from click.shell_completion import shell_complete

        return shell_complete(ember, {}, "ember", COMPLETE, instruction)
    try:
        code = _ended(arguments or ["--help"])
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read has had enough, as `head` does. Python would complain again when it closes stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    finally:
        _say.set_level(_say.NORMAL)
    return code


def _ended(arguments: Sequence[str]) -> int:
    try:
        with _say.warnings_as_notes(), ember.make_context("ember", [*arguments]) as context:
            ember.invoke(context)
    except click.exceptions.Exit as end:
        return end.exit_code
    except BrokenPipeError:
        raise
    except (KeyboardInterrupt, click.Abort):
        sys.stderr.write("\n")
        _say.complain("interrupted")
        return INTERRUPTED
    except click.exceptions.NoArgsIsHelpError as error:
        print(error.format_message(), file=sys.stderr)
        return error.exit_code
    except Exception as error:
        _tell(error)
        return code_of(error)
    return OK


def _tell(error: Exception) -> None:
    if _say.level() >= _say.DEBUG:
        from traceback import format_exception

        sys.stderr.write(_say.redacted("".join(format_exception(error))))
    if isinstance(error, click.UsageError):
        _say.complain(error.format_message())
        if error.ctx is not None:
            print(error.ctx.get_usage(), file=sys.stderr)
            print(f"Try '{error.ctx.command_path} --help'.", file=sys.stderr)
    elif isinstance(error, click.ClickException):
        _say.complain(error.format_message())
    elif _is_ours(error):
        _say.complain(str(error))
        if type(error).__name__ == "ConfigFileError" and "api_key" in str(error):
            _say.note("`ember configure migrate` moves a key of an older form to where keys are kept.")
        if type(error).__name__ == "ModelNotFound" and getattr(error, "provider", None) == "local":
            _say.note("`ember models pull smollm2` fetches the embedded model's weights.")
        if (provider := getattr(error, "provider", None)) and type(error).__name__ == "CredentialNotFound":
            _say.note(f"`ember setup --provider {provider}` asks for it, checks it and keeps it.")
    else:
        more = "" if _say.level() >= _say.DEBUG else " Run it again with --debug to see where."
        _say.complain(f"this should not happen: {type(error).__name__}: {error}.{more}")


def _is_ours(error: Exception) -> bool:
    return any(cls.__name__ == "EmberError" for cls in type(error).__mro__)
