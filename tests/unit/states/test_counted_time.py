"""The seconds that a job has counted, from its records."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from states import Event, MemoryJournal
from states.counted_time import counted_s
from states.testing import loaded

if TYPE_CHECKING:
    from states.pytest_plugin import Journey

START = (
    (0.1, Event.ROOM_CONNECTED),
    (0.2, Event.BOOTSTRAP_STARTED),
    (0.3, Event.LOADER_REPORTED, loaded("orchestrator", required=True)),
    (0.5, Event.LOADERS_SETTLED),
    (1.0, Event.SESSION_STARTED),
)
ABSENCES = (
    (1.0, Event.CLOCK_STOPPED),
    (31.0, Event.CLOCK_RESUMED),
    (41.0, Event.CLOCK_STOPPED),
    (61.0, Event.CLOCK_RESUMED),
)


def records_of(journey: Journey, *entries: Any) -> list[dict[str, Any]]:
    journal = MemoryJournal()
    journey(*START, *entries, journal=journal)
    return journal.records


def test_the_seconds_in_running_count_without_the_absences(journey: Journey) -> None:
    end = ((100.0, Event.INTERVIEW_COMPLETED), (105.0, Event.CLOSED))
    assert counted_s(records_of(journey, *end)) == pytest.approx(99.0)
    assert counted_s(records_of(journey, *ABSENCES, *end)) == pytest.approx(10.0 + 39.0)


def test_a_journal_of_an_earlier_version_counts_from_running_to_closing(journey: Journey) -> None:
    records = records_of(journey, (81.0, Event.HANDOVER_REQUESTED))
    assert not [record for record in records if record["kind"] == "clock"]
    assert counted_s(records) == pytest.approx(80.0)


def test_of_a_job_that_died_the_time_up_to_its_last_record_counts(journey: Journey) -> None:
    records = records_of(journey, *ABSENCES)
    turn = {"seq": 900, "t": 70.5, "kind": "turn"}
    died = {"seq": 901, "t": 500.0, "kind": "exit", "exit_code": -9, "signal": 9}
    assert counted_s([*records, turn, died]) == pytest.approx(10.0 + 9.5)


def test_an_absence_counts_for_nothing_if_the_job_died_in_it(journey: Journey) -> None:
    records = records_of(journey, *ABSENCES, (65.0, Event.CLOCK_STOPPED))
    later = {"seq": 900, "t": 90.0, "kind": "step"}
    assert counted_s([*records, later]) == pytest.approx(10.0 + 4.0)


def test_a_job_that_was_stopped_and_superseded_counts_up_to_its_last_record(
    journey: Journey,
) -> None:
    """A process that was stopped for an hour would otherwise count that hour."""
    records = records_of(journey)
    seen = [
        {"seq": 900, "t": 41.0, "kind": "turn"},
        {"seq": 901, "t": 3700.0, "kind": "fault", "where": "lease", "error": "SeenInRoom"},
        {"seq": 902, "t": 3700.1, "kind": "transition", "to": "CLOSING", "event": "lease_lost"},
        {"seq": 903, "t": 3701.0, "kind": "transition", "to": "CLOSED", "event": "closed"},
    ]
    assert counted_s([*records, *seen]) == pytest.approx(40.0)


def test_a_job_that_never_ran_has_counted_nothing(journey: Journey) -> None:
    journal = MemoryJournal()
    journey((5.0, Event.ROOM_LOST), journal=journal)
    assert counted_s(journal.records) == counted_s([]) == 0.0


def test_the_order_of_the_records_does_not_matter(journey: Journey) -> None:
    records = records_of(journey, *ABSENCES, (100.0, Event.CANDIDATE_LEFT))
    assert counted_s([*reversed(records)]) == counted_s(records)


def test_an_unknown_state_or_event_of_a_later_version_stops_the_count() -> None:
    records = [
        {"seq": 0, "t": 1.0, "kind": "transition", "to": "RUNNING", "event": "session_started"},
        {"seq": 1, "t": 11.0, "kind": "transition", "to": "SUSPENDED", "event": "suspended"},
        {"seq": 2, "t": 90.0, "kind": "transition", "to": "RUNNING", "event": "resumed"},
        {"seq": 3, "t": 95.0, "kind": "clock", "event": "clock_frozen"},
    ]
    assert counted_s(records) == pytest.approx(10.0 + 5.0)
