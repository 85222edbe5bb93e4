"""The checks of the fuzz tests: what they refuse."""

from __future__ import annotations

import logging
import time

import pytest

from tests.fuzz.promises import (
    Logged,
    assert_has_none_of,
    assert_one_line,
    within_memory,
    within_time,
)


def test_a_parser_that_takes_too_much_processor_time_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = iter((0.0, 100.0))
    monkeypatch.setattr(time, "process_time", lambda: next(seconds))
    with pytest.raises(AssertionError, match=r"100\.0 s of processor time for 10 bytes"):
        within_time(lambda: None, size=10)


def test_a_parser_that_takes_too_much_memory_fails() -> None:
    assert within_memory(lambda: 7, size=10) == 7
    with pytest.raises(AssertionError, match="MiB of memory"):
        within_memory(lambda: bytes(64 << 20), size=10)


@pytest.mark.parametrize("message", ["plan:1 a\nb", "plan:1 \x1b[2J", "plan:" + "x" * 2000, "a"])
def test_an_error_of_another_form_fails(message: str) -> None:
    with pytest.raises(AssertionError):
        assert_one_line(message, place="plan:")
    assert_one_line("plan:1: is empty", place="plan:")


def test_a_secret_in_a_text_or_a_log_line_fails() -> None:
    with Logged() as logged:
        logging.getLogger("a.library").info("key %s", "hunter2")
    for text in (logged.text, "hunter2"):
        with pytest.raises(AssertionError):
            assert_has_none_of(text, ("hunter2",))
