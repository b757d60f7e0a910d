"""`models`: what a user calls. Each call becomes a `Job`, and the engine does it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar, Unpack, cast

from ember.context import EmberContext, get_context
from ember.core.events import Usage
from ember.core.externals import Estimate, External

from . import _request
from ._call import Call, EmbedCall, EmbedParams, ModelId, Params, Prompt
from ._parts import characters
from ._route import ModelRegistry, listed
from ._usage import Totals, totals

if TYPE_CHECKING:  # the engine and what stands below it (asyncio, aiohttp) are loaded by the first call
    from datetime import date

    from ._about import ModelInfo, ProviderInfo
    from ._attempts import Health
    from ._budget import BudgetState, Claim
    from ._cached import AnswerCache
    from ._job import Job
    from ._ledger import Spent
    from ._response import Embeddings, Response
    from ._run_tools import OnError, ToolRun
    from ._stream import AsyncTextStream, TextStream

_C = TypeVar("_C", Call, EmbedCall)


def _job(model: str | None, prompt: Prompt, params: Params, *, stream: bool = False) -> Job[Call]:
    from ._job import Job

    _request.checked(params)
    given, parse = params, None
    if (schema := params.get("schema")) is not None:
        from ._shape import shape

        wanted = shape(schema)
        params, parse = cast(Params, {**params, "schema": wanted.schema}), wanted.parse
    box = None
    if params.get("tools"):
        from ._tools import toolbox

        box = toolbox(params.get("tools"))
    to = _request.target(model)
    tools = () if box is None else tuple(box.tools.values())
    call = _request.call(to, prompt, params, tools, stream=stream)
    policy, reask, http = _request.policy(to, params), _request.reask(params), _request.http(to, params)
    scope = to.context.scope
    job = Job(
        to.provider,
        call,
        to.endpoint,
        to.key_source,
        policy,
        scope,
        parse,
        reask,
        box,
        http=http,
        tags=to.tags,
    )
    if (budget := params.get("budget")) is not None or to.context.levels("models.budget"):
        job, mine = _held(job, to.context, budget)
        given = cast(Params, {**given, "budget": mine})  # the fallbacks' too
    if policy.cache is not None:
        job = _kept(job, to)
    others = _request.fallback(to, params)
    return _with_fallback(job, others, prompt, given, stream=stream) if others else job


def _held(job: Job[_C], context: EmberContext, budget: Any) -> tuple[Job[_C], Claim | None]:
    """Return `job` with its place in the budgets in force, and its own budget, if it has one, with an account."""
    from dataclasses import replace

    from ._budget import Hold, claims, own

    mine = None if budget is None else own(budget)
    in_force = claims(context) if mine is None else (mine, *claims(context))
    return replace(job, hold=Hold(in_force, job.provider, job.call)), mine


def _with_fallback(
    job: Job[Call], others: tuple[str, ...], prompt: Prompt, params: Params, *, stream: bool
) -> Job[Call]:
    from dataclasses import replace

    from ._fallback import Fallback, causes

    alone = cast(Params, {**params, "fallback": ()})
    make = partial(_job, prompt=prompt, params=alone, stream=stream)
    return replace(job, fallback=Fallback.of(job, others, causes(params.get("fallback_on")), make))


def _embed_job(model: str | None, texts: str | Sequence[str], params: EmbedParams) -> Job[EmbedCall]:
    from ._job import Job

    _request.checked_embed(params)
    to = _request.target(model)
    call = _request.embed_call(to, texts, params)
    policy, http = _request.policy(to, params), _request.http(to, params)
    scope = to.context.scope
    job = Job(to.provider, call, to.endpoint, to.key_source, policy, scope, http=http, tags=to.tags)
    if (budget := params.get("budget")) is not None or to.context.levels("models.budget"):
        job, _ = _held(job, to.context, budget)
    return job if policy.cache is None else _kept(job, to)


def _kept(job: Job[_C], to: _request.Target) -> Job[_C]:
    from ._keep import kept  # brings SQLite

    return kept(job, to.defaults.get("cache_size"))


def _estimate(model: str | None, prompt: Prompt, params: Params) -> Estimate:
    """Return what a call would use: input by four `characters` a token, output by `max_tokens` if given."""
    from ._cost import cost

    job = _job(model, prompt, params)
    said = sum(characters(message.content) for message in job.call.messages) + len(job.call.system or "")
    tokens_in, tokens_out = said // 4 + 1, job.call.max_tokens
    return Estimate(
        tokens_in, tokens_out, cost(job.provider, (job.call.model,), Usage(tokens_in, tokens_out))
    )


class Embed(External[..., "Embeddings"]):
    """`models.embed`: one vector per text."""

    name, kind = "models.embed", "model"

    def __call__(
        self, model: str | None, texts: str | Sequence[str], **params: Unpack[EmbedParams]
    ) -> Embeddings:
        """Return one vector per text (a single string counts as one text), in order, with usage and cost.

        Any number of texts: they go in as many requests as the provider's limits take, several at once, and it is one
        call with one `timeout` all the same. If a request fails, the call does; what the others used is booked.
        With `cache`, each text's vector is kept on disk, and only new texts are sent. `EmbedParams` lists the rest.
        `await models.embed.aio(...)` is the awaitable form.
        """
        return super().__call__(model, texts, **params)

    def run(self, model: str | None, texts: str | Sequence[str], **params: Unpack[EmbedParams]) -> Embeddings:
        from ._embed import embed

        return embed(_embed_job(model, texts, params))

    async def arun(
        self, model: str | None, texts: str | Sequence[str], **params: Unpack[EmbedParams]
    ) -> Embeddings:
        from ._embed import aembed

        return await aembed(_embed_job(model, texts, params))


class Discover(External[..., tuple[ModelId, ...]]):
    """`models.discover`: what a server has, asked of itself."""

    name, kind = "models.discover", "discovery"

    def __call__(self, provider: str, *, timeout: float = 10.0) -> tuple[ModelId, ...]:
        """Return the models that `provider`'s server says it serves, as `provider/model`; in its order.

        This asks the server, which is what `models.list` never does. `timeout` is in seconds, in all. Raises
        `NotRegistered` for a provider there is not, `UnsupportedError` for one that cannot be asked, and what a call
        raises. `await models.discover.aio(...)` is the awaitable form.
        """
        return super().__call__(provider, timeout=timeout)

    def run(self, provider: str, *, timeout: float = 10.0) -> tuple[ModelId, ...]:
        from ._engine import discover

        return _named(provider, discover(_discover_job(provider, timeout)))

    async def arun(self, provider: str, *, timeout: float = 10.0) -> tuple[ModelId, ...]:
        from ._engine import adiscover

        return _named(provider, await adiscover(_discover_job(provider, timeout)))


def _discover_job(provider: str, timeout: float) -> Job[EmbedCall]:
    from ._job import Job

    to = _request.server(provider)
    # No model is called, but the engine knows of calls only: one without a model, which it does not book.
    policy, http = _request.policy(to, {"timeout": timeout}), _request.http(to, {})
    nothing = EmbedCall("", ())
    return Job(to.provider, nothing, to.endpoint, to.key_source, policy, to.context.scope, http=http)


def _named(provider: str, ids: tuple[str, ...]) -> tuple[ModelId, ...]:
    return tuple(ModelId(f"{provider}/{model}") for model in ids)


class Models(External[..., "Response"]):
    """Any language model, without a client to set up: `models("gpt-4", "Hello")`.

    The first argument names the model: `provider/model`, an id a provider knows, an alias from configuration, or None
    for the configured default (without one, the embedded model). The second is a string or a list of messages. `Params`
    lists the rest; what is not given comes from the context (`models.temperature` and so on), else from the vendor.

    Returns a `Response`: the answer's text as a `str`, with usage, cost, latency and more. Raises a
    `ember.models.errors.ModelError` for whatever goes wrong with the call, TypeError for arguments that do not exist.
    """

    name, kind = "models", "model"
    embed, discover = Embed(), Discover()

    def __call__(self, model: str | None, prompt: Prompt, **params: Unpack[Params]) -> Response:
        return super().__call__(model, prompt, **params)

    def run(self, model: str | None, prompt: Prompt, **params: Unpack[Params]) -> Response:
        from ._engine import complete

        job = _job(model, prompt, params)
        if job.fallback is not None:
            from ._fallback import complete as complete_in_turn

            return complete_in_turn(job, job.fallback)
        return complete(job)

    async def arun(self, model: str | None, prompt: Prompt, **params: Unpack[Params]) -> Response:
        from ._engine import acomplete

        job = _job(model, prompt, params)
        if job.fallback is not None:
            from ._fallback import acomplete as acomplete_in_turn

            return await acomplete_in_turn(job, job.fallback)
        return await acomplete(job)

    async def acall(self, model: str | None, prompt: Prompt, **params: Unpack[Params]) -> Response:
        """Call and await: `await models.acall("gpt-4", "Hello")`."""
        return await self.aio(model, prompt, **params)

    def estimate(self, model: str | None, prompt: Prompt, **params: Unpack[Params]) -> Estimate:
        """Say what the call would use, without making it."""
        return _estimate(model, prompt, params)

    def stream(self, model: str | None, prompt: Prompt, **params: Unpack[Params]) -> TextStream:
        """Return an iterator of the answer's text as it comes. Its `.response` is complete at the end.

        The request is sent when the first piece is asked for, and ended when the iterator is closed or dropped.
        """
        from ._stream import TextStream

        return TextStream(_job(model, prompt, params, stream=True))

    def astream(self, model: str | None, prompt: Prompt, **params: Unpack[Params]) -> AsyncTextStream:
        """Return an async iterator of the answer's text as it comes. Its `.response` is complete at the end."""
        from ._stream import AsyncTextStream

        return AsyncTextStream(_job(model, prompt, params, stream=True))

    def run_tools(
        self,
        model: str | None,
        prompt: Prompt,
        *,
        max_steps: int = 10,
        on_error: OnError = "raise",
        **params: Unpack[Params],
    ) -> ToolRun:
        """Call the model, run the `tools` it asks for, and go on until it answers without asking for any.

        Tools are functions, `async` or not, or `@external` ones. What one raises ends the run; with on_error="tell"
        the model is told instead, and of wrong arguments too. Each answer is a call of its own, with its own `timeout`.
        Raises `TooManySteps` if the model still asks for tools in its `max_steps`-th answer.
        """
        from ._run_tools import Run

        run = Run(prompt, dict(params), max_steps, on_error)
        while True:
            answer = self(model, run.messages, **cast(Params, run.params))
            done = run.take(answer)
            if done is not None:
                return done
            run.results(answer.tool_calls, [run.run(call) for call in answer.tool_calls])

    async def arun_tools(
        self,
        model: str | None,
        prompt: Prompt,
        *,
        max_steps: int = 10,
        on_error: OnError = "raise",
        **params: Unpack[Params],
    ) -> ToolRun:
        """As `run_tools`, awaited. The tools of one answer run at once, plain functions in threads."""
        from ._run_tools import Run

        run = Run(prompt, dict(params), max_steps, on_error)
        while True:
            answer = await self.acall(model, run.messages, **cast(Params, run.params))
            done = run.take(answer)
            if done is not None:
                return done
            run.results(answer.tool_calls, await run.arun_all(answer.tool_calls))

    def instance(self, model: str | None, **params: Unpack[Params]) -> BoundModel:
        """Return `model` with `params` fixed, to be called with prompts. Nothing is checked or sent before that."""
        _request.checked(params)
        return BoundModel(model, params)

    def list(self, provider: str | None = None) -> tuple[ModelId, ...]:
        """Return the models that installed providers are known to serve, as `provider/model`; asks no network."""
        return listed(provider)

    def providers(self) -> tuple[str, ...]:
        """Return the names of the providers that are registered or installed. Loads none of them."""
        return ModelRegistry.names()

    def about(self, model: str | None) -> ModelInfo:
        """Return who serves `model` (None: the default), what that provider can do, and what tokens cost there.

        Raises `UnknownModel`, `PluginError`. Asks no network.
        """
        from ._about import model_info

        return model_info(model)

    def about_provider(self, name: str) -> ProviderInfo:
        """Return where calls to a provider would go, and with which key. Raises `NotRegistered`, `PluginError`."""
        from ._about import provider_info

        return provider_info(name)

    def client(self, provider: str, *, asynchronous: bool = False) -> Any:
        """Return a new client of `provider`'s own SDK, with the key and at the base URL that calls would use here.

        For what Ember does not wrap. It is the caller's, to keep and to close, and nothing of Ember's acts on it: the
        SDK's own timeouts, retries and errors hold, and none of its calls is counted, limited or masked. Raises
        `NotRegistered` for a provider there is not, `CredentialNotFound` or `CredentialError` as a call does,
        `UnsupportedError` where there is no SDK, ImportError with what to install where it is not installed.
        """
        to = _request.server(provider)
        return to.provider.client(to.endpoint, asynchronous=asynchronous)

    def usage(self, context: EmberContext | None = None) -> Totals:
        """Return what calls have used: in this process, or in `context` and the contexts made in it."""
        return totals() if context is None else totals(context.scope)

    def spent(
        self,
        *,
        by: Sequence[str] = (),
        since: date | str | None = None,
        until: date | str | None = None,
        provider: str | None = None,
        model: str | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> tuple[Spent, ...]:
        """Return what the ledger on disk has: what all of this user's programs used while `usage.ledger` was set.

        One sum for each group: `by` names "day", "provider", "model", "tags" or a tag ("tags.job"); without it, there
        is one sum of all. `since` and `until` are days in UTC, both included. The rest chooses what is summed. Raises
        ValueError for other names or days, StorageError for a ledger that cannot be read.
        """
        from ._ledger import spent

        return spent(by, since, until, provider, model, tags or {})

    @property
    def cache(self) -> AnswerCache:
        """What `cache=` keeps on disk: `models.cache.stats()`, `models.cache.clear()`."""
        from ._cached import AnswerCache

        return AnswerCache()

    def budgets(self, context: EmberContext | None = None) -> tuple[BudgetState, ...]:
        """Return how the budgets in force here, or in `context`, stand: the innermost block's first."""
        from ._budget import states

        return states(get_context() if context is None else context)

    def health(self) -> tuple[Health, ...]:
        """Return how the endpoints called so far fare: breaker, calls under way and waiting, learned limits."""
        from ember.core import loop

        from ._attempts import health

        return loop.run(health(), "models.health")

    def __repr__(self) -> str:
        return "<ember models>"

    def __reduce__(self) -> str:
        return "models"


class BoundModel(External[..., "Response"]):
    """One model with parameters fixed: `gpt4 = models.instance("gpt-4", temperature=0.7)`, then `gpt4("Hello")`.

    Parameters given with a prompt go before the fixed ones, and those before the context's.
    """

    kind = "model"

    def __init__(self, model: str | None, params: Params) -> None:
        self.model, self.params = model, params
        self.name = model or "default"

    def _with(self, params: Params) -> Params:
        return cast(Params, {**self.params, **params})

    def __call__(self, prompt: Prompt, **params: Unpack[Params]) -> Response:
        """Call and wait."""
        return super().__call__(prompt, **params)

    def run(self, prompt: Prompt, **params: Unpack[Params]) -> Response:
        return models.run(self.model, prompt, **self._with(params))

    async def arun(self, prompt: Prompt, **params: Unpack[Params]) -> Response:
        return await models.arun(self.model, prompt, **self._with(params))

    async def acall(self, prompt: Prompt, **params: Unpack[Params]) -> Response:
        """Call and await."""
        return await self.aio(prompt, **params)

    def estimate(self, prompt: Prompt, **params: Unpack[Params]) -> Estimate:
        """Say what the call would use, without making it."""
        return _estimate(self.model, prompt, self._with(params))

    def stream(self, prompt: Prompt, **params: Unpack[Params]) -> TextStream:
        """As `models.stream`."""
        return models.stream(self.model, prompt, **self._with(params))

    def astream(self, prompt: Prompt, **params: Unpack[Params]) -> AsyncTextStream:
        """As `models.astream`."""
        return models.astream(self.model, prompt, **self._with(params))

    def run_tools(
        self, prompt: Prompt, *, max_steps: int = 10, on_error: OnError = "raise", **params: Unpack[Params]
    ) -> ToolRun:
        """As `models.run_tools`."""
        given = self._with(params)
        return models.run_tools(self.model, prompt, max_steps=max_steps, on_error=on_error, **given)

    async def arun_tools(
        self, prompt: Prompt, *, max_steps: int = 10, on_error: OnError = "raise", **params: Unpack[Params]
    ) -> ToolRun:
        """As `models.arun_tools`."""
        given = self._with(params)
        return await models.arun_tools(self.model, prompt, max_steps=max_steps, on_error=on_error, **given)

    def __repr__(self) -> str:
        shown = "".join(f", {name}={value!r}" for name, value in self.params.items() if name not in _UNSHOWN)
        return f"models.instance({self.model!r}{shown})"


_UNSHOWN = frozenset(
    {"system", "extra", "schema", "tools", "http_client"}
)  # content, and whatever a user puts into vendor fields

models = Models()


def bound(name: str | None) -> BoundModel:
    """Return the model called `name`: what `ember.core.resolve("model", name)` finds."""
    return models.instance(name)


class BoundEmbedder(External[..., "Embeddings"]):
    """One embedding model, to be called with texts."""

    kind = "model"

    def __init__(self, model: str | None) -> None:
        self.model = model
        self.name = model or "default"

    def run(self, texts: str | Sequence[str], **params: Unpack[EmbedParams]) -> Embeddings:
        return models.embed.run(self.model, texts, **params)

    async def arun(self, texts: str | Sequence[str], **params: Unpack[EmbedParams]) -> Embeddings:
        return await models.embed.arun(self.model, texts, **params)


def embedder(name: str | None) -> BoundEmbedder:
    """Return the embedding model called `name`: what `ember.core.resolve("embedder", name)` finds."""
    return BoundEmbedder(name)
