"""Everything Ember offers, from whatever of it is installed: `from ember.api import models, operators, data, xcs`.

A name is imported when it is first used. One whose distribution is missing raises ImportError with the command that
installs it. Other distributions add names through the `ember.api` entry-point group.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    # One line each: pyright looks for all names of one line in one of the folders that share this namespace.
    from ember import data as data  # isort: split
    from ember import operators as operators  # isort: split
    from ember import xcs as xcs  # isort: split
    from ember.data import stream as stream
    from ember.models import File as File, Image as Image, models as models
    from ember.operators import Operator as Operator, op as op
else:
    # Our own names are plain imports: asking importlib.metadata for them would cost 74 ms of CPU.
    _OURS = {
        "models": ("ember.models", "models"),
        "Image": ("ember.models", "Image"),
        "File": ("ember.models", "File"),
        "operators": ("ember.operators", None),
        "Operator": ("ember.operators", "Operator"),
        "op": ("ember.operators", "op"),
        "data": ("ember.data", None),
        "stream": ("ember.data", "stream"),
        "xcs": ("ember.xcs", None),
    }

    def __getattr__(name):
        if name == "__all__":
            # Strangers' names are not among them: a star import must not run, or fail by, whatever is installed.
            return _installed()
        found = _ours(name) if name in _OURS else _theirs(name)
        globals()[name] = found
        return found

    def __dir__():
        from ember.core import plugins

        return sorted({*_installed(), *plugins.installed("ember.api")})

    def _installed():
        from ember.core.siblings import present

        return [name for name, (package, _) in _OURS.items() if present(package)]

    def _ours(name):
        from ember.core.siblings import sibling

        package, attribute = _OURS[name]
        module = sibling(package, f"ember.api.{name}")
        return module if attribute is None else getattr(module, attribute)

    def _theirs(name):
        from ember.core import plugins

        # Names with an underscore are asked for by machinery (__path__, __wrapped__); no plugin is meant.
        plugin = None if name.startswith("_") else plugins.find("ember.api", name)
        if plugin is None:
            raise AttributeError(f"ember.api has no name {name!r}; dir(ember.api) lists what is installed.")
        return plugin.load()
