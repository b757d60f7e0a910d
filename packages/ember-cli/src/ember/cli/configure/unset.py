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
    from .. import _store

    _settings.row(key)  # refuses what is no setting
    gone = _store.remove(key)
    for path in gone:
        _say.note(f"{key} was taken out of {path}")
    if not gone:
        _say.note(f"{key} is not set in a file; nothing was changed.")
    left = _settings.row(key)
    if left.layer == "environment":
        _say.warn(f"{left.source} still sets it, in your environment.")
