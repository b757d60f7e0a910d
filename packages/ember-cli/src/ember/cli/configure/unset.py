"""`ember configure unset KEY`."""

from __future__ import annotations

from .. import _say, _settings
from .._group import command
from ._keys import key_argument


@command(
    examples="""
        ember configure unset models.default
        ember configure unset credentials.openai_api_key
    """
)
@key_argument
def unset(key: str) -> None:
    """Take KEY out of config.yaml and credentials.yaml. What is not there is no error."""
    from ember.context import get_context

    from .. import _store

    if not key.startswith("credentials."):
        _settings.explained(key) if get_context().get_config(key) is None else None
    gone = _store.remove(key)
    for path in gone:
        _say.note(f"{key} was taken out of {path}")
    if not gone:
        _say.note(f"{key} is not set in a file; nothing was changed.")
    row = _settings.row(key) if _settings.is_secret(key) or not gone else None
    if row is not None and row.value is not None and row.layer == "environment":
        _say.warn(f"{row.source} still sets it, in your environment.")
