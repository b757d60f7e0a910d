"""The ledger on disk: what calls used by day, model and tags, exact under threads, processes, forks and faults."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
from acme import KEY

from ember.api import models
from ember.context import create_context, get_context, with_context
from ember.core.errors import ConfigError, StorageError
from ember.core.events import CallFinished, subscribe
from ember.models.errors import ModelError
from ember.models.testing import LocalServer

Script = Callable[..., "CompletedProcess[str]"]

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


def booking(**tags: str) -> dict[str, Any]:
    return {"usage": {"ledger": True, "tags": tags}}


def test_nothing_is_written_unless_it_is_asked_for(acme: LocalServer, ember_home: Path) -> None:
    models("gpt-4o", "Hi")
    assert not (ember_home / "usage").exists()
    assert models.spent()[0].calls == 0 and models.spent(by="day") == ()
    assert not (ember_home / "usage").exists()


def test_the_ledger_has_what_the_servers_own_books_have(acme: LocalServer) -> None:
    get_context().set_config("usage.ledger", True)
    cost = Decimal(0)
    for prompt in ("one", "two words", "and three words"):
        cost += models("gpt-4o", prompt).cost or 0
    stream = models.stream("gpt-4o", "four words in all")
    list(stream)
    cost += (stream.response.cost or 0) + (models.embed("text-embedding-3-small", ["one", "two"]).cost or 0)
    (spent,) = models.spent()
    books = acme.ledger[KEY]
    assert (spent.calls, spent.requests) == (books.calls, books.requests) == (5, 5)
    assert (spent.input_tokens, spent.output_tokens) == (books.input_tokens, books.output_tokens)
    assert spent.cost == cost > 0 and spent.unpriced_calls == 0
    assert (spent.day, spent.provider, spent.model, spent.tags) == (None, None, None, None)


def test_sums_are_by_day_provider_model_and_tag(acme: LocalServer) -> None:
    with create_context(**booking(job="nightly", team="a")):
        models("gpt-4o", "Hi")
        with with_context(usage={"tags": {"job": "eval"}}):
            models("acme-small", "Hi")
            models("acme-large", "Hi")
    with with_context(usage={"ledger": True}):
        models("gpt-4o", "Hi")
    today = datetime.now(UTC).date()

    def calls(*by: str) -> list[tuple[object, ...]]:
        shown = ("day", "provider", "model", "tags")
        return [
            (*(value for name in shown if (value := getattr(line, name)) is not None), line.calls)
            for line in models.spent(by=by)
        ]

    assert calls("day") == [(today, 4)]
    assert calls("provider") == [("acme", 2), ("everything", 2)]
    assert calls("provider", "model") == [
        ("acme", "acme-large", 1),
        ("acme", "acme-small", 1),
        ("everything", "gpt-4o", 2),
    ]
    assert calls("tags.job") == [({}, 1), ({"job": "eval"}, 2), ({"job": "nightly"}, 1)]
    assert calls("tags.team", "model") == [
        ("acme-large", {"team": "a"}, 1),
        ("acme-small", {"team": "a"}, 1),
        ("gpt-4o", {}, 1),
        ("gpt-4o", {"team": "a"}, 1),
    ]
    assert calls("tags") == [
        ({}, 1),
        ({"job": "eval", "team": "a"}, 2),
        ({"job": "nightly", "team": "a"}, 1),
    ]
    assert [models.spent(**chosen)[0].calls for chosen in CHOSEN] == [2, 1, 3, 1, 0]


CHOSEN: list[Any] = [
    {"provider": "acme"},
    {"model": "acme-small"},
    {"tags": {"team": "a"}},
    {"tags": {"team": "a", "job": "nightly"}},
    {"tags": {"team": "b"}},
]


def test_days_are_chosen_by_their_dates(acme: LocalServer) -> None:
    with with_context(**booking()):
        models("gpt-4o", "Hi")
    today = datetime.now(UTC).date()
    (line,) = models.spent(by="day")
    assert line.day in (today, today - timedelta(days=1))  # a test may run over midnight
    for since, until, calls in (
        (None, None, 1),
        (line.day, line.day, 1),
        (str(line.day), datetime.now(UTC), 1),
        (today + timedelta(days=1), None, 0),
        (None, date(2020, 1, 1), 0),
    ):
        assert models.spent(since=since, until=until)[0].calls == calls


@pytest.mark.parametrize("wrong", [{"by": "hour"}, {"by": ["day", "tag"]}, {"since": "yesterday"}])
def test_what_is_no_sum_and_no_day_is_refused(ember_home: Path, wrong: Any) -> None:
    with pytest.raises(ValueError):
        models.spent(**wrong)


def test_tags_are_texts(ember_home: Path) -> None:
    with pytest.raises(ConfigError, match=r"usage\.tags\.job"):
        create_context(usage={"tags": {"job": 1}})


def test_failures_and_cached_answers_are_told_apart(acme: LocalServer) -> None:
    acme.replies(500).then(change=lambda answer: {**answer, "usage": None}).then()
    with with_context(**booking()):
        with pytest.raises(ModelError):
            models("gpt-4o", "Hi")
        models("gpt-4o", "Hi")
        for _ in range(2):
            models("gpt-4o", "Hello there", cache=True)
    (spent,) = models.spent()
    assert (spent.calls, spent.cached_calls, spent.failed_calls) == (3, 1, 1)
    assert (spent.requests, spent.unpriced_calls, spent.input_tokens) == (3, 1, 2)


def test_a_call_is_booked_under_the_tags_it_was_made_with(acme: LocalServer) -> None:
    with create_context(**booking(job="first")):
        stream = models.stream("acme-small", "Hi")
    with create_context(**booking(job="second")):
        list(stream)
    unbooked = models.stream("acme-small", "Hi")
    with create_context(**booking(job="third")):
        list(unbooked)
    assert [line.tags for line in models.spent(by=["tags.job"])] == [{"job": "first"}]


def test_events_say_under_which_tags_a_call_is_booked(acme: LocalServer) -> None:
    told: list[CallFinished] = []
    stop = subscribe(told.append, CallFinished)
    models("acme-small", "Hi")
    with create_context(**booking(job="a", by="me")):
        models("acme-small", "Hi")
    stop()
    assert [event.tags for event in told] == [None, (("by", "me"), ("job", "a"))]


def test_nothing_that_was_said_is_in_the_ledger(acme: LocalServer, ember_home: Path) -> None:
    with with_context(**booking()):
        models("acme-small", "A secret of mine", system="Another one")
    assert models.spent()[0].calls == 1
    folder = ember_home / "usage"
    data = b"".join(path.read_bytes() for path in folder.iterdir())
    assert b"acme-small" in data
    for secret in (b"secret of mine", b"Another one", KEY.encode()):
        assert secret not in data
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
    assert folder.stat().st_mode & 0o777 == 0o700


def test_sums_are_exact_under_threads(acme: LocalServer) -> None:
    with with_context(**booking()), ThreadPoolExecutor(16) as pool:
        jobs = [pool.submit(copy_context().run, models, "gpt-4o", "one two three") for _ in range(200)]
        cost = sum((job.result().cost or Decimal(0) for job in jobs), Decimal(0))
    (spent,) = models.spent()
    assert (spent.calls, spent.input_tokens, spent.cost) == (200, 600, cost)


_WORK = """
import sys
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from decimal import Decimal
from acme import *
from ember.api import models
from ember.context import create_context
register(Acme, Everything)
with create_context(usage={"ledger": True, "tags": {"worker": sys.argv[1]}}), ThreadPoolExecutor(4) as pool:
    jobs = [pool.submit(copy_context().run, models, "gpt-4o", "word " * (1 + n % 3)) for n in range(20)]
    print(sum((job.result().cost for job in jobs), Decimal(0)))
"""


def test_eight_processes_with_threads_add_up_to_the_servers_own_books(acme: LocalServer) -> None:
    tests = str(Path(__file__).parent)
    path = os.pathsep.join([tests, *filter(None, [os.environ.get("PYTHONPATH")])])
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", _WORK, str(number)],
            env={**os.environ, "PYTHONPATH": path},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(8)
    ]
    cost = Decimal(0)
    for worker in workers:
        out, complaints = worker.communicate(timeout=120)
        assert not complaints
        cost += Decimal(out)
    (spent,) = models.spent()
    books = acme.ledger[KEY]
    assert (spent.calls, spent.requests) == (books.calls, books.requests) == (160, 160)
    assert (spent.input_tokens, spent.output_tokens) == (books.input_tokens, books.output_tokens)
    assert spent.cost == cost
    assert [line.calls for line in models.spent(by=["tags.worker"])] == [20] * 8


@needs_fork
def test_forked_workers_book_what_they_use_and_nothing_of_their_parents(
    acme: LocalServer, script: Script
) -> None:
    done = script(
        """
        import multiprocessing, threading
        from ember.context import get_context
        register(Acme, Everything)
        get_context().set_config("usage.ledger", True)
        models("gpt-4o", "one two")
        def work(number):
            for turn in range(5):
                models("gpt-4o", "one two")
        def busy():
            for turn in range(30):
                models("gpt-4o", "one two")
        threads = [threading.Thread(target=busy) for _ in range(2)]
        for thread in threads: thread.start()
        fork = multiprocessing.get_context("fork")
        workers = [fork.Process(target=work, args=(n,)) for n in range(4)]
        for worker in workers: worker.start()
        for worker in workers: worker.join()
        for thread in threads: thread.join()
        print([worker.exitcode for worker in workers])
        """
    )
    assert (done.stdout, done.stderr) == ("[0, 0, 0, 0]\n", "")
    (spent,) = models.spent()
    assert (spent.calls, spent.input_tokens) == (81, 162) == (acme.ledger[KEY].calls, 162)


def test_what_finished_before_the_interpreter_ends_is_written(acme: LocalServer, script: Script) -> None:
    done = script(
        """
        import sys
        from ember.context import create_context
        register(Acme, Everything)
        with create_context(usage={"ledger": True}):
            for turn in range(20):
                models("gpt-4o", "one two")
            sys.exit(3)
        """
    )
    assert done.returncode == 3
    assert models.spent()[0].calls == 20


def test_a_process_that_is_killed_loses_its_last_moment_at_most(acme: LocalServer, script: Script) -> None:
    done = script(
        """
        import os, signal, sqlite3, time
        from ember.context import create_context
        register(Acme, Everything)
        with create_context(usage={"ledger": True}):
            for turn in range(20):
                models("gpt-4o", "one two")
            ledger = sqlite3.connect(os.path.join(os.environ["EMBER_HOME"], "usage", "ledger.sqlite"))
            end = time.monotonic() + 20
            while ledger.execute("SELECT sum(calls) FROM spent").fetchone()[0] < 20 and time.monotonic() < end:
                time.sleep(0.01)
            os.kill(os.getpid(), signal.SIGKILL)
        """
    )
    assert done.returncode == -9, done.stderr
    assert models.spent()[0].calls == 20


def test_a_ledger_that_cannot_be_written_is_said_once_and_fails_no_call(
    acme: LocalServer, ember_home: Path, script: Script
) -> None:
    folder = ember_home / "usage"
    ember_home.mkdir(mode=0o700)
    folder.mkdir(mode=0o700)
    file = folder / "ledger.sqlite"
    file.write_bytes(b"no database at all" * 500)
    done = script(
        """
        import time
        from ember.context import create_context
        register(Acme, Everything)
        with create_context(usage={"ledger": True}):
            for turn in range(3):
                print(models("gpt-4o", "Hi"))
                time.sleep(0.05)
        """
    )
    assert done.stdout == "Hi\n" * 3
    assert done.stderr.count("ConfigWarning") == 1 and "cannot write down what calls use" in done.stderr
    with pytest.raises(StorageError, match="is broken"):
        models.spent()


def test_what_could_not_be_written_is_written_when_it_can_be(acme: LocalServer, ember_home: Path) -> None:
    import sqlite3

    with with_context(**booking()):
        models("gpt-4o", "Hi")
        assert models.spent()[0].calls == 1
        other = sqlite3.connect(ember_home / "usage" / "ledger.sqlite", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        models("gpt-4o", "Hi")
        models("gpt-4o", "Hi")
        other.execute("COMMIT")
        other.close()
        models("gpt-4o", "Hi")
    assert models.spent()[0].calls == 4


def test_a_full_disk_is_said_once_and_what_is_missing_is_written_when_there_is_room(
    acme: LocalServer, script: Script
) -> None:
    done = script(
        """
        import contextlib, resource, signal, time
        from ember.context import create_context
        from ember.core.errors import StorageError
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        register(Acme, Everything)
        with create_context(usage={"ledger": True}):
            models("gpt-4o", "Hi")
            print(models.spent()[0].calls)
            resource.setrlimit(resource.RLIMIT_FSIZE, (1, before[1]))
            for turn in range(3):
                print(models("gpt-4o", "Hi"))
                time.sleep(0.05)
            with contextlib.suppress(StorageError):
                models.spent()  # returns once it was tried to write them
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        """
    )
    assert done.stdout == "1\n" + "Hi\n" * 3, done.stderr
    assert done.stderr.count("ConfigWarning") == 1 and "Traceback" not in done.stderr
    assert models.spent()[0].calls == 4
