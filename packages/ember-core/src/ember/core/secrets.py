"""Keys that must never be seen: a wrapper that does not show them, and a scrubber that takes them out of text."""

from __future__ import annotations

import os
import re
import threading
from collections import OrderedDict
from typing import Final, NoReturn

MASK: Final = "[secret]"

# Shorter values than this are not searched for: masking every "ollama" of a log would hide the log, and a key of fewer
# characters protects nothing.
_SHORTEST: Final = 8
_REMEMBERED: Final = 1_000

# Values by age, each with the ways it may be written in a text.
_known: OrderedDict[str, frozenset[str]] = OrderedDict()
# What scrub searches for, longest first; None: to be made anew. Read without the lock.
_searched: tuple[str, ...] | None = ()
_lock = threading.Lock()
_same_in_every_form = re.compile(r"[A-Za-z0-9_.~-]*").fullmatch


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
        # At run time too: one value of another type would make every later scrub fail.
        if not isinstance(value, str):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"A Secret holds text, not {type(value).__name__}.")
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
        from hmac import compare_digest  # brings OpenSSL

        mine, theirs = (value.encode("utf-8", "surrogatepass") for value in (self.__value, other.__value))
        return compare_digest(mine, theirs)

    def __hash__(self) -> int:
        return hash((Secret, self.__value))

    def __reduce__(self) -> NoReturn:
        raise TypeError("A Secret is not pickled or copied to disk; send the name of the credential instead.")

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, memo: object) -> Secret:
        return self


def _remember(value: str) -> None:
    global _searched
    with _lock:
        if value in _known:
            _known.move_to_end(value)
            return
    forms = frozenset(form for form in _forms(value) if len(form) >= _SHORTEST)
    with _lock:
        _known[value] = forms
        # A process that rotates keys for months must not grow; a key 1,000 keys ago is long revoked.
        while len(_known) > _REMEMBERED:
            _known.popitem(last=False)
        _searched = None


def _forms(value: str) -> set[str]:
    """Return how `value` may be written: as it is, in a URL, in JSON, and as Python's repr shows it."""
    forms = {value, value.strip()}
    if not _same_in_every_form(value):
        from json import dumps
        from urllib.parse import quote, quote_plus

        percent, plus = quote(value, "", errors="surrogatepass"), quote_plus(value, errors="surrogatepass")
        forms |= {
            percent,
            plus,
            repr(value)[1:-1],
            dumps(value)[1:-1],
            dumps(value, ensure_ascii=False)[1:-1],
        }
    return forms


def _sort() -> tuple[str, ...]:
    global _searched
    with _lock:
        if _searched is None:
            # A value may be part of another: the longer one goes first, or its rest would stay readable.
            _searched = tuple(sorted(set[str]().union(*_known.values()), key=len, reverse=True))
        return _searched


def scrub(text: str) -> str:
    """Return `text` with the value of every `Secret` made in this process masked.

    >>> _ = Secret("sk-not-a-real-key-5678")
    >>> scrub("Incorrect API key provided: sk-not-a-real-key-5678.")
    'Incorrect API key provided: [secret].'
    """
    searched = _searched
    for value in _sort() if searched is None else searched:
        if value in text:
            text = text.replace(value, MASK)
    return text


def _after_fork() -> None:
    global _lock
    _lock = threading.Lock()  # another thread of the parent may have held it


os.register_at_fork(after_in_child=_after_fork)
