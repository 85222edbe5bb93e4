"""The time-outs of an interview's room follow the settings and the window of the interview."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from tests.support.virtual.job_parts import settings_in
from worker.continuity.room_options import (
    MOST_PEOPLE,
    SPARE_S,
    options_of_return,
    room_options,
)
from worker.livekit_api.client import LiveKitClient
from worker.livekit_api.room_options import LONGEST_TIMEOUT_S
from worker.operations.interviews import open_room

if TYPE_CHECKING:
    from pathlib import Path

    from worker.store.interviews import Interview

NOW = datetime(2026, 3, 1, 9, tzinfo=UTC)
DAY = timedelta(days=1)
DAY_S = 86_400


@pytest.mark.parametrize("grace_s", [1, 30, 600, 3600])
def test_a_room_waits_longer_for_a_candidate_who_left_than_the_interviewer(
    tmp_path: Path, grace_s: int
) -> None:
    settings = settings_in(tmp_path, INTERVIEW_CANDIDATE_GRACE_S=grace_s)
    options = room_options(settings, closes_at=NOW + DAY, now=NOW)
    assert options.departure_timeout_s == grace_s + SPARE_S
    assert options.most_people == MOST_PEOPLE


@pytest.mark.parametrize("join_s", [5, 300, 86_400])
def test_an_empty_room_outlives_the_wait_of_an_interviewer_sent_as_the_window_closes(
    tmp_path: Path, join_s: int
) -> None:
    settings = settings_in(tmp_path, INTERVIEW_CANDIDATE_JOIN_S=join_s)
    open_for_a_day = room_options(settings, closes_at=NOW + DAY, now=NOW)
    assert open_for_a_day.empty_timeout_s == DAY_S + join_s + SPARE_S
    # Such as an interview that failed within its window, and is continued after it.
    closed = room_options(settings, closes_at=NOW - DAY, now=NOW)
    assert closed.empty_timeout_s == join_s + SPARE_S


def test_a_room_that_is_created_early_and_used_late_is_open_for_the_same_end(
    tmp_path: Path,
) -> None:
    settings = settings_in(tmp_path)
    early = room_options(settings, closes_at=NOW + DAY, now=NOW)
    late = room_options(settings, closes_at=NOW + DAY, now=NOW + timedelta(hours=23))
    assert early.empty_timeout_s - 23 * 3600 == late.empty_timeout_s


def test_without_a_window_the_room_has_the_default_window(tmp_path: Path) -> None:
    settings = settings_in(tmp_path, INTERVIEW_CANDIDATE_JOIN_S=300)
    spare_s = 300 + SPARE_S
    assert room_options(settings, now=NOW).empty_timeout_s == 7 * DAY_S + spare_s
    later = room_options(settings, opens_at=NOW + DAY, now=NOW)
    assert later.empty_timeout_s == 8 * DAY_S + spare_s
    opened = room_options(settings, opens_at=NOW - DAY, now=NOW)
    assert opened.empty_timeout_s == 7 * DAY_S + spare_s


def test_a_fraction_of_a_second_is_rounded_up_and_a_very_long_window_is_cut(
    tmp_path: Path,
) -> None:
    settings = settings_in(tmp_path, INTERVIEW_CANDIDATE_GRACE_S="0.5")
    endless = datetime(9999, 1, 1, tzinfo=UTC)
    options = room_options(settings, closes_at=endless, now=NOW)
    assert options.departure_timeout_s == SPARE_S + 1
    assert options.empty_timeout_s == LONGEST_TIMEOUT_S


async def test_the_room_of_a_dispatch_is_opened_with_these_options(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A restart of LiveKit closes the room of an interview, and the dispatch opens it again."""
    asked: dict[str, Any] = {}

    async def create_room(_: object, room: str, **options: int) -> str:
        asked[room] = options
        return "RM_1"

    monkeypatch.setattr(LiveKitClient, "create_room", create_room)
    settings = settings_in(
        tmp_path,
        LIVEKIT_URL="ws://127.0.0.1:7880",
        LIVEKIT_API_KEY="key",
        LIVEKIT_API_SECRET="secret" * 6,
        INTERVIEW_CANDIDATE_GRACE_S=600,
    )
    window = SimpleNamespace(room="room-1", closes_at=datetime.now(UTC) + DAY)
    await open_room(settings, cast("Interview", window))
    (options,) = asked.values()
    assert options["departure_timeout_s"] == 600 + SPARE_S
    assert options["empty_timeout_s"] > DAY_S
    assert options["most_people"] == MOST_PEOPLE


def test_a_room_that_an_interviewer_opens_again_waits_longer_than_the_interviewer(
    tmp_path: Path,
) -> None:
    settings = settings_in(
        tmp_path, INTERVIEW_CANDIDATE_GRACE_S=600, INTERVIEW_CANDIDATE_JOIN_S=300
    )
    options = options_of_return(settings)
    assert options.departure_timeout_s == 600 + SPARE_S
    assert options.empty_timeout_s == 600 + SPARE_S


def test_the_rooms_of_an_agent_of_ones_own_have_no_limit_of_people(tmp_path: Path) -> None:
    settings = settings_in(tmp_path, INTERVIEW_APPLICATION="receptionist:Receptionist")
    assert room_options(settings).most_people == 0
    assert options_of_return(settings).most_people == 0
