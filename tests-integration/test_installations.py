"""What users install, in clean environments: a part of Ember, all of it, and a stranger's provider.

These need dist/ and an index for third-party packages, so `make isolated` runs them, and `make test` does not.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pexpect
import pytest

from ember.models.testing import LocalServer
from isolated import Venv, Wheel, own_wheels, run_tests
from workspace import ROOT, distributions

UV = str(ROOT / ".tools" / "bin" / "uv")
pytestmark = pytest.mark.wheels


class Installation(Venv):
    """A clean venv that tests ask things of."""

    def ask(self, code: str, **environment: str) -> str:
        """Run `code` away from the tree, in an empty home, without keys; return what it prints."""
        home = self.folder / "home"
        clean = {
            "PATH": str(self.python.parent),
            "EMBER_HOME": str(home / "ember"),
            "HOME": str(home),
            **environment,
        }
        command = [str(self.python), "-W", "error", "-c", code]
        done = subprocess.run(command, cwd=self.folder, env=clean, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""
        return done.stdout.strip()


@pytest.fixture(scope="module")
def part(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """`pip install ember-models ember-anthropic`."""
    made = Installation(UV, tmp_path_factory.mktemp("part") / "venv")
    made.install(own_wheels(), "ember-models", "ember-anthropic")
    return made


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """`pip install ember-ai[all]`."""
    made = Installation(UV, tmp_path_factory.mktemp("all") / "venv")
    made.install(own_wheels(), "ember-ai[all]")
    return made


@pytest.fixture(scope="module")
def parrot(strangers_files: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel that docs/how-to/write-a-provider.md has its reader make."""
    folder = tmp_path_factory.mktemp("parrot")
    for name, content in strangers_files.items():
        (folder / name).write_text(content, encoding="utf-8")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", "dist"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return next(folder.glob("dist/*.whl"))


def test_models_and_one_provider_are_enough_to_get_an_answer(part: Installation, server: LocalServer) -> None:
    server.replies(200, text="Bonjour")
    said = part.ask(
        "from ember.api import models; print(models('claude-sonnet-4-5', 'Hello'), models.providers())",
        ANTHROPIC_API_KEY="sk-ant-0123456789abcdef",
        ANTHROPIC_BASE_URL=server.url,
    )
    assert said == "Bonjour ('anthropic',)"
    assert server.requests[0].path == "/v1/messages"


def test_no_vendor_sdk_and_no_stranger_comes_along(part: Installation) -> None:
    listed = subprocess.run(
        [UV, "pip", "list", "--format", "json", "--python", str(part.python)], capture_output=True, check=True
    )
    names = {package["name"] for package in json.loads(listed.stdout)}
    assert {name for name in names if name.startswith("ember")} == {
        "ember-core",
        "ember-models",
        "ember-anthropic",
    }
    assert names.isdisjoint({"openai", "anthropic", "google-genai", "jax", "numpy", "pytest"})


def test_what_is_not_installed_says_how_to_install_it(part: Installation) -> None:
    said = part.ask(
        "import ember.api\n"
        "print(dir(ember.api))\n"
        "try:\n"
        "    from ember.api import operators\n"
        "except ImportError as error:\n"
        "    print(error)\n"
    )
    names, error = said.split("\n", 1)
    assert "'models'" in names
    assert "'operators'" not in names
    assert "pip install ember-operators" in error


def test_a_strangers_wheel_is_found_works_and_goes_without_a_trace(
    parrot: Path, server: LocalServer, tmp_path: Path
) -> None:
    venv = Installation(UV, tmp_path / "venv")
    venv.install(own_wheels(), "ember-models", tools=("pytest",))
    wheel = Wheel(parrot)
    assert venv.ask("from ember.api import models; print(models.providers())") == "()"

    command = [UV, "pip", "install", "--quiet", "--no-deps", "--python", str(venv.python)]
    subprocess.run([*command, wheel.requirement()], check=True)
    server.replies(200, json={"said": "Hello!", "ended": "end", "words_in": 1, "words_out": 1})
    said = venv.ask(
        "from ember.api import models; print(models.providers(), models('parrot/parrot-grey', 'Hello'))",
        PARROT_API_KEY="polly-0123456789abcdef",
        PARROT_BASE_URL=server.url,
    )
    assert said == "('parrot',) Hello!"

    subprocess.run([UV, "pip", "uninstall", "--quiet", "--python", str(venv.python), wheel.name], check=True)
    assert venv.ask("from ember.api import models; print(models.providers())") == "()"


def test_the_strangers_wheel_passes_the_conformance_suite_beside_ember_models_alone(
    parrot: Path, strangers_files: dict[str, str], tmp_path: Path
) -> None:
    venv = Venv(UV, tmp_path / "venv")
    venv.install(own_wheels(), "ember-models", tools=("pytest", Wheel(parrot).requirement()))
    tests = tmp_path / "tests"
    tests.mkdir()
    (tests / "test_parrot.py").write_text(strangers_files["test_parrot.py"], encoding="utf-8")
    assert run_tests(venv, tests, tmp_path / "run") == ""


def test_everything_installs_together_and_each_provider_is_found(everything: Installation) -> None:
    subprocess.run([UV, "pip", "check", "--quiet", "--python", str(everything.python)], check=True)
    found = everything.ask(
        "from importlib.metadata import distributions\n"
        "print(*sorted(d.name for d in distributions() if d.name.startswith('ember-')))\n"
        "from ember.api import models\n"
        "print(*sorted(models.providers()))\n"
    )
    assert found.split("\n") == [
        " ".join(sorted(dist.name for dist in distributions())),
        "anthropic compatible google llama-server lmstudio local ollama openai vllm",
    ]


def test_the_command_comes_along_and_finds_the_rest(everything: Installation) -> None:
    ember = everything.python.with_name("ember")
    clean = {"PATH": str(ember.parent), "HOME": str(everything.folder / "home")}

    def said(*arguments: str) -> str:
        command = [str(ember), *arguments]
        return subprocess.run(
            command, env=clean, capture_output=True, text=True, check=True, timeout=60
        ).stdout

    assert said("--version").startswith("ember ")
    assert "local/smollm2" in said("models").split()
    assert json.loads(said("doctor", "--json"))["ok"] is True


CROSSING = """
from ember.api import Operator, data, models, operators, xcs
from ember.context import create_context, get_context

get_context().set_config("usage.ledger", True)
get_context().save()

class Judge(Operator):
    name: str

    def call(self, row: dict[str, str]) -> str:
        return f"{self.name}: " + models(None, f"Say: {row['text']}")

vote = operators.Ensemble([Judge(name=name) for name in ("first", "second")])

@xcs.jit
def both(rows: list[dict[str, str]]) -> list[list[str]]:
    return [vote(row) for row in rows]

with create_context(models={"default": "gpt-4o-mini", "temperature": 0}) as here, xcs.trace() as seen:
    rows = data.stream([{"text": "a"}, {"text": "b"}, {"text": "c"}]).filter(lambda row: row["text"] != "b")
    print(both(rows.to_list()))
    print(rows.map_concurrent(vote, concurrency=2).to_list() == xcs.vmap(vote)(rows.to_list()))
    print(models.usage(here).calls, sum(spent.calls for spent in seen.spent()))
"""


def test_all_parts_work_on_one_program_from_their_wheels(
    everything: Installation, server: LocalServer
) -> None:
    """jit, vmap, models, operators, a stream, a context and a provider; the command shows what it used."""
    server.latency = 0.05
    program = everything.folder / "crossing.py"
    program.write_text(CROSSING)
    home = everything.folder / "crossing"
    known = {
        "OPENAI_API_KEY": "sk-0123456789abcdef",
        "OPENAI_BASE_URL": f"{server.url}/v1",
        "EMBER_HOME": str(home),
    }
    said = everything.ask(f"import runpy; runpy.run_path({str(program)!r})", **known).split("\n")
    assert said[0] == "[['first: Say: a', 'second: Say: a'], ['first: Say: c', 'second: Say: c']]"
    assert said[1:] == ["True", "12 4"]  # four of them under jit, which the trace has
    assert (len(server.requests), {request.json["temperature"] for request in server.requests}) == (12, {0})
    assert server.high_water >= 4, "two rows and two judges of each could be asked at once"

    command = [str(everything.python.with_name("ember")), "usage", "--json"]
    clean = {"PATH": str(everything.python.parent), "HOME": str(home), "EMBER_HOME": str(home)}
    done = subprocess.run(command, env=clean, capture_output=True, text=True, check=True, timeout=60)
    assert json.loads(done.stdout)["total"]["calls"] == 12


@pytest.mark.skipif(shutil.which("node") is None, reason="Node is not installed")
def test_the_wizard_in_the_wheel_needs_node_alone(everything: Installation, tmp_path: Path) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "node").symlink_to(str(shutil.which("node")))
    clean = {
        "PATH": str(tools),
        "HOME": str(tmp_path),
        "EMBER_HOME": str(tmp_path / "ember"),
        "TERM": "xterm-256color",
    }
    ember = str(everything.python.with_name("ember"))
    child: pexpect.spawn[bytes] = pexpect.spawn(ember, ["setup"], env=clean, cwd=str(tmp_path), timeout=30)
    child.expect_exact(b"Enter: begin")
    child.send("\x03")
    child.expect_exact(b"Nothing was written")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 130
