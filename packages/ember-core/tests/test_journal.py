"""What was done once is not done again: a journal of calls, under threads, processes, kills and full disks."""

from __future__ import annotations

import asyncio
import random
import signal
import stat
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from ember.context import get_context, with_context
from ember.core import Secret, gather
from ember.core.errors import ConfigWarning, StorageError
from ember.core.journal import Journal, JournalError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "calls.journal"


def asked(path: Path) -> Callable[[int], dict[str, int]]:
    """A function that notes in a file each time it is called."""

    def ask(n: int) -> dict[str, int]:
        with open(path, "a", encoding="ascii") as file:
            file.write(f"{n}\n")
        return {"n": n, "square": n * n}

    return ask


def calls(path: Path) -> Counter[str]:
    return Counter(path.read_text("ascii").split()) if path.exists() else Counter()


def test_a_call_is_made_once_and_found_by_every_later_journal_of_that_file(
    path: Path, tmp_path: Path
) -> None:
    for _ in range(3):
        ask = Journal(path).of(asked(tmp_path / "calls"))
        assert [ask(n) for n in range(4)] == [{"n": n, "square": n * n} for n in range(4)]
    assert calls(tmp_path / "calls") == {str(n): 1 for n in range(4)}


def test_the_journal_says_how_it_fared(path: Path, tmp_path: Path) -> None:
    journal = Journal(path)
    ask = journal.of(asked(tmp_path / "calls"))
    for n in (1, 1, 2):
        ask(n)
    stats = journal.stats()
    assert (stats.path, stats.entries, stats.hits, stats.misses) == (path, 2, 1, 2)
    assert stats.bytes > 0
    assert journal.clear() == 2
    assert journal.stats().entries == 0


def test_the_file_is_its_owner_s_alone(path: Path, tmp_path: Path) -> None:
    Journal(path).of(asked(tmp_path / "calls"))(1)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_without_a_path_it_is_in_ember_s_home(home: Path, tmp_path: Path) -> None:
    journal = Journal()
    journal.of(asked(tmp_path / "calls"))(1)
    assert journal.path == home / "journal" / "calls.sqlite"
    assert journal.path.exists()


def test_a_function_that_was_changed_is_called_anew(path: Path) -> None:
    journal = Journal(path)

    def labelled(prompt: str) -> Callable[[str], str]:
        return lambda text: prompt + text

    assert journal.of(labelled("a"))("x") == "ax"
    assert journal.of(labelled("b"))("x") == "bx"
    assert journal.stats().entries == 2


def test_with_a_version_a_function_is_known_by_its_name(path: Path) -> None:
    def label(text: str, suffix: str = "1") -> str:
        return text + suffix

    first = Journal(path, version="1").of(label)("x")
    label.__defaults__ = ("2",)
    assert Journal(path, version="1").of(label)("x") == first == "x1"
    assert Journal(path, version="2").of(label)("x") == "x2"


def test_none_is_a_result_like_any_other(path: Path) -> None:
    seen: list[int] = []

    class Nothing:
        def __fingerprint__(self) -> str:
            return "nothing"

        def __call__(self, n: int) -> None:
            seen.append(n)

    nothing = Journal(path).of(Nothing())
    assert [nothing(1), nothing(1)] == [None, None]
    assert seen == [1]


def test_errors_are_not_written_down(path: Path, tmp_path: Path) -> None:
    attempts: list[int] = []

    def flaky(n: int, attempts: int = 0) -> int:
        raise ValueError(n)

    def sound(n: int) -> int:
        attempts.append(n)
        if len(attempts) < 3:
            raise ValueError("not yet")
        return n

    journal = Journal(path, version="1")
    for _ in range(2):
        with pytest.raises(ValueError, match="7"):
            journal.of(flaky)(7)
    ask = journal.of(sound)
    for _ in range(2):
        with pytest.raises(ValueError, match="not yet"):
            ask(1)
    assert [ask(1), ask(1), attempts] == [1, 1, [1, 1, 1]]
    assert journal.stats().entries == 1


def test_no_secret_reaches_the_file(path: Path) -> None:
    secret = Secret("sk-never-written-1234567")
    journal = Journal(path, version="1")

    def told(n: int) -> str:
        return f"your key is {secret.reveal()}"

    with pytest.warns(ConfigWarning, match="a secret stands in it"):
        assert journal.of(told)(1) == "your key is sk-never-written-1234567"

    def asked_with(key: Secret) -> str:
        return "fine"

    assert journal.of(asked_with)(secret) == "fine"
    journal.close()
    for file in path.parent.glob(path.name + "*"):
        assert b"never-written" not in file.read_bytes()


def test_what_cannot_be_kept_or_told_apart_is_said(path: Path) -> None:
    journal = Journal(path)
    lock = threading.Lock()

    def locked(n: int) -> bool:
        return lock.locked()

    def lock_of(n: int) -> Any:
        return threading.Lock()

    def ident(n: Any) -> int:
        return 1

    with pytest.raises(JournalError, match=r"cannot tell what .*locked does.*version="):
        journal.of(locked)
    with pytest.raises(JournalError, match=r"cannot hold what .*lock_of returns"):
        journal.of(lock_of)(1)
    with pytest.raises(JournalError, match=r"cannot tell calls of .*ident apart"):
        journal.of(ident)(lock)


def test_equal_calls_made_at_once_by_threads_are_one(path: Path, tmp_path: Path) -> None:
    ask = asked(tmp_path / "calls")

    def slow(n: int) -> dict[str, int]:
        time.sleep(0.05)
        return ask(n)

    journalled = Journal(path).of(slow)
    thunks = [lambda n=n: journalled(n % 5) for n in range(60)]
    assert [result["n"] for result in gather(thunks)] == [n % 5 for n in range(60)]
    assert calls(tmp_path / "calls") == {str(n): 1 for n in range(5)}


def test_equal_calls_made_at_once_by_two_journals_of_one_file_are_one(path: Path, tmp_path: Path) -> None:
    ask = asked(tmp_path / "calls")

    def slowly(n: int) -> dict[str, int]:
        time.sleep(0.05)
        return ask(n)

    journals = [Journal(path, version="1").of(slowly) for _ in range(6)]
    assert gather([partial(each, 3) for each in journals]) == [{"n": 3, "square": 9}] * 6
    assert calls(tmp_path / "calls") == {"3": 1}


_SAME = """
import asyncio, os, sys, time
from ember.core import gather
from ember.core.journal import Journal

paid = os.open(sys.argv[2], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
journal = Journal(sys.argv[1], version="1")

def ask(n):
    os.write(paid, b"%d\\n" % n)
    time.sleep(0.01)
    return n * n

async def aask(n):
    os.write(paid, b"%d\\n" % n)
    await asyncio.sleep(0.01)
    return n * n

async def all_of(asks):
    return await asyncio.gather(*asks)

print("begun", flush=True)
sys.stdin.readline()
if sys.argv[3] == "plain":
    found = gather([lambda n=n: journal.of(ask)(n) for n in range(60)], limit=8)
else:
    found = asyncio.run(all_of([journal.of(aask)(n) for n in range(60)]))
assert found == [n * n for n in range(60)]
"""


@pytest.mark.parametrize("form", ["plain", "async"])
def test_equal_calls_made_at_once_by_processes_are_one(path: Path, tmp_path: Path, form: str) -> None:
    paid = tmp_path / "paid"
    command = [sys.executable, "-c", _SAME, str(path), str(paid), form]
    processes = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(3)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in processes:
        process.communicate(timeout=60)
        assert process.returncode == 0
    assert calls(paid) == {str(n): 1 for n in range(60)}


def test_a_call_of_a_process_that_is_killed_is_made_by_the_one_that_waits_for_it(
    path: Path, tmp_path: Path
) -> None:
    paid = tmp_path / "paid"
    program = """
import os, sys, time
from ember.core.journal import Journal
paid = os.open(sys.argv[2], os.O_WRONLY | os.O_APPEND | os.O_CREAT)

def ask(n):
    os.write(paid, b"%d\\n" % n)
    if sys.argv[3] == "never":
        time.sleep(600)
    return n * n

print(Journal(sys.argv[1], version="1").of(ask)(7), flush=True)
"""
    command = [sys.executable, "-c", program, str(path), str(paid)]
    with subprocess.Popen([*command, "never"], stdout=subprocess.PIPE) as leads:
        until = time.monotonic() + 60
        while not calls(paid) and time.monotonic() < until:
            time.sleep(0.01)
        waits = subprocess.Popen([*command, "at once"], stdout=subprocess.PIPE, text=True)
        try:
            with pytest.raises(subprocess.TimeoutExpired):
                waits.wait(1)
            assert calls(paid) == {"7": 1}
        finally:
            leads.kill()
        assert waits.communicate(timeout=30)[0] == "49\n"
    assert calls(paid) == {"7": 2}


def test_where_no_lock_is_to_be_had_calls_are_made_all_the_same(path: Path, tmp_path: Path) -> None:
    path.with_name(path.name + "-claims").mkdir()
    ask = Journal(path).of(asked(tmp_path / "calls"))
    assert [ask(1), ask(1)] == [{"n": 1, "square": 1}] * 2
    assert calls(tmp_path / "calls") == {"1": 1}


def test_what_the_context_says_that_changes_answers_is_part_of_a_call(path: Path) -> None:
    def warmth(n: int) -> float:
        return float(get_context().get_config("models.temperature", -1.0))

    journal = Journal(path)
    ask = journal.of(warmth)
    assert ask(1) == -1.0
    for temperature in (0.0, 0.9):
        with with_context(models={"temperature": temperature}):
            assert ask(1) == temperature
            with with_context(models={"timeout": 7.0, "cache": True}):  # how an answer is come by
                assert ask(1) == temperature
    others = (
        {"default": "gpt-4"},
        {"aliases": {"judge": "gpt-4"}},
        {"aliases": {"judge": "o3"}},
        {"stop": ["."]},
    )
    for other in others:
        with with_context(models=other):
            assert [ask(1), ask(1)] == [-1.0, -1.0]
    assert ask(1) == -1.0
    assert journal.stats().entries == 3 + len(others)


def test_equal_calls_awaited_at_once_are_one_however_many_wait(path: Path) -> None:
    made: list[int] = []

    async def slow(n: int) -> int:
        await asyncio.sleep(0.02)
        made.append(n)
        return n

    journalled = Journal(path, version="1").of(slow)

    async def run() -> list[int]:
        return list(await asyncio.gather(*(journalled.aio(n % 2) for n in range(300))))

    assert asyncio.run(run()) == [n % 2 for n in range(300)]
    assert sorted(made) == [0, 1]


def test_when_the_one_that_leads_fails_the_next_one_tries(path: Path) -> None:
    made: list[int] = []

    def second_time(n: int) -> int:
        made.append(n)
        time.sleep(0.02)
        if len(made) == 1:
            raise ValueError("first")
        return n

    journalled = Journal(path, version="1").of(second_time)

    def attempt() -> object:
        try:
            return journalled(3)
        except ValueError as error:
            return str(error)

    assert sorted(map(str, gather([attempt] * 8))) == ["3"] * 7 + ["first"]
    assert made == [3, 3]


def test_many_processes_write_and_read_one_journal(path: Path, output: Callable[..., str]) -> None:
    text = f"""
    import multiprocessing
    from ember.core.journal import Journal

    def square(n):
        return n * n

    def work(start):
        journalled = Journal({str(path)!r}).of(square)
        return [journalled(n) for n in range(start, start + 60)]

    if __name__ == "__main__":
        for method in ("spawn", "fork"):
            with multiprocessing.get_context(method).Pool(4) as pool:
                results = pool.map(work, [0, 20, 40, 60])
            assert results == [[n * n for n in range(s, s + 60)] for s in (0, 20, 40, 60)]
        stats = Journal({str(path)!r}).stats()
        print(stats.entries)
    """
    assert output(text) == "120\n"


def test_a_child_made_by_fork_goes_on_with_its_parent_s_journal(
    path: Path, output: Callable[..., str]
) -> None:
    text = f"""
    import os
    from ember.core.journal import Journal
    made = []
    def ask(n):
        os.write(1, b"asked %d\\n" % n)
        return n
    journalled = Journal({str(path)!r}).of(ask)
    journalled(1)
    child = os.fork()
    journalled(1), journalled(2 if child else 3)
    if not child:
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert journalled(3) == 3
    """
    assert sorted(output(text).splitlines()) == ["asked 1", "asked 2", "asked 3"]


_NIGHT = """
import os, sys
from ember.core import gather
from ember.core.journal import Journal

done = os.open(sys.argv[2], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
paid = os.open(sys.argv[3], os.O_WRONLY | os.O_APPEND | os.O_CREAT)

class Ask:
    def __fingerprint__(self):
        return "ask"
    def __call__(self, n):
        os.write(paid, b"%d\\n" % n)
        return n * n

ask = Journal(sys.argv[1]).of(Ask())

def one(n):
    ask(n)
    os.write(done, b"%d\\n" % n)

gather([lambda n=n: one(n) for n in range(400)], limit=8)
"""


def test_nothing_that_was_handed_on_is_done_again_after_a_kill_at_any_moment(
    path: Path, tmp_path: Path
) -> None:
    done, paid = tmp_path / "done", tmp_path / "paid"
    arguments = [sys.executable, "-c", _NIGHT, str(path), str(done), str(paid)]
    chance, kills = random.Random(7), 0
    while kills < 4:
        before, known = calls(done), calls(paid)
        process = subprocess.Popen(arguments)
        target = sum(before.values()) + chance.randrange(1, 60)
        until = time.monotonic() + 60
        while sum(calls(done).values()) < target and process.poll() is None and time.monotonic() < until:
            time.sleep(0.001)
        process.send_signal(signal.SIGKILL)
        process.wait()
        again = calls(paid) - known
        assert not set(again) & set(before), "a call was repeated whose result had been handed on"
        kills += 1
    assert subprocess.run(arguments, timeout=60).returncode == 0
    repeated = sum(calls(paid).values()) - 400
    assert len(calls(paid)) == 400
    assert repeated <= kills * 8, "more was repeated than was on its way"


def test_the_oldest_results_go_when_the_bound_is_reached_and_that_is_said(path: Path) -> None:
    journal = Journal(path, size=20_000, version="1")

    def large(n: int) -> str:
        return str(n) * 1000

    journalled = journal.of(large)
    with pytest.warns(ConfigWarning, match="has reached its 20,000 bytes"):
        for n in range(40):
            journalled(n % 10 + n)
    stats = journal.stats()
    assert stats.bytes <= 20_000
    assert stats.entries > 5
    before = journal.stats().hits
    journalled(9 + 39)
    assert journal.stats().hits == before + 1


def test_a_full_disk_ends_the_run_instead_of_paying_in_vain(path: Path, program: Callable[..., Any]) -> None:
    done = program(f"""
    import resource, signal
    from ember.core.errors import StorageError
    from ember.core.journal import Journal
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
    def large(n):
        return "x" * 20_000 + str(n)
    journalled = Journal({str(path)!r}).of(large)
    try:
        for n in range(100):
            journalled(n)
    except StorageError as error:
        print(n < 50, "journal cannot be used" in str(error), {str(path)!r} in str(error))
    """)
    assert (done.stdout, done.stderr) == ("True True True\n", "")
    kept = Journal(path).stats().entries
    assert kept > 0


def test_a_file_that_is_no_journal_is_left_as_it_is(path: Path) -> None:
    content = b"not a database, but long enough to be looked at" * 40
    path.write_bytes(content)
    with pytest.raises(StorageError, match="The journal cannot be used"):
        Journal(path).of(len)("abc")
    assert path.read_bytes() == content


def test_a_journal_in_a_folder_that_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="no folder"):
        Journal(tmp_path / "missing" / "calls.journal").of(len)("abc")


@dataclass(frozen=True)
class Label:
    text: str


def test_results_are_what_they_were(path: Path) -> None:
    def label(text: str) -> tuple[Label, set[int]]:
        return Label(text), {1, 2}

    journalled = Journal(path).of(label)
    assert journalled("a") == journalled("a") == (Label("a"), {1, 2})


def test_a_result_whose_class_has_changed_since_is_made_anew(path: Path, output: Callable[..., str]) -> None:
    program = """
    from dataclasses import dataclass
    from ember.core.journal import Journal
    @dataclass
    class Label:
        {fields}
    def label(text):
        print("asked")
        return Label(*[text] * {many})
    print(Journal({path!r}, version="1").of(label)("a"))
    """
    asked, first = (
        output(program.format(fields=fields, many=many, path=str(path)))
        for fields, many in (("text: str", 1), ("text: str; score: str", 2))
    )
    assert asked == "asked\nLabel(text='a')\n"
    assert first == "asked\nLabel(text='a', score='a')\n"


def test_a_journal_is_not_imported_by_those_who_do_not_ask_for_it(alone: Callable[..., str]) -> None:
    program = "import ember.core, sys; print('ember.core.journal' in sys.modules, 'sqlite3' in sys.modules)"
    assert alone(program) == "False False\n"
