"""Check how the distributions hang together, from their sources alone; print what is wrong, exit 1 if anything is.

    python tools/check_graph.py [ROOT]

What it holds, and no other tool does:

- a pin on a sibling admits the sibling as it stands in the tree, and every requirement has an upper bound;
- what a module imports from `ember.*` when it runs is declared, directly, by its distribution (an import under
  `if TYPE_CHECKING` is free);
- dependencies point to core: a host knows core, a guest (provider, engine, data set) knows core and one host;
- a portion has one owner and its own py.typed, and nobody owns `ember`, `ember.providers` or `ember.engines`;
- tools/constraints.txt pins every requirement, within its bounds;
- every distribution with code pins its types in tests/typing.
"""

from __future__ import annotations

import ast
import re
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version

from workspace import ROOT, Distribution, distributions

CORE = "ember-core"
META = "ember-ai"
# Packages that several distributions put portions into, and so nobody's: a file of their own would hide the others.
SHARED = ("ember", "ember.providers", "ember.engines")


@dataclass(frozen=True)
class Graph:
    """All distributions of one tree."""

    root: Path

    @cached_property
    def dists(self) -> dict[NormalizedName, Distribution]:
        return {dist.name: dist for dist in distributions(self.root)}

    @cached_property
    def owners(self) -> dict[str, list[NormalizedName]]:
        """Who brings each portion."""
        owners: dict[str, list[NormalizedName]] = defaultdict(list)
        for dist in self.dists.values():
            for portion in dist.portions:
                owners[portion].append(dist.name)
        return owners

    def siblings(self, dist: Distribution) -> set[NormalizedName]:
        """The own distributions that `dist` needs in any case."""
        return {canonicalize_name(line.name) for line in dist.dependencies} & self.dists.keys()

    def owner_of(self, module: str) -> NormalizedName | None:
        """Return who brings the dotted name `module`, or None."""
        for portion, owners in self.owners.items():
            if module == portion or module.startswith(f"{portion}."):
                return owners[0]
        return None


def pins(graph: Graph) -> Iterator[str]:
    """A pin admits the sibling as it stands; every requirement is bounded above."""
    for dist in graph.dists.values():
        for line in dist.requirements:
            name = canonicalize_name(line.name)
            if name == dist.name:  # an extra that names other extras
                continue
            sibling = graph.dists.get(name)
            if sibling is None and name.startswith("ember-"):
                yield f"{dist.name} requires {line.name}, which is not in this tree"
            if sibling is not None and not line.specifier.contains(sibling.version, prereleases=True):
                yield f"{dist.name} requires {line}, but the tree has {sibling.name} {sibling.version}"
            if not _bounded(line):
                yield f"{dist.name} requires {line} without an upper bound"


def _bounded(line: Requirement) -> bool:
    return any(part.operator in ("<", "<=", "~=", "==") for part in line.specifier)


def lock(graph: Graph) -> Iterator[str]:
    """tools/constraints.txt has a version for every third-party requirement, and the requirement admits it."""
    path = graph.root / "tools" / "constraints.txt"
    if not path.is_file():
        yield "tools/constraints.txt is missing: run `make lock`"
        return
    pinned: dict[NormalizedName, set[Version]] = defaultdict(set)
    for text in path.read_text(encoding="utf-8").splitlines():
        found = re.match(r"([A-Za-z0-9._-]+)==([^\s;]+)", text)
        if found:
            pinned[canonicalize_name(found[1])].add(Version(found[2]))
    for name in sorted(pinned.keys() & graph.dists.keys()):
        yield f"tools/constraints.txt pins {name}, which is ours: its version is the tree's"
    for dist in graph.dists.values():
        for line in dist.requirements:
            name = canonicalize_name(line.name)
            if name in graph.dists:
                continue
            if not pinned[name]:
                yield f"{dist.name} requires {line}, which tools/constraints.txt does not pin: run `make lock`"
            for version in sorted(pinned[name]):
                if not line.specifier.contains(version, prereleases=True):
                    yield f"{dist.name} requires {line}, but tools/constraints.txt has {version}: run `make lock`"


def directions(graph: Graph) -> Iterator[str]:
    """A star: hosts know core; what brings providers, engines or data sets knows core and one host."""
    for dist in graph.dists.values():
        if dist.name == META:
            continue
        known = graph.siblings(dist)
        if dist.name == CORE:
            for name in sorted(known):
                yield f"{CORE} depends on {name}; core depends on nobody of ours"
        elif _is_guest(dist):
            hosts = sorted(known - {CORE})
            if len(hosts) > 1 or any(_is_guest(graph.dists[name]) for name in hosts):
                yield f"{dist.name} depends on {', '.join(hosts)}; a guest knows {CORE} and its one host"
        else:
            for name in sorted(known - {CORE}):
                yield f"{dist.name} depends on {name}; only {CORE} may be known by its siblings"


def _is_guest(dist: Distribution) -> bool:
    guests = ("ember.providers.", "ember.engines.", "ember.datasets")
    return any(portion.startswith(guests) for portion in dist.portions)


def cycles(graph: Graph) -> Iterator[str]:
    """Nobody needs himself, over however many others."""
    done: set[NormalizedName] = set()

    def walk(name: NormalizedName, trail: tuple[NormalizedName, ...]) -> Iterator[str]:
        if name in trail:
            yield f"cycle: {' -> '.join((*trail[trail.index(name) :], name))}"
        elif name not in done:
            for sibling in sorted(graph.siblings(graph.dists[name])):
                yield from walk(sibling, (*trail, name))
            done.add(name)

    for name in graph.dists:
        yield from walk(name, ())


def portions(graph: Graph) -> Iterator[str]:
    """One owner and a py.typed for each portion; no file in what everybody shares."""
    for portion, owners in graph.owners.items():
        if len(owners) > 1:
            yield f"{portion} is brought by {' and '.join(owners)}: one of them hides the other"
    for dist in graph.dists.values():
        for portion in dist.portions:
            folder = dist.source.joinpath(*portion.split("."))
            for needed in ("__init__.py", "py.typed"):
                if not (folder / needed).is_file():
                    yield f"{folder.relative_to(graph.root)} has no {needed}"
        for shared in SHARED:
            for path in sorted(dist.source.joinpath(*shared.split(".")).glob("*")):
                if path.is_file():
                    yield f"{path.relative_to(graph.root)}: {shared} belongs to nobody and may hold no file"
        if dist.source.is_dir():
            for path in sorted(dist.source.iterdir()):
                if path.name not in ("ember", "__pycache__"):
                    yield f"{path.relative_to(graph.root)}: only ember/ stands in src/"


def imports(graph: Graph) -> Iterator[str]:
    """What runs is declared: an `ember.*` import outside TYPE_CHECKING names the own or a declared distribution."""
    for dist in graph.dists.values():
        allowed = graph.siblings(dist) | {dist.name}
        for path in dist.modules():
            module = ".".join(path.relative_to(dist.source).with_suffix("").parts).removesuffix(".__init__")
            tree = ast.parse(path.read_text(encoding="utf-8"), str(path))
            for line, name in runtime_imports(tree, module, path.name == "__init__.py"):
                if not name.startswith("ember."):
                    continue
                owner = graph.owner_of(name)
                if owner not in allowed:
                    whose = (
                        f"of {owner}, which {dist.name} does not declare" if owner else "which nobody brings"
                    )
                    yield f"{path.relative_to(graph.root)}:{line} imports {name}, {whose}"


def runtime_imports(tree: ast.AST, module: str, is_package: bool) -> Iterator[tuple[int, str]]:
    """Yield (line, dotted name) for each import that can run, at module level or in a function.

    >>> list(runtime_imports(ast.parse("from ember.core import Secret, events"), "ember.models._call", False))
    [(1, 'ember.core'), (1, 'ember.core')]
    >>> list(runtime_imports(ast.parse("from ..openai import OpenAI"), "ember.providers.local", True))
    [(1, 'ember.providers.openai')]
    >>> list(runtime_imports(ast.parse("if TYPE_CHECKING:\\n    import ember.data"), "ember.models._call", False))
    []
    """
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and _asks_for_type_checking(node.test):
            for branch in node.orelse:
                yield from runtime_imports(ast.Module([branch], []), module, is_package)
        elif isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = module.split(".")
            if node.level:
                above = above[: len(above) - node.level + (1 if is_package else 0)]
            start = ".".join(above) if node.level else ""
            source = f"{start}.{node.module}" if start and node.module else start or node.module or ""
            for alias in node.names:
                # `from ember import core` and `from ember.providers import openai` name a portion.
                yield node.lineno, f"{source}.{alias.name}" if source in SHARED else source
        else:
            yield from runtime_imports(node, module, is_package)


def _asks_for_type_checking(test: ast.expr) -> bool:
    name = test.attr if isinstance(test, ast.Attribute) else test.id if isinstance(test, ast.Name) else ""
    return name == "TYPE_CHECKING"


def typing_tests(graph: Graph) -> Iterator[str]:
    """Every distribution with code pins what the type checkers infer from it."""
    for dist in graph.dists.values():
        if not dist.portions:
            continue
        files = sorted((dist.folder / "tests" / "typing").glob("*.py"))
        if not any("assert_type(" in path.read_text(encoding="utf-8") for path in files):
            yield f"{dist.folder.relative_to(graph.root)}/tests/typing has no file with an assert_type"


def meta(graph: Graph) -> Iterator[str]:
    """The meta-package's [all] reaches every distribution."""
    dist = graph.dists.get(canonicalize_name(META))
    if dist is None:
        return
    reached: set[NormalizedName] = set()
    queue = [*dist.dependencies, *dist.extras.get("all", ())]
    while queue:
        line = queue.pop()
        name = canonicalize_name(line.name)
        if name == dist.name:
            queue += [more for extra in line.extras for more in dist.extras[extra]]
        reached.add(name)
    for name in sorted(graph.dists.keys() - reached - {dist.name}):
        yield f"{META}[all] does not bring {name}"


RULES: tuple[Callable[[Graph], Iterator[str]], ...] = (
    pins, lock, directions, cycles, portions, imports, typing_tests, meta,
)  # fmt: skip


def problems(root: Path) -> list[str]:
    """Return everything that is wrong under `root`, as one line each."""
    graph = Graph(root)
    return [problem for rule in RULES for problem in rule(graph)]


if __name__ == "__main__":
    found = problems(Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else ROOT)
    print(
        "\n".join(found)
        if found
        else f"dependency graph: {len(distributions())} distributions, nothing wrong"
    )
    sys.exit(1 if found else 0)
