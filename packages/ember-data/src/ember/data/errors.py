"""Every error that ember-data raises, in one tree.

    EmberError
    └── DataError
        ├── SourceError                     what was to be read cannot be
        │   ├── SourceNotFound (FileNotFoundError)
        │   ├── SourceDenied (PermissionError)
        │   ├── UnknownFormat (ValueError)  neither name nor content says how to read it
        │   ├── UnknownColumn (KeyError)    ... with the nearest names
        │   └── SourceChanged               it is not what it was when the state was taken
        ├── BadRecord (ValueError)          one record cannot be read; says where it stands
        ├── StateMismatch (ValueError)      a state that belongs to another chain
        └── SharedIterator (RuntimeError)   two threads asked one iterator at once

A function that a stage calls (`filter`, `transform`, ...) raises what it raises: those errors pass unchanged.
"""

from __future__ import annotations

from ember.core.errors import EmberError


class DataError(EmberError):
    """The root of everything `ember.data` raises on purpose."""


class SourceError(DataError):
    """What was to be read cannot be."""


class SourceNotFound(SourceError, FileNotFoundError):
    """There is no such file, folder or data set. Carries `name` and `suggestions`."""

    def __init__(self, name: str, suggestions: tuple[str, ...] = (), advice: str = "") -> None:
        super().__init__(name, suggestions, advice)
        self.name, self.suggestions, self.advice = name, suggestions, advice

    def describe(self) -> str:
        hint = f" Did you mean {' or '.join(map(repr, self.suggestions))}?" if self.suggestions else ""
        return f"There is nothing to read at {self.name!r}.{hint}{f' {self.advice}' if self.advice else ''}"


class SourceDenied(SourceError, PermissionError):
    """A file may not be read by this user."""


class UnknownFormat(SourceError, ValueError):
    """Neither the name nor the content of a file says how to read it."""


class UnknownColumn(SourceError, KeyError):
    """A column was asked for that no row has. Carries `column` and `suggestions`."""

    def __init__(self, column: str, suggestions: tuple[str, ...] = (), where: str = "") -> None:
        super().__init__(column, suggestions, where)
        self.column, self.suggestions, self.where = column, suggestions, where

    def describe(self) -> str:
        hint = f" Did you mean {' or '.join(map(repr, self.suggestions))}?" if self.suggestions else ""
        return f"No row {self.where or 'so far'} has a column {self.column!r}.{hint}"


class SourceChanged(SourceError):
    """A file is not what it was when the state was taken, so that there is no going on exactly."""


class BadRecord(DataError, ValueError):
    """One record cannot be read.

    `file` is its file, `line` counts from 1, `offset` is the byte it begins at (of the decompressed UTF-8 text,
    where the file is compressed or in UTF-16), `reason` says what is wrong and `content` is how it begins (at most
    2,000 bytes).
    """

    def __init__(self, file: str, line: int, offset: int, reason: str, content: bytes = b"") -> None:
        super().__init__(file, line, offset, reason, content)
        self.file, self.line, self.offset, self.reason, self.content = file, line, offset, reason, content

    def describe(self) -> str:
        return (
            f"{self.file}, line {self.line} (byte {self.offset}): {self.reason}. "
            f'To go on without such records: on_error="skip", or on_error="quarantine" to keep them aside.'
        )


class StateMismatch(DataError, ValueError):
    """A state was loaded that belongs to another chain, or comes too late."""


class SharedIterator(DataError, RuntimeError):
    """Two threads asked one iterator for a row at the same time."""
