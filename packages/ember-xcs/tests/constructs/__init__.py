"""Programs, a file for each family of Python's constructs, that mean under `jit` what they mean without, at once."""

from . import (
    asynchronous as asynchronous,
    branches as branches,
    builtins_ as builtins_,
    comprehensions as comprehensions,
    containers as containers,
    contexts as contexts,
    effects as effects,
    errors as errors,
    functions as functions,
    iterators as iterators,
    loops as loops,
    objects as objects,
    text as text,
)
from .world import (
    PROGRAMS as PROGRAMS,
    alone as alone,
    cancelled as cancelled,
    differences as differences,
    interrupted as interrupted,
    prompts as prompts,
)
