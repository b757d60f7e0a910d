"""`ember configure`: settings and keys, read and changed."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from command_runs import Run

KEY = "sk-test-0123456789abcdef7777"


def test_what_is_set_is_got(process: Run, ember_home: Path) -> None:
    assert process("configure", "set", "models.default", "gpt-4o") == (0, "", "")
    assert process("configure", "get", "models.default") == (0, "gpt-4o\n", "")
    assert process("configure", "list") == (
        0,
        f"KEY             VALUE   SOURCE\nmodels.default  gpt-4o  {ember_home}/config.yaml:2\n",
        "",
    )
    assert stat.S_IMODE((ember_home / "config.yaml").stat().st_mode) == 0o600
    assert stat.S_IMODE(ember_home.stat().st_mode) == 0o700


def test_a_known_key_that_nobody_set_is_1_and_an_unknown_one_is_2(ember: Run) -> None:
    assert ember("configure", "get", "models.default") == (1, "", "error: models.default is not set.\n")
    code, out, err = ember("configure", "get", "models.defualt")
    assert (code, out) == (2, "") and "Did you mean 'models.default'?" in err
    code, out, err = ember("configure", "get", "openai_api_key")
    assert (code, out) == (2, "") and "Did you mean 'credentials.openai_api_key'?" in err
    assert ember("configure", "get", "no key at all")[0] == 2


@pytest.mark.parametrize(
    ("key", "given", "got"),
    [
        ("models.temperature", "0.7", "0.7"),
        ("models.cache", "true", "true"),
        ("models.stop", '["END", "STOP"]', '["END", "STOP"]'),
        ("models.system", "42", "42"),
        ("models.aliases.gpt-4.1", "openai/gpt-4.1", "openai/gpt-4.1"),
        ("providers.acme.region", "eu", "eu"),
    ],
)
def test_values_are_read_as_the_setting_wants_them(ember: Run, key: str, given: str, got: str) -> None:
    assert ember("configure", "set", key, given) == (0, "", "")
    assert ember("configure", "get", key) == (0, f"{got}\n", "")


def test_a_value_of_the_wrong_kind_is_refused_and_nothing_is_written(ember: Run, ember_home: Path) -> None:
    code, out, err = ember("configure", "set", "models.temperature", "warm")
    assert (code, out) == (2, "") and "models.temperature expects a number" in err
    code, _, err = ember("configure", "set", "models.temprature", "1")
    assert code == 2 and "Did you mean 'models.temperature'?" in err
    assert not (ember_home / "config.yaml").exists()


def test_a_plugins_section_is_set_by_force(ember: Run) -> None:
    code, _, err = ember("configure", "set", "zebra.stripes", "40")
    assert code == 2 and "--force" in err
    assert ember("configure", "set", "zebra.stripes", "40", "--force")[0] == 0
    assert ember("configure", "get", "zebra.stripes").out == "40\n"
    assert "zebra.stripes" in ember("configure", "list").out


def test_null_and_unset_take_a_setting_out(ember: Run) -> None:
    for out in (("configure", "set", "models.default", "null"), ("configure", "unset", "models.default")):
        ember("configure", "set", "models.default", "gpt-4o")
        assert ember(*out)[0] == 0
        assert ember("configure", "get", "models.default")[0] == 1
    assert ember("configure", "unset", "models.default") == (
        0,
        "",
        "models.default is not set in a file; nothing was changed.\n",
    )


def test_comments_in_the_file_stay(ember: Run, ember_home: Path) -> None:
    ember_home.mkdir(mode=0o700)
    (ember_home / "config.yaml").write_text("# mine\nmodels:\n  default: gpt-4 # why not\n")
    ember("configure", "set", "models.seed", "7")
    assert (
        ember_home / "config.yaml"
    ).read_text() == "# mine\nmodels:\n  default: gpt-4 # why not\n  seed: 7\n"


def test_a_section_is_shown_with_its_defaults_and_what_they_are(ember: Run) -> None:
    code, out, err = ember("configure", "show", "usage")
    assert (code, out, err) == (
        0,
        "KEY           VALUE  SOURCE    WHAT IT IS\n"
        "usage.ledger  false  built in  whether what calls use is added up on disk\n",
        "",
    )
    code, out, err = ember("configure", "show", "providers.openai")
    assert (code, err) == (0, "")
    assert out.splitlines()[1].split(maxsplit=2) == [
        "providers.openai.base_url",
        "-",
        "where the provider's API is",
    ]
    assert ember("configure", "show", "credentials") == (0, "", "Nothing of credentials is set.\n")
    assert ember("configure", "show", "models.nothing")[0] == 2
    code, out, err = ember("configure", "show", "modles")
    assert (code, out) == (2, "") and "Did you mean 'models'?" in err


def test_json_says_value_layer_and_source(
    ember: Run, ember_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    ember("configure", "set", "models.stop", '["a"]')
    assert json.loads(ember("configure", "list", "--json").out) == [
        {
            "key": "models.stop",
            "value": ["a"],
            "layer": "config.yaml",
            "source": f"{ember_home}/config.yaml:2",
        },
        {
            "key": "credentials.openai_api_key",
            "value": {"set": True, "hint": "…7777"},
            "layer": "environment",
            "source": "OPENAI_API_KEY",
        },
    ]
    assert json.loads(ember("configure", "get", "models", "--json").out)["value"]["stop"] == ["a"]
    ember("configure", "set", "models.budget.usd", "5")
    assert json.loads(ember("configure", "get", "models.budget").out) == {"usd": 5.0}
    assert ember("configure", "unset", "models.budget")[0] == 2
    code, out, _ = ember("configure", "get", "models.seed", "--json")
    assert code == 1 and json.loads(out)["value"] is None
    assert json.loads(ember("configure", "path", "--json").out) == {
        "home": str(ember_home),
        "config": f"{ember_home}/config.yaml",
        "credentials": f"{ember_home}/credentials.yaml",
    }


def test_a_key_is_piped_in_and_shown_by_its_end(process: Run, ember_home: Path) -> None:
    name = "credentials.openai_api_key"
    code, out, err = process("configure", "set", name, "--stdin", stdin=f"{KEY}\n")
    assert (code, out, err) == (0, "", f"{name} = …7777 in {ember_home}/credentials.yaml\n")
    assert (ember_home / "credentials.yaml").read_text() == f'openai_api_key: "{KEY}"\n'
    assert stat.S_IMODE((ember_home / "credentials.yaml").stat().st_mode) == 0o600
    assert process("configure", "get", name) == (
        2,
        "",
        f"error: {name} is set (…7777, from {ember_home}/credentials.yaml:1). --reveal prints it.\n",
    )
    assert process("configure", "get", name, "--reveal") == (0, f"{KEY}\n", "")
    for line in (
        ["list"],
        ["list", "--json"],
        ["show", "credentials"],
        ["get", name, "--json"],
        ["get", "credentials"],
    ):
        done = process("configure", *line)
        assert KEY not in done.out + done.err and "7777" in done.out


@pytest.mark.parametrize(
    "line",
    [
        ["credentials.openai_api_key", KEY],
        ["providers.openai.api_key", KEY],
        ["providers.openai", json.dumps({"api_key": KEY})],
        ["models.system", f"my key is {KEY}"],
    ],
)
def test_a_key_on_the_command_line_is_refused_and_not_repeated(
    ember: Run, ember_home: Path, line: list[str]
) -> None:
    code, out, err = ember("--debug", "configure", "set", *line)
    assert (code, out) == (2, "") and KEY not in err
    assert not ember_home.exists()


def test_other_secrets_are_known_by_their_names(ember: Run, ember_home: Path) -> None:
    name = "providers.acme.client_secret"
    code, _, err = ember("configure", "set", name, "not-so-secret-0123456789")
    assert code == 2 and "--stdin" in err and "0123456789" not in err
    assert ember("configure", "set", name, "--stdin", stdin="not-so-secret-0123456789\n")[0] == 0
    for line in (
        ["list"],
        ["list", "--json"],
        ["show", "providers"],
        ["get", name],
        ["get", "providers.acme"],
        ["get", "providers"],
    ):
        _, out, err = ember("configure", *line)
        assert "not-so" not in out + err and "6789" in out + err
    assert ember("configure", "get", name, "--reveal").out == "not-so-secret-0123456789\n"


def test_a_key_of_the_environment_is_known_by_every_name_it_has(
    ember: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GEMINI_API_KEY", KEY)
    out = ember("configure", "list").out
    assert "credentials.google_api_key  …7777  GEMINI_API_KEY" in out


def test_a_new_key_is_not_hidden_by_an_old_one_in_config_yaml(ember: Run, ember_home: Path) -> None:
    ember_home.mkdir(mode=0o700)
    old = "sk-old-0123456789abcdef1111"
    (ember_home / "config.yaml").write_text(
        f"models:\n  default: gpt-4\ncredentials:\n  openai_api_key: {old}\n"
    )
    (ember_home / "config.yaml").chmod(0o600)
    code, _, err = ember("configure", "set", "credentials.openai_api_key", "--stdin", stdin=KEY)
    assert code == 0 and "config.yaml had another key for openai" in err and old not in err
    assert ember("configure", "get", "credentials.openai_api_key", "--reveal").out == f"{KEY}\n"
    assert (ember_home / "config.yaml").read_text() == "models:\n  default: gpt-4\n"


def test_a_variable_that_stands_above_the_new_key_is_told_of(
    ember: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-env-0123456789abcdef2222")
    code, _, err = ember("configure", "set", "credentials.openai_api_key", "--stdin", stdin=KEY)
    assert code == 0 and "OPENAI_API_KEY is set in your environment, and stands above credentials.yaml" in err
    code, _, err = ember("configure", "unset", "credentials.openai_api_key")
    assert code == 0 and "OPENAI_API_KEY still sets it" in err


@pytest.mark.parametrize("given", ["", "\n", "two words\n", "sk-ü-0123456789abcdef\n"])
def test_what_cannot_be_a_key_is_refused(ember: Run, ember_home: Path, given: str) -> None:
    code, out, err = ember("configure", "set", "credentials.openai_api_key", "--stdin", stdin=given)
    assert code in (2, 4) and out == "" and (not given.strip() or given.strip() not in err)
    assert not ember_home.exists()


def test_without_a_terminal_a_key_is_not_waited_for(process: Run) -> None:
    code, out, err = process("configure", "set", "credentials.openai_api_key")
    assert (code, out) == (2, "") and "--stdin" in err


def test_a_broken_file_is_named_with_its_line_and_not_overwritten(ember: Run, ember_home: Path) -> None:
    ember_home.mkdir(mode=0o700)
    broken = f"credentials:\n  openai_api_key: {KEY}\n bad"
    (ember_home / "config.yaml").write_text(broken)
    for line in (["list"], ["get", "models.default"], ["set", "models.default", "x"], ["show", "models"]):
        code, out, err = ember("--debug", "configure", *line)
        assert (code, out) == (1, "") and f"{ember_home}/config.yaml:3" in err and KEY not in err
    assert (ember_home / "config.yaml").read_text() == broken


def test_twenty_at_once_lose_nothing(ember: Run, ember_home: Path) -> None:
    lines = [["configure", "set", f"models.aliases.a{number}", f"m{number}"] for number in range(14)]
    lines += [["configure", "set", f"credentials.p{number}_api_key", "--stdin"] for number in range(6)]
    running = [
        subprocess.Popen(
            [sys.executable, "-m", "ember.cli", "--quiet", *line],
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for line in lines
    ]
    for number, one in enumerate(running):
        _, err = one.communicate(f"{KEY}{number}".encode(), timeout=60)
        assert (one.returncode, err) == (0, b"")
    aliases = json.loads(ember("configure", "get", "models").out)["aliases"]
    assert aliases == {f"a{number}": f"m{number}" for number in range(14)}
    kept = sorted((ember_home / "credentials.yaml").read_text().splitlines())
    assert kept == [f'p{number}_api_key: "{KEY}{number + 14}"' for number in range(6)]


def test_the_editors_work_takes_the_files_place_only_if_it_is_right(process: Run, ember_home: Path) -> None:
    code, out, err = process("configure", "edit")
    assert (code, out) == (2, "") and "no terminal" in err
    assert not ember_home.exists()


def test_the_path_is_printed_whether_or_not_there_is_a_file(ember: Run, ember_home: Path) -> None:
    assert ember("configure", "path").out == f"{ember_home}/config.yaml\n"
    assert ember("configure", "path", "--credentials").out == f"{ember_home}/credentials.yaml\n"
    assert ember("configure", "path", "--home").out == f"{ember_home}\n"
    assert not os.path.lexists(ember_home)
