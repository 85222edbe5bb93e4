"""Journals: reading, recovery, rows of the database, histories, drawings and metrics."""

from __future__ import annotations

import asyncio
import json
import math
from functools import partial
from typing import TYPE_CHECKING, Any, Final
from xml.etree import ElementTree

import pytest
from hypothesis import assume, given

from states import FileJournal, History, JournalError, render, timeline
from states.journal import JournalDamaged, JournalTooNew, read_records
from tests.fuzz.budget import examples
from tests.fuzz.promises import Logged, assert_has_none_of, assert_one_line, within_time
from tests.fuzz.strategies.journals import (
    JOB_ID,
    SPOKEN,
    OneBadLine,
    content_of,
    damaged_files,
    damaged_records,
    files_with_one_bad_line,
    journals,
    later_journals,
    long_names,
)
from worker.journal.owner import OtherHosts
from worker.journal.recovery import close_journal
from worker.store.job_header import JobHeader
from worker.store.journal_rows import RecordInvalid, json_text, record_row
from worker.telemetry.job_view import JobView
from worker.telemetry.journal_follower import JournalFollower, News
from worker.telemetry.metrics import Metrics

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from states.journal import ReadRecords

#: The fields of a record that are columns of the database, and `form` for the record itself.
FIELDS: Final = ("form", "seq", "t", "kind", "at", "speaker", "exit_code", "signal")


def written(folder: Path, content: bytes) -> Path:
    """Write a journal, and return its path."""
    path = folder / f"{JOB_ID}.jsonl"
    path.write_bytes(content)
    return path


def read(path: Path, *, pass_over_damage: bool) -> ReadRecords | None:
    """Read a journal; None if it is refused, in one line that names the file and the line."""
    size = path.stat().st_size
    try:
        return within_time(lambda: read_records(path, pass_over_damage=pass_over_damage), size=size)
    except JournalError as error:
        assert_one_line(str(error), place=f"{path}:")
        assert_has_none_of(str(error), (SPOKEN,))
        number = str(error).removeprefix(f"{path}:").partition(":")[0]
        assert 1 <= int(number) <= path.read_bytes().count(b"\n") + 1
        assert isinstance(error, JournalDamaged | JournalTooNew)
        assert not (pass_over_damage and isinstance(error, JournalDamaged))
    return None


def history_of(records: Sequence[Any]) -> History | None:
    """Return a history; None if a record is refused, in one line that names the record."""
    try:
        return within_time(lambda: History.from_records(records), size=10_000)
    except JournalError as error:
        assert_one_line(str(error), longest=400)
        assert "record" in str(error)
    return None


def assert_drawable(history: History) -> None:
    """Assert that all drawings of a job are made in time, and are valid documents."""
    for write in (render.mermaid, render.dot, render.svg):
        assert within_time(partial(write, history), size=10_000).encode()
    ElementTree.fromstring(render.svg(history))  # noqa: S314  # our own document
    if history.transitions:
        drawn = within_time(lambda: timeline.drawing(history, whole=True), size=10_000)
        ElementTree.fromstring(timeline.svg(drawn).encode())  # noqa: S314  # our own document
        start = timeline.startup(history)
        if start.reached:
            spread = timeline.Spread()
            spread.add(start)
            assert timeline.svg(timeline.spread_drawing(spread)).encode()


# --- whole journals -----------------------------------------------------------------------------


@given(journals())
@examples(12)
def test_a_whole_journal_is_read_shown_and_stored_completely(
    folder: Path, records: list[dict[str, Any]]
) -> None:
    path = written(folder, content_of(records))
    found = read(path, pass_over_damage=False)
    assert found is not None
    assert (found.records, found.torn_bytes, found.damaged) == (records, 0, 0)
    history = history_of(records)
    assert history is not None
    shown = history.as_json()
    assert History.from_json(json.dumps(shown, allow_nan=False)).as_json() == shown
    assert [record_row(each).seq for each in records] == [each["seq"] for each in records]
    assert JobHeader(job_id=JOB_ID).with_records(records).interview_id == "iv-1"
    assert_drawable(history)


@given(later_journals())
@examples(12)
def test_a_journal_of_a_later_version_is_read_without_what_is_new_or_refused_as_a_whole(
    folder: Path, drawn: tuple[list[dict[str, Any]], bool]
) -> None:
    records, newer = drawn
    before = content_of(records)
    path = written(folder, before)
    found = read(path, pass_over_damage=True)
    if newer:
        assert found is None
        with pytest.raises(JournalTooNew):
            FileJournal(path, again=True)
        assert path.read_bytes() == before
    else:
        assert found is not None
        assert len(found.records) == len(records)
        assert history_of(found.records) is not None


# --- torn and damaged journals ------------------------------------------------------------------


@given(files_with_one_bad_line())
@examples(24)
def test_one_bad_line_loses_no_other_record(folder: Path, bad: OneBadLine) -> None:
    found = read(written(folder, bad.content), pass_over_damage=True)
    assume(found is not None)  # the version of the line became a newer one
    assert found is not None
    rest = iter(found.records)
    assert all(each in rest for each in bad.kept)


@given(damaged_files())
@examples(24)
def test_a_damaged_file_is_read_as_far_as_possible_or_refused(folder: Path, content: bytes) -> None:
    path = written(folder, content)
    strict = read(path, pass_over_damage=False)
    lenient = read(path, pass_over_damage=True)
    if strict is not None:
        assert lenient is not None
        assert lenient.records == strict.records
    if lenient is not None and (history := history_of(lenient.records)) is not None:
        assert_drawable(history)
        json.dumps(history.as_json(), allow_nan=False)


@given(damaged_files())
@examples(16)
def test_opening_a_journal_cuts_off_an_incomplete_line_at_most(
    folder: Path, content: bytes
) -> None:
    path = written(folder, content)
    before = read(path, pass_over_damage=False)
    try:
        journal = FileJournal(path, again=True)
    except JournalError:
        assert before is None
        assert path.read_bytes() == content
        return
    assert before is not None
    journal.append("step", 1.0, name="added")
    journal.close()
    after = read_records(path).records
    assert after[:-1] == before.records
    assert after[-1]["name"] == "added"


@given(damaged_files())
@examples(16)
def test_the_journal_of_an_ended_job_gets_an_exit_that_the_database_can_store(
    folder: Path, content: bytes
) -> None:
    path = written(folder, content)
    OtherHosts().may_write(path)
    try:
        closed = close_journal(path, exit_code=1, signal=None)
    except JournalError as error:
        assert_one_line(str(error), place=str(path))
        return
    stored = []
    for each in closed.records:
        try:
            row = record_row(each)
        except RecordInvalid as error:
            assert_one_line(str(error), longest=100)
        else:
            assert json_text(row.record).encode()
            stored.append(row.kind)
    assert "exit" in stored


# --- records ------------------------------------------------------------------------------------


@given(damaged_records())
@examples(24)
def test_damaged_records_become_a_history_or_an_error_that_names_the_record(records: Any) -> None:
    assume(isinstance(records, list))
    history = history_of(records)
    if history is not None:
        json.dumps(history.as_json(), allow_nan=False)


@given(damaged_records())
@examples(16)
def test_a_damaged_record_is_stored_as_strict_json_or_its_field_is_named(records: Any) -> None:
    for each in records if isinstance(records, list) else [records]:
        try:
            row = within_time(partial(record_row, each), size=10_000)
        except RecordInvalid as error:
            assert error.field in FIELDS
        else:
            text = json_text(row.record)
            assert text.encode()
            assert "\0" not in text
            assert math.isfinite(row.t)


@given(long_names())
@examples(8)
def test_names_of_any_length_are_drawn_in_time(records: list[dict[str, Any]]) -> None:
    history = history_of(records)
    assert history is not None
    assert_drawable(history)


@given(damaged_files())
@examples(8)
def test_metrics_stay_finite_and_no_log_line_contains_what_was_said(
    folder: Path, content: bytes
) -> None:
    written(folder, content)
    news: list[News] = []
    logged = Logged()
    with logged:
        asyncio.run(followed(folder, news))
        metrics, view = Metrics(), JobView(JOB_ID)
        for record in (record for each in news for record in each.records):
            metrics.take(view, record)
            view.apply(record)
    metrics.show_jobs([view], unresponsive=0)
    assert metrics.page()
    samples = (sample for family in metrics.registry.collect() for sample in family.samples)
    assert all(math.isfinite(each.value) for each in samples if each.name.startswith("interview_"))
    json.dumps(view.as_data(now=0.0), allow_nan=False)
    assert_has_none_of(logged.text, (SPOKEN,))


async def followed(folder: Path, news: list[News]) -> None:
    """Read the journal as the main process does."""
    follower = JournalFollower(folder, news.append)
    follower.follow(JOB_ID)
    await follower.look()
    await follower.finish(JOB_ID)
