"""Times as options of a command."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from worker.cli.errors import CommandError, ExitCode
from worker.cli.moments import moment, window

NOW = datetime(2026, 3, 15, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-03-01", datetime(2026, 3, 1, tzinfo=UTC)),
        ("2026-03-01T09:30", datetime(2026, 3, 1, 9, 30, tzinfo=UTC)),
        ("2026-03-01 09:30:15", datetime(2026, 3, 1, 9, 30, 15, tzinfo=UTC)),
        ("2026-03-01T09:30+02:00", datetime(2026, 3, 1, 7, 30, tzinfo=UTC)),
        ("2026-03-01T09:30Z", datetime(2026, 3, 1, 9, 30, tzinfo=UTC)),
        ("30m", NOW - timedelta(minutes=30)),
        ("12h", NOW - timedelta(hours=12)),
        ("7d", NOW - timedelta(days=7)),
    ],
)
def test_a_date_a_time_and_an_age_are_times_in_utc(text: str, expected: datetime) -> None:
    assert moment("--since", text, now=NOW) == expected


def test_a_date_as_an_end_includes_its_day() -> None:
    assert moment("--until", "2026-02-28", now=NOW, end_of_day=True) == datetime(
        2026, 3, 1, tzinfo=UTC
    )
    exact = moment("--until", "2026-02-28T00:00", now=NOW, end_of_day=True)
    assert exact == datetime(2026, 2, 28, tzinfo=UTC)


@pytest.mark.parametrize(
    "text", ["", "yesterday", "2026-13-01", "7", "7w", "-7d", "999999d", "0001-01-01T00:00+02:00"]
)
def test_any_other_text_is_refused_with_the_accepted_forms(text: str) -> None:
    with pytest.raises(CommandError, match="--since must be a time such as 2026-03-01") as refused:
        moment("--since", text, now=NOW)
    assert refused.value.code is ExitCode.USAGE


def test_the_end_of_the_last_day_is_refused() -> None:
    with pytest.raises(CommandError, match="--until"):
        moment("--until", "9999-12-31", now=NOW, end_of_day=True)


def test_a_window_is_two_times_with_offsets() -> None:
    opens, closes = window("2026-03-16T09:30+02:00", "2026-03-16T18:00Z", now=NOW)
    assert opens == datetime(2026, 3, 16, 7, 30, tzinfo=UTC)
    assert closes == datetime(2026, 3, 16, 18, tzinfo=UTC)


def test_each_end_of_a_window_may_be_missing() -> None:
    assert window(None, None, now=NOW) == (None, None)
    assert window("2026-03-01T09:30Z", None, now=NOW)[1] is None
    assert window(None, "2026-03-16T18:00Z", now=NOW)[0] is None


@pytest.mark.parametrize(
    ("opens", "closes", "problem"),
    [
        ("2026-03-16T09:30", None, "--from must be a time with an offset, such as 2026-03-01T"),
        ("2026-03-16", None, "--from must be a time with an offset"),
        ("7d", None, "--from must be a time with an offset"),
        (None, "tomorrow", "--until must be a time with an offset"),
        (None, "9999-12-31T23:59-01:00", "--until must be a time with an offset"),
        ("9999-12-31T23:59Z", None, "--from is more than ten years from now"),
        (None, "2036-03-16T12:00Z", "--until is more than ten years from now"),
        (None, "2026-03-15T12:00Z", "--until is not in the future"),
        ("2026-03-16T09:30Z", "2026-03-16T09:30Z", "--until is not after --from"),
        ("2026-03-16T09:30Z", "2026-03-16T10:30+02:00", "--until is not after --from"),
    ],
)
def test_an_impossible_window_is_one_line(
    opens: str | None, closes: str | None, problem: str
) -> None:
    with pytest.raises(CommandError, match=f"^{problem}") as refused:
        window(opens, closes, now=NOW)
    assert refused.value.code is ExitCode.USAGE
    assert len(str(refused.value).splitlines()) == 1
