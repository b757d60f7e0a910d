"""What calls leave in the log `ember.models`, at DEBUG: names, times and counts. What was said only if
`logging.content` is set, and a known secret in it is masked even then.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from ember.context import get_context
from ember.core.secrets import scrub

from ._call import Call

if TYPE_CHECKING:
    from ._job import Job

_log = logging.getLogger("ember.models")


def answered(job: Job[Any], seconds: float, requests: int, tokens: int | None, answer: str | None) -> None:
    """Log a call that answered; `answer` is its text, None for vectors."""
    if _log.isEnabledFor(logging.DEBUG):
        _log.debug("%s answered in %.3f s, %d requests, %s tokens", _name(job), seconds, requests, tokens)
        if answer is not None:
            _content(job, answer)


def failed(job: Job[Any], seconds: float, requests: int, error: BaseException) -> None:
    """Log a call that ended without an answer, by its error's class: the text may quote what was said."""
    if _log.isEnabledFor(logging.DEBUG):
        _log.debug(
            "%s failed after %.3f s, %d requests: %s", _name(job), seconds, requests, type(error).__name__
        )
        _content(job, None)


def _name(job: Job[Any]) -> str:
    return f"{job.provider.name}/{job.call.model}"


def _content(job: Job[Any], answer: str | None) -> None:
    call = job.call
    if isinstance(call, Call) and get_context().section("logging").get("content"):
        said = [("system", call.system)] if call.system else []
        said += [(message.role, str(message.content)) for message in call.messages]
        said += [] if answer is None else [("answer", answer)]
        for who, text in said:
            _log.debug("%s %s: %s", _name(job), who, scrub(str(text)))
