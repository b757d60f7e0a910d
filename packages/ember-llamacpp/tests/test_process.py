"""The model as part of a process: loaded once, by the first call only, and gone without a trace."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import requires

import pytest

Script = Callable[..., "subprocess.CompletedProcess[str]"]

linux_only = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="reads /proc, or needs a safe fork"
)

ASK = 'models("smollm2", "What is the capital of France?", temperature=0, max_tokens=12)'
# Addresses at which this process listens: llama.cpp opens one for each model it has loaded.
LISTENERS = """
import os, pathlib

def listeners():
    ours = set()
    for descriptor in os.listdir("/proc/self/fd"):
        try:
            ours.add(os.readlink(f"/proc/self/fd/{descriptor}"))
        except FileNotFoundError:
            pass
    rows = [row.split() for row in pathlib.Path("/proc/self/net/tcp").read_text().splitlines()[1:]]
    return [row[1] for row in rows if row[3] == "0A" and f"socket:[{row[9]}]" in ours]
"""


def test_nothing_is_loaded_before_the_first_call(script: Script) -> None:
    ended = script("""
        import sys
        from ember.models import models
        import ember.providers.llamacpp
        models.list(), models.providers()
        print([name for name in ("xllamacpp", "numpy", "filelock", "aiohttp") if name in sys.modules])
    """)
    assert (ended.stdout, ended.stderr) == ("[]\n", "")


@linux_only
def test_two_hundred_first_calls_at_once_load_the_model_once(script: Script) -> None:
    ended = script(f"""
        import threading
        from ember.models import models
        {indented(LISTENERS, 8)}
        answers, start = [], threading.Barrier(200)

        def ask():
            start.wait()
            answers.append(str({ASK.replace("12", "2")}))

        threads = [threading.Thread(target=ask) for _ in range(200)]
        [thread.start() for thread in threads], [thread.join() for thread in threads]
        print(len(answers), set(answers), len(listeners()))
    """)
    assert (ended.stdout, ended.stderr, ended.returncode) == ("200 {'The capital'} 1\n", "", 0)


@linux_only
def test_the_listener_that_llama_cpp_opens_is_local_and_wants_a_key(script: Script) -> None:
    ended = script(f"""
        import http.client
        from ember.models import models
        {indented(LISTENERS, 8)}
        {ASK}
        [(host, port)] = [address.split(":") for address in listeners()]
        for path in ("/v1/chat/completions", "/tokenize", "/apply-template"):
            connection = http.client.HTTPConnection("127.0.0.1", int(port, 16), timeout=5)
            connection.request("POST", path, '{{"content": "a"}}')
            print(connection.getresponse().status)
            connection.close()
        print(host)
    """)
    assert ended.stdout == "401\n401\n401\n0100007F\n", ended.stderr


def test_threads_wait_without_burning_the_processor(script: Script) -> None:
    # OpenMP says what it was told, and it is told before it is loaded.
    ended = script(f"from ember.models import models\nprint({ASK})", OMP_DISPLAY_ENV="true")
    assert "OMP_WAIT_POLICY = 'PASSIVE'" in ended.stderr
    chosen = script(
        f"from ember.models import models\nprint({ASK})", OMP_DISPLAY_ENV="true", OMP_WAIT_POLICY="active"
    )
    assert "OMP_WAIT_POLICY = 'ACTIVE'" in chosen.stderr


def test_answering_leaves_no_word_on_the_terminal(script: Script) -> None:
    ended = script(
        f"from ember.models import models\nprint({ASK})\nprint(models.embed('smollm2', 'x').model)"
    )
    assert (ended.stdout, ended.stderr, ended.returncode) == (
        "The capital of France is Paris.\nsmollm2\n",
        "",
        0,
    )


@pytest.mark.parametrize(
    "prompt", ["Count for ever.", "word " * 6_000], ids=["while answering", "while reading"]
)
def test_leaving_with_calls_in_flight_ends_the_process_in_peace(script: Script, prompt: str) -> None:
    ended = script(f"""
        import sys, threading, time
        from ember.models import models
        {ASK}
        params = {{"max_tokens": 1000, "extra": {{"ignore_eos": True}}}}

        def ask():
            try:
                models("smollm2", {prompt!r}, **params)
            except BaseException:
                pass  # the I/O loop ends under it

        for _ in range(3):
            threading.Thread(target=ask, daemon=True).start()
        if {prompt!r} == "Count for ever.":
            stream = models.stream("smollm2", "Count for ever.", **params)
            next(stream)
        time.sleep(0.3)
        sys.exit(5)
    """)
    assert (ended.returncode, ended.stderr) == (5, "")


def test_leaving_at_once_after_loading_does_not_hang(script: Script) -> None:
    ended = script("""
        from ember.models import models
        try:
            models("smollm2", "Hi", max_tokens=1, timeout=0.05)
        except TimeoutError:
            pass
    """)
    assert (ended.returncode, ended.stderr) == (0, "")


@linux_only
@pytest.mark.parametrize("busy", [False, True], ids=["idle", "busy"])
def test_a_forked_child_loads_its_own_and_ends_with_its_own_status(script: Script, busy: bool) -> None:
    ended = script(f"""
        import os, sys, warnings
        warnings.simplefilter("ignore", DeprecationWarning)  # 3.12 on: forking with threads about
        from ember.models import models
        {ASK}
        if {busy}:
            stream = models.stream("smollm2", "Count for ever.", max_tokens=4000, extra={{"ignore_eos": True}})
            next(stream)
        sys.stdout.flush()
        unused, used = os.fork(), -1
        if unused:
            used = os.fork()
        if used == 0:
            print("child:", {ASK}, flush=True)
        if unused == 0 or used == 0:
            sys.exit(7)
        print([os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in (unused, used)])
        if {busy}:
            stream.close()
        print("parent:", {ASK})
    """)
    told = "child: The capital of France is Paris.\n[7, 7]\nparent: The capital of France is Paris.\n"
    assert (ended.stdout, ended.stderr, ended.returncode) == (told, "", 0)


def test_the_weights_wheel_is_no_requirement() -> None:
    # It would bring llm, and a llama-cpp-python to be compiled.
    names = [requirement.split(";")[0].strip() for requirement in requires("ember-llamacpp") or []]
    assert not any(name.startswith("llm") for name in names), names


def indented(source: str, spaces: int) -> str:
    return source.strip().replace("\n", "\n" + " " * spaces)
