"""One model in this process: loaded once, by the first call that needs it, and given up in an orderly way.

llama.cpp's own server runs on a thread of its own and batches what comes in at the same time. What it cannot do is
taken care of here: it must not be torn down while a call is inside it, and its threads do not survive a fork.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import http.client
import importlib
import json
import os
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol, cast

from ._room import Room
from ._weights import KNOWN, WeightsError, locate
from ._workers import Workers

CONTEXT: Final = 8_192
"""Tokens that all calls inside one model have between them, prompts and answers. One call may use them all."""

PARALLEL: Final = 8
"""Calls inside one model at a time; more wait."""

# Tokens computed between two looks at whether the caller is still there: under a second of work on a slow machine. Half
# of llama.cpp's default, and measured to cost 4 % of its speed on prompts.
BATCH: Final = 256

LONGEST_EMBEDDED: Final = 2_048
"""Tokens in one text to embed. All of them are computed at once, which takes memory in proportion."""

_PATIENCE: Final = 30.0


class Native(Protocol):
    """What is used of xllamacpp's server. A callback that returns True ends the call."""

    listening_address: str

    def handle_chat_completions(self, prompt: dict[str, Any], callback: Callable[[Any], bool]) -> None: ...

    def handle_completions(self, prompt: dict[str, Any], callback: Callable[[Any], bool]) -> None: ...

    def handle_embeddings(self, prompt: dict[str, Any]) -> Any: ...


@dataclass(frozen=True, slots=True)
class Loaded:
    """A model in memory, and the key of the listener that llama.cpp opens for it on this machine."""

    native: Native
    key: str

    def ask(self, path: str, body: dict[str, Any]) -> Any:
        """Return what the listener answers at `path`: for the few things the binding has no function for."""
        connection = http.client.HTTPConnection(
            self.native.listening_address.removeprefix("http://"), timeout=60
        )
        try:
            headers = {"authorization": f"Bearer {self.key}", "content-type": "application/json"}
            connection.request("POST", path, json.dumps(body), headers)
            return json.loads(connection.getresponse().read())
        finally:
            connection.close()


class Key(NamedTuple):
    """Which model: its name, the path configured for it, and whether it is to make vectors instead of text."""

    name: str
    path: str | None
    vectors: bool = False


class Model:
    """A model that calls share: its threads, its room for tokens, and the loaded weights once they are needed."""

    def __init__(self, key: Key) -> None:
        self.key = key
        self.room = Room(CONTEXT)
        self.workers = Workers(PARALLEL, f"ember-{key.name}")
        self.closing = False
        self._loading = threading.Lock()
        self._loaded: Loaded | None = None

    @property
    def is_loaded(self) -> bool:
        return self._loaded is not None

    def loaded(self) -> Loaded:
        """Return the model in memory, loading it if this is the first call. Only on a worker thread: it blocks."""
        with self._loading:
            if self._loaded is None:
                self._loaded = _load(locate(self.key.name, self.key.path), self.key)
            return self._loaded

    def close(self, deadline: float) -> None:
        """End the calls inside, then free the model."""
        self.closing = True
        self.room.look_again()
        # Freeing it under a call would take the process down.
        if self.workers.stop(deadline) and not _orphaned:
            self._loaded = None
        else:
            self.leak()

    def leak(self) -> None:
        """Leave the native object where it is for as long as the process lives."""
        if self._loaded is not None:
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(self._loaded.native))


def _load(path: Path, key: Key) -> Loaded:
    # Without this, llama.cpp's threads spin while they wait for one another; on cores that are busy elsewhere that made
    # an answer fifteen times slower. The OpenMP runtime reads it when it is loaded, so it comes before the import.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    xllamacpp: Any = importlib.import_module("xllamacpp")
    _warm_page_cache(path)
    token = secrets.token_hex(32)
    settings = xllamacpp.CommonParams()
    settings.model.path = str(path)
    settings.model_alias = {key.name}
    settings.n_ctx = CONTEXT
    settings.n_parallel = PARALLEL
    settings.kv_unified = True  # else each of the parallel calls gets an eighth of the context
    settings.n_batch = settings.n_ubatch = BATCH
    settings.cache_ram_mib = 0  # llama.cpp would keep up to 8 GiB of past conversations
    settings.cpuparams.n_threads = min(_cores(), 4)
    settings.api_keys = [token]  # it opens a listener on 127.0.0.1 whether one wants it or not
    settings.verbosity = 0
    settings.warmup = False
    weights = KNOWN.get(key.name)
    if weights is not None:
        settings.chat_template = weights.template
    if key.vectors:
        settings.embedding = True
        settings.pooling_type = xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN
        settings.n_batch = settings.n_ubatch = LONGEST_EMBEDDED
    try:
        native = cast(Native, xllamacpp.Server(settings))
    except (RuntimeError, ValueError) as error:
        raise WeightsError(
            f"llama.cpp cannot load {path} ({path.stat().st_size:,} bytes). The file is damaged or not whole, or holds "
            f"a kind of model unknown to xllamacpp {xllamacpp.__version__}: fetch it anew, or upgrade xllamacpp."
        ) from error
    # Its loop is still starting, and a server that is freed before that hangs for ever. An answer proves that it runs.
    if key.vectors:
        native.handle_embeddings({"input": ["a"]})
    else:
        native.handle_completions({"prompt": "a", "max_tokens": 1}, lambda _: False)
    return Loaded(native, token)


def _warm_page_cache(path: Path) -> None:
    """Read the file once. Loading holds the interpreter's lock, so the disk's part of it is better done before."""
    buffer = bytearray(1 << 20)
    with path.open("rb", buffering=0) as file:
        while file.readinto(buffer):
            pass


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


_models: dict[Key, Model] = {}
_lock = threading.Lock()
_orphaned = False
"""Whether llama.cpp was already running in the process this one was forked from."""


def model(key: Key) -> Model:
    """Return this process's model for `key`. Nothing is loaded yet."""
    with _lock:
        if key not in _models:
            _models[key] = Model(key)
        return _models[key]


def _shut_down() -> None:
    # A call still inside llama.cpp when the interpreter goes would crash it on its next token.
    deadline = time.monotonic() + _PATIENCE
    for found in tuple(_models.values()):
        found.close(deadline)
    _models.clear()


def _after_fork() -> None:
    """Forget the parent's models in a child: their threads are not here. The child loads its own."""
    global _models, _lock, _orphaned
    inherited, _models, _lock = tuple(_models.values()), {}, threading.Lock()
    for found in inherited:
        found.leak()
    if _orphaned or not any(found.is_loaded for found in inherited):
        return
    _orphaned = True
    # llama.cpp's global objects know those threads as well. They wait for them when a model is freed, of the child's
    # own too, and when the C library runs their destructors at the end. Of the handlers that run there the last
    # registered comes first; this one ends the process on the spot, with its status.
    with contextlib.suppress(AttributeError):  # a C library other than glibc
        libc = ctypes.CDLL(None)
        libc.on_exit(libc._exit, None)


os.register_at_fork(after_in_child=_after_fork)
atexit.register(_shut_down)
