"""What others use instead of Ember, each in an environment of its own under `.hatch/bench/`, made when first needed.

They cannot share Ember's environment, since each wants its own versions of the same libraries. One that cannot be
installed, mostly because the index cannot be reached, is left out by name.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any, Final, Literal, NamedTuple

ROOT: Final = Path(__file__).parents[1]
REQUIREMENTS: Final = {
    "openai SDK": "openai==3.54.0",
    "litellm": "litellm==1.106.2",
    "pydantic-ai": "pydantic-ai-slim[openai]==2.68.0",
}


class Took(NamedTuple):
    """What a batch of calls took, in seconds, and each of the calls."""

    cpu: float
    wall: float
    seconds: list[float]


class Outsider:
    """A rival in a process of its own, ready to make calls. What it says besides goes into `words`, a file."""

    def __init__(self, python: Path, package: str, url: str, words: IO[str]) -> None:
        # litellm would fetch its price list, and say so, when it is imported.
        environment = {**os.environ, "LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR"}
        self._words = words
        self.process = subprocess.Popen(
            [python, Path(__file__).with_name("outsider.py"), package, f"{url}/v1"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._words,
            text=True,
            env=environment,
        )
        self.version = str(self._answer()["version"])

    def run(self, form: Literal["sync", "async"], calls: int, width: int = 1, over: float = 0.0) -> Took:
        """Make `calls` calls, `width` at a time; asynchronous ones begin spread `over` so many seconds."""
        assert self.process.stdin is not None
        order = {"form": form, "calls": calls, "width": width, "over": over}
        print(json.dumps(order), file=self.process.stdin, flush=True)
        return Took(**self._answer())

    def cpu(self, form: Literal["sync", "async"], calls: int) -> float:
        """Make `calls` calls, one after another, and return the CPU seconds they took."""
        return self.run(form, calls).cpu

    def seconds(self, calls: int, width: int, over: float) -> list[float]:
        """Make `calls` asynchronous calls, `width` at a time, and return the seconds each of them took."""
        return self.run("async", calls, width, over).seconds

    def _answer(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        while line := self.process.stdout.readline():
            if line.startswith("{"):  # not what a library says on its own
                answer: dict[str, Any] = json.loads(line)
                return answer
        self.process.wait()
        self._words.seek(0)
        raise OSError(self._words.read().strip().rpartition("\n")[2][:200] or "it ended without a word")

    def stop(self) -> None:
        """End the process."""
        self.process.kill()
        self.process.communicate()


def environment(name: str, *requirements: str, editable: Sequence[str] = ()) -> Path:
    """Return the Python of the environment for `name`, made if there is none of these requirements.

    `editable` are distributions of ours that it needs besides. Raises OSError if it cannot be made.
    """
    folder = ROOT / ".hatch" / "bench" / name.replace(" ", "-")
    python, mark = folder / "bin" / "python", folder / "made-of"
    made_of = f"{' '.join([*requirements, *editable])} {sys.version_info[:2]}"
    if mark.exists() and mark.read_text() == made_of:
        return python
    own = ROOT / ".tools" / "bin" / "uv"
    uv = str(own) if own.exists() else shutil.which("uv")
    if uv is None:
        raise OSError("uv is not there to install it with; make bench has it")
    shutil.rmtree(folder, ignore_errors=True)
    # The pins of Ember's own environment are not for this one.
    variables = {name: value for name, value in os.environ.items() if name != "UV_CONSTRAINT"}
    ours = [word for one in editable for word in ("-e", str(ROOT / "packages" / one))]
    for command in (
        ["venv", "-q", "--python", sys.executable, str(folder)],
        ["pip", "install", "-q", "--python", str(python), *requirements, *ours],
    ):
        done = subprocess.run([uv, *command], env=variables, capture_output=True, text=True, timeout=300)
        if done.returncode:
            raise OSError(done.stderr.strip().partition("\n")[0][:200])
    mark.write_text(made_of)
    return python


@contextmanager
def outsiders(url: str) -> Iterator[dict[str, Outsider]]:
    """Yield those that can be had, by name and version, making their calls to the server at `url`."""
    with ExitStack() as stack:
        found: dict[str, Outsider] = {}
        for name, requirement in REQUIREMENTS.items():
            package = requirement.partition("==")[0].partition("[")[0]
            words = stack.enter_context(tempfile.TemporaryFile("w+"))
            try:
                made = Outsider(environment(name, requirement), package, url, words)
            except (OSError, subprocess.SubprocessError) as error:
                print(f"{name}: left out, {error}")
                continue
            stack.callback(made.stop)
            found[f"{name} {made.version}"] = made
        yield found
