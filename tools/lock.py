"""Write tools/constraints.txt and tools/bootstrap.txt: one version for every third-party package we install.

    python tools/lock.py UV [--upgrade]

Our own distributions are left out before anything is asked of an index, where their names belong to others.
Without --upgrade the versions already written are kept as far as the requirements allow.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from workspace import ROOT, distributions

CONSTRAINTS = ROOT / "tools" / "constraints.txt"
BOOTSTRAP = ROOT / "tools" / "bootstrap.txt"
BOOTSTRAP_WANTS = ("uv==0.13.9", "hatch==1.18.2")
OLDEST_PYTHON = "3.11"


def third_party_requirements(root: Path = ROOT) -> list[Requirement]:
    """Return what distributions, build backends and environments ask for, own names left out."""
    ours = {dist.name for dist in distributions(root)}
    wanted = [line for dist in distributions(root) for line in dist.requirements]
    lines = [line for dist in distributions(root) for line in dist.pyproject["build-system"]["requires"]]
    for env in tomllib.loads((root / "hatch.toml").read_text(encoding="utf-8"))["envs"].values():
        lines += [*env.get("dependencies", ()), *env.get("extra-dependencies", ())]
    wanted += [Requirement(line) for line in lines]
    return [line for line in wanted if canonicalize_name(line.name) not in ours]


def compile_pins(uv: str, wanted: list[str], output: Path, upgrade: bool) -> None:
    """Resolve `wanted` for every supported Python and platform, and write the pins to `output`."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "wanted.in"
        source.write_text("\n".join(sorted(set(wanted))) + "\n", encoding="utf-8")
        command = [uv, "pip", "compile", str(source), "--output-file", str(output)]
        command += [
            "--universal",
            "--python-version",
            OLDEST_PYTHON,
            "--no-header",
            "--no-annotate",
            "--quiet",
        ]
        # Extras are requirements already, not constraints; pip refuses a constraint that has one.
        command += ["--strip-extras", "--no-emit-index-url", "--no-emit-find-links"]
        subprocess.run([*command, *(["--upgrade"] if upgrade else [])], check=True)
    output.write_text(f"# Written by `make lock`.\n{output.read_text(encoding='utf-8')}", encoding="utf-8")


def main(uv: str, upgrade: bool) -> None:
    compile_pins(uv, [str(line) for line in third_party_requirements()], CONSTRAINTS, upgrade)
    compile_pins(uv, list(BOOTSTRAP_WANTS), BOOTSTRAP, upgrade)


if __name__ == "__main__":
    main(sys.argv[1], upgrade="--upgrade" in sys.argv[2:])
