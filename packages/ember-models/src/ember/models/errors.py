"""Every way a model call fails, in one tree.

    ModelError (EmberError)
    ├── UnknownModel (LookupError)          no installed provider serves this name
    ├── UnsupportedError (ValueError)       the provider cannot do what was asked
    ├── InvalidRequestError (ValueError)    the request was refused as malformed          HTTP 400, 413, 422
    ├── AuthenticationError                 the key was refused, or may not do this       HTTP 401, 403
    ├── ModelNotFound (LookupError)         the provider has no such model                HTTP 404
    ├── RateLimitError                      too many requests; `.retry_after` seconds     HTTP 429
    │   └── QuotaError                      ... and waiting does not help: the account is out of credit
    ├── ContentFilterError                  the provider's filter refused prompt or answer
    ├── ProviderUnavailable                 the provider failed; `.retry_after` seconds   HTTP 408, 409, 5xx
    ├── ConnectionFailed (ConnectionError)  no connection, or it broke
    ├── ModelTimeout (TimeoutError)         the total deadline passed
    ├── BudgetExceeded                      a budget does not allow it; `.unit`, `.limit`, `.spent`, `.floor`
    ├── TooManySteps                        a model that went on calling tools; `.messages`
    └── InvalidResponse (ValueError)        an answer came that is not one
        ├── SchemaMismatch                  ... does not fit the schema; `.text`, `.errors`
        ├── ToolCallError                   ... calls a tool with arguments that do not fit; `.text`, `.errors`
        ├── ResponseTooLarge                ... larger than the body cap
        └── StreamIncomplete                ... a stream that ended before its end; `.partial_text`

Each carries `provider`, `model`, `status` and `request_id` where they are known, and in `failures` what the other
models of the call failed with, if there were any (`fallback=`).
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, ClassVar

from ember.core.errors import EmberError
from ember.core.events import Usage
from ember.core.secrets import scrub


class ModelError(EmberError):
    """A model call failed. `problem` says what happened, `advice` (by class) what to do.

    `should_retry` is the server's word on whether the same request may be made again; None if it said nothing. `usage`
    is the tokens and `cost` the US dollars that went into the call all the same; None: not known, mostly nothing.
    """

    advice: ClassVar[str] = ""

    def __init__(
        self,
        problem: str,
        *,
        provider: str | None = None,
        model: str | None = None,
        status: int | None = None,
        request_id: str | None = None,
        retry_after: float | None = None,
        should_retry: bool | None = None,
        usage: Usage | None = None,
    ) -> None:
        # What a server said may quote the key, and an exception's attributes end up in logs and crash reports.
        problem = scrub(problem)
        # One positional argument: OSError, which some classes here also inherit, rearranges two or more. The rest
        # lives in __dict__, which exceptions pickle by themselves.
        super().__init__(problem)
        self.problem = problem
        self.provider, self.model = provider, model
        self.status = status
        self.request_id = None if request_id is None else scrub(request_id)
        self.retry_after = retry_after
        self.should_retry = should_retry
        self.usage = usage
        self.cost: Decimal | None = None
        self.failures: tuple[EmberError, ...] = ()

    def describe(self) -> str:
        who = "/".join(name for name in (self.provider, self.model) if name)
        facts = [
            f"HTTP {self.status}" if self.status is not None else "",
            f"retry after {self.retry_after:g} s" if self.retry_after is not None else "",
            f"request id {self.request_id}" if self.request_id else "",
        ]
        known = ", ".join(fact for fact in facts if fact)
        said = f"{self.problem}{f' ({known})' if known else ''}"
        others = " ".join(map(str, self.failures))
        also = f"The other models of this call failed too: {others}" if others else ""
        return " ".join(filter(None, (f"{who}:" if who else "", said, self.advice, also)))


class UnknownModel(ModelError, LookupError):
    """No installed provider serves a model of this name."""

    systemic = True


class UnsupportedError(ModelError, ValueError):
    """The provider cannot do what the call asks for. No request was made."""


class InvalidRequestError(ModelError, ValueError):
    """The provider refused the request as it stands; the same request will be refused again."""


class AuthenticationError(ModelError):
    """The provider refused the key, or the key may not do this."""

    systemic = True
    advice = "Check the key with the provider."


class ModelNotFound(ModelError, LookupError):
    """The provider answered that it has no such model, or not for this key."""

    systemic = True
    advice = "models.list() shows the names Ember knows."


class RateLimitError(ModelError):
    """Too many requests for this key. `retry_after` is in seconds, as the provider asked, or None."""

    advice = "Send less at once, or ask the provider for a higher limit."


class QuotaError(RateLimitError):
    """The account has no credit left; waiting does not help."""

    systemic = True
    advice = "Add credit to the account, or use another key."


class ContentFilterError(ModelError):
    """The provider's content filter refused the prompt or withheld the answer."""


class ProviderUnavailable(ModelError):
    """The provider failed to answer. `retry_after` is in seconds, as the provider asked, or None."""

    advice = "Nothing is wrong with the request; try again later."


class ConnectionFailed(ModelError, ConnectionError):
    """The connection could not be made, or broke before the answer was whole."""


class ModelTimeout(ModelError, TimeoutError):
    """The call's total deadline passed; nothing of it is left in flight."""

    advice = "timeout= (or models.timeout) sets the total seconds a call may take."


class BudgetExceeded(ModelError):
    """A budget does not allow the call, even if that used no more than it must. No request was made for it.

    `source` says whose budget, `unit` is "usd", "tokens" or "calls". In that unit, `limit` is what the budget allows,
    `spent` what calls have used, `reserved` what calls under way have claimed, `floor` what this one needs at least.
    """

    systemic = True
    advice = "Raise the limit, or go on under a new budget; models.budgets() shows those in force."

    def __init__(
        self,
        source: str,
        *,
        unit: str = "",
        limit: Decimal | int = 0,
        spent: Decimal | int = 0,
        reserved: Decimal | int = 0,
        floor: Decimal | int = 0,
        **known: object,
    ) -> None:
        shown = {"usd": "US dollars"}.get(unit, unit)
        super().__init__(
            f"the budget of {source} allows {limit} {shown}: {spent} are spent, {reserved} claimed by calls under way, "
            f"and this call needs at least {floor}. No request was made.",
            **known,  # type: ignore[arg-type]  # forwarded unchanged, checked by the callee
        )
        self.args = (source,)  # what unpickling calls this with
        self.source, self.unit, self.limit = source, unit, limit
        self.spent, self.reserved, self.floor = spent, reserved, floor


class TooManySteps(ModelError):
    """The model still called tools when the steps it was allowed were over. `messages` is the conversation so far."""

    advice = "max_steps= says how many answers a run of tools may take."

    def __init__(self, problem: str, *, messages: tuple[Any, ...] = (), **known: object) -> None:
        super().__init__(problem, **known)  # type: ignore[arg-type]  # forwarded unchanged, checked by the callee
        self.messages = messages


class InvalidResponse(ModelError, ValueError):
    """The provider's answer is not one: wrong type, malformed, or of an unknown shape. Nothing of it was used."""


class SchemaMismatch(InvalidResponse):
    """The answer does not fit the schema that was asked for, and neither did those to the re-asks.

    `text` is the last answer as the model wrote it, `errors` what is wrong with it, one line for each place, and
    `finish_reason` why the model stopped: "length" if `max_tokens` cut the answer short.
    """

    advice = "The error's .text has the answer; reask= says how often the model is asked again."

    def __init__(
        self,
        problem: str,
        *,
        text: str = "",
        errors: tuple[str, ...] = (),
        finish_reason: str | None = None,
        **known: object,
    ) -> None:
        super().__init__(problem, **known)  # type: ignore[arg-type]  # forwarded unchanged, checked by the callee
        self.text, self.errors = scrub(text), tuple(map(scrub, errors))
        self.finish_reason = finish_reason


class ToolCallError(InvalidResponse):
    """The model called `tool` with arguments that do not fit, or there is no such tool.

    `text` is the arguments as the model wrote them, `errors` what is wrong with them, one line for each place.
    """

    def __init__(self, tool: str, errors: tuple[str, ...] = (), *, text: str = "", **known: object) -> None:
        said = "; ".join(errors)
        super().__init__(f"the model's call of the tool {tool!r} is wrong: {said[:400]}.", **known)  # type: ignore[arg-type]  # as below
        self.args = (tool, tuple(map(scrub, errors)))  # what unpickling calls this with
        self.tool, self.errors, self.text = tool, tuple(map(scrub, errors)), scrub(text)


class ResponseTooLarge(InvalidResponse):
    """The answer is larger than Ember reads, counted after decompression."""


class StreamIncomplete(InvalidResponse):
    """A stream ended before the provider's own end mark. `partial_text` is what had arrived."""

    def __init__(self, problem: str, *, partial_text: str = "", **known: object) -> None:
        super().__init__(problem, **known)  # type: ignore[arg-type]  # forwarded unchanged, checked by the callee
        self.partial_text = scrub(partial_text)
