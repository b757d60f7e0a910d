"""`ember doctor`: what is wrong with this installation, and what to do about it."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator
from typing import Final, Literal, NamedTuple

import click

from . import _say, _show
from ._exits import FAILED
from ._group import command

Status = Literal["ok", "warn", "fail"]
_COLORS: Final = {"ok": "green", "warn": "yellow", "fail": "red"}
_NODE: Final = 20


class Finding(NamedTuple):
    """What one look found, and what to do about it."""

    about: str
    status: Status
    message: str
    advice: str = ""


@command(examples="        ember doctor\n        ember doctor --json")
@click.option(
    "--json", "as_json", is_flag=True, help="Print {ok, findings: [{about, status, message, advice}]}."
)
def doctor(as_json: bool) -> None:
    """Look at the installation, the files, the keys and the plugins; asks no network. Exits with 1 if something fails.

    `ember test` asks the providers.
    """
    findings = list(_examine())
    failed = any(one.status == "fail" for one in findings)
    if as_json:
        _show.as_json({"ok": not failed, "findings": [one._asdict() for one in findings]})
    else:
        width = max(len(one.about) for one in findings)
        for one in findings:
            status = _say.paint(one.status.ljust(4), _COLORS[one.status], sys.stdout)
            _show.line(f"{status}  {one.about.ljust(width)}  {_say.redacted(one.message)}")
            if one.advice:
                _show.line(f"{' ' * (width + 8)}{_say.redacted(one.advice)}")
    if failed:
        raise click.exceptions.Exit(FAILED)


def _examine() -> Iterator[Finding]:
    for look in LOOKS:
        try:
            yield from look()
        except (
            Exception
        ) as error:  # one broken thing is what is looked for; the others are looked at all the same
            yield Finding(look.__name__.strip("_"), "fail", str(error) or type(error).__name__)


def _python() -> Iterator[Finding]:
    version = ".".join(map(str, sys.version_info[:3]))
    yield Finding("python", "ok", f"{version}, {sys.executable}")


def _distributions() -> Iterator[Finding]:
    from importlib.metadata import distributions

    found = {dist.name: dist.version for dist in distributions() if (dist.name or "").startswith("ember-")}
    yield Finding("installed", "ok", ", ".join(f"{name} {found[name]}" for name in sorted(found)))
    if "ember-models" not in found:
        yield Finding(
            "models", "fail", "ember-models is not installed.", "pip install ember-models ember-openai"
        )


def _home() -> Iterator[Finding]:
    from ember.core.home import home

    place = home()
    if not place.exists():
        yield Finding("home", "ok", f"{place} does not exist yet: nothing was ever saved")
        return
    mode = place.stat().st_mode & 0o777
    if mode & 0o022:
        yield Finding("home", "fail", f"other users can write in {place}.", f"chmod 700 {place}")
    elif mode & 0o077:
        yield Finding("home", "warn", f"other users can look into {place}.", f"chmod 700 {place}")
    else:
        yield Finding("home", "ok", str(place))


def _files() -> Iterator[Finding]:
    from ember.context import get_context
    from ember.core.home import home

    context = get_context()
    context.reload()
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        for name, section in (("config.yaml", "models"), ("credentials.yaml", "credentials")):
            path = home() / name
            try:
                context.section(section)
            except Exception as error:
                yield Finding(name, "fail", str(error))
                continue
            if path.exists() and path.stat().st_mode & 0o077 and name == "credentials.yaml":
                yield Finding(name, "fail", f"other users can read {path}.", f"chmod 600 {path}")
            else:
                yield Finding(name, "ok", str(path) if path.exists() else "there is none")
    for warning in said:
        yield Finding("settings", "warn", str(warning.message))


def _older() -> Iterator[Finding]:
    from ember.core.home import home

    from ._migration import plan

    left = plan(home())
    if not left.empty:
        said = f"{len(left.steps)} settings of older forms are not in today's files."
        yield Finding("older settings", "warn", said, "ember configure migrate --dry-run")


def _keys() -> Iterator[Finding]:
    from ember.context import get_context

    from . import _settings

    for row in _settings.rows("credentials"):
        provider = _settings.provider_of(row.key)
        hidden = [origin for origin in get_context().explain(row.key).shadowed if origin.value is not None]
        if hidden and any(origin.value != row.value for origin in hidden):
            others = ", ".join(f"{origin.value} from {origin.source}" for origin in hidden)
            advice = "Take out the one you do not mean: `ember configure unset` for the files."
            yield Finding(
                "keys", "warn", f"{provider}: {row.value} from {row.source} hides {others}.", advice
            )
        else:
            yield Finding("keys", "ok", f"{provider}: {row.value} from {row.source}")


def _providers() -> Iterator[Finding]:
    from ember.core.siblings import present

    from ._providers import is_set_up
    from ._siblings import api

    if not present("ember.models"):
        return
    models = api("models")
    names = models.providers()
    working: list[str] = []
    for name in names:
        try:
            about = models.about_provider(name)
        except Exception as error:
            yield Finding("providers", "fail", str(error))
            continue
        working.append(name)
        if about.problem and (is_set_up(about)):
            yield Finding("providers", "fail", about.problem)
    if working:
        yield Finding("providers", "ok", ", ".join(working))
    else:
        yield Finding(
            "providers", "fail", "no provider is installed.", "pip install ember-openai ember-llamacpp"
        )
        return
    try:
        about = models.about(None)
    except Exception as error:
        yield Finding("default model", "fail", str(error), "ember configure set models.default MODEL")
    else:
        yield Finding("default model", "ok", f"{about.provider}/{about.model}")


def _weights() -> Iterator[Finding]:
    from . import _pull
    from ._vendors import EMBEDDED

    if not _pull.is_installed():
        return
    if _pull.embedded().pulled(EMBEDDED):
        yield Finding("embedded model", "ok", f"{EMBEDDED} is on this machine")
    else:
        yield Finding("embedded model", "warn", f"{EMBEDDED} is not here.", f"ember models pull {EMBEDDED}")


def _ledger() -> Iterator[Finding]:
    from ember.context import get_context

    on = bool(get_context().get_config("usage.ledger"))
    said = (
        "calls are booked"
        if on
        else "off: `ember configure set usage.ledger true` books calls for `ember usage`"
    )
    yield Finding("ledger", "ok", said)


def _node() -> Iterator[Finding]:
    import os
    import shutil
    import subprocess

    path = os.environ.get("EMBER_NODE") or shutil.which("node")
    if path is None:
        yield Finding("node", "ok", "not found: `ember setup` asks plain questions")
        return
    try:
        done = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=10)
        major = int(done.stdout.strip().removeprefix("v").partition(".")[0])
    except (OSError, ValueError, subprocess.SubprocessError):
        yield Finding("node", "warn", f"{path} does not tell its version: `ember setup` asks plain questions")
        return
    enough = major >= _NODE
    said = "" if enough else f", older than {_NODE}: `ember setup` asks plain questions"
    yield Finding("node", "ok" if enough else "warn", f"{done.stdout.strip()}{said}")


LOOKS: Final[tuple[Callable[[], Iterator[Finding]], ...]] = (
    _python,
    _distributions,
    _home,
    _files,
    _older,
    _keys,
    _providers,
    _weights,
    _ledger,
    _node,
)
