"""Plugins: real distributions on a real path, found by interpreters of their own, and contained."""

from __future__ import annotations

import subprocess
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from ember.core import plugins

Run = Callable[..., "subprocess.CompletedProcess[str]"]
Output = Callable[..., str]


class Shelf:
    """A folder like site-packages, in which distributions are installed by writing them."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir()

    def install(self, distribution: str, entry_points: str, **modules: str) -> Path:
        info = self.path / f"{distribution.replace('-', '_')}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(textwrap.dedent(entry_points))
        for name, source in modules.items():
            (self.path / f"{name}.py").write_text(textwrap.dedent(source))
        return info


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path / "shelf")


@pytest.fixture
def said(shelf: Shelf, output: Output) -> Output:
    """What a program says that has the shelf on its path."""

    def run(text: str, *options: str, **environment: str) -> str:
        return output(text, *options, PYTHONPATH=str(shelf.path), **environment)

    return run


ACME = "[ember.providers]\nacme = acme:provider\n"
NAMES = """
    from ember.core import plugins
    found = plugins.installed("ember.engines")
    print({name: [claim.distribution for claim in claims] for name, claims in found.items()})
"""


def engine(name: str, module: str = "nothing") -> str:
    return f"[ember.engines]\n{name} = {module}:thing\n"


def test_an_installed_plugin_is_found_and_loaded_when_named(shelf: Shelf, said: Output) -> None:
    shelf.install("acme-ember", ACME, acme="print('imported')\nprovider = 'the provider'")
    program = """
        from ember.core import plugins
        found = plugins.find("ember.providers", "acme")
        print(found.name, found.group, found.distribution, found.target)
        print(found.load())
        print(plugins.find("ember.providers", "nobody"), plugins.find("ember.engines", "acme"))
    """
    assert (
        said(program) == "acme ember.providers acme-ember acme:provider\nimported\nthe provider\nNone None\n"
    )


def test_nothing_is_imported_by_looking(shelf: Shelf, said: Output) -> None:
    shelf.install("one", engine("one", "one"), one="print('imported one')\nthing = 1")
    shelf.install("two", engine("two", "two"), two="print('imported two')\nthing = 2")
    program = """
        from ember.core import Registry
        engines = Registry("engine", group="ember.engines")
        print(engines.names(), "one" in engines, engines.loaded())
        print(engines.get("two"))
    """
    assert said(program) == "('one', 'two') True ()\nimported two\n2\n"


BROKEN = {
    "raises": ("raise ValueError('no licence')", "failed to load (ValueError: no licence)."),
    "lacks": ("", "failed to load (AttributeError: module 'broken' has no attribute 'thing')."),
    "imports": (
        "import a_module_that_is_not",
        "failed to load (ModuleNotFoundError: No module named 'a_module_that_is_not').",
    ),
    "exits": ("import sys; sys.exit(3)", "called sys.exit() while loading."),
    "is no Python": ("def", "failed to load (SyntaxError: invalid syntax (broken.py, line 1))."),
}


@pytest.mark.parametrize("how", BROKEN)
def test_a_plugin_that_is_broken_on_import_is_named_and_breaks_nothing_else(
    how: str, shelf: Shelf, said: Output
) -> None:
    source, complaint = BROKEN[how]
    shelf.install("broken-ember", engine("broken", "broken"), broken=source)
    shelf.install("good-ember", engine("good", "good"), good="thing = 'good'")
    program = """
        from ember.core import Registry
        from ember.core.errors import PluginError
        engines = Registry("engine", group="ember.engines")
        for _ in range(2):
            try:
                engines.get("broken")
            except PluginError as error:
                print(error)
        print(engines.names(), engines.get("good"))
    """
    line = f"The plugin 'broken' (ember.engines) of distribution 'broken-ember' {complaint} "
    line += "Fix or uninstall it; nothing else is affected.\n"
    assert said(program) == line * 2 + "('broken', 'good') good\n"


def test_ctrl_c_while_a_plugin_loads_is_not_taken_for_its_failure(shelf: Shelf, program: Run) -> None:
    shelf.install("slow-ember", engine("slow", "slow"), slow="raise KeyboardInterrupt")
    done = program(
        "from ember.core import plugins; plugins.find('ember.engines', 'slow').load()",
        PYTHONPATH=str(shelf.path),
    )
    assert done.stderr.endswith("KeyboardInterrupt\n")


def test_a_slow_plugin_holds_up_only_who_asked_for_it(shelf: Shelf, said: Output) -> None:
    shelf.install(
        "slow-ember",
        engine("slow", "slow"),
        slow="""
            import gate
            gate.begun.set()
            assert gate.open.wait(30)
            thing = object()
            gate.loads.append(1)
        """,
        gate="import threading\nbegun, open, loads = threading.Event(), threading.Event(), []",
    )
    shelf.install("good-ember", engine("good", "good"), good="thing = 'good'")
    program = """
        import threading
        import gate
        from ember.core import Registry
        engines = Registry("engine", group="ember.engines")
        got = []
        waiting = [threading.Thread(target=lambda: got.append(engines.get("slow"))) for _ in range(20)]
        for thread in waiting:
            thread.start()
        assert gate.begun.wait(30)
        engines.register("mine", 1)
        print(engines.get("good"), engines.names(), engines.get("mine"), got)
        gate.open.set()
        for thread in waiting:
            thread.join()
        print(len(got), len(set(map(id, got))), gate.loads)
    """
    assert said(program) == "good ('good', 'mine', 'slow') 1 []\n20 1 [1]\n"


def test_a_plugin_that_asks_for_itself_gets_an_error_and_not_a_deadlock(shelf: Shelf, said: Output) -> None:
    shelf.install(
        "loop-ember", engine("self", "selfish"), selfish="import program\nthing = program.engines.get('self')"
    )
    program = """
        if __name__ == "__main__":
            import sys
            sys.modules["program"] = sys.modules["__main__"]
        from ember.core import Registry
        engines = Registry("engine", group="ember.engines")
        try:
            engines.get("self")
        except Exception as error:
            print(type(error).__name__, "of distribution 'loop-ember'" in str(error))
    """
    assert said(program) == "PluginError True\n"


def test_a_name_claimed_by_two_distributions_is_refused_and_names_both(shelf: Shelf, said: Output) -> None:
    shelf.install("first-ember", engine("same", "first"), first="thing = 1")
    shelf.install("second-ember", engine("same", "second") + "other = second:thing\n", second="thing = 2")
    program = """
        from ember.core import Registry
        from ember.core.errors import PluginError
        engines = Registry("engine", group="ember.engines")
        print(engines.get("other"))
        try:
            engines.get("same")
        except PluginError as error:
            print(error)
    """
    refused = said(program)
    assert refused.startswith("2\n")
    assert "'same' (ember.engines)" in refused
    assert "claimed by 'first-ember' and 'second-ember'" in refused
    advice = next(word for word in refused.split() if word.startswith("EMBER_PLUGINS=")).rstrip(".")
    # ... and the advice in the error is followed.
    program = """
        from ember.core import Registry
        print(Registry("engine", group="ember.engines").get("same"))
    """
    followed = said(program, EMBER_PLUGINS=advice.partition("=")[2])
    assert followed == ("1\n" if "first-ember" in advice else "2\n")


@pytest.mark.parametrize(
    ("setting", "found"),
    [
        ("", {"same": ["a-ember", "b.ember"], "only-a": ["a-ember"], "only-b": ["b.ember"]}),
        ("none", {}),
        (" None ", {}),
        ("a-ember", {"same": ["a-ember"], "only-a": ["a-ember"]}),
        ("A_Ember", {"same": ["a-ember"], "only-a": ["a-ember"]}),
        ("b-ember, a-ember", {"same": ["a-ember", "b.ember"], "only-a": ["a-ember"], "only-b": ["b.ember"]}),
        ("same=b_ember", {"same": ["b.ember"], "only-a": ["a-ember"], "only-b": ["b.ember"]}),
        ("a-ember,same=b-ember", {"same": ["b.ember"], "only-a": ["a-ember"]}),
        ("none,same=b-ember", {"same": ["b.ember"]}),
        ("nobody", {}),
    ],
)
def test_ember_plugins_says_which_distributions_count(
    setting: str, found: dict[str, list[str]], shelf: Shelf, said: Output
) -> None:
    shelf.install("a-ember", engine("same") + "only-a = nothing:thing\n")
    shelf.install("b.ember", engine("same") + "only-b = nothing:thing\n")
    seen: dict[str, list[str]] = eval(said(NAMES, EMBER_PLUGINS=setting))
    assert {name: sorted(claims) for name, claims in seen.items()} == found


def test_none_does_not_even_look(said: Output) -> None:
    program = """
        import sys
        from ember.core import plugins
        print(*(dict(plugins.installed(group)) for group in plugins.GROUPS), "importlib.metadata" in sys.modules)
    """
    assert said(program, EMBER_PLUGINS="none") == "{} {} {} {} {} {} False\n"


def test_distributions_are_looked_through_once_a_process(shelf: Shelf, said: Output) -> None:
    shelf.install("early-ember", engine("early"))
    program = """
        import os, pathlib, shutil, sys
        from ember.core import plugins
        first = plugins.installed("ember.engines")
        shutil.rmtree(next(pathlib.Path(os.environ["PYTHONPATH"]).glob("early_ember*")))
        print("early" in first, plugins.installed("ember.engines") is first, plugins.installed("ember.commands") == {})
        os.environ["EMBER_PLUGINS"] = "none"
        print(dict(plugins.installed("ember.engines")))
        os.environ["EMBER_PLUGINS"] = "early-ember"
        print(dict(plugins.installed("ember.engines")).keys())
    """
    assert said(program) == "True True True\n{}\ndict_keys(['early'])\n"


def test_a_distribution_twice_on_the_path_is_one(tmp_path: Path, shelf: Shelf, output: Output) -> None:
    other = Shelf(tmp_path / "other")
    shelf.install("acme-ember", engine("acme", "acme_first"), acme_first="thing = 'first'")
    other.install("Acme_Ember", engine("acme", "acme_second"), acme_second="thing = 'second'")
    program = 'from ember.core import plugins; print(plugins.find("ember.engines", "acme").load())'
    assert output(program, PYTHONPATH=f"{shelf.path}:{other.path}") == "first\n"


def test_one_distribution_with_broken_metadata_hides_no_other(shelf: Shelf, program: Run) -> None:
    shelf.install("good-ember", engine("good", "good"), good="thing = 'good'")
    nameless = shelf.install("nameless-ember", engine("nameless"))
    (nameless / "METADATA").unlink()
    garbled = shelf.install("garbled-ember", engine("garbled"))
    (garbled / "entry_points.txt").write_bytes(b"[ember.engines]\n\xff\xfe = x\n")
    (shelf.install("foreign", "") / "entry_points.txt").write_text("no section\n[[[\n")
    (shelf.path / "~leftover-1.0.dist-info").mkdir()
    done = program(NAMES, PYTHONPATH=str(shelf.path))
    assert (done.returncode, done.stdout) == (0, "{'good': ['good-ember']}\n"), done.stderr
    complaints = done.stderr.splitlines()
    assert len(complaints) == 2
    assert {str(nameless), str(garbled)} == {
        line.split(" at ")[1].split(" are ignored")[0] for line in complaints
    }


def test_what_belongs_to_others_is_not_ours(shelf: Shelf, said: Output) -> None:
    shelf.install(
        "foreign", "[console_scripts]\nember = x:y\n[ember.unknown]\na = x:y\n[emberlike]\nb = x:y\n"
    )
    assert said(NAMES) == "{}\n"


def test_the_mapping_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        plugins.installed("ember.engines")["mine"] = ()  # type: ignore[index]  # pyright: ignore[reportIndexIssue]


def test_a_fork_while_another_thread_scans_does_not_hang_the_child(shelf: Shelf, output: Output) -> None:
    for number in range(300):
        shelf.install(f"many-{number:03}", engine(f"many-{number:03}"))
    program = """
        import os, threading
        from ember.core import Registry, plugins
        import importlib.metadata
        importlib.metadata.distribution("many-000").name  # Python's own locks of modules do not survive a fork
        engines = Registry("engine", group="ember.engines")
        thread = threading.Thread(target=engines.names)
        thread.start()
        child = os.fork()
        if child == 0:
            os._exit(0 if len(engines.names()) == 300 else 1)
        thread.join()
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    """
    options = ("-W", "ignore:This process:DeprecationWarning")
    assert output(program, *options, PYTHONPATH=str(shelf.path)) == "0\n"
