"""One door for "no network": an audit hook that refuses sockets beyond this machine.

It sees what this process does through Python's own socket module, which is what asyncio and every HTTP client in
Python use. A child process, or a C library with sockets of its own, is not seen.
"""

from __future__ import annotations

import errno
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from typing import Any

# An audit hook cannot be taken out again, so there is one, and it looks here whether it is wanted.
_watchers: list[list[str]] = []
_installed: list[bool] = []

_CONNECTING = frozenset({"socket.connect", "socket.sendto", "socket.sendmsg"})
_RESOLVING = frozenset({"socket.getaddrinfo", "socket.gethostbyname"})


class NetworkRefused(PermissionError):
    """Something reached for the network while `refusing` was in force.

    An OSError, because that is what code around sockets expects and cleans up after.
    """


@contextmanager
def refusing() -> Iterator[list[str]]:
    """Refuse connections and lookups beyond this machine, in every thread; yield the list of what was refused.

    Blocks nest; what is refused is written down by the innermost.

    >>> with refusing() as refused:
    ...     socket.create_connection(("192.0.2.1", 80))
    Traceback (most recent call last):
    ember.models.testing._network.NetworkRefused: [Errno 13] 192.0.2.1 is beyond this machine...
    >>> refused
    ['192.0.2.1']
    """
    if not _installed:
        sys.addaudithook(_hook)
        _installed.append(True)
    refused: list[str] = []
    _watchers.append(refused)
    try:
        yield refused
    finally:
        # By identity: two empty lists are equal.
        _watchers[:] = [watcher for watcher in _watchers if watcher is not refused]


def _hook(event: str, args: Any) -> None:
    if not _watchers or not event.startswith("socket."):
        return
    if event in _CONNECTING:
        address: Any = args[1]
        # Unix sockets have a path; netlink and the like have numbers; a UDP socket that is connected sends to None.
        host: Any = address[0] if isinstance(address, tuple) else None  # pyright: ignore[reportUnknownVariableType]
    elif event in _RESOLVING:
        host = args[0]
    else:
        return
    if isinstance(host, bytes | bytearray):
        host = host.decode("ascii", "replace")
    if isinstance(host, str) and not _is_here(host, resolving=event in _RESOLVING):
        _watchers[-1].append(host)
        raise NetworkRefused(
            errno.EACCES,
            f"{host} is beyond this machine, and this test may not go there. Use the `server` fixture's URL instead.",
        )


def _is_here(host: str, *, resolving: bool) -> bool:
    """Whether a host is this machine. A lookup of a number asks nobody, nor (RFC 6761) one of a name in .invalid."""
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        name = host.lower().rstrip(".")
        return name in ("", "localhost", socket.gethostname().lower()) or name.endswith(
            (".localhost", ".invalid")
        )
    return resolving or address.is_loopback or address.is_unspecified
