"""An answer that does not fit the schema, or is none of the choices: the model is told what is wrong with it and asked
again, a few times at most.

All of it is one call: one deadline, one event, one sum of what was used.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeVar

from ember.core.events import Usage

from ._call import Call, Message
from ._likelihood import key_of
from ._provider import Completion, clipped
from .errors import ContentFilterError, ModelTimeout, SchemaMismatch
from .schemas import chosen, wanted_schema

if TYPE_CHECKING:
    from ._job import Job, Watch

DEFAULT_REASKS = 1
"""How often a model is asked again when the call does not say: a second answer mostly fits, a third rarely helps."""

_D = TypeVar("_D", int, Decimal)


def text(call: Call, completion: Completion) -> str:
    """Return the answer's text: the label where one was to be chosen. Raises `SchemaMismatch` for what is none.

    A refusal is the text of an answer, and a `ContentFilterError` where JSON or a label was asked for: it is neither.
    """
    said = completion.text
    if not call.choices and call.schema is None:
        return said
    if completion.finish_reason == "content_filter":
        raise ContentFilterError(
            f"the model refused, or its answer was withheld: {clipped(said)!r}",
            request_id=completion.request_id,
        )
    if not call.choices or (said in call.choices and not call.keyed):
        return said
    label = chosen(said)
    if call.keyed and (meant := key_of(call, label)) is not None:
        return meant
    if label in call.choices:
        return label
    cut = ", and max_tokens cut it short" if completion.finish_reason == "length" else ""
    raise SchemaMismatch(
        f"the answer is none of the {len(call.choices)} choices{cut}: {clipped(said)!r}",
        text=said,
        errors=("none of the choices",),
        finish_reason=completion.finish_reason,
        request_id=completion.request_id,
    )


def value(parse: Callable[[str], Any], completion: Completion) -> Any:
    """Return the value in the answer. Raises `SchemaMismatch`, which says so where the answer was cut short."""
    try:
        return parse(completion.text)
    except SchemaMismatch as error:
        error.finish_reason, error.request_id = completion.finish_reason, completion.request_id
        if completion.finish_reason == "length":
            error.problem = f"max_tokens cut the answer short, so {error.problem}"
        raise


def again(job: Job[Call], error: SchemaMismatch, watch: Watch) -> Job[Call]:
    """Return the call that asks `job`'s model again, on the account of the first; raise `error` if none is left.

    An answer that was cut short would be cut again, and is final. Raises `BudgetExceeded` where another cannot be paid.
    """
    seconds = watch.seconds()
    if job.reask < 1 or error.finish_reason == "length":
        raise error
    if seconds >= job.policy.timeout:
        raise ModelTimeout(
            f"no answer that fits within the {job.policy.timeout:g} s this call may take."
        ) from None
    if job.hold is not None:
        job.hold.go_on(watch.usage, watch.cost)
    # A turn without text is refused by vendors.
    said = (Message("assistant", error.text),) if error.text.strip() else ()
    call = replace(job.call, messages=(*job.call.messages, *said, Message("user", _told(job.call, error))))
    return replace(job, call=call, reask=job.reask - 1, spent=seconds)


def _told(call: Call, error: SchemaMismatch) -> str:
    # The schema too: a server that ignores the field it was sent in would go by this.
    listed = "".join(f"\n- {line}" for line in error.errors)
    schema = json.dumps(wanted_schema(call), ensure_ascii=False, separators=(",", ":"), default=str)
    wanted = f"Answer again, with JSON that fits it and nothing else: {schema}"
    return f"That answer does not fit the schema:{listed}\n{wanted}"


def summed(before: Usage | None, now: Usage) -> Usage:
    """Return what several answers used in all; a count that one of them does not know is not known.

    >>> summed(Usage(5, 2), Usage(7, None)).input_tokens, summed(Usage(5, 2), Usage(7, None)).output_tokens
    (12, None)
    """
    if before is None:
        return now
    return Usage(
        _sum(before.input_tokens, now.input_tokens),
        _sum(before.output_tokens, now.output_tokens),
        _sum(before.cached_input_tokens, now.cached_input_tokens),
        _sum(before.cache_write_tokens, now.cache_write_tokens),
        _sum(before.reasoning_tokens, now.reasoning_tokens),
    )


def summed_cost(answered: bool, before: Decimal | None, now: Decimal | None) -> Decimal | None:
    """Return what several answers cost in all: `now` for the first, None once one of them has no price."""
    return _sum(before, now) if answered else now


def _sum(one: _D | None, other: _D | None) -> _D | None:
    return None if one is None or other is None else one + other
