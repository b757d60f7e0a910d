"""A cache that cannot be used: said once, and calls go on without it."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from ember.api import models
from ember.core.errors import StorageError
from ember.models.testing import LocalServer

Script = Callable[..., "CompletedProcess[str]"]

_TWICE = """
register()
for turn in range(3):
    print(models("acme-small", "Hi", cache=True), end=" ")
"""


def cache_file(home: Path) -> Path:
    folder = home / "cache"
    home.mkdir(mode=0o700, exist_ok=True)
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder / "answers.sqlite"


def goes_on(script: Script, acme: LocalServer, said: str, code: str = _TWICE) -> None:
    """Assert that calls go on, uncached, and that `said` was said once."""
    done = script(code)
    assert done.stdout.split() == ["Hi"] * 3, done.stderr
    assert len(acme.requests) == 3
    assert done.stderr.count("ConfigWarning") == 1 and said in done.stderr, done.stderr
    assert "Traceback" not in done.stderr


def test_a_file_that_is_no_database_is_left_as_it_is(
    acme: LocalServer, ember_home: Path, script: Script
) -> None:
    file = cache_file(ember_home)
    file.write_bytes(b"this is not a database, and somebody wants it" * 100)
    before = file.read_bytes()
    goes_on(script, acme, "goes on without its cache of answers, which cannot be used")
    assert file.read_bytes() == before
    with pytest.raises(StorageError, match="is broken"):
        models.cache.clear()


def test_a_database_of_another_program_is_left_as_it_is(
    acme: LocalServer, ember_home: Path, script: Script
) -> None:
    connection = sqlite3.connect(cache_file(ember_home))
    connection.execute("CREATE TABLE answers (mine TEXT)")
    connection.execute("INSERT INTO answers VALUES ('precious')")
    connection.commit()
    connection.close()
    before = cache_file(ember_home).read_bytes()
    goes_on(script, acme, "is a database of another program; move it away")
    assert cache_file(ember_home).read_bytes() == before


def test_a_database_of_another_version_is_left_as_it_is(
    acme: LocalServer, ember_home: Path, script: Script
) -> None:
    models("acme-small", "Hello", cache=True)
    models.cache.stats()
    acme_requests = len(acme.requests)
    connection = sqlite3.connect(cache_file(ember_home))
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    done = script(_TWICE)
    assert done.stdout.split() == ["Hi"] * 3 and "another version of Ember" in done.stderr
    assert len(acme.requests) == acme_requests + 3


def test_pages_that_were_overwritten_are_noticed(acme: LocalServer, ember_home: Path, script: Script) -> None:
    filled = script(
        """
        register()
        for number in range(50):
            models("acme-small", f"{number} " * 500, cache=True)
        """
    )
    assert not filled.stderr
    file = cache_file(ember_home)
    data = bytearray(file.read_bytes())
    data[4096:] = b"\xff" * (len(data) - 4096)
    file.write_bytes(data)
    acme_requests = len(acme.requests)
    done = script(_TWICE)
    assert done.stdout.split() == ["Hi"] * 3, done.stderr
    assert len(acme.requests) == acme_requests + 3
    assert done.stderr.count("ConfigWarning") == 1 and "malformed" in done.stderr


def test_a_link_to_elsewhere_is_not_written_through(
    acme: LocalServer, ember_home: Path, tmp_path: Path, script: Script
) -> None:
    target = tmp_path / "elsewhere"
    target.write_bytes(b"")
    cache_file(ember_home).symlink_to(target)
    goes_on(script, acme, "is not a file of yours; move it away")
    assert target.read_bytes() == b""


def test_a_home_that_cannot_be_written_in_is_said_once(
    acme: LocalServer, ember_home: Path, script: Script
) -> None:
    ember_home.write_text("a file where the folder should be")
    goes_on(script, acme, "goes on without its cache of answers")


def test_a_full_disk_is_said_once(acme: LocalServer, ember_home: Path, script: Script) -> None:
    limited = """
        import contextlib, resource, signal
        from ember.core.errors import StorageError
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (16_384, before[1]))
        register()
        for turn in range(3):
            print(models("acme-small", "Hi", extra={"user": "x" * turn}, cache=True), end=" ")
        with contextlib.suppress(StorageError):
            models.cache.stats()  # after what was still to be written
        resource.setrlimit(resource.RLIMIT_FSIZE, before)  # what measures coverage writes at the end
    """
    done = script(limited)
    assert done.stdout.split() == ["Hi"] * 3, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.count("ConfigWarning") == 1, done.stderr


def test_where_warnings_are_errors_a_paid_answer_is_still_returned(
    acme: LocalServer, ember_home: Path, script: Script
) -> None:
    cache_file(ember_home).write_bytes(b"no database" * 1_000)
    done = script(_TWICE, PYTHONWARNINGS="error")
    assert done.stdout.split() == ["Hi"] * 3, done.stderr


def test_a_file_that_is_deleted_under_way_is_made_again(acme: LocalServer, ember_home: Path) -> None:
    models("acme-small", "Hi", cache=True)
    models.cache.stats()
    for file in (ember_home / "cache").iterdir():
        os.unlink(file)
    models("acme-small", "Ho", cache=True)
    assert models.cache.stats().entries == 1
    assert models("acme-small", "Ho", cache=True).cached
