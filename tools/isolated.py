"""Install each built wheel into its own clean venv with what it declares and nothing else; run its own tests there.

    python tools/isolated.py UV [NAME …]

Own names come from dist/ and nowhere else: each wheel of ours that a distribution needs is found by reading metadata,
asked for by its path, and every own name is constrained to its path as well; a name of ours that dist/ lacks ends the
run before an index is asked. Afterwards every installed `ember-*` must say that it came from dist/.
The tests are copied away from the tree, so they can lean on nothing there. A distribution without code is installed
with its extras, and everything it brings is imported. Two distributions are at it at a time; what one printed is shown
when it is through.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from email.parser import HeaderParser
from functools import cached_property
from pathlib import Path
from typing import TextIO
from zipfile import ZipFile

from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name, parse_wheel_filename

from workspace import ROOT, distributions

DIST = ROOT / "dist"
# What a distribution's tests may use beside its declared dependencies.
TEST_TOOLS = ("pytest", "hypothesis")
NO_TESTS_COLLECTED = 5
AT_A_TIME = 2


class NotOurs(Exception):
    """A name of ours would have come, or came, from somewhere else than dist/."""


@dataclass(frozen=True)
class Wheel:
    """One built wheel of ours."""

    path: Path

    @property
    def name(self) -> NormalizedName:
        return parse_wheel_filename(self.path.name)[0]

    @cached_property
    def requirements(self) -> tuple[Requirement, ...]:
        with ZipFile(self.path) as archive:
            member = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
            headers = HeaderParser().parsestr(archive.read(member).decode())
        return tuple(Requirement(line) for line in headers.get_all("Requires-Dist", ()))

    def requirement(self, extras: Iterable[str] = ()) -> str:
        """Return what asks for this very file, with `extras`."""
        brackets = f"[{','.join(sorted(extras))}]" if extras else ""
        return f"{self.name}{brackets} @ {self.path.as_uri()}"

    def needs(self, extras: frozenset[str] = frozenset()) -> list[Requirement]:
        """Return the requirements that hold for these extras."""
        chosen = [{"extra": extra} for extra in extras] or [{"extra": ""}]
        return [
            line
            for line in self.requirements
            if line.marker is None or any(line.marker.evaluate(environment) for environment in chosen)
        ]


def own_wheels(folder: Path = DIST) -> dict[NormalizedName, Wheel]:
    """Return the wheels in `folder` by distribution."""
    wheels = [Wheel(path) for path in sorted(folder.glob("*.whl"))]
    return {wheel.name: wheel for wheel in wheels}


def closure(wheels: dict[NormalizedName, Wheel], wanted: Requirement) -> list[Wheel]:
    """Return the own wheels that `wanted` brings in, itself first. NotOurs if one of them is not in dist/."""
    found: dict[NormalizedName, Wheel] = {}
    seen: set[tuple[NormalizedName, frozenset[str]]] = set()
    queue = [wanted]
    while queue:
        line = queue.pop(0)
        name, extras = canonicalize_name(line.name), frozenset(line.extras)
        if (name, extras) in seen or not (name in wheels or name.startswith("ember-")):
            continue
        seen.add((name, extras))
        if name not in wheels:
            raise NotOurs(f"{line} is needed and dist/ has no wheel of it; an index would give a stranger's")
        found[name] = wheels[name]
        queue += wheels[name].needs(extras)
    return list(found.values())


class Venv:
    """A clean virtual environment in `folder`; what its commands print goes to `out`, or where ours goes."""

    def __init__(self, uv: str, folder: Path, out: TextIO | None = None) -> None:
        self.uv, self.folder, self.out = uv, folder, out
        self.python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
        self._call(uv, "venv", "--quiet", "--python", sys.executable, str(folder)).check_returncode()

    def _call(
        self, *command: str, cwd: Path | None = None, env: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[bytes]:
        errors = subprocess.STDOUT if self.out else None
        return subprocess.run(command, stdout=self.out, stderr=errors, cwd=cwd, env=env)

    def install(self, wheels: dict[NormalizedName, Wheel], *wanted: str, tools: tuple[str, ...] = ()) -> None:
        """Install own distributions (`name` or `name[extra]`) from dist/, what they declare, and `tools`."""
        asked: list[str] = []
        for line in map(Requirement, wanted):
            first, *others = closure(wheels, line)
            asked += [first.requirement(line.extras), *(wheel.requirement() for wheel in others)]
        pins = self.folder / "own-wheels.txt"
        pins.write_text("".join(f"{wheel.requirement()}\n" for wheel in wheels.values()), encoding="utf-8")
        command = [self.uv, "pip", "install", "--quiet", "--python", str(self.python)]
        command += ["--constraint", str(pins), "--constraint", str(ROOT / "tools" / "constraints.txt")]
        self._call(*command, *asked, *tools).check_returncode()
        self.verify_origin(wheels)

    def contradicts_itself(self) -> bool:
        """Whether what is installed asks for what is not."""
        return self._call(self.uv, "pip", "check", "--quiet", "--python", str(self.python)).returncode != 0

    def verify_origin(self, wheels: dict[NormalizedName, Wheel]) -> None:
        """Raise NotOurs unless every installed own name says that it was installed from its wheel in dist/."""
        for info in sorted(self.folder.glob("lib*/**/site-packages/*.dist-info")):
            name = canonicalize_name(info.name.removesuffix(".dist-info").rsplit("-", 1)[0])
            if name not in wheels and not name.startswith("ember-"):
                continue
            origin = info / "direct_url.json"
            url = json.loads(origin.read_text(encoding="utf-8"))["url"] if origin.exists() else "an index"
            if name not in wheels or url != wheels[name].path.as_uri():
                raise NotOurs(f"{name} came from {url}, not from dist/")

    def run(self, *command: str, cwd: Path) -> int:
        """Run the venv's Python with `command`, away from the tree; return its exit code."""
        environment = {
            key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "COVERAGE"))
        }
        environment["PATH"] = f"{self.python.parent}{os.pathsep}{environment.get('PATH', '')}"
        return self._call(str(self.python), *command, cwd=cwd, env=environment).returncode


def check(
    uv: str, name: NormalizedName, wheels: dict[NormalizedName, Wheel], folder: Path, out: TextIO
) -> str:
    """Install and test one distribution in `folder`; return "" or what went wrong. What it prints goes to `out`."""
    dist = next(dist for dist in distributions() if dist.name == name)
    venv = Venv(uv, folder / "venv", out)
    venv.install(wheels, name, tools=TEST_TOOLS)
    wanted = [Requirement(name)]
    if not dist.portions:
        wanted = [Requirement(f"{name}[{extra}]") for extra in dist.extras]
        venv.install(wheels, *map(str, wanted))
    brought = {wheel.name for line in wanted for wheel in closure(wheels, line)}
    for portion in sorted(
        portion for one in distributions() if one.name in brought for portion in one.portions
    ):
        if venv.run("-c", f"import {portion}", cwd=folder):
            return f"{portion} cannot be imported with the declared dependencies alone"
    if venv.contradicts_itself():
        return "its requirements contradict each other"
    if not dist.portions:
        return ""
    problem = run_tests(venv, dist.folder / "tests", folder / name)
    if dist.extras and not problem:
        # Tests that need an extra skip themselves above; with all of them installed they must not.
        venv.install(wheels, f"{name}[{','.join(dist.extras)}]")
        print(f"── {name}[{','.join(dist.extras)}]", file=out, flush=True)
        problem = run_tests(venv, dist.folder / "tests", folder / f"{name}-extras")
    return problem


def run_tests(venv: Venv, tests: Path, folder: Path) -> str:
    """Copy `tests` and the shared configuration to `folder` and run them in `venv`; return "" or what went wrong."""
    if not tests.is_dir():
        return "it has no tests"
    shutil.copytree(tests, folder / "tests", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    code = venv.run("-m", "pytest", "-q", "-p", "no:cacheprovider", "tests", cwd=folder)
    if code == NO_TESTS_COLLECTED:
        return "none of its tests ran"
    return f"its tests failed (exit {code})" if code else ""


def tell_of(uv: str, name: str, wheels: dict[NormalizedName, Wheel]) -> tuple[str, str, str]:
    """Check one distribution; return its name, what went wrong or "", and all that was printed."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix=f"{name}-") as temporary:
        folder = Path(temporary).resolve()
        said = folder / "said.txt"
        with said.open("w", encoding="utf-8") as out:
            print(
                f"\n── {name}: its wheel, what it declares, {' and '.join(TEST_TOOLS)}", file=out, flush=True
            )
            try:
                problem = check(uv, canonicalize_name(name), wheels, folder, out)
            except (NotOurs, subprocess.CalledProcessError) as error:
                problem = str(error)
            print(f"── {name}: {problem or 'ok'} ({time.monotonic() - started:.0f} s)", file=out)
        return name, problem, said.read_text(encoding="utf-8", errors="replace")


def main(uv: str, *only: str) -> int:
    wheels = own_wheels()
    results: dict[str, str] = {}
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        # Who has the most tests begins, so that nobody is left alone with them in the end.
        names = sorted(only or wheels, key=weight, reverse=True)
        for done in as_completed([pool.submit(tell_of, uv, name, wheels) for name in names]):
            name, results[name], said = done.result()
            print(said, end="", flush=True)
    failed = sorted(name for name, problem in results.items() if problem)
    print(f"\nisolated: {len(results) - len(failed)} of {len(results)} distributions stand alone")
    for name in failed:
        print(f"  {name}: {results[name]}")
    return 1 if failed else 0


def weight(name: str) -> int:
    """Return how many bytes of tests a distribution has."""
    tests = ROOT / "packages" / name / "tests"
    return sum(path.stat().st_size for path in tests.rglob("*.py"))


if __name__ == "__main__":
    sys.exit(main(str(Path(sys.argv[1]).resolve()), *sys.argv[2:]))
