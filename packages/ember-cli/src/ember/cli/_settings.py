"""Settings as rows to be shown: the value, and the layer and place that say so. Keys are hints, never values."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple, cast

from ember.context import EmberContext, Explanation, get_context, known_settings
from ember.core import files
from ember.core.errors import ConfigError, ConfigFileError, UnknownKey
from ember.core.home import home
from ember.core.secrets import Secret
from ember.core.suggest import nearest

from ._exits import USAGE, Failure
from ._vendors import VENDORS, variables

SECTIONS: Final = ("models", "providers", "credentials", "usage", "logging")
_KEY: Final = "_api_key"
_SECRET: Final = re.compile("(.*[_-])?(token|secret|password|passwd|passphrase)")
_SECTION: Final = re.compile("[A-Za-z][A-Za-z0-9_]*")


class Row(NamedTuple):
    """One setting. `value` is None where nothing says anything; a key is a `Secret`."""

    key: str
    value: Any
    layer: str
    source: str
    about: str = ""


def is_secret(key: str) -> bool:
    """Whether `key` is the place of a credential.

    >>> is_secret("credentials.openai_api_key"), is_secret("providers.acme.api_key"), is_secret("models.default")
    (True, True, False)
    """
    return key.startswith("credentials.") or key.lower().replace("-", "_").endswith("api_key")


def is_told_to_nobody(key: str) -> bool:
    """Whether `key` is the place of a secret by its name, other than a provider's key.

    >>> is_told_to_nobody("providers.acme.client_secret"), is_told_to_nobody("models.max_tokens")
    (True, False)
    """
    return _SECRET.fullmatch(key.rpartition(".")[2].lower()) is not None


def provider_of(key: str) -> str:
    """Return the provider whose key stands at `key`."""
    return key.removeprefix("credentials.").removesuffix(_KEY)


def row(key: str) -> Row:
    """Return what `key` is set to, and by what. Raises Failure (used wrongly) for what is no single setting."""
    context = get_context()
    if key.startswith("credentials.") and key.endswith(_KEY):
        found = context.find_credential(provider_of(key), *variables(provider_of(key)))
        return Row(key, None, "", "") if found is None else Row(key, found.secret, found.layer, found.source)
    said = explained(key)
    if said.value is None:
        return Row(key, None, "", "")
    return Row(key, masked(key, said.value), said.layer, said.source)


def masked(key: str, value: object) -> Any:
    """Return what stands at `key`, a setting or several, with secrets wrapped."""
    if isinstance(value, Mapping):
        level = cast("Mapping[str, object]", value)
        return {name: masked(f"{key}.{name}", inner) for name, inner in level.items()}
    return Secret(value) if isinstance(value, str) and is_told_to_nobody(key) else value


def explained(key: str) -> Explanation:
    """Return `get_context().explain(key)`, with errors that say what a user of the command can do."""
    try:
        return get_context().explain(key)
    except ConfigFileError:
        raise
    except UnknownKey as error:
        raise unknown(key, error) from None
    except ConfigError as error:
        raise Failure(f"{error}", USAGE) from None


def unknown(key: str, error: UnknownKey) -> Failure:
    """Return the failure for a key there is not; `openai_api_key` means the credential of that name."""
    if "." not in key and key.endswith(_KEY):
        return Failure(f"Ember has no configuration key {key!r}. Did you mean 'credentials.{key}'?", USAGE)
    return Failure(f"{error}", USAGE)


def rows(section: str | None = None, *, unset: bool = False) -> list[Row]:
    """Return the settings of `section`, or of all, that somebody set; with `unset`, defaults and the others too.

    Raises UnknownKey for a section there is not.
    """
    context = get_context()
    wanted = section.partition(".")[0] if section else None
    if wanted is not None and wanted not in (*SECTIONS, *_others()):
        context.section(wanted)  # raises, with what may be meant
    found = [
        found for name in (*SECTIONS, *_others()) if wanted in (None, name) for found in _of(context, name)
    ]
    known = {one.key for one in found}
    settings = known_settings()
    result = [
        one._replace(about=_about(one.key, settings)) for one in found if unset or one.layer != "default"
    ]
    if unset and section is not None:
        name = section.split(".")[1] if section.startswith("providers.") else "<name>"
        named = {key.replace("providers.<name>", f"providers.{name}"): one for key, one in settings.items()}
        result += [
            Row(key, None, "", "", setting.about)
            for key, setting in named.items()
            if key.startswith(f"{wanted}.") and key not in known and "<" not in key
        ]
    prefix = f"{section}."
    return [one for one in result if section is None or one.key == section or one.key.startswith(prefix)]


def tell_of_old_files() -> None:
    """Say that there are settings of older forms, if there are."""
    from ._say import note

    old = [name for name in ("config.json", "credentials") if (home() / name).is_file()]
    if old:
        note(
            f"Older settings are in {home() / old[0]}: `ember configure migrate --dry-run` shows what becomes of them."
        )


def _of(context: EmberContext, section: str) -> Iterator[Row]:
    if section == "credentials":
        names = {provider_of(name) for name in context.section("credentials")}
        for provider in sorted(names | set(VENDORS) | set(context.section("providers"))):
            one = row(f"credentials.{provider}{_KEY}")
            if one.value is not None:
                yield one
        return
    tree = context.section(section) if section in SECTIONS else context.get_config(section)
    if section == "providers":
        named = set(tree) | set(VENDORS)  # a variable may say where a provider is that no file names
        tree = {name: context.section(f"providers.{name}") for name in sorted(named)}
    for key, value in _leaves(tree, section):
        try:
            said = context.explain(key)
        except ConfigError:  # a name that no dotted key can write
            yield Row(key, masked(key, value), "config.yaml", "")
        else:
            yield Row(key, masked(key, said.value), said.layer, said.source)


def _leaves(value: object, key: str) -> Iterator[tuple[str, object]]:
    if isinstance(value, Mapping):
        for name, inner in cast("Mapping[str, object]", value).items():
            yield from _leaves(inner, f"{key}.{name}")
    elif value is not None:
        yield key, value


def _others() -> tuple[str, ...]:
    """Return the sections in config.yaml that are none of Ember's: those of plugins."""
    path = home() / "config.yaml"
    content = files.read(path)
    if content is None:
        return ()
    from ember.core import yamlfile

    tree = yamlfile.load(content, path).tree
    return tuple(name for name, value in tree.items() if isinstance(value, dict) and may_be_a_plugins(name))


def may_be_a_plugins(section: str) -> bool:
    """Whether `section` may be one that a plugin adds: a plain name, not one of Ember's misspelt.

    >>> may_be_a_plugins("zebra"), may_be_a_plugins("model"), may_be_a_plugins("_")
    (True, False, False)
    """
    return bool(_SECTION.fullmatch(section)) and section not in SECTIONS and not nearest(section, SECTIONS)


def _about(key: str, settings: Mapping[str, Any]) -> str:
    known = settings.get(key)
    if known is None:
        section, _, rest = key.partition(".")
        patterns = (f"{section}.<name>.{rest.partition('.')[2]}", f"{key.rpartition('.')[0]}.<name>")
        known = next((settings[pattern] for pattern in patterns if pattern in settings), None)
    return known.about if known is not None else ""
