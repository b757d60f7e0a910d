"""API keys: what they are called, what they may look like, and where one was found."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from ember.core.errors import InvalidCredential
from ember.core.secrets import Secret

# A signed token may have several thousand characters; nothing a provider issues comes near this.
_LONGEST: Final = 16_384
_VISIBLE: Final = re.compile(r"[!-~]+")


@dataclass(frozen=True, slots=True)
class Found:
    """An API key, the layer that gave it, and the file or variable it stands in there."""

    secret: Secret
    layer: str
    source: str


@lru_cache(maxsize=64)
def names(provider: str) -> tuple[str, ...]:
    """Return what the key of `provider` may be called in a file.

    >>> names("openai"), names("my-host")
    (('openai_api_key',), ('my-host_api_key', 'my_host_api_key'))
    """
    return tuple(dict.fromkeys((f"{provider}_api_key", f"{provider.replace('-', '_')}_api_key")))


def provider_of(name: str) -> str:
    """Return the provider a credential's name belongs to.

    >>> provider_of("openai_api_key")
    'openai'
    """
    return name.removesuffix("_api_key")


def stripped(secret: Secret) -> Secret | None:
    """Return `secret` without surrounding whitespace, or None if nothing is left: a blank key is an absent one."""
    text = secret.reveal()
    bare = text.strip()
    return (secret if bare == text else Secret(bare)) if bare else None


def usable(secret: Secret, provider: str, source: str) -> Secret:
    """Return `secret` if it can be a key.

    Raises InvalidCredential, which names the provider and the source and never the value, if it cannot: sent as a
    header it would fail in the HTTP library, whose errors show it.
    """
    flaw = _flaw(secret)
    if flaw is not None:
        raise InvalidCredential(
            f"The API key for provider {provider!r} from {source} {flaw}, so it cannot be a key. Copy it again."
        )
    return secret


# The text in clear is a local variable only in functions that do not raise: a traceback may show local variables.
def _flaw(secret: Secret) -> str | None:
    text = secret.reveal()
    if len(text) > _LONGEST:
        return f"is {len(text):,} characters long"
    if _VISIBLE.fullmatch(text):
        return None
    if not text.isascii():
        return "holds a character outside ASCII"
    return "holds whitespace or a line break" if any(map(str.isspace, text)) else "holds a control character"
