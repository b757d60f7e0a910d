"""What other distributions offer Ember, found through their entry points and loaded only when named.

`EMBER_PLUGINS` decides which count: unset, all; `none`, none at all; `ember-openai,acme-ember`, those distributions
only. `openai=acme-ember` among them says which distribution may have a name that several claim.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from .errors import PluginError

if TYPE_CHECKING:
    from importlib.metadata import Distribution

GROUPS: Final = (
    "ember.api",
    "ember.providers",
    "ember.datasets",
    "ember.engines",
    "ember.commands",
    "ember.importers",
)
"""The entry-point groups Ember looks at, one per kind of thing that can be added."""


@dataclass(frozen=True, slots=True)
class Plugin:
    """One entry point: its group and name, the distribution that declares it, and where its object is."""

    group: str
    name: str
    distribution: str
    target: str

    def load(self) -> Any:
        """Import and return the object. Raises `PluginError`, naming the distribution, if that fails."""
        from importlib.metadata import EntryPoint

        try:
            return EntryPoint(self.name, self.target, self.group).load()
        except Exception as error:  # a plugin boundary: a stranger's module may do anything
            problem = f"failed to load ({type(error).__name__}: {error})."
            raise self.broken(problem) from error
        except SystemExit as error:
            raise self.broken("called sys.exit() while loading.") from error

    def broken(self, problem: str) -> PluginError:
        """Return the error that says what is wrong with this plugin, and what to do."""
        advice = "Fix or uninstall it; nothing else is affected."
        return PluginError(self.group, self.name, self.distribution, f"{problem} {advice}")


_lock = threading.Lock()
_declared: tuple[Plugin, ...] | None = None
_found: dict[tuple[str, str], Mapping[str, tuple[Plugin, ...]]] = {}


def installed(group: str) -> Mapping[str, tuple[Plugin, ...]]:
    """Return the plugins of `group` by name. A name with more than one is claimed by several distributions.

    Installed distributions are looked through once per process, when the first group is asked for; nothing is imported.
    """
    setting = os.environ.get("EMBER_PLUGINS", "")
    known = _found.get((group, setting))
    if known is None:
        with _lock:
            known = _found[group, setting] = MappingProxyType(_admitted(group, _Policy(setting)))
    return known


def find(group: str, name: str) -> Plugin | None:
    """Return the one plugin of `group` called `name`, or None. Raises `PluginError` if several claim the name."""
    claims = installed(group).get(name, ())
    if len(claims) > 1:
        rivals = " and ".join(sorted(repr(claim.distribution) for claim in claims))
        problem = (
            f"is claimed by {rivals}, and neither is preferred. Uninstall one, or choose with "
            f"EMBER_PLUGINS={name}={claims[0].distribution}."
        )
        raise PluginError(group, name, claims[0].distribution, problem)
    return claims[0] if claims else None


class _Policy:
    """What `EMBER_PLUGINS` says."""

    def __init__(self, setting: str) -> None:
        entries = [entry.strip() for entry in setting.split(",") if entry.strip()]
        chosen = (entry.partition("=") for entry in entries if "=" in entry)
        self.chosen = {name.strip(): _normal(distribution) for name, _, distribution in chosen}
        self.only = {_normal(entry) for entry in entries if "=" not in entry}
        self.none = self.only == {"none"} and not self.chosen

    def admits(self, plugin: Plugin) -> bool:
        distribution = _normal(plugin.distribution)
        if plugin.name in self.chosen:
            return self.chosen[plugin.name] == distribution
        return not self.only or distribution in self.only


def _normal(distribution: str) -> str:
    return re.sub(r"[-_.]+", "-", distribution.strip()).lower()  # PEP 503


def _admitted(group: str, policy: _Policy) -> dict[str, tuple[Plugin, ...]]:
    global _declared
    if policy.none:
        return {}
    if _declared is None:
        _declared = tuple(_scan())
    found: dict[str, tuple[Plugin, ...]] = {}
    for plugin in _declared:
        if plugin.group == group and policy.admits(plugin):
            found[plugin.name] = (*found.get(plugin.name, ()), plugin)
    return found


def _scan() -> Iterator[Plugin]:
    from importlib.metadata import distributions  # 74 ms CPU the first time: not before a plugin is wanted

    seen: set[str] = set()
    for distribution in distributions():
        try:
            # Most have nothing for us, and looking for the text costs a fraction of parsing it.
            if "[ember." not in (distribution.read_text("entry_points.txt") or ""):
                continue
            plugins = _plugins_of(distribution)
        except Exception as error:  # a plugin boundary: anything may lie in site-packages
            _complain(distribution, error)
            continue
        # The same distribution twice on sys.path: the first hides the second, as with modules.
        if plugins and (name := _normal(plugins[0].distribution)) not in seen:
            seen.add(name)
            yield from plugins


def _plugins_of(distribution: Distribution) -> list[Plugin]:
    name = distribution.name
    if not name:  # some Pythons say None where METADATA is missing, others raise
        raise ValueError("it does not say its name")
    return [
        Plugin(entry.group, entry.name, name, entry.value)
        for entry in distribution.entry_points
        if entry.group in GROUPS
    ]


def _complain(distribution: Distribution, error: Exception) -> None:
    import logging

    place = getattr(distribution, "_path", None) or distribution.locate_file("")
    logging.getLogger("ember.plugins").warning(
        "The plugins of the distribution at %s are ignored, for its metadata is broken (%s). Reinstall or remove it.",
        place,
        f"{type(error).__name__}: {error}",
    )


def _after_fork() -> None:
    global _lock
    _lock = threading.Lock()  # another thread of the parent may have held it, scanning


os.register_at_fork(after_in_child=_after_fork)
