"""What setup begins from: the providers there are, what is set up already, and what is installed. No key is in it."""

from __future__ import annotations

from typing import Any, TypedDict

from ember.context import get_context
from ember.core.errors import EmberError
from ember.core.home import home

from . import _pull
from ._siblings import api
from ._vendors import EMBEDDED, VENDORS
from ._version import __version__


class KeyState(TypedDict):
    """Whether there is a key; its last four characters, and the layer and place it stands in."""

    set: bool
    hint: str
    layer: str
    source: str


class ProviderState(TypedDict):
    """A provider as setup shows it. `install` is what installs it, where it is not."""

    name: str
    label: str
    installed: bool
    install: str
    needs_key: bool
    key: KeyState
    key_page: str
    base_url: str
    base_url_source: str
    default_base_url: str
    models: list[str]
    can_check: bool
    problem: str


class EmbeddedState(TypedDict):
    """The embedded model: whether its engine is installed and its weights are here."""

    model: str
    installed: bool
    pulled: bool
    install: str


class Hello(TypedDict):
    """Everything setup shows before it asks anything."""

    version: str
    home: str
    providers: list[ProviderState]
    default_model: str
    default_model_source: str
    embedded: EmbeddedState


_NO_KEY: KeyState = {"set": False, "hint": "", "layer": "", "source": ""}


def hello() -> Hello:
    """Return what there is. Raises Failure where ember-models is not installed, ConfigFileError for a broken file."""
    models = api("models")
    context = get_context()
    default = context.explain("models.default")
    names = (*VENDORS, *(name for name in models.providers() if name not in VENDORS))
    return {
        "version": __version__,
        "home": str(home()),
        "providers": [_provider(name, models) for name in names if name != _pull.PROVIDER],
        "default_model": default.value or "",
        "default_model_source": default.source if default.value else "",
        "embedded": _embedded(),
    }


def _provider(name: str, models: Any) -> ProviderState:
    vendor = VENDORS.get(name)
    state: ProviderState = {
        "name": name,
        "label": vendor.label if vendor is not None else name,
        "installed": name in models.providers(),
        "install": f"pip install {vendor.distribution}" if vendor is not None else "",
        "needs_key": True,
        "key": _NO_KEY,
        "key_page": vendor.page if vendor is not None else "",
        "base_url": "",
        "base_url_source": "",
        "default_base_url": "",
        "models": [],
        "can_check": False,
        "problem": "",
    }
    if not state["installed"]:
        return state
    try:
        about = models.about_provider(name)
    except EmberError as error:
        state["problem"] = str(error)
        return state
    state["needs_key"], state["can_check"] = about.needs_key, about.listable
    state["base_url"], state["base_url_source"] = about.base_url, about.base_url_source
    state["default_base_url"], state["problem"] = about.default_base_url, about.problem
    state["models"] = [f"{name}/{model}" for model in about.models]
    if about.key is not None:
        key = about.key
        state["key"] = {"set": True, "hint": key.secret.hint, "layer": key.layer, "source": key.source}
    return state


def _embedded() -> EmbeddedState:
    installed = _pull.is_installed()
    return {
        "model": EMBEDDED,
        "installed": installed,
        "pulled": installed and bool(_pull.embedded().pulled(EMBEDDED)),
        "install": f"pip install {VENDORS[_pull.PROVIDER].distribution}",
    }
