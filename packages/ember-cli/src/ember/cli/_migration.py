"""Moving old settings to today's files: a plan, which is pure, and its application, which may be killed anywhere.

Keys are written first, then settings, each file at once; old files are put aside last. Whatever a killed run has done,
the next one finds as it should be, and does the rest.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple, cast

from ember.core import files
from ember.core.home import prepare
from ember.core.secrets import Secret

from ._exits import FAILED, Failure
from ._old_formats import Keys, Old, credentials_file, settings_file
from ._settings import SECTIONS

CONFIG: Final = "config.yaml"
CREDENTIALS: Final = "credentials.yaml"
OLD_CREDENTIALS: Final = "credentials"
OLD_CONFIG: Final = "config.json"


class Step(NamedTuple):
    """One change of a file: `keys` set to `value`, or with None taken out. `origin` is where the value comes from."""

    file: str
    keys: Keys
    value: Any
    origin: str

    @property
    def key(self) -> str:
        """The setting's name as users know it."""
        return ".".join(("credentials", *self.keys) if self.file == CREDENTIALS else self.keys)


@dataclass(slots=True)
class Plan:
    """What is to be done, and what is not: `conflicts` name the value that stays and the one that does not."""

    steps: list[Step] = field(default_factory=list[Step])
    retired: list[str] = field(default_factory=list[str])
    conflicts: list[str] = field(default_factory=list[str])
    left_out: list[str] = field(default_factory=list[str])

    @property
    def empty(self) -> bool:
        """Whether there is nothing to do."""
        return not self.steps and not self.retired


@dataclass(slots=True)
class Today:
    """What the files of today say: trees as they were read."""

    config: Mapping[str, Any]
    credentials: Mapping[str, Any] = field(repr=False)


def plan(home: Path, *, move_keys: bool = False) -> Plan:
    """Return what is to be done in `home`; writes nothing.

    With `move_keys`, keys under `credentials:` in config.yaml go to credentials.yaml too. Raises ConfigFileError,
    StorageError or Failure for a file that cannot be read.
    """
    now = today(home)
    found: list[Old] = [settings_file(now.config, CONFIG, today=True)]
    for name, read in ((OLD_CONFIG, _read_settings), (OLD_CREDENTIALS, credentials_file)):
        tree = _json(home / name)
        if tree is not None:
            found.append(read(tree, name))
    made = merged(now, found)
    made.retired = [old.place for old in found if old.place != CONFIG]
    if move_keys:
        _move_keys(made, now)
    return made


def _read_settings(tree: Mapping[str, Any], place: str) -> Old:
    return settings_file(tree, place, today=False)


def today(home: Path) -> Today:
    """Return what config.yaml and credentials.yaml in `home` say."""
    config = _yaml(home / CONFIG)
    for name in SECTIONS:
        if config.get(name) is not None and not isinstance(config[name], dict):
            raise Failure(f"{home / CONFIG}: {name} holds no settings. Mend it; nothing was changed.", FAILED)
    return Today(config, _yaml(home / CREDENTIALS))


def merged(now: Today, found: list[Old], *, overwrite: bool = False) -> Plan:
    """Return the plan that brings what was `found` into the files, the first to say something counting.

    What the files of today say already stays, unless `overwrite`.
    """
    made = Plan()
    keys: dict[str, tuple[Secret, str]] = {}
    settings: dict[Keys, tuple[Any, str]] = {}
    here = _tree(now.config.get("credentials"))
    for old in found:
        for name, key in old.keys.items():
            origin = old.place
            if name in keys:
                _dispute(made, f"credentials.{name}", *keys[name], key, origin)
                continue
            keys[name] = key, origin
            standing = here.get(name) or now.credentials.get(name)
            place = CONFIG if here.get(name) else CREDENTIALS
            if isinstance(standing, str) and standing.strip():
                known = Secret(standing.strip())
                if known == key:
                    continue
                if not overwrite:
                    _dispute(made, f"credentials.{name}", known, place, key, origin)
                    keys[name] = known, place
                    continue
                if here.get(name):
                    made.steps.append(Step(CONFIG, ("credentials", name), None, "it would be used instead"))
            made.steps.append(Step(CREDENTIALS, (name,), key, origin))
        for path, value in old.settings.items():
            standing = _at(now.config, path)
            if path in settings:
                _dispute(made, ".".join(path), *settings[path], value, old.place)
            elif standing is not None and repr(standing) != repr(value) and not overwrite:
                _dispute(made, ".".join(path), standing, CONFIG, value, old.place)
                settings[path] = standing, CONFIG
            else:
                settings[path] = value, old.place
                if repr(standing) != repr(value):
                    made.steps.append(Step(CONFIG, path, value, old.place))
        made.left_out += [f"{where} ({old.place}): {why}" for where, why in old.left_out]
        if old.place == CONFIG:
            made.steps += [
                Step(CONFIG, path, None, "an old form")
                for path in old.gone
                if _at(now.config, path) is not None
            ]
    made.steps.sort(key=lambda step: (step.file != CREDENTIALS, step.value is None))
    return made


def _move_keys(made: Plan, now: Today) -> None:
    planned = {step.keys[0] for step in made.steps if step.file == CREDENTIALS}
    for name, value in _tree(now.config.get("credentials")).items():
        if isinstance(value, str) and value.strip():
            key, known = Secret(value.strip()), now.credentials.get(name)
            if isinstance(known, str) and Secret(known.strip()) != key:
                # What config.yaml says is what calls use today.
                _dispute(made, f"credentials.{name}", key, CONFIG, Secret(known.strip()), CREDENTIALS)
            if name not in planned and known != value:
                made.steps.insert(0, Step(CREDENTIALS, (name,), key, CONFIG))
        made.steps.append(Step(CONFIG, ("credentials", name), None, "moved"))


def _dispute(made: Plan, key: str, stays: Any, where: str, loses: Any, origin: str) -> None:
    if repr(stays) != repr(loses) or (isinstance(stays, Secret) and stays != loses):
        made.conflicts.append(f"{key}: {where} says {stays}, {origin} says {loses}; {stays} stays")


def apply(home: Path, made: Plan) -> list[str]:
    """Do what `made` says, under the files' locks; return what was written and put aside, in words.

    Raises StorageError or ConfigFileError; what was done before that is whole, and the next run does the rest.
    """
    from ember.core import yamlfile

    done: list[str] = []
    prepare(home)
    with files.lock(home / CREDENTIALS), files.lock(home / CONFIG):
        for name in (CREDENTIALS, CONFIG):
            changes = [(step.keys, step.value) for step in made.steps if step.file == name]
            if not changes:
                continue
            path = home / name
            old = files.read(path)
            new = yamlfile.edit(old, _emptied(changes), path)
            if old is not None and new.data == old.data:
                continue
            if old is not None:
                done.append(f"kept {path} as {_backup(path, old)}")
            files.replace(path, new)
            done.append(f"wrote {path}")
        for name in made.retired:
            done.append(f"put {home / name} aside as {_put_aside(home / name)}")
    return done


def _emptied(changes: list[tuple[Keys, Any]]) -> list[tuple[Keys, Any]]:
    # Taking out comes last: a key that is moved within a section would else take the section along.
    return sorted(changes, key=lambda change: change[1] is None)


def _backup(path: Path, content: files.Content) -> str:
    """Keep `content` beside `path`, for its owner only; return the name. What is kept already is not kept twice."""
    number = 1
    while True:
        backup = path.with_name(f"{path.name}.bak.{number}")
        kept = files.read(backup)
        if kept is not None and kept.data == content.data:
            return backup.name
        if kept is None:
            files.replace(backup, content)
            return backup.name
        number += 1


def _put_aside(path: Path) -> str:
    number = 1
    while os.path.lexists(backup := path.with_name(f"{path.name}.bak.{number}")):
        number += 1
    path.chmod(0o600)
    path.rename(backup)
    return backup.name


def _yaml(path: Path) -> Mapping[str, Any]:
    content = files.read(path)
    if content is None:
        return {}
    from ember.core import yamlfile

    return yamlfile.load(content, path).tree


def _json(path: Path) -> Mapping[str, Any] | None:
    content = files.read(path) if not path.is_dir() else None
    if content is None:
        return None
    tree = _parsed(content)
    if not isinstance(tree, dict):
        raise Failure(
            f"{path} is no JSON object{tree}. Mend it, or move it away; nothing was changed.", FAILED
        )
    return cast("dict[str, Any]", tree)


# The text of the file is a local variable only where nothing is raised: a traceback may show local variables.
def _parsed(content: files.Content) -> object:
    try:
        tree: object = json.loads(content.data.decode("utf-8-sig"))
    except json.JSONDecodeError as error:
        return f" (line {error.lineno}, column {error.colno})"
    except (ValueError, RecursionError):
        return ""
    return cast("object", tree) if isinstance(tree, dict) else ""


def _at(tree: Mapping[str, Any], path: Keys) -> Any:
    value: Any = tree
    for name in path:
        if not isinstance(value, Mapping):
            return None
        value = cast("Mapping[str, Any]", value).get(name)
    return value


def _tree(value: Any) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", value) if isinstance(value, Mapping) else {}


def lines(made: Plan) -> list[str]:
    """Return a plan in words, a line for each step, conflict, and thing left out. Keys are hints."""
    from . import _say, _show

    said: list[str] = []
    for step in made.steps:
        if step.value is None:
            said.append(f"- {step.key} out of {step.file} ({step.origin})")
        else:
            value = _say.redacted(_show.setting(step.value))  # a key may stand where none belongs
            said.append(f"+ {step.key} = {value} into {step.file}, from {step.origin}")
    said += [f"~ {name} is put aside" for name in made.retired]
    said += [f"! {_say.redacted(conflict)}" for conflict in made.conflicts]
    said += [f". {_say.redacted(what)}; left out" for what in made.left_out]
    return said


def fields(made: Plan) -> dict[str, object]:
    """Return a plan as `--json` prints it."""
    steps = [
        {
            "file": step.file,
            "key": step.key,
            "value": step.value,
            "remove": step.value is None,
            "from": step.origin,
        }
        for step in made.steps
    ]
    return {"steps": steps, "retired": made.retired, "conflicts": made.conflicts, "left_out": made.left_out}
