"""Secrets: used and never shown, and found again wherever a text has them."""

from __future__ import annotations

import copy
import dataclasses
import io
import json
import logging
import pickle
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from itertools import count
from urllib.parse import quote, quote_plus

import pytest

from ember.core import Secret, scrub

_numbers = count(1)


@pytest.fixture
def value() -> str:
    """A key that no other test has."""
    return f"sk-{next(_numbers):04}-abcdefghijklmnop-WXYZ"


@dataclasses.dataclass
class Holder:
    """Something a key ends up in."""

    name: str
    key: Secret


def views(secret: Secret) -> Iterator[str]:
    """Yield what each way of looking at `secret` shows."""
    holder = Holder("openai", secret)
    yield from (repr(secret), str(secret), f"{secret}", f"{secret!s:>40}", f"{secret:.60}", f"{secret!r}")
    yield from (
        repr(thing) for thing in (holder, dataclasses.asdict(holder), vars(holder), [secret], {1: secret})
    )
    yield json.dumps({"key": secret}, default=str)
    log = io.StringIO()
    logger = logging.Logger("test")
    logger.addHandler(logging.StreamHandler(log))
    logger.error("the key is %s, %r", secret, secret)
    yield log.getvalue()
    try:
        raise ValueError(secret)
    except ValueError as error:
        yield from traceback.TracebackException.from_exception(error, capture_locals=True).format()


def test_no_view_of_a_secret_shows_it(value: str) -> None:
    shown = "\n".join(views(Secret(value)))
    assert value not in shown
    assert "…WXYZ" in shown


def test_a_short_secret_shows_nothing_of_itself() -> None:
    assert (str(Secret("abcd1234")), repr(Secret(""))) == ("…", "Secret('…')")


def test_it_has_no_attributes_to_look_at(value: str) -> None:
    with pytest.raises(TypeError):
        vars(Secret(value))
    assert not [
        name for name in dir(Secret(value)) if getattr(Secret(value), name, "") == value and "__" not in name
    ]


def test_it_is_not_pickled_by_any_protocol(value: str) -> None:
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        with pytest.raises(TypeError, match="not pickled"):
            pickle.dumps(Secret(value), protocol)
        with pytest.raises(TypeError, match="not pickled"):
            pickle.dumps(Holder("openai", Secret(value)), protocol)


def test_copies_are_the_same_object(value: str) -> None:
    secret = Secret(value)
    assert copy.copy(secret) is copy.deepcopy(secret) is secret


def test_it_compares_by_value_and_not_with_text(value: str) -> None:
    assert Secret(value) == Secret(value) != Secret(value + "!")
    assert Secret(value) != value
    assert {Secret(value): 1}[Secret(value)] == 1
    assert Secret("ключ-от-квартиры") == Secret("ключ-от-квартиры")


def test_only_text_can_be_a_secret(value: str) -> None:
    with pytest.raises(TypeError, match="holds text, not bytes") as caught:
        Secret(value.encode())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    assert value not in str(caught.value)
    assert scrub("the scrubber still works") == "the scrubber still works"


def test_reveal_is_the_one_way_to_it(value: str) -> None:
    assert Secret(value).reveal() == value


# scrub


def test_a_text_with_a_secret_loses_it_and_nothing_else(value: str) -> None:
    Secret(value)
    assert scrub(f"key={value}&x=1 {value}") == "key=[secret]&x=1 [secret]"
    assert scrub("nothing of the kind") == "nothing of the kind"


FORMS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "stripped": str.strip,
    "in a URL": lambda value: quote(value, safe=""),
    "in a form": quote_plus,
    "in repr": lambda value: repr({"key": value}),
    "in repr of repr": lambda value: repr(value),
    "in JSON": json.dumps,
    "in JSON for people": lambda value: json.dumps(value, ensure_ascii=False),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    "middle", ["plain", "a/b+c=d e", "quo\"te's", "back\\slash", "umlaut-äöü", "tab\tnew\nline"]
)
def test_a_secret_is_found_however_it_is_written(form: str, middle: str, value: str) -> None:
    Secret(f" {value}{middle}{value}\n")
    written = FORMS[form](f" {value}{middle}{value}\n")
    assert value not in scrub(f"401: wrong key {written}, sorry")


def test_an_undecodable_secret_from_the_environment_is_found(value: str) -> None:
    odd = b"\xff\xfe".decode("utf-8", "surrogateescape") + value
    assert scrub(f"key {Secret(odd).reveal()}!") == "key [secret]!"


def test_a_secret_within_a_longer_one_leaves_no_rest(value: str) -> None:
    Secret(value)
    Secret(f"{value}-and-the-rest")
    assert scrub(f"{value}-and-the-rest, {value}") == "[secret], [secret]"


def test_rotated_secrets_are_still_known(value: str) -> None:
    old = [f"{value}-{number:03}-end" for number in range(900)]
    for one in old:
        Secret(one)
    assert scrub(" ".join(old)) == " ".join(["[secret]"] * 900)


def test_the_newest_thousand_are_remembered_however_they_are_written(value: str) -> None:
    for number in range(1_000):
        Secret(f"{value}/{number:04}=")
    assert scrub(f"{value}/0000= {value}%2F0999%3D") == "[secret] [secret]"
    Secret(f"{value}/1000=")
    assert value in scrub(f"{value}/0000=")


def test_a_secret_in_use_is_not_forgotten_for_others(value: str) -> None:
    for number in range(1_500):
        Secret(f"{value}~{number:04}")
        Secret(value)
    assert scrub(f"{value}!") == "[secret]!"


def test_words_too_short_to_be_keys_stay_readable() -> None:
    Secret("ollama")
    assert scrub("ollama runs on port 11434") == "ollama runs on port 11434"


def test_scrubbing_for_a_thousand_secrets_is_quick(value: str) -> None:
    for number in range(1_000):
        Secret(f"{value}.{number:04}")
    text = "An ordinary line of an error, of some length, with nothing of the kind in it. " * 4
    rounds: list[float] = []
    for _ in range(5):
        begun = time.perf_counter()
        for _ in range(10):
            scrub(text)
        rounds.append((time.perf_counter() - begun) / 10)
    assert min(rounds) < 5e-3, f"{min(rounds) * 1e6:.0f} µs"  # 0.1 ms is measured


def test_secrets_are_made_and_scrubbed_by_many_threads_at_once(value: str) -> None:
    failures: list[str] = []

    def run(thread: int) -> None:
        for number in range(50):
            one = f"{value}_{thread:02}_{number:04}"
            Secret(one)
            if one in scrub(f"with {one} in it"):
                failures.append(one)

    threads = [threading.Thread(target=run, args=(thread,)) for thread in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
