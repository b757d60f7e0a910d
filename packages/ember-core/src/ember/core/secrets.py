"""Keys that must never be seen: a wrapper that does not show them, and a scrubber that takes them out of text."""

from __future__ import annotations

import threading
from collections import OrderedDict
from hmac import compare_digest
from typing import Final, NoReturn
from urllib.parse import quote

MASK: Final = "[secret]"

# Shorter values than this are not searched for: masking every "a" of a log would hide the log, and a key of fewer
# characters protects nothing.
_SHORTEST = 6
_REMEMBERED = 1_000

_known: OrderedDict[str, None] = OrderedDict()
_lock = threading.Lock()


class Secret:
    """A value that is used, never shown.

    It has no readable form: `str`, `repr` and `format` are masked, pickling is refused, and `reveal()` is the one way
    to the value. Making one also teaches `scrub` the value.

    >>> key = Secret("sk-not-a-real-key-1234")
    >>> key, f"{key}", key.hint
    (Secret('…1234'), '…1234', '…1234')
    >>> key.reveal()
    'sk-not-a-real-key-1234'
    """

    __slots__ = ("__value", "__weakref__")

    def __init__(self, value: str) -> None:
        self.__value = value
        _remember(value)

    def reveal(self) -> str:
        """Return the value in clear. Whoever calls this keeps it out of messages, logs and files."""
        return self.__value

    @property
    def hint(self) -> str:
        """The last four characters behind an ellipsis, or only the ellipsis where four would give too much away."""
        return f"…{self.__value[-4:]}" if len(self.__value) >= 16 else "…"

    def __repr__(self) -> str:
        return f"Secret({self.hint!r})"

    def __str__(self) -> str:
        return self.hint

    def __format__(self, spec: str) -> str:
        return format(self.hint, spec)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return compare_digest(self.__value.encode(), other.__value.encode())

    def __hash__(self) -> int:
        return hash((Secret, self.__value))

    def __reduce__(self) -> NoReturn:
        raise TypeError("A Secret is not pickled or copied to disk; send the name of the credential instead.")

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, memo: object) -> Secret:
        return self


def _remember(value: str) -> None:
    forms = {form for form in (value, value.strip(), quote(value, safe=""), repr(value)[1:-1]) if len(form) >= _SHORTEST}
    with _lock:
        for form in forms:
            _known[form] = None
            _known.move_to_end(form)
        # A process that rotates keys for months must not grow; a key 1,000 keys ago is long revoked.
        while len(_known) > _REMEMBERED:
            _known.popitem(last=False)


def scrub(text: str) -> str:
    """Return `text` with the value of every `Secret` made in this process masked.

    >>> _ = Secret("sk-not-a-real-key-5678")
    >>> scrub("Incorrect API key provided: sk-not-a-real-key-5678.")
    'Incorrect API key provided: [secret].'
    """
    if not _known:
        return text
    with _lock:
        known = sorted(_known, key=len, reverse=True)
    for value in known:
        if value in text:
            text = text.replace(value, MASK)
    return text
