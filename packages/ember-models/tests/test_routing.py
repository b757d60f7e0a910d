"""From a name to who serves it: providers by prefix and by pattern, aliases, plugins good and bad, and good advice."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from acme import Acme, Parrot

from ember.api import models
from ember.context import create_context, get_context
from ember.core.errors import AlreadyRegistered, ConfigError, NotRegistered
from ember.models import BaseProvider, Call, Endpoint, HttpRequest, ModelRegistry
from ember.models.errors import UnknownModel, UnsupportedError
from ember.models.testing import LocalServer

Script = Callable[..., "CompletedProcess[str]"]


def test_a_prefix_names_the_provider_and_the_rest_is_the_vendors_own_id(acme: LocalServer) -> None:
    models("acme/whatever it calls it", "Hi")
    models("everything/meta/llama-3", "Hi")
    assert [r.json["model"] for r in acme.requests] == ["whatever it calls it", "meta/llama-3"]


def test_a_bare_id_goes_to_the_provider_whose_pattern_it_fits(acme: LocalServer) -> None:
    assert [models(name, "Hi").provider for name in ("acme-small", "gpt-4", "claude-3")] == [
        "acme",
        "everything",
        "everything",
    ]


def test_an_id_with_a_slash_that_is_no_provider_goes_by_patterns(acme: LocalServer) -> None:
    class Hub(Acme):
        name = "hub"
        needs_key = False
        model_patterns = ("meta-llama/*",)

    with create_context(providers={"hub": {"base_url": f"{acme.url}/v1"}}):
        ModelRegistry.register(Hub())
        try:
            assert models("meta-llama/Llama-3", "Hi").provider == "hub"
        finally:
            ModelRegistry.unregister("hub")


def test_aliases_lead_to_models_by_way_of_others(acme: LocalServer) -> None:
    aliases = {"fast": "small", "small": "acme/acme-small", "acme-large": "acme-small"}
    with create_context(models={"aliases": aliases, "default": "fast"}):
        for name in ("fast", "small", "acme-large", None):
            models(name, "Hi")
    assert [r.json["model"] for r in acme.requests] == ["acme-small"] * 4


@pytest.mark.parametrize(
    "aliases", [{"a": "a"}, {"a": "b", "b": "a"}, {"a": "b", "b": "c", "c": "b"}], ids=len
)
def test_aliases_that_go_in_circles_are_a_configuration_error(
    acme: LocalServer, aliases: Mapping[str, str]
) -> None:
    with create_context(models={"aliases": aliases}), pytest.raises(ConfigError, match="circle: a -> "):
        models("a", "Hi")


ADVICE = [
    ("gpt-4o", r"'openai' would: `pip install ember-openai`.*packages/ember-openai"),
    ("openai/gpt-4o", "pip install ember-openai"),
    ("claude-sonnet-5", "pip install ember-anthropic"),
    ("gemini-pro", "pip install ember-google"),
    ("smollm2", "pip install ember-llamacpp"),
    ("acme-smal", "Did you mean 'acme-small'"),
    ("acem/acme-small", "Did you mean 'acme/acme-small'"),
    ("parrott", "Did you mean 'parrot'"),
    ("qwertyuiop", r"Providers here: .*acme.*models\.aliases"),
    ("nobody/qwertyuiop", "Providers here"),
    ("acme/", "No installed provider"),
    ("/acme-small", "No installed provider"),
    ("", "No installed provider"),
    ("ACME-SMALL", "No installed provider"),
]


def test_an_unknown_name_gets_advice_and_no_network(acme: LocalServer, script: Script) -> None:
    # In a process of its own: a plugin that an earlier test has loaded stays.
    done = script(
        f"""
        from ember.models.errors import UnknownModel, UnsupportedError
        class Picky(Acme):
            model_patterns = ("acme-small", "acme-large")
        register(Picky, Parrot)
        for name in {[name for name, _ in ADVICE]}:
            try:
                models(name, "Hi")
            except UnknownModel as error:
                assert isinstance(error, LookupError) and error.model == name
                print(error)
        """,
        EMBER_PLUGINS="none",
    )
    said = done.stdout.splitlines()
    assert len(said) == len(ADVICE), done.stderr
    for line, (name, words) in zip(said, ADVICE, strict=True):
        assert re.search(words, line), f"{name!r}: {line}"
    assert acme.requests == []


# The registry


def test_a_name_is_registered_once_unless_a_change_is_meant(acme: LocalServer) -> None:
    with pytest.raises(AlreadyRegistered, match="replace=True"):
        ModelRegistry.register(Acme())
    ModelRegistry.register(Acme(), replace=True)
    assert isinstance(ModelRegistry.get("acme"), Acme)


def test_a_provider_taken_out_serves_no_more(acme: LocalServer) -> None:
    ModelRegistry.unregister("parrot")
    with pytest.raises(UnknownModel):
        models("parrot", "Hi")
    with pytest.raises(NotRegistered):
        ModelRegistry.get("parrot")
    with pytest.raises(NotRegistered):
        ModelRegistry.unregister("parrot")


def test_only_a_provider_can_be_registered() -> None:
    with pytest.raises(TypeError, match="BaseProvider"):
        ModelRegistry.register(object())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def test_what_is_registered_by_hand_goes_before_what_is_installed(acme: LocalServer) -> None:
    assert models("gpt-4o", "Hi").provider == "everything"
    assert models.providers()[:3] == ("acme", "everything", "parrot")


def test_a_provider_whose_vendor_has_no_sdk_hands_out_no_client(acme: LocalServer) -> None:
    with pytest.raises(UnsupportedError, match="no SDK"):
        models.client("acme")


def test_a_provider_with_a_transport_of_its_own_uses_no_network(acme: LocalServer) -> None:
    answer = models("parrot", "hello")
    assert answer == "HELLO" and answer.provider == "parrot" and answer.cost == 0
    provider = ModelRegistry.get("parrot")
    assert isinstance(provider, Parrot) and len(provider.inside.sent) == 1
    assert acme.requests == [] and acme.connections == 0


def test_a_provider_that_cannot_tell_what_it_serves_breaks_nothing_else(acme: LocalServer) -> None:
    class Undecided(Acme):
        name = "undecided"

        def serves(self, model: str) -> bool:
            raise RuntimeError("who knows")

    ModelRegistry.unregister("acme")
    ModelRegistry.register(Undecided())
    ModelRegistry.register(Acme())
    try:
        assert models("acme-small", "Hi") == "Hi"
        with pytest.raises(UnknownModel, match=r"'undecided' failed when asked .RuntimeError: who knows"):
            models("qwertyuiop", "Hi")
    finally:
        ModelRegistry.unregister("undecided")


def test_settings_of_a_provider_reach_its_code(acme: LocalServer) -> None:
    seen: list[object] = []

    class Regional(Acme):
        name = "regional"
        needs_key = False

        def encode(self, call: Call, endpoint: Endpoint) -> HttpRequest:
            seen.append(endpoint.options["region"])
            return super().encode(call, endpoint)

    ModelRegistry.register(Regional())
    try:
        with create_context(providers={"regional": {"base_url": f"{acme.url}/v1", "region": "eu"}}):
            models("regional/m", "Hi")
    finally:
        ModelRegistry.unregister("regional")
    assert seen == ["eu"]


def test_the_configured_default_may_be_an_alias_and_is_read_at_each_call(acme: LocalServer) -> None:
    ctx = get_context()
    for name in ("acme-small", "acme-large"):
        ctx.set_config("models.default", name)
        models(None, "Hi")
    assert [r.json["model"] for r in acme.requests] == ["acme-small", "acme-large"]


# Providers that are installed


def install(folder: Path, distribution: str, entry_points: str, **modules: str) -> None:
    """Put a distribution into `folder` as an installer would: its modules, and its metadata with entry points."""
    info = folder / f"{distribution.replace('-', '_')}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[ember.providers]\n{entry_points}\n")
    for name, code in modules.items():
        (folder / f"{name}.py").write_text(code)


GOOD = """
from acme import Acme
class Vendor(Acme):
    name = "vendor"
    needs_key = False
    model_patterns = ("vendor-*", "gpt-*", "acme-*", "zeta-*")
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder to install distributions into, which `script` then sees."""
    folder = tmp_path / "site"
    folder.mkdir()
    return folder


def run(script: Script, site: Path, server: LocalServer, code: str, **more: str) -> str:
    opening = f"import sys\nsys.path.insert(0, {str(site)!r})\nfrom ember.api import models\n"
    done = script(code, opening=opening, VENDOR_BASE_URL=f"{server.url}/v1", **more)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_an_installed_provider_is_found_and_loaded_when_its_model_is_named(
    acme: LocalServer, script: Script, site: Path
) -> None:
    install(site, "vendor-for-ember", "vendor = vendor_module:Vendor", vendor_module=GOOD)
    out = run(
        script,
        site,
        acme,
        """
        print("vendor" in models.providers(), "vendor_module" in sys.modules)
        print(models("vendor-1", "Hi"), "vendor_module" in sys.modules)
        """,
    )
    assert out == "True False\nHi True\n"


def test_an_entry_point_may_name_an_instance_or_a_class(
    acme: LocalServer, script: Script, site: Path
) -> None:
    install(
        site, "vendor-for-ember", "vendor = vendor_module:made", vendor_module=GOOD + "\nmade = Vendor()\n"
    )
    assert run(script, site, acme, 'print(models("vendor/x", "Hi"))\n') == "Hi\n"


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("raise RuntimeError('broken at import')", "RuntimeError: broken at import"),
        ("import no_such_module_anywhere", "ModuleNotFoundError"),
        ("import sys; sys.exit('bye')", "sys.exit"),
        ("Vendor = 7", "is no usable provider"),
        ("class Vendor:\n    def __init__(self): raise KeyError('x')", "is no usable provider"),
        ("", "AttributeError"),
    ],
    ids=["raises", "needs another", "exits", "is a number", "raises when made", "is empty"],
)
def test_a_broken_plugin_is_named_and_breaks_nothing_else(
    acme: LocalServer, script: Script, site: Path, code: str, words: str
) -> None:
    install(site, "broken-for-ember", "broken = broken_module:Vendor", broken_module=code)
    install(site, "vendor-for-ember", "vendor = vendor_module:Vendor", vendor_module=GOOD)
    out = run(
        script,
        site,
        acme,
        """
        print(models("zeta-1", "Hi"), "vendor/acme-small" in models.list())
        for name in ("broken/x", "qwertyuiop"):
            try:
                models(name, "Hi")
            except Exception as error:
                print(type(error).__name__, error)
        """,
    )
    good, by_name, by_pattern = out.splitlines()
    assert good == "Hi True"
    assert by_name.startswith("PluginError") and "broken-for-ember" in by_name and words in by_name
    assert by_pattern.startswith("UnknownModel") and "broken-for-ember" in by_pattern


def test_a_slow_plugin_is_waited_for_only_by_those_who_name_it(
    acme: LocalServer, script: Script, site: Path
) -> None:
    install(
        site,
        "slow-for-ember",
        "slow = slow_module:Vendor",
        slow_module=f"import time; time.sleep(30)\n{GOOD}",
    )
    started = time.monotonic()
    out = run(
        script,
        site,
        acme,
        """
        from acme import *
        register()
        print(models("acme-small", "Hi"), models("acme/x", "Hi"), "slow" in models.providers())
        """,
    )
    assert out == "Hi Hi True\n" and time.monotonic() - started < 20


def test_a_name_that_two_distributions_claim_is_refused_until_one_is_chosen(
    acme: LocalServer, script: Script, site: Path
) -> None:
    install(site, "vendor-for-ember", "vendor = vendor_module:Vendor", vendor_module=GOOD)
    install(site, "rival-for-ember", "vendor = rival_module:Vendor", rival_module=GOOD)
    code = """
        try:
            answer = models("vendor/x", "Hi")
            print(answer, *(name for name in ("vendor_module", "rival_module") if name in sys.modules))
        except Exception as error:
            print(type(error).__name__, error)
        """
    out = run(script, site, acme, code)
    assert out.startswith("PluginError") and "vendor-for-ember" in out and "rival-for-ember" in out
    assert run(script, site, acme, code, EMBER_PLUGINS="vendor=rival-for-ember") == "Hi rival_module\n"


def test_a_prompt_for_a_known_vendor_goes_to_nobody_else_when_that_one_is_broken(
    acme: LocalServer, script: Script, site: Path
) -> None:
    install(
        site, "another-openai", "openai = broken_module:Vendor", broken_module="raise RuntimeError('broken')"
    )
    install(site, "vendor-for-ember", "vendor = vendor_module:Vendor", vendor_module=GOOD)
    out = run(
        script,
        site,
        acme,
        """
        try:
            print(models("gpt-4o", "Hi"))
        except Exception as error:
            print(type(error).__name__)
        """,
        EMBER_PLUGINS="another-openai,vendor-for-ember",
    )
    assert out == "PluginError\n" and acme.requests == []


def test_plugins_can_be_switched_off(acme: LocalServer, script: Script, site: Path) -> None:
    install(site, "vendor-for-ember", "vendor = vendor_module:Vendor", vendor_module=GOOD)
    assert run(script, site, acme, "print(models.providers())\n", EMBER_PLUGINS="none") == "()\n"


def test_a_provider_is_an_abstract_class_until_it_can_encode_and_decode() -> None:
    with pytest.raises(TypeError, match="abstract"):
        BaseProvider()  # type: ignore[abstract]  # pyright: ignore[reportAbstractUsage]
