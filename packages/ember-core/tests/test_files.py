"""Private files and folders: modes, links, other people's, full disks, and processes killed while writing."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ember.context import ConfigWarning, get_context
from ember.core import files
from ember.core.errors import StorageError
from ember.core.files import Content
from ember.core.home import folder, home as ember_home

Run = Callable[..., "subprocess.CompletedProcess[str]"]

NOBODY = 65_534
SAVE = """
import os, sys
from ember.context import get_context
os.umask(int(sys.argv[1], 8))
get_context().set_config("models.seed", 1)
get_context().save()
"""

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def shared() -> Iterator[Path]:
    """A folder other users can look into, unlike those pytest makes."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture
def as_nobody(python: Run) -> Run:
    """Runs a program as a user without rights, with everything imported that a program may import later."""

    def run(program: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        start = (
            "import os, yaml, filelock, difflib, pwd, ruamel.yaml.util, ruamel.yaml.scalarstring, ember.core.yamlfile\n"
            "from ember.context import *; from ember.context import get_context; from ember.core.errors import *\n"
            f"os.setgid({NOBODY}); os.setuid({NOBODY})\n"
        )
        return python(start + program, *arguments, **environment)

    return run


@pytest.mark.parametrize("umask", ["000", "022", "077"])
def test_folder_and_file_are_private_whatever_the_umask(home: Path, python: Run, umask: str) -> None:
    done = python(SAVE, umask)
    assert done.returncode == 0, done.stderr
    assert mode(home) == 0o700
    assert mode(home / "config.yaml") == 0o600
    assert mode(home / "config.yaml.lock") & 0o077 == 0
    assert sorted(path.name for path in home.iterdir()) == ["config.yaml", "config.yaml.lock"]


def test_no_file_is_ever_open_to_others_while_one_is_written(home: Path) -> None:
    watcher = """
import os, sys, time
seen = set()
print("ready", flush=True)
while os.getppid() == int(sys.argv[2]) and not os.path.exists(sys.argv[1] + "/stop"):
    try:
        for entry in os.scandir(sys.argv[1]):
            seen.add(oct(entry.stat().st_mode & 0o777))
    except OSError:
        pass
print(*seen)
"""
    path = ember_home()
    path.mkdir(mode=0o700)
    watching = subprocess.Popen(
        [sys.executable, "-c", watcher, str(path), str(os.getpid())], stdout=subprocess.PIPE, text=True
    )
    assert watching.stdout is not None and watching.stdout.readline() == "ready\n"
    before = os.umask(0)
    try:
        for number in range(300):
            files.replace(path / "config.yaml", Content(b"seed: %d\n" % number))
    finally:
        os.umask(before)
        (path / "stop").touch(0o600)
    out, _ = watching.communicate(timeout=30)
    assert out == "0o600\n"


def test_a_private_folder_is_made_for_each_name(home: Path) -> None:
    assert folder("models") == home / "models"
    assert mode(home) == mode(home / "models") == 0o700
    assert folder("models").is_dir()
    for bad in ("", "..", "a/b", ".hidden", "A"):
        with pytest.raises(StorageError):
            folder(bad)


def test_a_folder_may_be_its_owners_link_to_another_disk_and_the_home_may_not(
    home: Path, tmp_path: Path
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir(mode=0o700)
    folder("cache")
    (home / "models").symlink_to(disk)
    assert folder("models").resolve() == disk
    (home / "data").symlink_to(tmp_path / "nowhere")
    with pytest.raises(StorageError, match="data"):
        folder("data")
    home.rename(tmp_path / "moved")
    home.symlink_to(tmp_path / "moved")
    with pytest.raises(StorageError, match="symbolic link"):
        folder("cache")


def test_a_folder_others_can_write_in_is_not_used(home: Path) -> None:
    folder("cache").chmod(0o777)
    with pytest.raises(StorageError, match="chmod 700"):
        folder("cache")
    home.chmod(0o777)
    with pytest.raises(StorageError, match="chmod 700"):
        folder("models")


def test_a_home_that_is_a_file_reads_as_empty_and_refuses_writes(home: Path) -> None:
    home.write_text("I am a file")
    ctx = get_context()
    assert ctx.get_config("models.default", "d") == "d"
    ctx.set_config("models.seed", 1)
    with pytest.raises(StorageError, match="not a folder"):
        ctx.save()
    with pytest.raises(StorageError, match="not a folder"):
        folder("models")
    assert home.read_text() == "I am a file"


@needs_root
def test_without_any_home_settings_are_read_from_the_environment_and_not_saved(python: Run) -> None:
    program = """
import os
for name in ("HOME", "EMBER_HOME"):
    os.environ.pop(name, None)
os.setuid(54321)  # a user the system has no home for
from ember.context import get_context
from ember.core.errors import StorageError
ctx = get_context()
print(ctx.get_config("models.default", "d"), ctx.get_credential("openai"))
ctx.set_config("models.seed", 1)
try:
    ctx.save()
except StorageError as error:
    print(error)
"""
    done = python(
        "import yaml, filelock, ember.context, ember.core.yamlfile, ruamel.yaml.util, pwd" + program,
        OPENAI_API_KEY="sk-environment",
    )
    assert done.stderr == ""
    assert done.stdout.splitlines()[0] == "d sk-environment"
    assert "Set HOME, or EMBER_HOME" in done.stdout


@needs_root
def test_a_home_that_cannot_be_written_is_read_and_says_so_on_save(shared: Path, as_nobody: Run) -> None:
    home = shared / "ember"
    home.mkdir()
    (home / "config.yaml").write_text("models: {default: there}\n")
    os.chown(home / "config.yaml", NOBODY, NOBODY)
    os.chown(home, NOBODY, NOBODY)
    home.chmod(0o500)
    done = as_nobody(
        """
ctx = get_context()
print(ctx.get_config("models.default"))
ctx.set_config("models.seed", 1)
try:
    ctx.save()
except StorageError as error:
    print(error)
""",
        EMBER_HOME=str(home),
    )
    assert done.stderr == ""
    assert done.stdout == f"there\n{home}/config.yaml cannot be written: Permission denied.\n"
    assert os.listdir(home) == ["config.yaml"]


@needs_root
def test_a_place_that_cannot_be_looked_into_is_said_once_and_keys_come_from_the_environment(
    shared: Path, as_nobody: Run
) -> None:
    (shared / "locked").mkdir(mode=0o700)
    done = as_nobody(
        "print(get_context().get_config('models.default', 'd'), get_context().get_credential('openai'))",
        EMBER_HOME=str(shared / "locked" / "ember"),
        OPENAI_API_KEY="sk-environment",
    )
    assert done.stdout == "d sk-environment\n"
    assert done.stderr.count("\n") == 1
    assert "ConfigWarning: Ember reads no settings from" in done.stderr


@needs_root
@pytest.mark.parametrize(
    ("owner", "permissions", "expected"),
    [
        (NOBODY, 0o600, "there"),
        (0, 0o644, "there"),
        (12_345, 0o644, "StorageError belongs to another user"),
        (NOBODY, 0o000, "StorageError Permission denied"),
    ],
)
def test_a_file_is_read_if_it_is_ones_own_or_roots(
    shared: Path, as_nobody: Run, owner: int, permissions: int, expected: str
) -> None:
    path = shared / "config.yaml"
    path.write_text("models: {default: there}\n")
    path.chmod(permissions)
    os.chown(path, owner, owner)
    done = as_nobody(
        """
try:
    print(get_context().get_config("models.default"))
except StorageError as error:
    print(type(error).__name__, error)
""",
        EMBER_HOME=str(shared),
    )
    assert all(word in done.stdout for word in expected.split())


@needs_root
def test_root_reads_another_users_settings_with_a_word_and_does_not_write_them(home: Path) -> None:
    home.mkdir(mode=0o700)
    path = home / "config.yaml"
    path.write_text("models: {default: there}\n")
    path.chmod(0o600)
    os.chown(path, NOBODY, NOBODY)
    ctx = get_context()
    with pytest.warns(ConfigWarning, match="belongs to another user"):
        assert ctx.get_config("models.default") == "there"
    ctx.set_config("models.seed", 1)
    with pytest.raises(StorageError, match="belongs to another user"):
        ctx.save()
    os.chown(home, NOBODY, NOBODY)
    with pytest.raises(StorageError, match="belongs to another user"):
        ctx.save()


@needs_root
def test_a_link_somebody_else_put_there_is_not_followed(shared: Path, as_nobody: Run) -> None:
    (shared / "real").write_text("models: {default: there}\n")
    os.chown(shared / "real", NOBODY, NOBODY)
    (shared / "config.yaml").symlink_to(shared / "real")
    os.lchown(shared / "config.yaml", 12_345, 12_345)
    done = as_nobody("get_context().get_config('models.default')", EMBER_HOME=str(shared))
    assert "StorageError" in done.stderr and "belongs to another user" in done.stderr


def test_a_linked_config_is_read_and_not_written_through(home: Path, tmp_path: Path) -> None:
    real = tmp_path / "dotfiles.yaml"
    real.write_text("models: {default: linked}\n")
    real.chmod(0o600)
    home.mkdir(mode=0o700)
    (home / "config.yaml").symlink_to(real)
    ctx = get_context()
    assert ctx.get_config("models.default") == "linked"
    ctx.set_config("models.seed", 1)
    with pytest.raises(StorageError, match=r"symbolic link to .*dotfiles\.yaml"):
        ctx.save()
    assert real.read_text() == "models: {default: linked}\n"
    assert (home / "config.yaml").is_symlink()


def test_a_pipe_or_folder_in_a_files_place_is_refused_without_waiting(home: Path) -> None:
    home.mkdir(mode=0o700)
    os.mkfifo(home / "config.yaml", 0o600)
    with pytest.raises(StorageError, match="not a file"):
        get_context().get_config("models.default")
    (home / "config.yaml").unlink()
    (home / "config.yaml").mkdir()
    with pytest.raises(StorageError, match="not a file"):
        get_context().get_config("models.default")
    get_context().set_config("models.seed", 1)
    with pytest.raises(StorageError):
        get_context().save()


def test_a_huge_file_is_refused_without_being_read(home: Path) -> None:
    home.mkdir(mode=0o700)
    with open(home / "config.yaml", "wb") as file:
        file.truncate(50_000_000)
    (home / "config.yaml").chmod(0o600)
    started = time.process_time()
    with pytest.raises(StorageError, match="50,000,000 bytes"):
        get_context().get_config("models.default")
    assert time.process_time() - started < 0.5


def test_keys_others_can_read_are_warned_of_once_and_not_shown(home: Path, python: Run) -> None:
    home.mkdir(mode=0o700)
    (home / "credentials.yaml").write_text("openai_api_key: sk-0123456789abcdef\n")
    (home / "credentials.yaml").chmod(0o644)
    done = python(
        "from ember.context import get_context\n"
        "for _ in range(3): get_context().get_credential('openai'); get_context().reload()"
    )
    assert done.stderr == (
        f"<ember>:0: ConfigWarning: {home}/credentials.yaml holds keys, and other users of this machine can read it. "
        f"Run: chmod 600 {home}/credentials.yaml\n"
    )


def test_saving_makes_a_readable_file_private(home: Path) -> None:
    home.mkdir(mode=0o755)
    path = home / "config.yaml"
    path.write_text("models: {default: a}\n")
    path.chmod(0o644)
    get_context().set_config("models.default", "a")
    get_context().save()
    assert mode(path) == 0o600


def test_a_full_disk_leaves_the_old_file_and_no_litter(home: Path, python: Run) -> None:
    get_context().set_config("models.system", "old")
    get_context().save()
    done = python(
        """
import resource
from ember.context import get_context
from ember.core.errors import StorageError
import yaml, filelock, ruamel.yaml.util
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
get_context().set_config("models.system", "new" * 10_000)
try:
    get_context().save()
except StorageError as error:
    print(error)
"""
    )
    assert done.stdout == (
        f"{home}/config.yaml cannot be written: File too large. What stood there before still does.\n"
    ), done.stderr
    assert (home / "config.yaml").read_text() == "models:\n  system: old\n"
    assert sorted(os.listdir(home)) == ["config.yaml", "config.yaml.lock"]


def test_a_writer_killed_at_any_moment_leaves_a_whole_file(home: Path) -> None:
    program = """
import sys
from ember.context import get_context
ctx = get_context()
number = 0
while True:
    number += 1
    ctx.set_config("models.system", f"{number} " * 2_000)
    ctx.save()
    if number == 1:
        print("ready", flush=True)
"""
    for attempt in range(12):
        writer = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
        assert writer.stdout is not None and writer.stdout.readline() == "ready\n"
        time.sleep(0.017 * attempt)
        writer.send_signal(signal.SIGKILL)
        writer.wait(10)
        writer.stdout.close()
        get_context().reload(discard=True)
        words = set((get_context().get_config("models.system") or "").split())
        assert len(words) == 1
    (home / ".config.yaml.0123456789abcdef.tmp").write_text("left by a killed writer")
    get_context().set_config("models.seed", 1)
    get_context().save()
    assert sorted(os.listdir(home)) == ["config.yaml", "config.yaml.lock"]


def test_twenty_processes_that_save_at_once_all_keep_their_key(home: Path) -> None:
    program = """
import sys
from ember.context import get_context
get_context().set_config(f"models.aliases.name{sys.argv[1]}", sys.argv[1])
sys.stdin.readline()
get_context().save()
"""
    writers = [
        subprocess.Popen([sys.executable, "-c", program, str(number)], stdin=subprocess.PIPE)
        for number in range(20)
    ]
    for writer in writers:
        writer.communicate(b"go\n", timeout=120)
        assert writer.returncode == 0
    assert get_context().section("models")["aliases"] == {
        f"name{number}": str(number) for number in range(20)
    }


def test_a_lock_held_by_another_process_is_waited_for_and_then_named(home: Path, python: Run) -> None:
    folder("cache")
    holder = """
import filelock, sys
with filelock.FileLock(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
"""
    with subprocess.Popen(
        [sys.executable, "-c", holder, str(home / "config.yaml.lock")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdout is not None and other.stdout.readline() == "held\n"
        done = python(
            "from ember.core import files; from pathlib import Path; import sys\n"
            "with files.lock(Path(sys.argv[1]), patience=0.2): pass",
            str(home / "config.yaml"),
        )
        assert "StorageError" in done.stderr and "another process" in done.stderr
        assert other.stdin is not None
        other.stdin.close()
