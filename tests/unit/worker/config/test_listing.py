"""The settings as a list, in groups."""

from __future__ import annotations

import pytest

from worker.config.listing import GROUPS, group_of, listed_settings
from worker.config.settings import Settings, variable_of


def test_every_setting_is_in_a_group_and_every_group_has_a_setting() -> None:
    groups = {group_of(name) for name in Settings.model_fields}
    assert groups == set(GROUPS)


@pytest.mark.parametrize(
    ("field", "group"),
    [
        ("livekit_url", "LiveKit"),
        ("embedded", "Database"),
        ("slots", "Worker"),
        ("http_port", "HTTP server"),
        ("stt", "Speech and language model"),
        ("ladder_s", "Silence of the interviewer"),
        ("lease_s", "Continuity: leases and redispatch"),
        ("budget_ready_s", "Time limits of a job's states"),
        ("allow_faults", "Fault injection"),
    ],
)
def test_a_setting_is_in_the_group_of_its_purpose(field: str, group: str) -> None:
    assert group_of(field) == group


def test_without_any_variable_no_setting_is_changed() -> None:
    rows = listed_settings(Settings.load())
    assert [row.variable for row in rows] == [variable_of(name) for name in Settings.model_fields]
    assert not any(row.changed for row in rows)
    assert all(row.value == row.default and row.origin == "default" for row in rows)


def test_a_value_that_differs_is_changed_and_an_equal_one_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("INTERVIEW_DRAIN_S", "3600")
    monkeypatch.setenv("interview_watch_s", "2")
    monkeypatch.setenv("LIVEKIT_API_SECRET", "hunter2")
    changed = {row.variable: row for row in listed_settings(Settings.load()) if row.changed}
    assert set(changed) == {"INTERVIEW_WATCH_S", "LIVEKIT_API_SECRET"}
    assert (changed["INTERVIEW_WATCH_S"].value, changed["INTERVIEW_WATCH_S"].default) == (
        "2.0",
        "0.5",
    )
    assert changed["INTERVIEW_WATCH_S"].origin == "environment"
    assert changed["LIVEKIT_API_SECRET"].value == "********"
