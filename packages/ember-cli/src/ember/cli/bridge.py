"""What a setup screen in another program talks to: JSON, a line each, on this process's stdin and stdout.

    python -m ember.cli.bridge

A request is `{"id": 1, "method": "hello", "params": {"protocol": 1}}`. Its answer is `{"id": 1, "result": {...}}` or
`{"id": 1, "error": {"code": 4, "message": "..."}}`, where the code is the exit code that a command would end with;
before it may come `{"id": 1, "event": {...}}`. Methods, with what they take (optional in brackets) and give:

    hello     protocol                                    what there is: ember.cli._hello.Hello, and the protocol
    validate  provider [key base_url timeout]             outcome message base_url default_base_url models milliseconds
    models    provider [key base_url timeout]             models, asked of the server
    pull      [model]                                     path; events {done, total} in bytes
    commit    [credentials base_urls default_model]       files notes
    answer    [model prompt timeout]                      text summary model input_tokens output_tokens cost_usd
                                                          milliseconds; events {text} with pieces of it
    cancel    request                                     cancelled: nothing more is said of that request

`hello` comes first, and a protocol this bridge does not speak is refused. Keys go in and never come out: what is shown
of one is its last four characters. Requests are worked on side by side, but a commit is finished before anything else
is read. The end of stdin ends the process; Ctrl-C, which goes to the screen too, does not.
"""

from __future__ import annotations

import json
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from io import TextIOWrapper
from typing import Any, Final, TextIO, cast

from ember.core.errors import EmberError
from ember.core.secrets import Secret

from . import _say
from ._exits import FAILED, OK, USAGE, Failure, code_of

PROTOCOL: Final = 1
_LONGEST: Final = 1024 * 1024

Params = Mapping[str, Any]
Event = Callable[[dict[str, object]], None]


class Bridge:
    """One conversation: requests from `source`, answers to `sink`."""

    def __init__(self, source: TextIO, sink: TextIO) -> None:
        self._source, self._sink = source, sink
        self._writing = threading.Lock()
        self._cancelled: set[object] = set()
        self._met = False

    def serve(self) -> None:
        """Answer requests until there are no more."""
        while line := self._source.readline(_LONGEST + 1):
            if not line.strip():
                continue
            request = _parsed(line)
            if request is None:
                self._say(None, error={"code": USAGE, "message": "this line is no request."})
                continue
            method, number = request.get("method"), request.get("id")
            params = concealed(cast("Params", request.get("params") or {}))
            if method == "cancel":
                self._cancelled.add(params.get("request"))
                self._say(number, result={"cancelled": params.get("request")})
            elif method in ("hello", "commit"):  # quick, and a commit is never left halfway
                self._answer(number, str(method), params)
            else:
                threading.Thread(target=self._answer, args=(number, str(method), params), daemon=True).start()

    def _answer(self, number: object, method: str, params: Params) -> None:
        def event(data: dict[str, object]) -> None:
            if number in self._cancelled:
                raise Failure("cancelled")
            self._say(number, event=data)

        try:
            if method != "hello" and not self._met:
                raise Failure("say hello first.", USAGE)
            work = METHODS.get(method)
            if work is None:
                raise Failure(f"there is no method {method!r}.", USAGE)
            result = work(params, event)
            self._met = self._met or method == "hello"
        except Exception as error:  # whatever it is, the other side is told, and the conversation goes on
            message = error.message if isinstance(error, Failure) else str(error)
            if not isinstance(error, (EmberError, Failure)):
                message = f"this should not happen: {type(error).__name__}: {error}"
            self._say(number, error={"code": code_of(error), "message": _say.redacted(message)})
        else:
            self._say(number, result=result)

    def _say(self, number: object, **said: object) -> None:
        if number is not None and number in self._cancelled:
            return
        with self._writing:
            self._sink.write(json.dumps({"id": number, **said}) + "\n")
            self._sink.flush()


def _parsed(line: str) -> dict[str, Any] | None:
    try:
        request = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(request, dict):
        return None
    fields = cast("dict[str, Any]", request)
    whole = isinstance(fields.get("id"), (int, str)) and isinstance(fields.get("params", {}), dict)
    return fields if whole else None


def concealed(params: Params) -> Params:
    """Return `params` with keys wrapped, so that no error and no local variable shows one."""
    shown = dict(params)
    if isinstance(shown.get("key"), str):
        shown["key"] = Secret(shown["key"].strip()) if shown["key"].strip() else None
    given = shown.get("credentials")
    if isinstance(given, dict):
        pairs = cast("dict[str, Any]", given).items()
        shown["credentials"] = {
            name: Secret(key.strip()) for name, key in pairs if isinstance(key, str) and key.strip()
        }
    return shown


def _hello(params: Params, event: Event) -> dict[str, Any]:
    from . import _hello

    if params.get("protocol") != PROTOCOL:
        raise Failure(
            f"this is protocol {PROTOCOL}, and the other side speaks {params.get('protocol')!r}. "
            "Install both of the same release.",
            USAGE,
        )
    return {"protocol": PROTOCOL, **_hello.hello()}


def _validate(params: Params, event: Event) -> dict[str, Any]:
    from ._siblings import api
    from ._validate import TIMEOUT, validate

    provider = _text(params, "provider")
    timeout = float(params.get("timeout") or TIMEOUT)
    verdict = validate(provider, params.get("key"), _text(params, "base_url") or None, timeout=timeout)
    return {
        "outcome": verdict.outcome,
        "message": _say.redacted(verdict.message),
        "base_url": verdict.base_url,
        "default_base_url": api("models").about_provider(provider).default_base_url,
        "models": list(verdict.models),
        "milliseconds": round(verdict.seconds * 1e3),
    }


def _models(params: Params, event: Event) -> dict[str, Any]:
    from ._siblings import api
    from ._validate import TIMEOUT, trying

    provider = _text(params, "provider")
    with trying(provider, params.get("key"), _text(params, "base_url") or None):
        found = api("models").discover(provider, timeout=float(params.get("timeout") or TIMEOUT))
    return {"models": list(found)}


def _pull(params: Params, event: Event) -> dict[str, Any]:
    import time

    from ._pull import pull
    from ._vendors import EMBEDDED

    told = 0.0

    def progress(done: int, total: int) -> None:
        nonlocal told
        now = time.monotonic()
        if now - told >= 0.1 or done >= total:
            told = now
            event({"done": done, "total": total})

    return {"path": str(pull(_text(params, "model") or EMBEDDED, progress))}


def _commit(params: Params, event: Event) -> dict[str, Any]:
    from ._siblings import api
    from ._store import commit

    model = _text(params, "default_model") or None
    if model is not None:
        api("models").about(model)  # raises, with what may be meant
    done = commit(params.get("credentials") or {}, params.get("base_urls") or {}, model)
    return {"files": [str(path) for path in done.files], "notes": done.notes}


def _answer(params: Params, event: Event) -> dict[str, Any]:
    from ._answer import HELLO, summary
    from ._siblings import api

    stream = api("models").stream(
        _text(params, "model") or None,
        _text(params, "prompt") or HELLO,
        max_tokens=256,
        timeout=float(params.get("timeout") or 60.0),
    )
    for piece in stream:
        event({"text": piece})
    said = stream.response
    return {
        "text": str(said),
        "summary": summary(said),
        "model": f"{said.provider}/{said.model}",
        "input_tokens": said.usage.input_tokens,
        "output_tokens": said.usage.output_tokens,
        "cost_usd": None if said.cost is None else f"{said.cost:f}",
        "milliseconds": round(said.latency * 1e3),
    }


def _text(params: Params, name: str) -> str:
    value = params.get(name)
    if value is not None and not isinstance(value, str):
        raise Failure(f"{name} is text.", USAGE)
    return (value or "").strip()


METHODS: Final[Mapping[str, Callable[[Params, Event], dict[str, Any]]]] = {
    "hello": _hello,
    "validate": _validate,
    "models": _models,
    "pull": _pull,
    "commit": _commit,
    "answer": _answer,
}


def main() -> int:
    """Serve standard input and output until it ends."""
    # Ctrl-C at a terminal goes to the whole group; the screen decides what it means, and ends us by closing the pipe.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    import warnings

    warnings.simplefilter("ignore")
    for stream in (sys.stdin, sys.stdout):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(encoding="utf-8")
    # What a library prints is no answer.
    sink, sys.stdout = sys.stdout, sys.stderr
    try:
        Bridge(sys.stdin, sink).serve()
    except BrokenPipeError:
        return FAILED
    sink.flush()
    return OK  # threads at work are daemons: what nobody waits for any more does not hold the process up


if __name__ == "__main__":
    sys.exit(main())
