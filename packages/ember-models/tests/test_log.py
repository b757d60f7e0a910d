"""What calls leave in the log."""

import logging

import pytest

from ember.context import with_context
from ember.models import errors, models
from ember.models.testing import LocalServer


def test_no_prompt_and_no_answer_is_logged_at_any_level(
    acme: LocalServer, caplog: pytest.LogCaptureFixture
) -> None:
    acme.answer = lambda prompt: "a private answer"
    with caplog.at_level(logging.DEBUG):
        models("acme/small", "a private question", system="a private rule")
        list(models.stream("acme/small", "a private question"))
        acme.replies(400)
        with pytest.raises(errors.InvalidRequestError):
            models("acme/small", "a private question")
    assert "private" not in caplog.text
    assert "acme/small answered in" in caplog.text
    assert "InvalidRequestError" in caplog.text


def test_content_is_logged_where_it_was_asked_for_and_keys_in_it_are_masked(
    acme: LocalServer, caplog: pytest.LogCaptureFixture
) -> None:
    acme.answer = lambda prompt: "a private answer"
    with (
        caplog.at_level(logging.DEBUG),
        with_context(logging={"content": True}, credentials={"acme_api_key": "sk-acme-0123456789"}),
    ):
        models("acme/small", "my key is sk-acme-0123456789, keep it", system="a private rule")
    assert "a private answer" in caplog.text
    assert "a private rule" in caplog.text
    assert "my key is [secret], keep it" in caplog.text
    assert "sk-acme-0123456789" not in caplog.text
