"""What providers need to hand out the client of their vendor's SDK: the SDK, imported or asked for, and a key for it.

def client(self, endpoint: Endpoint, *, asynchronous: bool) -> Any:
    acme = vendor_sdk("acme", "ember-acme[sdk]")
    return acme.Client(api_key=sdk_key(endpoint), base_url=endpoint.base_url)
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from ._provider import Endpoint


def vendor_sdk(module: str, requirement: str) -> Any:
    """Import `module` and return it. Raises ImportError with what to install if it is not there.

    >>> vendor_sdk("json", "ember-json[sdk]").dumps([])
    '[]'
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise  # something inside the SDK is missing: not ours to reword
        raise ImportError(
            f"The vendor's client comes from {module!r}, which is not installed: pip install '{requirement}'",
            name=module,
        ) from None


def sdk_key(endpoint: Endpoint) -> str:
    """Return the endpoint's key in clear, or "none": given no key, an SDK would look for one in the environment."""
    return "none" if endpoint.key is None else endpoint.key.reveal()
