"""The conformance suite finds what is wrong: providers with one fault each, and the test that must fail for it."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

TESTS = Path(__file__).parent

# Each class changes a provider that passes. What is not written here is right.
FAULTS = {
    "drops_the_system_prompt": (
        """
        def encode(self, call, endpoint):
            return super().encode(replace(call, system=None), endpoint)
        """,
        "test_a_conversation_arrives_whole_and_in_order",
    ),
    "ignores_a_parameter": (
        """
        def encode(self, call, endpoint):
            return super().encode(replace(call, seed=None), endpoint)
        """,
        "test_a_parameter_is_sent_or_refused_and_never_left_out[seed]",
    ),
    "puts_the_key_into_the_url": (
        """
        def encode(self, call, endpoint):
            request = super().encode(call, endpoint)
            return replace(request, url=f"{request.url}?key={endpoint.key.reveal()}")
        """,
        "test_the_key_is_in_a_header_and_nowhere_else",
    ),
    "reads_the_clock": (
        """
        def encode(self, call, endpoint):
            return super().encode(replace(call, extra={"user": str(time.time() // 1_000_000)}), endpoint)
        """,
        "test_the_same_call_is_the_same_request_whatever_the_hour",
    ),
    "reads_the_environment": (
        """
        def encode(self, call, endpoint):
            return super().encode(replace(call, extra={"user": os.environ.get("USER", "")}), endpoint)
        """,
        "test_the_same_call_is_the_same_request_whatever_the_hour",
    ),
    "has_an_address_of_its_own": (
        """
        def encode(self, call, endpoint):
            base = endpoint.base_url.replace("/behind/a/proxy", "")
            return super().encode(call, replace(endpoint, base_url=base))
        """,
        "test_requests_go_to_the_base_url_and_its_path",
    ),
    "counts_by_itself": (
        """
        def decode(self, call, reply):
            return replace(super().decode(call, reply), usage=Usage(1, 1))
        """,
        "test_fifty_calls_at_once_are_booked_exactly",
    ),
    "takes_anything_for_text": (
        """
        def decode(self, call, reply):
            body = reply.json()
            content = body["choices"][0]["message"]["content"]
            return Completion(str(content), call.model, "stop", Usage(1, 1))
        """,
        "test_a_field_of_another_type_is_an_error_or_makes_no_difference",
    ),
    "takes_a_page_for_an_answer": (
        """
        def decode(self, call, reply):
            if not reply.body.startswith(b"{"):
                return Completion(reply.body.decode("utf-8", "replace"), call.model, "stop", Usage(1, 1))
            return super().decode(call, reply)
        """,
        "test_what_is_not_an_answer_is_never_taken_for_one[HTML]",
    ),
    "believes_a_stream_that_was_cut": (
        """
        def decoder(self, call):
            return Trusting(super().decoder(call))
        """,
        "test_a_stream_that_ends_early_is_incomplete_and_keeps_what_had_come",
    ),
    "says_the_same_of_every_error": (
        """
        def explain(self, reply):
            return errors.ModelError("it failed", status=reply.status)
        """,
        "test_an_error_of_the_vendors_has_its_type_its_words_and_its_id[429]",
    ),
    "can_more_than_it_says": (
        'supports = frozenset({"stream", "schema", "choices", "tools"})',
        "test_what_it_says_it_supports_is_known_and_written",
    ),
    "takes_everybodys_models": (
        'model_patterns = ("*",)',
        "test_its_models_are_its_own_by_their_bare_names_and_others_are_not",
    ),
    "mixes_up_the_vectors": (
        """
        def decode_embed(self, call, reply):
            found = super().decode_embed(call, reply)
            return replace(found, vectors=tuple(sorted(found.vectors)))
        """,
        "test_texts_become_vectors_of_one_length_in_their_order",
    ),
}

OPENING = """
import os, time
from dataclasses import replace

from acme import Acme
from ember.models import Completion, Usage, errors


class Right(Acme):
    name, model_patterns = "right", ("right-*",)
    known_models = ("right-small", "right-embed")


class Trusting:
    def __init__(self, decoder):
        self.decoder, self.text = decoder, ""

    @property
    def done(self):
        return self.decoder.done

    def feed(self, event):
        text = self.decoder.feed(event)
        self.text += text
        return text

    def finish(self):
        return Completion(self.text, "m", "stop", Usage())
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that Python takes for an installed distribution: these providers, and a suite for each."""
    folder = tmp_path_factory.mktemp("wheel")
    modules, tests = [OPENING], ["from ember.models.testing.conformance import ProviderSuite\n"]
    names = {"right": "Right"}
    for fault, (body, _) in FAULTS.items():
        kind, name = fault.title().replace("_", ""), fault.replace("_", "-")
        names[name] = kind
        own = f'name = "{name}"\nknown_models = ("{name}-small", "{name}-embed")\n'
        patterns = f'model_patterns = ("{name}-*",)\n'
        code = textwrap.indent(own + patterns + textwrap.dedent(body), "    ")
        modules.append(f"\n\nclass {kind}(Right):\n{code}\n")
    for name, kind in names.items():
        tests.append(f'\n\nclass Test{kind}(ProviderSuite):\n    provider = "{name}"\n')
    (folder / "faulty.py").write_text("".join(modules), encoding="utf-8")
    (folder / "test_faulty.py").write_text("".join(tests), encoding="utf-8")
    info = folder / "faulty-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: faulty\nVersion: 1.0\n", encoding="utf-8")
    points = "".join(f"{name} = faulty:{kind}\n" for name, kind in names.items())
    (info / "entry_points.txt").write_text(f"[ember.providers]\n{points}", encoding="utf-8")
    return folder


def run(wheel: Path, *chosen: str) -> str:
    path = os.pathsep.join([str(wheel), str(TESTS), *filter(None, [os.environ.get("PYTHONPATH")])])
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-rfE",
        "--tb=no",
        "-W",
        "error",
        "-p",
        "no:cacheprovider",
    ]
    done = subprocess.run(
        [*command, *(chosen or ("test_faulty.py",))],
        cwd=wheel,
        env={**os.environ, "PYTHONPATH": path, "PYTEST_ADDOPTS": ""},  # its output is read
        capture_output=True,
        text=True,
        timeout=100,
    )
    return done.stdout + done.stderr


def test_a_provider_without_a_fault_passes_all_of_it(wheel: Path) -> None:
    said = run(wheel, "test_faulty.py::TestRight")
    assert " passed" in said and "failed" not in said and "error" not in said, said


def test_each_fault_is_found_by_the_test_that_is_about_it(wheel: Path) -> None:
    tests = {
        fault: f"test_faulty.py::Test{fault.title().replace('_', '')}::{test}"
        for fault, (_, test) in FAULTS.items()
    }
    said = run(wheel, *tests.values())
    missed = [fault for fault, test in tests.items() if f"FAILED {test}" not in said]
    assert not missed, said
    assert f"{len(tests)} failed" in said
