"""What other distributions offer Ember, found through their entry points and loaded only when named.

`EMBER_PLUGINS` decides which count: unset, all; `none`, none at all; `ember-openai,acme-ember`, those distributions
only. `openai=acme-ember` among them says which distribution may have a name that several claim.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from .errors import PluginError

GROUPS: Final = ("ember.api", "ember.providers", "ember.datasets", "ember.engines", "ember.commands", "ember.importers")
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
        except Exception as error:  # a plugin boundary: whatever a stranger's module does at import is its failure
            problem = f"failed to load ({type(error).__name__}: {error}). Fix or uninstall it; nothing else is affected."
            raise PluginError(self.group, self.name, self.distribution, problem) from error
        except SystemExit as error:
            problem = "called sys.exit() while loading. Fix or uninstall it; nothing else is affected."
            raise PluginError(self.group, self.name, self.distribution, problem) from error


_lock = threading.Lock()
_found: dict[tuple[str, str], Mapping[str, tuple[Plugin, ...]]] = {}


def installed(group: str) -> Mapping[str, tuple[Plugin, ...]]:
    """Return the plugins of `group` by name. A name with more than one is claimed by several distributions.

    The scan of installed distributions is made once per process and setting of `EMBER_PLUGINS`; nothing is imported.
    """
    setting = os.environ.get("EMBER_PLUGINS", "")
    with _lock:
        known = _found.get((group, setting))
        if known is None:
            known = _found[group, setting] = MappingProxyType(_scan(group, _Policy(setting)))
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

    def admits(self, plugin: Plugin) -> bool:
        distribution = _normal(plugin.distribution)
        if plugin.name in self.chosen:
            return self.chosen[plugin.name] == distribution
        return not self.only or distribution in self.only


def _normal(distribution: str) -> str:
    return re.sub(r"[-_.]+", "-", distribution).lower()  # PEP 503


def _scan(group: str, policy: _Policy) -> dict[str, tuple[Plugin, ...]]:
    if policy.only == {"none"} and not policy.chosen:
        return {}
    from importlib.metadata import entry_points  # 74 ms CPU the first time: not before a plugin is wanted

    found: dict[str, tuple[Plugin, ...]] = {}
    for entry in entry_points(group=group):
        distribution = entry.dist.name if entry.dist is not None else "unknown"
        plugin = Plugin(group, entry.name, distribution, entry.value)
        if policy.admits(plugin) and plugin not in found.get(entry.name, ()):
            found[entry.name] = (*found.get(entry.name, ()), plugin)
    return found
