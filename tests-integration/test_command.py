"""The `ember` command with models and providers: what is there, whether it works, and how it fails."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import Command, Terminal

from ember.models.testing import LocalServer

KEY = "sk-test-0123456789abcdef7777"
VENDORS = {"openai": "/v1", "anthropic": "", "google": ""}


@pytest.fixture
def openai(server: LocalServer, ember_home: Path, monkeypatch: pytest.MonkeyPatch) -> LocalServer:
    """A local server that stands for OpenAI, with a key in the environment."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_BASE_URL", f"{server.url}/v1")
    return server


def test_models_are_listed_one_on_a_line(command: Command) -> None:
    code, out, err = command("models", "--provider", "anthropic")
    assert (code, err) == (0, "") and "anthropic/claude-haiku-4-5\n" in out
    assert all(line.startswith("anthropic/") for line in out.splitlines())
    assert json.loads(command("models", "--provider", "local", "--json")[1]) == [
        {"id": "local/smollm2", "provider": "local"}
    ]
    assert command("models", "--provider", "anthropc") == (
        2,
        "",
        "error: there is no provider 'anthropc'. Did you mean 'anthropic'? Those here: openai, anthropic, google, "
        "local, ollama, compatible, vllm, lmstudio, llama-server.\n",
    )


def test_a_server_is_asked_for_its_models_only_live(command: Command, openai: LocalServer) -> None:
    command("models", "--provider", "openai")
    assert not openai.requests
    assert command("models", "--provider", "openai", "--live") == (
        0,
        "openai/local-small\nopenai/local-large\n",
        "",
    )
    assert openai.requests[0].key == KEY


def test_providers_are_listed_with_the_end_of_the_key_and_where_calls_go(
    command: Command, openai: LocalServer
) -> None:
    code, out, err = command("models", "--providers")
    assert (code, err) == (0, "")
    assert out.splitlines()[1].split() == ["openai", "…7777", "OPENAI_API_KEY", f"{openai.url}/v1"]
    assert out.splitlines()[2].split() == ["anthropic", "missing", "https://api.anthropic.com"]
    found = json.loads(command("models", "--providers", "--json")[1])
    assert found[0] == {
        "provider": "openai",
        "needs_key": True,
        "key": {"set": True, "hint": "…7777"},
        "key_source": "OPENAI_API_KEY",
        "base_url": f"{openai.url}/v1",
        "base_url_source": "providers.openai.base_url",
        "problem": None,
    }


def test_a_model_is_shown_with_its_price_and_its_key(command: Command, openai: LocalServer) -> None:
    code, out, err = command("models", "show", "gpt-4o")
    assert (code, err) == (0, "")
    assert out.startswith(
        "model          openai/gpt-4o\nknown by name  yes\ninput          2.5 USD per million tokens\n"
    )
    assert "…7777 (OPENAI_API_KEY)" in out
    found = json.loads(command("models", "show", "smollm2", "--json")[1])
    assert (found["id"], found["input_usd_per_million_tokens"]) == ("local/smollm2", "0")
    code, out, err = command("models", "show", "gpt4o")
    assert (code, out) == (2, "") and "Did you mean 'gpt-4o'" in err


def test_every_provider_that_is_set_up_is_checked_free_of_charge(
    command: Command, server: LocalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, path in VENDORS.items():
        monkeypatch.setenv(f"{name.upper()}_API_KEY", KEY)
        monkeypatch.setenv(f"{name.upper()}_BASE_URL", f"{server.url}{path}")
    code, out, err = command("test", "--json")
    assert (code, err) == (0, "")
    found = json.loads(out)
    assert [(one["provider"], one["outcome"], one["models"], one["key"]) for one in found] == [
        (name, "ok", 2, {"set": True, "hint": "…7777"}) for name in VENDORS
    ]
    assert {request.method for request in server.requests} == {"GET"}
    assert all(0 < one["milliseconds"] < 10_000 for one in found)


@pytest.mark.parametrize(
    ("status", "outcome", "code"),
    [
        (401, "refused", 4),
        (403, "limited", 0),
        (429, "limited", 0),
        (500, "unreachable", 5),
        (404, "failed", 5),
    ],
)
def test_each_way_a_check_fails_is_told_apart(
    command: Command, openai: LocalServer, status: int, outcome: str, code: int
) -> None:
    openai.replies(status, text=f"no, {KEY}")
    ended, out, err = command("test", "--provider", "openai", "--json")
    assert ended == code and json.loads(out)[0]["outcome"] == outcome
    assert KEY not in out + err


def test_a_server_that_does_not_answer_is_not_waited_for(command: Command, openai: LocalServer) -> None:
    openai.latency = 30
    code, out, _ = command("test", "--timeout", "0.3")
    assert code == 5 and out.splitlines()[1].split()[:2] == ["openai", "unreachable"]
    openai.stop()
    code, out, _ = command("test", "--timeout", "5")
    assert code == 5 and "unreachable" in out


def test_a_missing_key_is_4_with_what_to_do(command: Command) -> None:
    assert command("test") == (
        4,
        "",
        "error: no provider is set up. `ember setup` does it; `ember run smollm2` needs none.\n",
    )
    code, out, err = command("test", "--model", "gpt-4o")
    assert (code, out) == (4, "") and "OPENAI_API_KEY" in err and "`ember setup --provider openai`" in err
    code, out, err = command("test", "--provider", "openai")
    assert code == 4 and "missing" in out


def test_a_model_is_called_for_real(command: Command, openai: LocalServer) -> None:
    openai.replies(200, text="ready")
    code, out, err = command("test", "--model", "gpt-4o-mini", "--json")
    found = json.loads(out)
    assert (code, err, found["ok"], found["answer"]) == (0, "", True, "ready")
    assert found["input_tokens"] > 0 and found["output_tokens"] == 1 and float(found["cost_usd"]) > 0
    code, out, err = command("test", "--model", "gpt-4o-mini")
    assert (code, err) == (0, "") and "answered 'ready': 5 tokens in, 1 out, 0.0000" in out
    openai.replies(401)
    code, out, err = command("test", "--model", "gpt-4o-mini", "--json")
    assert code == 4 and json.loads(out)["error"] == "AuthenticationError"
    openai.replies(503)
    assert command("test", "--model", "gpt-4o-mini", "--timeout", "2")[0] == 5


def test_a_model_that_cannot_be_pulled_is_guessed_at(command: Command) -> None:
    assert command("models", "pull", "smollm") == (
        2,
        "",
        "error: 'smollm' cannot be pulled. Did you mean 'smollm2'? Those that can: smollm2.\n",
    )


# Asking


def test_an_answer_is_printed_as_it_comes(command: Command, openai: LocalServer) -> None:
    assert command("run", "gpt-4o", "one two three") == (0, "one two three\n", "")
    assert openai.requests[-1].json["stream"] is True
    code, out, err = command(
        "--verbose", "run", "gpt-4o", "one two three", "--no-stream", "--system", "Be brief."
    )
    assert (code, out) == (0, "one two three\n")
    assert err.startswith("openai/gpt-4o, 5 tokens in, 3 tokens out, 0.0000") and err.endswith(" s\n")
    code, out, err = command("run", "gpt-4o", "one two three", "--json", "--max-tokens", "2", "-t", "0")
    found = json.loads(out)
    assert (code, err, found["text"], found["finish_reason"]) == (0, "", "one two ", "length")


def test_a_prompt_and_its_files_are_put_together(
    command: Command, openai: LocalServer, tmp_path: Path
) -> None:
    note, picture = tmp_path / "note.txt", tmp_path / "dot.png"
    note.write_text("Buy milk.")
    picture.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(16))
    assert command("run", "gpt-4o", stdin="from a pipe\n")[1] == "from a pipe\n"
    assert command("run", "gpt-4o", "-", stdin="from a pipe\n")[1] == "from a pipe\n"
    command("run", "gpt-4o", "What is to do?", "-f", str(note), "-f", "-", stdin="Call Ann.\n")
    (said,) = openai.requests[-1].json["messages"]
    assert "note.txt:\n\nBuy milk." in str(said["content"]).replace("\\n", "\n") and "Call Ann." in str(
        said["content"]
    )
    assert command("run", "gpt-4o", "What is it?", "-f", str(picture))[0] == 0
    assert "image" in str(openai.requests[-1].json["messages"])
    for line in (["-f", str(tmp_path / "no")], ["-", "-f", "-"], ["", "-f", "-"]):
        assert command("run", "gpt-4o", *line)[0] == 2


def test_how_a_call_fails_is_the_exit_code(command: Command, openai: LocalServer) -> None:
    openai.replies(401, text=f"wrong key {KEY}")
    code, out, err = command("--debug", "run", "gpt-4o", "Hello")
    assert (code, out) == (4, "") and KEY not in err and "Traceback" in err
    assert "ember.models: openai/gpt-4o failed after" in err
    openai.replies(400, text="no such thing")
    assert command("run", "gpt-4o", "Hello")[0] == 5
    assert command("run", "gpt4o", "Hello")[0] == 2
    openai.latency = 30
    assert command("run", "gpt-4o", "Hello", "--timeout", "0.3")[0] == 5


def test_what_a_model_says_does_not_steer_the_terminal(
    command: Command, openai: LocalServer, ember_home: Path
) -> None:
    openai.replies(200, text="red \x1b[31m alert \x07 \x9b2J done")
    screen = Terminal("run", "gpt-4o", "Hello")
    assert screen.end() == 0
    assert screen.drawn == b"red [31m alert  2J done\r\n"
    assert command("run", "gpt-4o", "Hello")[1] == "red \x1b[31m alert \x07 \x9b2J done\n"


def test_an_answer_is_broken_off_by_ctrl_c(command: Command, openai: LocalServer) -> None:
    openai.replies(200, text="many words to come", delay=30)
    screen = Terminal("run", "gpt-4o", "Hello")
    openai.wait_for(lambda: openai.requests)
    screen.child.sendintr()
    assert screen.end() == 130


def test_a_chat_tells_the_model_what_was_said(command: Command, openai: LocalServer) -> None:
    screen = Terminal("chat", "gpt-4o", "--system", "Be brief.")
    screen.see("openai/gpt-4o. /model")
    screen.answer("> ", "My name is Ann.")
    screen.see("My name is Ann.\r\n> ")
    screen.child.sendline("Who am I?")
    screen.see("Who am I?\r\nWho am I?\r\n> ")
    assert [turn["content"] for turn in openai.requests[-1].json["messages"]] == [
        "Be brief.",
        "My name is Ann.",
        "My name is Ann.",
        "Who am I?",
    ]
    openai.replies(503)
    screen.child.sendline("/model gpt-4o-mini")
    screen.answer("> ", "/clear")
    screen.answer("> ", "Are you there?")
    screen.see("error:")
    openai.reset()
    screen.answer("> ", "And now?")
    screen.see("And now?\r\n> ")
    last = openai.requests[-1].json
    assert last["model"] == "gpt-4o-mini" and [turn["content"] for turn in last["messages"]] == [
        "Be brief.",
        "And now?",
    ]
    screen.child.sendeof()
    assert screen.end() == 0
    assert command("chat", "gpt-4o", stdin="one\ntwo\n") == (
        0,
        "one\ntwo\n",
        "openai/gpt-4o. /model NAME asks another model, /clear forgets what was said, /help, /exit (or Ctrl-D)\n",
    )


def test_checks_are_broken_off_by_ctrl_c_at_once(command: Command, openai: LocalServer) -> None:
    openai.latency = 60
    screen = Terminal("test", "--timeout", "60")
    openai.wait_for(lambda: openai.requests)
    screen.child.sendintr()
    assert screen.end() == 130


# Looking after


def test_what_calls_cost_is_told_by_day_and_model(command: Command, openai: LocalServer) -> None:
    off = "The ledger is off, and calls are not booked: ember configure set usage.ledger true\n"
    assert command("usage") == (0, "", f"Nothing is booked.\n{off}")
    command("configure", "set", "usage.ledger", "true")
    command("run", "gpt-4o", "one two three")
    command("run", "gpt-4o", "one two three")
    command("run", "gpt-4o-mini", "one two three")
    code, out, err = command("usage")
    assert (code, err) == (0, "")
    head, first, second, total = out.splitlines()
    assert head.split() == ["DAY", "MODEL", "CALLS", "FAILED", "TOKENS", "IN", "OUT", "USD"]
    assert first.split()[1:4] == ["openai/gpt-4o", "2", "0"] and second.split()[1:3] == [
        "openai/gpt-4o-mini",
        "1",
    ]
    assert total.split()[:2] == ["total", "3"]
    found = json.loads(command("usage", "--by", "model", "--json")[1])
    assert found["ledger"] is True and found["total"]["calls"] == 3
    assert [row["model"] for row in found["rows"]] == ["openai/gpt-4o", "openai/gpt-4o-mini"]
    assert float(found["rows"][0]["cost_usd"]) > 0
    assert command("usage", "--by", "colour")[0] == 2 and command("usage", "--since", "yesterday")[0] == 2


def test_a_doctor_finds_what_is_wrong(
    command: Command, ember_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    code, out, err = command("doctor", "--json")
    found = {one["about"]: one for one in json.loads(out)["findings"]}
    assert (code, err, json.loads(out)["ok"]) == (0, "", True)
    assert found["keys"]["message"] == "openai: …7777 from OPENAI_API_KEY"
    assert found["embedded model"]["advice"] == "ember models pull smollm2"
    ember_home.mkdir(mode=0o700)
    (ember_home / "credentials.yaml").write_text("openai_api_key: sk-old-0123456789abcdef1111\n")
    (ember_home / "credentials.yaml").chmod(0o644)
    (ember_home / "config.yaml").write_text("models:\n  temprature: 1\n  default: no-such-model\n")
    (ember_home / "config.json").write_text('{"models": {"seed": 7}}')
    code, out, err = command("doctor")
    assert code == 1 and KEY not in out and "sk-old" not in out
    for said in (
        f"chmod 600 {ember_home}/credentials.yaml",
        "Did you mean 'models.temperature'?",
        "openai: …7777 from OPENAI_API_KEY hides …1111",
        "ember configure migrate --dry-run",
        "fail  default model",
    ):
        assert said in out, said


def test_a_shell_completes_names_and_never_a_value(command: Command, openai: LocalServer) -> None:
    def completed(*words: str) -> list[str]:
        line = " ".join(("ember", *words))
        code, out, err = command(_EMBER_COMPLETE="bash_complete", COMP_WORDS=line, COMP_CWORD=str(len(words)))
        assert (code, err) == (0, "") and KEY not in out and "7777" not in out
        return [one.partition(",")[2] for one in out.split()]

    assert completed("conf") == ["configure"]
    assert "get" in completed("configure", "")
    assert "credentials.openai_api_key" in completed("configure", "get", "credentials.")
    assert completed("configure", "set", "models.temp") == ["models.temperature"]
    assert "gpt-4o-mini" in completed("run", "gpt-4o")
    assert completed("models", "--provider", "an") == ["anthropic"]
    for shell in ("bash", "zsh", "fish"):
        code, out, err = command("completion", shell)
        assert (code, err) == (0, "") and f"_EMBER_COMPLETE={shell}_complete" in out
    assert command("completion", "tcsh")[0] == 2


# Work


def test_a_recorded_run_is_drawn(command: Command, tmp_path: Path) -> None:
    def span(lane: int, name: str, kind: str, at: float, took: float) -> dict[str, object]:
        return {"ph": "X", "pid": 1, "tid": lane, "name": name, "cat": kind, "ts": at, "dur": took}

    events = [
        span(0, "report", "run", 0, 2e6),
        span(1, "gpt-4o", "model", 0, 1e6),
        span(2, "gpt-4o", "model", 1e6, 1e6),
    ]
    file = tmp_path / "run.json"
    file.write_text(json.dumps({"traceEvents": [*events, {"ph": "M", "pid": 1, "name": "process_name"}]}))
    code, out, err = command("trace", "view", str(file))
    assert (code, err) == (0, "")
    assert out.splitlines()[:3] == [
        f"report |{'-' * 40}| 2.00 s",
        f"gpt-4o |{'#' * 20}{' ' * 20}| 1.00 s",
        f"gpt-4o |{' ' * 20}{'#' * 20}| 1.00 s",
    ]
    assert json.loads(command("trace", "view", str(file), "--json")[1])["work_seconds"] == 2.0
    page = tmp_path / "run.html"
    page.write_text("<!doctype html>")
    assert command("trace", "view", str(page)) == (0, f"{page.as_uri()}\n", "")
    file.write_text("{}")
    assert command("trace", "view", str(file))[0] == 1
    assert command("trace", "view", str(tmp_path / "no"))[0] == 2


def test_the_first_rows_of_a_file_are_printed_as_json(command: Command, tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_text("".join(json.dumps({"question": f"{n}?", "answer": n}) + "\n" for n in range(20)))
    code, out, err = command("data", "head", str(file), "-n", "2")
    assert (code, out, err) == (0, '{"question": "0?", "answer": 0}\n{"question": "1?", "answer": 1}\n', "")
    assert len(command("data", "head", str(file))[1].splitlines()) == 10
    code, out, err = command("data", "show", str(file))
    assert (code, err) == (0, "") and "20 rows" in out and "question" in out
    assert command("data", "head", str(tmp_path / "no.jsonl"))[0] == 2
    found = json.loads(command("data", "show", str(file), "--json")[1])
    assert found["rows"] == 20
    assert found["columns"]["answer"] == {"types": {"int": 20}, "least": 0, "most": 19, "mean": 9.5}


def test_data_sets_are_listed_and_shown_without_being_read(command: Command) -> None:
    code, out, err = command("data", "list")
    assert (code, err) == (0, "") and "gsm8k" in out and "Grade school mathematics" in out
    listed = {one["name"]: one for one in json.loads(command("data", "list", "--json")[1])}
    assert listed["gsm8k"]["licence"] == "MIT" and listed["gsm8k"]["rows"] == 8_792
    code, out, err = command("data", "show", "gsm8k")
    assert (code, err) == (0, "") and "https://huggingface.co/datasets/openai/gsm8k" in out
    assert json.loads(command("data", "show", "gsm8k", "--json")[1])["columns"] == ["question", "answer"]
    code, out, err = command("data", "head", "gsm8")
    assert (code, out) == (2, "") and "gsm8k" in err


def test_a_model_is_scored_on_a_file(command: Command, openai: LocalServer, tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_text(
        "".join(json.dumps({"question": word, "answer": word}) + "\n" for word in ("tea", "rain", "sea"))
    )
    openai.answer = lambda prompt: "wrong" if prompt == "sea" else prompt
    line = ("eval", "gpt-4o", str(file), "--metric", "exact", "--metric", "contains")
    code, out, err = command(*line, "--json")
    found = json.loads(out)
    assert (code, err, found["items"], found["errors"]) == (0, "", 3, 0)
    assert found["metrics"]["exact"]["mean"] == pytest.approx(2 / 3) and float(found["cost_usd"]) > 0
    code, out, err = command(*line, "-n", "2", "--page", str(tmp_path / "page.html"))
    assert (
        (code, err) == (0, f"Wrote {tmp_path}/page.html\n")
        and "2 items" in out
        and (tmp_path / "page.html").exists()
    )
    openai.replies(401)
    code, out, err = command(*line)
    assert code == 1 and "every item failed" in err and KEY not in out + err
    assert command("eval", "gpt4o", str(file))[0] == 2


def test_a_long_evaluation_says_how_far_it_is(command: Command, openai: LocalServer, tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text('{"question": "a", "answer": "a"}\n' * 2)
    openai.latency = 1.5
    screen = Terminal("eval", "gpt-4o", str(tmp_path / "rows.jsonl"), "--at-once", "1")
    screen.see("asking gpt-4o: ")
    screen.see(" calls, ")
    assert screen.end() == 0
    assert b"2 items" in screen.drawn


def test_an_operator_of_ones_own_is_scored(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine.py").write_text("def upper(question: str) -> str:\n    return question.upper()\n")
    (tmp_path / "rows.jsonl").write_text('{"question": "a", "answer": "A"}\n')
    monkeypatch.chdir(tmp_path)
    code, out, _ = command("eval", "mine:upper", "rows.jsonl", "--json")
    assert code == 0 and json.loads(out)["metrics"]["exact"]["mean"] == 1.0
    assert command("eval", "mine:lower", "rows.jsonl")[0] == 2


def test_what_xcs_recorded_is_drawn(command: Command, openai: LocalServer, tmp_path: Path) -> None:
    from ember.api import models, xcs

    @xcs.jit
    def report(words: list[str]) -> list[str]:
        return [models("gpt-4o", word) for word in words]

    with xcs.trace() as trace:
        assert report(["one", "two", "three"]) == ["one", "two", "three"]
    file, page = tmp_path / "run.json", tmp_path / "run.html"
    file.write_text(json.dumps(trace.to_chrome()))
    trace.save(page)
    found = json.loads(command("trace", "view", str(file), "--json")[1])
    assert (found["runs"], found["calls"], found["by_name"][0]["calls"]) == (1, 3, 3)
    code, out, err = command("trace", "view", str(file))
    assert (code, err) == (0, "") and "report" in out and "3 calls in" in out
    assert command("trace", "view", str(page))[1] == f"{page.as_uri()}\n"


def test_bash_itself_completes(command: Command, ember_home: Path) -> None:
    script = command("completion", "bash")[1]
    asked = f'{script}\nCOMP_WORDS=(ember configure s); COMP_CWORD=2; _ember_completion ember; echo "${{COMPREPLY[@]}}"'
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "--norc", "-c", asked],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "PATH": path},
    )
    assert (done.stdout.split(), done.stderr) == (["set", "show"], "")
