"""The registry: names to things of one kind, from any thread."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial

import pytest

from ember.core import Registry
from ember.core.errors import AlreadyRegistered, NotRegistered


@pytest.fixture
def shapes() -> Registry[int | None]:
    registry = Registry[int | None]("shape", advice="Draw one.")
    registry.register("square", 4)
    registry.register("triangle", 3)
    return registry


def test_what_was_registered_is_found(shapes: Registry[int | None]) -> None:
    assert (shapes.get("square"), shapes.names(), list(shapes), len(shapes)) == (
        4,
        ("square", "triangle"),
        ["square", "triangle"],
        2,
    )
    assert "square" in shapes
    assert "circle" not in shapes
    assert shapes.loaded() == (4, 3)


def test_an_unknown_name_is_an_error_with_the_nearest_names_and_advice(shapes: Registry[int | None]) -> None:
    with pytest.raises(NotRegistered) as caught:
        shapes.get("Sqare")
    assert str(caught.value) == "No shape named 'Sqare' is registered. Did you mean 'square'? Draw one."
    assert (caught.value.kind, caught.value.name, caught.value.suggestions) == ("shape", "Sqare", ("square",))
    with pytest.raises(LookupError, match=r"No shape named 'xyz' is registered\. Draw one\.$"):
        shapes.get("xyz")


def test_a_taken_name_is_refused_unless_replacing_is_meant(shapes: Registry[int | None]) -> None:
    with pytest.raises(AlreadyRegistered, match="replace=True"):
        shapes.register("square", 5)
    assert shapes.get("square") == 4
    shapes.register("square", 5, replace=True)
    assert shapes.get("square") == 5


def test_what_was_registered_can_be_taken_out_once(shapes: Registry[int | None]) -> None:
    shapes.unregister("square")
    assert shapes.names() == ("triangle",)
    with pytest.raises(NotRegistered):
        shapes.unregister("square")


def test_none_is_a_thing_like_others(shapes: Registry[int | None]) -> None:
    shapes.register("point", None)
    assert shapes.get("point") is None
    shapes.unregister("point")
    assert "point" not in shapes


def test_registries_do_not_know_each_other(shapes: Registry[int | None]) -> None:
    assert Registry[int]("shape").names() == ()


Race = Callable[[Sequence[Callable[[], object]]], None]


def test_of_many_threads_registering_one_name_exactly_one_succeeds(race: Race) -> None:
    for _ in range(20):
        registry = Registry[int]("shape")
        won: list[int] = []

        def claim(number: int, registry: Registry[int] = registry, won: list[int] = won) -> None:
            with suppress(AlreadyRegistered):
                registry.register("mine", number)
                won.append(number)

        race([partial(claim, number) for number in range(16)])
        assert won == [registry.get("mine")]


def test_reading_while_others_register_and_take_out_never_fails(race: Race) -> None:
    registry = Registry[int]("shape")
    registry.register("stays", 1)
    written, failures = threading.Semaphore(0), list[BaseException]()

    def write(number: int) -> None:
        for turn in range(300):
            registry.register(f"{number}-{turn}", turn)
            registry.unregister(f"{number}-{turn}")
        written.release()

    def read() -> None:
        try:
            while not written.acquire(blocking=False):
                assert registry.get("stays") == 1
                assert "stays" in registry.names()
                assert 1 in registry.loaded()
        except BaseException as error:
            failures.append(error)

    race(
        [read] * 4 + [partial(write, number) for number in range(4)]
    )  # each reader reads until a writer is done
    assert failures == []
    assert registry.names() == ("stays",)


# With plugins: in an interpreter of its own, with a distribution written beside it.

PREPARE = """
import pathlib, sys
info = pathlib.Path("acme_ember-1.0.dist-info")
info.mkdir()
(info / "METADATA").write_text("Metadata-Version: 2.1\\nName: acme-ember\\nVersion: 1.0\\n")
(info / "entry_points.txt").write_text("[ember.engines]\\nacme = acme:Engine\\nbad = acme:Bad\\n")
pathlib.Path("acme.py").write_text('''
class Engine:
    made = 0
    def __init__(self):
        Engine.made += 1
class Bad:
    def __init__(self):
        raise ValueError("no GPU")
''')
from ember.core import Registry
from ember.core.errors import AlreadyRegistered, NotRegistered, PluginError
engines = Registry("engine", group="ember.engines", make=lambda engine: engine())
"""


def test_things_of_plugins_are_made_once_when_first_asked_for(output: Callable[..., str]) -> None:
    program = f"""{PREPARE}
print(engines.names(), engines.loaded(), "acme" in sys.modules)
first = engines.get("acme")
print(engines.get("acme") is first, type(first).__name__, type(first).made, len(engines.loaded()))
"""
    assert output(program) == "('acme', 'bad') () False\nTrue Engine 1 1\n"


def test_a_plugin_whose_thing_cannot_be_made_is_named(output: Callable[..., str]) -> None:
    program = f"""{PREPARE}
try:
    engines.get("bad")
except PluginError as error:
    print(error)
"""
    assert output(program) == (
        "The plugin 'bad' (ember.engines) of distribution 'acme-ember' is no usable engine (ValueError: no GPU). "
        "Fix or uninstall it; nothing else is affected.\n"
    )


def test_an_installed_name_is_shadowed_only_on_purpose(output: Callable[..., str]) -> None:
    program = f"""{PREPARE}
try:
    engines.register("acme", "mine")
except AlreadyRegistered as error:
    print(error)
engines.register("acme", "mine", replace=True)
print(engines.get("acme"), "acme" in sys.modules)
engines.unregister("acme")
print(type(engines.get("acme")).__name__)
try:
    engines.get("acne")
except NotRegistered as error:
    print(error)
"""
    assert output(program) == (
        "A engine named 'acme' is registered already. Pass replace=True if that is meant.\n"
        "mine False\nEngine\nNo engine named 'acne' is registered. Did you mean 'acme'?\n"
    )
