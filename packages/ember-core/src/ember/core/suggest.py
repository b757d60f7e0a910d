"""Did you mean: the nearest names to one that does not exist."""

from __future__ import annotations

from collections.abc import Iterable


def nearest(name: str, names: Iterable[str], at_most: int = 3) -> tuple[str, ...]:
    """Return up to `at_most` of `names` that `name` may be a misspelling of, nearest first.

    >>> nearest("modles.default", ["models.default", "models.timeout", "logging.level"], 1)
    ('models.default',)
    """
    from difflib import get_close_matches  # only on the way to an error

    by_fold = {candidate.casefold(): candidate for candidate in sorted(names)}
    return tuple(by_fold[match] for match in get_close_matches(name.casefold(), by_fold, at_most, cutoff=0.6))
