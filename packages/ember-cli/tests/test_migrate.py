"""`ember configure migrate` and `import`: old settings and strange keys, brought into today's files."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from command_runs import Run

OPENAI = "sk-openai-0123456789abcd1111"
CLAUDE = "sk-ant-0123456789abcdef2222"
OTHER = "sk-other-0123456789abcde3333"


def write(home: Path, **old: Any) -> None:
    """Write old files, by their names with `_` for a dot."""
    home.mkdir(mode=0o700, exist_ok=True)
    for name, content in old.items():
        text = content if isinstance(content, str) else json.dumps(content)
        (home / name.replace("_", ".")).write_text(text)


def tree(home: Path) -> dict[str, bytes]:
    return {
        path.name: path.read_bytes() for path in sorted(home.iterdir()) if not path.name.endswith(".lock")
    }


def today(home: Path) -> dict[str, str]:
    names = ("config.yaml", "credentials.yaml")
    return {name: (home / name).read_text() for name in names if (home / name).exists()}


def both(home: Path) -> None:
    write(
        home,
        credentials={
            "openai": {"api_key": OPENAI, "created_at": "2025-01-01"},
            "anthropic": {"api_key": CLAUDE},
        },
        config_json={"version": "1.0", "_migrated": True, "models": {"temperature": 0.9, "default": "gpt-4"}},
        config_yaml="# mine\nmodels:\n  temperature: 0.2\n",
    )


def test_both_old_files_are_migrated_and_what_stands_today_stays(process: Run, ember_home: Path) -> None:
    both(ember_home)
    code, out, err = process("configure", "migrate")
    assert code == 0
    assert out == (
        "+ credentials.openai_api_key = …1111 into credentials.yaml, from credentials\n"
        "+ credentials.anthropic_api_key = …2222 into credentials.yaml, from credentials\n"
        "+ models.default = gpt-4 into config.yaml, from config.json\n"
        "~ config.json is put aside\n"
        "~ credentials is put aside\n"
        "! models.temperature: config.yaml says 0.2, config.json says 0.9; 0.2 stays\n"
    )
    assert f"put {ember_home}/credentials aside as credentials.bak.1\n" in err
    assert today(ember_home) == {
        "credentials.yaml": f'openai_api_key: "{OPENAI}"\nanthropic_api_key: "{CLAUDE}"\n',
        "config.yaml": "# mine\nmodels:\n  temperature: 0.2\n  default: gpt-4\n",
    }
    kept = sorted(path.name for path in ember_home.glob("*.bak.*"))
    assert kept == ["config.json.bak.1", "config.yaml.bak.1", "credentials.bak.1"]
    files = [path for path in ember_home.iterdir() if path.is_file()]
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}


def test_a_second_time_there_is_nothing_to_do(ember: Run, ember_home: Path) -> None:
    both(ember_home)
    assert ember("configure", "migrate", "--check")[0] == 1
    ember("configure", "migrate")
    before = tree(ember_home)
    assert ember("configure", "migrate") == (0, "", "There is nothing to migrate.\n")
    assert ember("configure", "migrate", "--check")[0] == 0
    assert tree(ember_home) == before


@pytest.mark.parametrize("flag", ["--dry-run", "--check"])
def test_a_plan_shows_what_is_done_and_does_nothing(ember: Run, ember_home: Path, flag: str) -> None:
    both(ember_home)
    before = tree(ember_home)
    code, planned, err = ember("configure", "migrate", flag)
    assert code == (1 if flag == "--check" else 0) and err == "Nothing was changed.\n"
    assert tree(ember_home) == before
    assert ember("configure", "migrate").out == planned


def test_a_plan_as_json_holds_no_key(ember: Run, ember_home: Path) -> None:
    both(ember_home)
    out = ember("configure", "migrate", "--dry-run", "--json").out
    found = json.loads(out)
    assert found["steps"][0] == {
        "file": "credentials.yaml",
        "key": "credentials.openai_api_key",
        "value": {"set": True, "hint": "…1111"},
        "remove": False,
        "from": "credentials",
    }
    assert found["retired"] == ["config.json", "credentials"] and len(found["conflicts"]) == 1
    assert OPENAI not in out and CLAUDE not in out


# Each: what config.yaml says before, and both files afterwards.
FORMS: dict[str, tuple[str, dict[str, str]]] = {
    "version 1.0": (
        f'version: "1.0"\nproviders:\n  openai:\n    api_key: {OPENAI}\n    timeout: 30 # seconds\n',
        {
            "config.yaml": "providers:\n  openai:\n    timeout: 30 # seconds\n",
            "credentials.yaml": f'openai_api_key: "{OPENAI}"\n',
        },
    ),
    "a registry of variables": (
        "registry:\n  providers:\n    openai:\n      api_keys:\n        default:\n          key: ${OPENAI_API_KEY}\n"
        "      base_url: https://example.com/v1\n",
        {"config.yaml": 'providers:\n  openai:\n    base_url: "https://example.com/v1"\n'},
    ),
    "a registry of keys": (
        f"model_registry:\n  auto_discover: true\n  providers:\n    anthropic:\n      api_keys:\n        default:\n"
        f"          key: {CLAUDE}\nmodels:\n  seed: 7\n",
        {"config.yaml": "models:\n  seed: 7\n", "credentials.yaml": f'anthropic_api_key: "{CLAUDE}"\n'},
    ),
    "today's": (
        f"credentials:\n  openai_api_key: {OPENAI}\nzebra:\n  stripes: 40\n",
        {"config.yaml": f"credentials:\n  openai_api_key: {OPENAI}\nzebra:\n  stripes: 40\n"},
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_old_forms_in_config_yaml_become_todays(ember: Run, ember_home: Path, form: str) -> None:
    before, after = FORMS[form]
    write(ember_home, config_yaml=before)
    code, out, err = ember("configure", "migrate")
    assert code == 0 and not any(key in out + err for key in (OPENAI, CLAUDE))
    assert today(ember_home) == after
    assert ember("configure", "list")[0] == 0


def test_what_agents_tools_write_is_taken_as_far_as_it_is_embers(ember: Run, ember_home: Path) -> None:
    codex = {
        "model": "o4-mini",
        "approvalMode": "suggest",
        "providers": {
            "openai": {"name": "OpenAI", "baseURL": "https://example.com/v1", "envKey": "OPENAI_API_KEY"}
        },
        "models": {"temprature": 1, "temperature": "warm"},
    }
    write(ember_home, config_json=codex)
    code, out, _ = ember("configure", "migrate")
    assert code == 0
    assert today(ember_home)["config.yaml"] == (
        'models:\n  default: o4-mini\nproviders:\n  openai:\n    name: OpenAI\n    base_url: "https://example.com/v1"\n'
    )
    for left in (
        "approvalMode (config.json): no setting of Ember's",
        "providers.openai.envKey (config.json): the variable",
        "models.temprature (config.json): no setting of Ember's",
        "models.temperature (config.json): its value does not fit",
    ):
        assert f". {left}" in out


def test_of_several_keys_for_a_provider_the_newest_form_wins_and_the_others_are_named(
    ember: Run, ember_home: Path
) -> None:
    write(
        ember_home,
        credentials_yaml=f"openai_api_key: {OPENAI}\n",
        config_yaml=f"providers:\n  openai:\n    api_key: {CLAUDE}\n",
        credentials={"openai": {"api_key": OTHER}},
    )
    code, out, _ = ember("configure", "migrate")
    assert code == 0
    assert (
        "! credentials.openai_api_key: credentials.yaml says …1111, config.yaml says …2222; …1111 stays\n"
        in out
    )
    assert (
        "! credentials.openai_api_key: credentials.yaml says …1111, credentials says …3333; …1111 stays\n"
        in out
    )
    assert today(ember_home) == {"config.yaml": "", "credentials.yaml": f"openai_api_key: {OPENAI}\n"}
    assert CLAUDE in (ember_home / "config.yaml.bak.1").read_text()


def test_keys_of_config_yaml_are_moved_when_asked(ember: Run, ember_home: Path) -> None:
    write(ember_home, config_yaml=f"models:\n  seed: 7\ncredentials:\n  openai_api_key: {OPENAI}\n")
    assert ember("configure", "migrate", "--check")[0] == 0
    assert ember("configure", "migrate", "--move-keys")[0] == 0
    assert today(ember_home) == {
        "config.yaml": "models:\n  seed: 7\n",
        "credentials.yaml": f'openai_api_key: "{OPENAI}"\n',
    }


@pytest.mark.parametrize(
    "broken",
    [
        {"credentials": '{"openai": {"api_key": "' + OPENAI},
        {"config_json": "[1, 2]"},
        {"config_yaml": "models: [\n"},
        {"config_yaml": "models: none\n"},
    ],
)
def test_a_file_that_cannot_be_read_stops_it_before_anything_is_written(
    ember: Run, ember_home: Path, broken: dict[str, str]
) -> None:
    both(ember_home)
    write(ember_home, **broken)
    before = tree(ember_home)
    code, out, err = ember("--debug", "configure", "migrate")
    assert (code, out) == (1, "") and str(ember_home) in err and OPENAI not in err
    assert tree(ember_home) == before


# Ends the process, as SIGKILL would, when the file system is about to be changed for the N-th time.
KILLED = """
import os, sys
left = int(sys.argv.pop(1))
def dying(real):
    def change(*arguments, **known):
        global left
        left -= 1
        if left < 0:
            os._exit(9)
        return real(*arguments, **known)
    return change
for name in ("replace", "rename", "chmod", "fsync"):
    setattr(os, name, dying(getattr(os, name)))
from ember.cli import main
sys.exit(main())
"""


def test_killed_at_any_point_the_second_run_completes_it(
    ember: Run, ember_home: Path, tmp_path: Path
) -> None:
    both(ember_home)
    ember("configure", "migrate")
    whole = today(ember_home)
    for path in ember_home.iterdir():
        path.unlink()
    killed = 0
    while True:
        both(ember_home)
        for name in ("config.yaml", "config.json", "credentials"):
            (ember_home / name).chmod(0o644)
        done = subprocess.run(
            [sys.executable, "-c", KILLED, str(killed), "configure", "migrate"],
            capture_output=True,
            timeout=60,
        )
        if done.returncode == 0:
            break
        assert done.returncode == 9, done.stderr
        backups = [path for path in ember_home.glob("*.bak.*") if path.stat().st_mode & 0o077]
        assert not backups, killed
        assert ember("configure", "migrate")[0] == 0
        assert today(ember_home) == whole, killed
        assert not (ember_home / "credentials").exists() and not (ember_home / "config.json").exists()
        for path in ember_home.iterdir():
            path.unlink()
        killed += 1
    assert killed >= 8


# Import


def test_keys_of_the_environment_are_stored_with_their_address(
    ember: Run, ember_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", OPENAI)
    monkeypatch.setenv("OPENAI_BASE_URL", "https://example.com/v1")
    monkeypatch.setenv("STRIPE_API_KEY", OTHER)
    assert ember("configure", "import", "--from", "env") == (
        2,
        "+ credentials.openai_api_key = …1111 into credentials.yaml, from the environment\n"
        "+ providers.openai.base_url = https://example.com/v1 into config.yaml, from the environment\n",
        "error: nobody is here to say yes. --yes stores what was found.\n",
    )
    assert not ember_home.exists()
    assert ember("configure", "import", "--from", "env", "--yes")[0] == 0
    assert today(ember_home) == {
        "credentials.yaml": f'openai_api_key: "{OPENAI}"\n',
        "config.yaml": 'providers:\n  openai:\n    base_url: "https://example.com/v1"\n',
    }
    code, out, err = ember("configure", "import", "--from", "env", "--yes")
    assert (code, out, err) == (0, "", "There is nothing to store.\n")


def test_a_dotenv_file_is_read_and_never_run(ember: Run, ember_home: Path, tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text(
        f"# keys\nexport OPENAI_API_KEY='{OPENAI}'\nANTHROPIC_API_KEY=\"{CLAUDE}\" # mine\nGEMINI_API_KEY=$(touch x)\n"
        "not a line\nOTHER=1\n"
    )
    code, out, _ = ember("configure", "import", "--from", "dotenv", "--file", str(file), "--yes")
    assert code == 0 and "GEMINI_API_KEY" in out and not (tmp_path / "x").exists()
    assert today(ember_home) == {
        "credentials.yaml": f'openai_api_key: "{OPENAI}"\nanthropic_api_key: "{CLAUDE}"\n',
    }
    assert ember("configure", "import", "--from", "dotenv")[0] == 2
    assert ember("configure", "import", "--from", "dotenv", "--file", str(tmp_path / "no"))[0] == 2


def test_llms_keys_are_taken_and_what_is_stored_stays(
    ember: Run, ember_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLM_USER_PATH", str(tmp_path))
    keys = tmp_path / "keys.json"
    assert ember("configure", "import", "--from", "llm", "--yes")[0] == 1
    keys.write_text(json.dumps({"// Note": "a note", "openai": OPENAI, "claude": CLAUDE, "mistral": OTHER}))
    write(ember_home, credentials_yaml=f"openai_api_key: {OTHER}\n")
    code, out, _ = ember("configure", "import", "--from", "llm", "--yes")
    assert code == 0 and f"credentials.yaml says …3333, {keys} says …1111; …3333 stays" in out
    assert (
        today(ember_home)["credentials.yaml"] == f'openai_api_key: {OTHER}\nanthropic_api_key: "{CLAUDE}"\n'
    )
    assert ember("configure", "import", "--from", "llm", "--yes", "--overwrite")[0] == 0
    assert f'openai_api_key: "{OPENAI}"' in today(ember_home)["credentials.yaml"]
