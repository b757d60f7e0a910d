"""What is known of functions that are not the user's own: which only compute, which only read, which print.

Everything that is not listed here may do anything: it waits until all before it has succeeded.
"""

# Values here are the user's, of whatever type; what isinstance leaves of them is partly unknown to pyright.
# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false, reportUnknownMemberType=false
# pyright: reportUnknownLambdaType=false

from __future__ import annotations

import base64
import builtins
import collections
import contextlib
import copy
import dataclasses
import datetime
import decimal
import difflib
import fractions
import functools
import hashlib
import heapq
import html
import itertools
import json
import math
import operator
import re
import statistics
import string
import textwrap
import unicodedata
import urllib.parse
from collections.abc import Callable
from types import EllipsisType, MethodType, NoneType
from typing import Any, Final

from ember.context import create_context, with_context
from ember.core import gather

SCALARS: Final[frozenset[type]] = frozenset(
    [str, int, float, bool, bytes, complex, NoneType, type, range, slice, EllipsisType]
)
"""Types whose values never change and whose operators do nothing but compute."""


def _of(module: Any, listed: str = "") -> frozenset[Any]:
    """Return the functions of a module that are listed, or all of them."""
    if listed:
        return frozenset(getattr(module, name) for name in listed.split())
    return frozenset(f for f in vars(module).values() if callable(f) and not isinstance(f, type))


COMPUTE: Final[frozenset[Any]] = frozenset().union(
    _of(
        builtins,
        "float int str len bool abs round repr bytes complex chr ord hex oct bin divmod pow hash ascii format callable "
        "id type range slice",
    ),
    _of(json, "loads dumps"),
    _of(re, "sub subn split findall match search fullmatch escape compile"),
    _of(textwrap, "dedent indent shorten fill wrap"),
    _of(html, "escape unescape"),
    _of(base64, "b64encode b64decode"),
    _of(urllib.parse, "quote unquote urlparse urljoin"),
    _of(unicodedata, "normalize"),
    _of(string, "capwords"),
    _of(decimal, "Decimal"),
    _of(fractions, "Fraction"),
    _of(datetime, "date datetime timedelta"),
    _of(difflib, "get_close_matches"),
    _of(copy, "copy deepcopy"),
    _of(hashlib, "sha256 md5 sha1"),
    _of(math),
    _of(statistics),
    _of(
        operator,
        "abs add and_ concat contains countOf eq floordiv ge getitem gt index indexOf inv invert is_ is_not le lshift "
        "lt matmul mod mul ne neg not_ or_ pos pow rshift sub truediv truth xor",
    ),
    # `str.upper` as a function. The left-out look at what they are given by its own methods.
    {
        getattr(str, name)
        for name in dir(str)
        if not name.startswith("_") and name not in ("format", "format_map", "join", "maketrans")
    },
)
"""Functions of values that change nothing; they read what they are given."""

READ: Final[frozenset[Any]] = COMPUTE.union(
    _of(
        builtins,
        "list tuple set dict frozenset enumerate zip reversed sum any all isinstance issubclass iter max min sorted "
        "map filter hasattr getattr object",
    ),
    _of(collections, "Counter OrderedDict deque defaultdict"),
    _of(
        itertools,
        "chain combinations permutations product islice zip_longest repeat count cycle pairwise accumulate groupby "
        "takewhile dropwhile starmap",
    ),
    frozenset([itertools.chain.from_iterable, dataclasses.replace, dataclasses.asdict, dataclasses.astuple]),
    _of(functools, "reduce partial"),
    _of(heapq, "nlargest nsmallest"),
    _of(operator, "itemgetter attrgetter methodcaller"),
    frozenset([with_context, create_context, gather, contextlib.suppress, contextlib.nullcontext]),
)
"""Functions that read what they are given, perhaps by calling it, and change nothing themselves."""


def is_among(function: Any, known: frozenset[Any]) -> bool:
    """Whether `function` is one of `known`, of those here: objects of the user's are not asked for their hash."""
    return type(function) in _KINDS and function in known


_KINDS: Final = frozenset({MethodType, *map(type, READ)})

CALLS_BACK: Final[frozenset[Any]] = frozenset(
    {max, min, sorted, map, filter, functools.reduce, getattr, hasattr, gather}
)
"""Of those, the ones that may be given a function and call it."""

SHALLOW: Final[frozenset[Any]] = _of(
    builtins,
    "list tuple set dict frozenset enumerate zip reversed len bool iter type isinstance id max min sorted sum any all",
)
"""Of those, the ones that hand elements on as they are, or do not look at them."""

STR_TO_STR: Final[frozenset[str]] = frozenset(
    [
        "capitalize",
        "casefold",
        "center",
        "expandtabs",
        "format",
        "format_map",
        "join",
        "ljust",
        "lower",
        "lstrip",
        "removeprefix",
        "removesuffix",
        "replace",
        "rjust",
        "rstrip",
        "strip",
        "swapcase",
        "title",
        "translate",
        "upper",
        "zfill",
    ]
)
STR_METHODS: Final[frozenset[str]] = frozenset(name for name in dir(str) if not name.startswith("_"))
STR_KINDS: Final[dict[str, type]] = {
    **dict.fromkeys(STR_TO_STR, str),
    **{name: bool for name in STR_METHODS if name.startswith("is")},
    **dict.fromkeys(("startswith", "endswith"), bool),
    **dict.fromkeys(("count", "find", "rfind", "index", "rindex"), int),
    "encode": bytes,
}
"""The types of what methods of text return, where these never change."""

CHANGING: dict[type, frozenset[str]] = {
    list: frozenset("append extend insert pop remove clear sort reverse".split()),  # noqa: SIM905
    dict: frozenset("update setdefault pop popitem clear".split()),  # noqa: SIM905
    set: frozenset(
        [
            "add",
            "update",
            "discard",
            "remove",
            "pop",
            "clear",
            "difference_update",
            "intersection_update",
            "symmetric_difference_update",
        ]
    ),
    collections.deque: frozenset(
        "append appendleft extend extendleft insert pop popleft remove clear reverse rotate".split()  # noqa: SIM905
    ),
}
"""Methods that change a container, by its type; its other methods only read it."""

DICTS: Final[frozenset[type]] = frozenset(
    {dict, collections.Counter, collections.defaultdict, collections.OrderedDict}
)
CHANGING.update({kind: CHANGING[dict] | {"subtract", "move_to_end"} for kind in DICTS - {dict}})
FACTORIES: Final[frozenset[Any]] = frozenset({list, dict, set, int, float, str, bool, None})
"""What a defaultdict may call without running code of the user's."""

CONTAINERS: Final[frozenset[type]] = frozenset(
    {*CHANGING, tuple, frozenset, collections.Counter, collections.defaultdict}
)


MAKES: Final = "__ember_makes__"
"""An attribute of functions of ours that only keep what they are given in what they make: called at once."""

FROZEN: Final = "__ember_frozen__"
"""An attribute of classes whose objects never change."""

LAZY: Final[frozenset[Any]] = frozenset(
    {
        enumerate,
        zip,
        reversed,
        *(getattr(itertools, name) for name in ("chain", "islice", "zip_longest", "pairwise", "cycle")),
        *(getattr(itertools, name) for name in ("combinations", "permutations", "product")),
    }
)
"""Functions that make iterators over what they are given, and hand its elements on as they are."""

_EMPTY: Final[tuple[Any, ...]] = ([], (), "", b"", {}, set[int](), range(0), {}.items(), {}.values())
ITERATORS: Final[frozenset[type]] = frozenset(
    {
        *(kind for kind in LAZY if isinstance(kind, type)),
        type({}.items()),
        type({}.keys()),
        type({}.values()),
        *(type(iter(one)) for one in _EMPTY),
        type(reversed([])),
        type(reversed({})),
        type(iter(collections.deque[int]())),
    }
)
"""Python's own iterators and views of containers."""


def known_result(function: Callable[..., Any]) -> type | None:
    """Return the type of what a computing function returns, if it is a fixed one that never changes."""
    return _RESULTS.get(function)


_RESULTS: Final[dict[Any, type]] = {
    str: str, float: float, int: int, len: int, bool: bool, repr: str, json.dumps: str, re.sub: str, abs: float,
    textwrap.dedent: str, textwrap.indent: str, textwrap.shorten: str, textwrap.fill: str, html.escape: str,
    html.unescape: str, ascii: str, chr: str, ord: int, builtins.format: str, re.escape: str,
    **{getattr(str, name): str for name in STR_TO_STR - {"format", "format_map", "join"}},
}  # fmt: skip


def computes_on_arrays(function: Any) -> bool:
    """Whether `function` is one of jax's that only compute, or a universal function of numpy's."""
    module: Any = getattr(function, "__module__", None)
    if isinstance(module, str) and module.startswith("jax"):
        return not module.startswith(_TALKING)
    return type(function).__name__ == "ufunc" and type(function).__module__ == "numpy"


_TALKING: Final = (
    "jax._src.debugging",
    "jax._src.callback",
    "jax.experimental",
    "jax._src.monitoring",
    "jax._src.profiler",
)
