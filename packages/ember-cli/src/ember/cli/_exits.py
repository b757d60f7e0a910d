"""How a command ends: the exit codes, and which of them an error means."""

from __future__ import annotations

from typing import ClassVar, Final

import click

OK: Final = 0
FAILED: Final = 1
USAGE: Final = 2
KEY: Final = 4
PROVIDER: Final = 5
INTERRUPTED: Final = 130

TOLD: Final = (
    "Exit codes: 0 done, 1 failed, 2 used wrongly, 4 a key is missing or refused, "
    "5 a provider or the network failed, 130 interrupted."
)

# By name: the classes are ember-models', which may not be installed. The first that is in an error's line of descent.
_BY_CLASS: Final = {
    "CredentialError": KEY,
    "AuthenticationError": KEY,
    "UnknownModel": USAGE,
    "NotRegistered": USAGE,
    "UnknownKey": USAGE,
    "SourceNotFound": USAGE,
    "RateLimitError": PROVIDER,
    "ProviderUnavailable": PROVIDER,
    "ConnectionFailed": PROVIDER,
    "ModelTimeout": PROVIDER,
    "InvalidResponse": PROVIDER,
    "ModelNotFound": PROVIDER,
    "ContentFilterError": PROVIDER,
    "InvalidRequestError": PROVIDER,
}


class Failure(click.ClickException):
    """A command cannot do what was asked. The message says what happened and what to do."""

    exit_code: ClassVar[int] = FAILED

    def __init__(self, message: str, code: int = FAILED) -> None:
        super().__init__(message)
        self.code = code


def code_of(error: BaseException) -> int:
    """Return the exit code that `error` stands for.

    >>> from ember.core.errors import CredentialNotFound
    >>> code_of(CredentialNotFound("openai", ("the environment",))), code_of(ValueError())
    (4, 1)
    """
    if isinstance(error, Failure):
        return error.code
    if isinstance(error, click.ClickException):
        return error.exit_code
    names = [cls.__name__ for cls in type(error).__mro__]
    return next((_BY_CLASS[name] for name in names if name in _BY_CLASS), FAILED)
