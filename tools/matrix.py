"""Run the tests on every Python of the matrix in hatch.toml that this machine has; name those it has not.

    python tools/matrix.py HATCH [pytest arguments]

pyenv hides the versions that are not active, so all it has are put in force. Nothing is downloaded. Each run is told
which Python it must find itself on, and one test insists.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib

from workspace import ROOT


def matrix() -> list[str]:
    """Return the minor versions that hatch.toml names, e.g. "3.11"."""
    table = tomllib.loads((ROOT / "hatch.toml").read_text(encoding="utf-8"))
    versions: list[str] = table["envs"]["py"]["matrix"][0]["python"]
    return versions


def environment(versions: list[str]) -> dict[str, str]:
    """Return this environment with every pyenv Python of `versions` reachable as pythonX.Y."""
    result = dict(os.environ, UV_PYTHON_DOWNLOADS="never")
    if shutil.which("pyenv"):
        done = subprocess.run(["pyenv", "versions", "--bare"], capture_output=True, text=True)
        known = [line.strip() for line in done.stdout.splitlines()]
        result["PYENV_VERSION"] = ":".join(
            name for name in known if ".".join(name.split(".")[:2]) in versions and "/" not in name
        )
    return result


def works(version: str, env: dict[str, str]) -> bool:
    """Whether pythonX.Y starts, and is X.Y: a pyenv shim can stand there and do neither."""
    program = shutil.which(f"python{version}", path=env.get("PATH"))
    if program is None:
        return False
    ask = "import sys; print('%d.%d' % sys.version_info[:2])"
    done = subprocess.run([program, "-c", ask], env=env, capture_output=True, text=True)
    return done.stdout.strip() == version


def main(hatch: str, *arguments: str) -> int:
    versions = matrix()
    env = environment(versions)
    found = [version for version in versions if works(version, env)]
    failed: list[str] = []
    for version in found:
        print(f"\n── Python {version}", flush=True)
        row = f"py.py{version}"
        # Made anew each time: hatch would not notice changed metadata of an editable distribution.
        subprocess.run([hatch, "env", "remove", row], env=env, check=True, capture_output=True)
        if subprocess.run([hatch, "run", f"{row}:test", *arguments], env=env).returncode:
            failed.append(version)
    absent = [version for version in versions if version not in found]
    print(f"\nmatrix: passed on {', '.join(v for v in found if v not in failed) or 'none'}", end="")
    print(f"; FAILED on {', '.join(failed)}" if failed else "", end="")
    print(f"; not on this machine, so not run: {', '.join(absent)}" if absent else "")
    return 1 if failed or not found else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
