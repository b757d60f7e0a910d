"""What is known of functions that are not the user's own: which only compute, which only read, which print.

Everything that is not listed here may do anything: it waits until all before it has succeeded.
"""

from __future__ import annotations

import base64
import builtins
import collections
import copy
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
from types import NoneType
from typing import Any, Final

SCALARS: Final = frozenset({str, int, float, bool, bytes, complex, NoneType, type, range, slice, type(...)})
"""Types whose values never change and whose operators do nothing but compute."""

COMPUTE: Final[frozenset[Any]] = frozenset(
    {
        float, int, str, len, bool, abs, round, repr, bytes, complex, chr, ord, hex, oct, bin, divmod, pow, hash, ascii,
        format, callable, id, type, range, slice,
        json.loads, json.dumps, re.sub, re.subn, re.split, re.findall, re.match, re.search, re.fullmatch, re.escape,
        re.compile, textwrap.dedent, textwrap.indent, textwrap.shorten, textwrap.fill, textwrap.wrap,
        html.escape, html.unescape, base64.b64encode, base64.b64decode, urllib.parse.quote, urllib.parse.unquote,
        urllib.parse.urlparse, urllib.parse.urljoin, unicodedata.normalize, string.capwords,
        decimal.Decimal, fractions.Fraction, datetime.date, datetime.datetime, datetime.timedelta,
        difflib.get_close_matches, copy.copy, copy.deepcopy,
        hashlib.sha256, hashlib.md5, hashlib.sha1,
        *(f for f in vars(math).values() if callable(f)),
        *(f for f in vars(statistics).values() if callable(f) and not isinstance(f, type)),
        *(getattr(operator, name) for name in operator.__all__ if not name.startswith("i") or name in ("index", "inv", "invert", "indexOf")),
    } - {operator.setitem, operator.delitem, getattr(operator, "call", None)}
)  # fmt: skip
"""Functions of values that change nothing; they read what they are given."""

READ: Final[frozenset[Any]] = COMPUTE | frozenset(
    {
        list, tuple, set, dict, frozenset, enumerate, zip, reversed, sum, any, all, isinstance, issubclass, iter, max, min, sorted,
        map, filter, hasattr, getattr, object,
        collections.Counter, collections.OrderedDict, collections.deque, collections.defaultdict,
        itertools.chain, itertools.combinations, itertools.permutations, itertools.product, itertools.islice,
        itertools.zip_longest, itertools.repeat, itertools.count, itertools.cycle, itertools.pairwise,
        itertools.accumulate, itertools.groupby, itertools.takewhile, itertools.dropwhile, itertools.starmap,
        itertools.chain.from_iterable, functools.reduce, functools.partial,
        heapq.nlargest, heapq.nsmallest, operator.itemgetter, operator.attrgetter, operator.methodcaller,
    }
)  # fmt: skip
"""Functions that read what they are given, perhaps by calling it, and change nothing themselves."""

CALLS_BACK: Final[frozenset[Any]] = frozenset(
    {max, min, sorted, map, filter, functools.reduce, getattr, hasattr}
)
"""Of those, the ones that may be given a function and call it."""

SHALLOW: Final[frozenset[Any]] = frozenset(
    {list, tuple, set, dict, frozenset, enumerate, zip, reversed, len, bool, iter, type, isinstance, id,
     max, min, sorted, sum, any, all}
)  # fmt: skip
"""Of those, the ones that hand elements on as they are, or do not look at them."""

OUTPUT: Final[frozenset[Any]] = frozenset({print})

STR_TO_STR: Final = frozenset(
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
STR_METHODS: Final = frozenset(name for name in dir(str) if not name.startswith("_"))

CHANGING: Final[dict[type, frozenset[str]]] = {
    list: frozenset(["append", "extend", "insert", "pop", "remove", "clear", "sort", "reverse"]),
    dict: frozenset(["update", "setdefault", "pop", "popitem", "clear"]),
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
        [
            "append",
            "appendleft",
            "extend",
            "extendleft",
            "insert",
            "pop",
            "popleft",
            "remove",
            "clear",
            "reverse",
            "rotate",
        ]
    ),
}
"""Methods that change a container, by its type; its other methods only read it."""

CONTAINERS: Final = frozenset({*CHANGING, tuple, frozenset, collections.Counter, collections.defaultdict})


def known_result(function: Callable[..., Any]) -> type | None:
    """Return the type of what a computing function returns, if it is a fixed one that never changes."""
    return _RESULTS.get(function)


_RESULTS: Final[dict[Any, type]] = {
    str: str, float: float, int: int, len: int, bool: bool, repr: str, json.dumps: str, re.sub: str, abs: float,
    textwrap.dedent: str, textwrap.indent: str, textwrap.shorten: str, textwrap.fill: str, html.escape: str,
    html.unescape: str, ascii: str, chr: str, ord: int, builtins.format: str, re.escape: str,
}  # fmt: skip
