"""The providers Ember knows by name: what people call them, and where to get a key."""

from __future__ import annotations

from typing import Final, NamedTuple


class Vendor(NamedTuple):
    """A provider: its label, the distribution that serves it, the variables of its key, and the page that gives one."""

    label: str
    distribution: str
    variables: tuple[str, ...] = ()
    page: str = ""


VENDORS: Final = {
    "openai": Vendor("OpenAI", "ember-openai", ("OPENAI_API_KEY",), "https://platform.openai.com/api-keys"),
    "anthropic": Vendor(
        "Anthropic", "ember-anthropic", ("ANTHROPIC_API_KEY",), "https://console.anthropic.com/settings/keys"
    ),
    "google": Vendor(
        "Google", "ember-google", ("GEMINI_API_KEY", "GOOGLE_API_KEY"), "https://aistudio.google.com/apikey"
    ),
    "ollama": Vendor("Ollama, on a server of your own", "ember-ollama", ("OLLAMA_API_KEY",)),
    "local": Vendor("The embedded model, in this process: no key", "ember-llamacpp"),
}
EMBEDDED: Final = "smollm2"
"""The model of provider `local` that can be fetched by name."""


def variables(provider: str) -> tuple[str, ...]:
    """Return the variables that may hold the key of `provider`.

    >>> variables("google"), variables("my-host")
    (('GEMINI_API_KEY', 'GOOGLE_API_KEY'), ('MY_HOST_API_KEY',))
    """
    known = VENDORS.get(provider)
    return known.variables if known is not None else (f"{provider.upper().replace('-', '_')}_API_KEY",)
