"""The log calls of the worker: each has a stable key, and the page lists all of them."""

from __future__ import annotations

import re
from collections import defaultdict

import pytest

from scripts.log_events import (
    PATH,
    LogCallUnreadable,
    LogEvent,
    events_of,
    log_events,
    log_events_page,
)
from tests.support.paths import REPOSITORY

STARTED = """
import logging

logger = logging.getLogger(__name__)

def end(code):
    level = logging.INFO if code == 0 else logging.ERROR
    logger.log(level, "the job %s ended", 1, extra={"event": "job_ended", "exit_code": code})

def fail():
    logger.exception("the job failed", extra={"event": "job_failed"})
"""


def events() -> tuple[LogEvent, ...]:
    """Return every log call. Fails if one has no literal sentence or no literal key."""
    return log_events(REPOSITORY)


def test_every_key_is_words_in_snake_case() -> None:
    assert [x.key for x in events() if not re.fullmatch(r"[a-z]+(_[a-z0-9]+)+", x.key)] == []


def test_every_key_has_one_sentence_and_every_sentence_one_key() -> None:
    sentences, keys = defaultdict(set), defaultdict(set)
    for event in events():
        sentences[event.key].add(event.meaning)
        keys[event.meaning].add(event.key)
    assert {key: found for key, found in sentences.items() if len(found) > 1} == {}
    assert {sentence: found for sentence, found in keys.items() if len(found) > 1} == {}


def test_every_line_has_a_sentence_and_not_only_an_error() -> None:
    assert [x for x in events() if len(re.findall(r"[A-Za-z]+", x.meaning)) < 3] == []


@pytest.mark.row("S5")
def test_the_four_start_up_lines_have_their_keys() -> None:
    recorded = {event.key for event in events() if event.module == "worker/job/recorder.py"}
    assert {"handshake_start", "ctx_connected", "session_started", "init_done"} <= recorded


def test_the_page_matches_the_log_calls() -> None:
    page = (REPOSITORY / PATH).read_text(encoding="utf-8")
    assert page == log_events_page(REPOSITORY), "run `make diagrams`"


def test_the_runbook_names_keys_that_exist() -> None:
    runbook = (REPOSITORY / "docs/runbook.md").read_text(encoding="utf-8")
    named = re.findall(r"`(\w+)` in the log", runbook)
    assert len(named) > 5
    assert set(named) - {event.key for event in events()} == set()


def test_a_log_call_is_read_with_its_levels_and_fields() -> None:
    assert list(events_of(STARTED, "m.py")) == [
        LogEvent(
            key="job_ended",
            module="m.py",
            sentence="the job %s ended",
            levels=("info", "error"),
            fields=("exit_code",),
        ),
        LogEvent(
            key="job_failed",
            module="m.py",
            sentence="the job failed",
            levels=("error",),
            fields=("exception",),
        ),
    ]


@pytest.mark.parametrize(
    "call",
    [
        'logger.info("the job ended")',
        'logger.info("the job ended", extra=fields)',
        'logger.info("the job ended", extra={"job": 1})',
        'logger.info("the job ended", extra={"event": key})',
        'logger.info("the job ended", extra={"event": "job_ended", **fields})',
        'logger.info(sentence, extra={"event": "job_ended"})',
        'logger.info(f"the job {name} ended", extra={"event": "job_ended"})',
        'logging.info("the job ended", extra={"event": "job_ended"})',
        "spawn(logger.info)",
        "log = logging.getLogger(__name__)",
        "log = structlog.get_logger(__name__)",
    ],
)
def test_a_log_call_without_a_literal_sentence_and_key_is_refused(call: str) -> None:
    with pytest.raises(LogCallUnreadable, match=r"^m\.py:1: "):
        list(events_of(call, "m.py"))
