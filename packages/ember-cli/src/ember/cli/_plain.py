"""Setup by plain questions: any terminal, no drawing, the same checks and the same writer as the wizard."""

from __future__ import annotations

from ember.core.errors import CredentialError, EmberError
from ember.core.secrets import Secret

from . import _ask, _hello, _say, _store, _validate
from ._exits import Failure
from ._siblings import api
from ._unattended import report
from ._vendors import EMBEDDED


class Chosen:
    """What was answered so far. Nothing of it is written before the end."""

    def __init__(self) -> None:
        self.credentials: dict[str, Secret] = {}
        self.base_urls: dict[str, str | None] = {}
        self.models: list[str] = []
        self.default: str | None = None
        self.pull = False


def walk(provider: str | None, base_url: str | None, default_model: str | None, *, pull: bool) -> None:
    """Ask for everything, check it, and write it at the end."""
    state = _hello.hello()
    chosen = Chosen()
    _say.note("Nothing is written before the end; Ctrl-C leaves everything as it is.\n")
    names = tuple(one["name"] for one in state["providers"])
    if provider != "local":
        _list(state)
        while True:
            name = provider or _ask.choose(
                "Provider, by number or name (none to go on)", (*names, "none"), "none"
            )
            if name == "none":
                break
            _provider(next(one for one in state["providers"] if one["name"] == name), base_url, chosen)
            provider = base_url = None
    embedded = state["embedded"]
    if embedded["installed"] and not embedded["pulled"]:
        question = f"Fetch {EMBEDDED}, a small model that runs in Ember and needs no key (98 MB)?"
        chosen.pull = pull or _ask.confirm(question, default=not chosen.credentials)
    if embedded["pulled"] or chosen.pull:
        chosen.models.append(f"local/{EMBEDDED}")
    chosen.default = default_model or _default(state, chosen)
    _finish(chosen)


def _list(state: _hello.Hello) -> None:
    width = max(len(one["label"]) for one in state["providers"])
    for number, one in enumerate(state["providers"], 1):
        key = one["key"]
        if not one["installed"]:
            said = f"not installed: {one['install']}"
        elif key["set"]:
            said = f"key {key['hint']} from {key['source']}"
        else:
            said = "no key" if one["needs_key"] else "no key needed"
        _say.note(f"{number:3}  {one['label'].ljust(width)}  {said}")
    _say.note("")


def _provider(one: _hello.ProviderState, base_url: str | None, chosen: Chosen) -> None:
    name = one["name"]
    if not one["installed"]:
        _say.note(f"{one['label']} is not installed: {one['install']}")
        return
    url = base_url or one["base_url"]
    if not url or (base_url is None and one["base_url_source"]):
        # One's own server, or an address that something here set: it gets the key, so it is asked about.
        if one["base_url_source"]:
            _say.note(f"{one['base_url_source']} says that {one['label']} is at {url}.")
        url = _ask.ask("Base URL", url or one["default_base_url"])
        if not url:
            return
    if one["key_page"]:
        _say.note(f"Keys are made at {one['key_page']}")
    while True:
        _say.note(f"The key will be checked at {url}")
        held = f" (empty keeps {one['key']['hint']})" if one["key"]["set"] else " (empty for none)"
        key = _ask.hidden(f"API key of {one['label']}{held}")
        if key is None and one["needs_key"] and not one["key"]["set"] and url == one["default_base_url"]:
            _say.note(f"{one['label']} is left out.")
            return
        if _is_kept(name, key, url, one, chosen):
            break
    if key is not None:
        chosen.credentials[name] = key
    if key is not None or url != one["base_url"]:
        chosen.base_urls[name] = None if url == one["default_base_url"] else url


def _is_kept(name: str, key: Secret | None, url: str, one: _hello.ProviderState, chosen: Chosen) -> bool:
    """Check a key, and return whether to go on with it; otherwise it is asked for again."""
    given = None if key is None and url == one["base_url"] else url
    try:
        with _say.waiting(f"asking {url}"):
            verdict = _validate.validate(name, key, given)
    except CredentialError as error:
        _say.warn(str(error))
        return False
    if verdict.outcome == "ok":
        _say.note(f"{one['label']} takes it, and has {len(verdict.models)} models for you.")
        chosen.models += verdict.models
        return True
    _say.warn(verdict.message)
    if verdict.outcome == "refused":
        return False
    chosen.models += one["models"]
    return verdict.outcome in ("limited", "unchecked") or _ask.confirm("Keep it unchecked?", default=False)


def _default(state: _hello.Hello, chosen: Chosen) -> str | None:
    if not chosen.models:
        return None
    now = state["default_model"]
    shown = chosen.models[:12]
    _say.note("\nThe default model is what calls without a model ask." + (f" It is {now}." if now else ""))
    for number, model in enumerate(shown, 1):
        _say.note(f"{number:3}  {model}")
    if len(chosen.models) > len(shown):
        _say.note(f"     and {len(chosen.models) - len(shown)} more; any may be named")
    while True:
        answer = _ask.ask("Default model, by number or name", now or shown[0])
        if answer.isdecimal() and 1 <= int(answer) <= len(shown):
            answer = shown[int(answer) - 1]
        try:
            api("models").about(answer)
        except EmberError as error:
            _say.warn(str(error))
            continue
        return None if answer == now else answer


def _finish(chosen: Chosen) -> None:
    _say.note("\nThis will be written:")
    for name, key in chosen.credentials.items():
        _say.note(f"  {name}: key {key}, at {chosen.base_urls.get(name) or 'the vendor'}")
    for name in chosen.base_urls.keys() - chosen.credentials.keys():
        _say.note(f"  {name}: at {chosen.base_urls[name] or 'the vendor'}")
    if chosen.default:
        _say.note(f"  default model: {chosen.default}")
    if not (chosen.credentials or chosen.base_urls or chosen.default):
        _say.note("  nothing")
    elif not _ask.confirm("Write it?", default=True):
        raise Failure("nothing was written.")
    if chosen.pull:
        from ._pull import pull

        progress = _say.Progress(EMBEDDED)
        try:
            pull(EMBEDDED, progress)
        except EmberError as error:  # the rest is good without it
            _say.warn(f"{error} `ember models pull {EMBEDDED}` tries again.")
        finally:
            progress.end()
    report(_store.commit(chosen.credentials, chosen.base_urls, chosen.default), chosen.credentials)
    _first_answer()


def _first_answer() -> None:
    """Ask the default model something, if there is one and the user likes."""
    from ember.context import get_context

    from ._answer import HELLO, first

    model = get_context().get_config("models.default")
    if not model or not _ask.confirm(f"Ask {model} for a first answer?", default=True):
        return
    try:
        with _say.waiting(f"asking {model}"):
            answer = first(model)
    except EmberError as error:
        _say.warn(str(error))
        return
    _say.note(f"> {HELLO}")
    from . import _show

    _show.line(_show.harmless(answer.text))
    _say.note(f"({answer.summary})")
