"""resolve: a sibling's resource by kind and name, whether or not the sibling is installed."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ember.core import resolve
from ember.core.errors import NotRegistered

Alone = Callable[..., str]

MODELS = "ember/models/__init__.py"


def test_an_unknown_kind_is_an_error_with_the_nearest() -> None:
    with pytest.raises(NotRegistered, match=r"No kind of resource named 'modle' .* Did you mean 'model'"):
        resolve("modle", "gpt-4")


def test_a_sibling_that_is_not_installed_is_named_with_the_command_that_installs_it(alone: Alone) -> None:
    program = """
        from ember.core import resolve
        try:
            resolve("model", "gpt-4")
        except ImportError as error:
            print(error.name, "|", error)
    """
    assert alone(program) == (
        "ember.models | A model lives in the distribution ember-models, which is not installed: `pip install "
        "ember-models`, or `pip install ./packages/ember-models` in a checkout of Ember.\n"
    )


def test_a_siblings_own_answer_is_returned(alone: Alone) -> None:
    program = """
        from ember.core import resolve
        print(resolve("model", "gpt-4")("hi"), resolve("model", None)("hi"))
    """
    models = "def bound(name):\n    return lambda prompt: f'{name}: {prompt}'\n"
    assert alone(program, {MODELS: models}) == "gpt-4: hi None: hi\n"


def test_a_siblings_own_error_stays_itself(alone: Alone) -> None:
    program = """
        from ember.core import resolve
        for name in ("bad", "gpt-4"):
            try:
                resolve("model", name)
            except Exception as error:
                print(type(error).__name__, error)
    """
    models = "def bound(name):\n    raise ValueError(name)\n"
    assert alone(program, {MODELS: models}) == "ValueError bad\nValueError gpt-4\n"
    broken = "import a_module_that_is_not"
    assert (
        alone(program, {MODELS: broken}) == "ModuleNotFoundError No module named 'a_module_that_is_not'\n" * 2
    )
