"""Points in time as options of a command: a date, a time, or an age."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from typing import Final

from worker.cli.errors import CommandError, ExitCode

#: The accepted forms of a point in time, as text for the help of an option.
FORMS: Final = "2026-03-01, 2026-03-01T09:30 (UTC) or 30m, 12h, 7d (ago)"

#: The accepted forms of a point in time with an offset, as text for the help of an option.
INSTANTS: Final = "2026-03-01T09:30+01:00 or 2026-03-01T08:30Z"

#: Maximum number of days until a window opens or closes. A later time is probably a typing error,
#: and times computed from it could be too late for the database or for tokens.
_FURTHEST_DAYS: Final = 3650
_AGE: Final = re.compile(r"([0-9]{1,6})([mhd])")
_SECONDS: Final = {"m": 60, "h": 3600, "d": 86_400}


def moment(option: str, text: str, *, now: datetime, end_of_day: bool = False) -> datetime:
    """Return the time that `text` names, in UTC.

    A time without an offset is in UTC. A date stands for its first instant, or, with `end_of_day`,
    for the first instant of the next day. An age is counted back from `now`, which has a time zone.

    Raises CommandError if `text` has another form, or names a year outside of 1 to 9999.
    """
    try:
        if age := _AGE.fullmatch(text):
            seconds = int(age[1]) * _SECONDS[age[2]]
            return (now - timedelta(seconds=seconds)).astimezone(UTC)
        if (day := _date(text)) is not None:
            midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
            return midnight + timedelta(days=1) if end_of_day else midnight
        given = datetime.fromisoformat(text)
        return (given if given.tzinfo else given.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise CommandError(f"{option} must be a time such as {FORMS}", ExitCode.USAGE) from None


def window(
    opens: str | None, closes: str | None, *, now: datetime
) -> tuple[datetime | None, datetime | None]:
    """Return the times of the options `--from` and `--until`, in UTC; None for a missing option.

    Raises CommandError if a time is not in ISO 8601 or has no offset, if it is more than ten years
    after `now`, or if the window is empty or is over at `now`.
    """
    first = None if opens is None else _instant("--from", opens)
    end = None if closes is None else _instant("--until", closes)
    for option, time in (("--from", first), ("--until", end)):
        if time is not None and time - now > timedelta(days=_FURTHEST_DAYS):
            raise CommandError(f"{option} is more than ten years from now", ExitCode.USAGE)
    if end is not None and end <= now:
        raise CommandError("--until is not in the future", ExitCode.USAGE)
    if first is not None and end is not None and end <= first:
        raise CommandError("--until is not after --from", ExitCode.USAGE)
    return first, end


def _instant(option: str, text: str) -> datetime:
    try:
        given = datetime.fromisoformat(text)
        if given.tzinfo is not None:
            return given.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise CommandError(
        f"{option} must be a time with an offset, such as {INSTANTS}", ExitCode.USAGE
    )


def _date(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None
