"""Languages of the providers: codes, and what each vendor declares."""

from __future__ import annotations

import pytest

from worker.config.settings import Settings
from worker.providers.languages import language_of, languages
from worker.providers.registry import VENDORS


@pytest.mark.parametrize(
    ("tag", "language"),
    [
        ("en", "en"),
        ("en-GB", "en"),
        ("EN_us", "en"),
        ("zh-Hant-TW", "zh"),
        ("cmn", "zh"),
        ("nb-NO", "no"),
        ("nn", "no"),
        ("tl", "fil"),
    ],
)
def test_a_language_tag_has_one_language(tag: str, language: str) -> None:
    assert language_of(tag) == language


def test_a_list_of_codes_has_each_language_once() -> None:
    assert languages("en en-GB nb no") == {"en", "no"}


@pytest.mark.parametrize("name", ["deepgram", "elevenlabs", "local"])
def test_a_vendor_that_hears_or_speaks_declares_its_languages(name: str) -> None:
    declared = VENDORS[name].languages
    assert declared is not None
    found = declared(Settings.load(_env_file=None))
    assert found is not None
    assert "en" in found


def test_a_vendor_of_words_alone_declares_no_languages() -> None:
    """Where a language model's words cannot be used, the plan's own words are spoken."""
    assert VENDORS["openai"].languages is None
    assert VENDORS["scripted"].languages is None
