"""The database operations of a redispatch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from worker.store.claims import (
    claim_dispatches,
    end_without_candidate,
    give_back_dispatches,
    note_dispatches,
)
from worker.store.interview_turns import turns_of_all
from worker.store.orphans import Limits, find_orphaned, record_looks
from worker.store.talk_time import talk_seconds_of_all
from worker.store.turns import turn_as_data

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from worker.config.settings import Settings
    from worker.store.database import Database
    from worker.store.orphans import Look, OrphanedInterview
    from worker.store.scope import Scope


class OrphanStore(Protocol):
    """Database operations of a redispatch: find orphaned interviews, and claim them.

    Every method raises DatabaseError if the database fails.
    """

    async def orphaned(self, *, job_id: str | None, room: str | None) -> list[OrphanedInterview]:
        """Return the interviews to redispatch now, limited to one job or one room if given."""
        ...

    async def claim(self, found: Sequence[OrphanedInterview]) -> Mapping[str, int]:
        """Claim interviews; return the tokens of the successful claims, by interview id."""
        ...

    async def record(self, looks: Sequence[Look]) -> Mapping[str, float]:
        """Store that interviews got no interviewer; return each candidate's absence in seconds."""
        ...

    async def turns(self, interview_ids: Sequence[str]) -> Mapping[str, list[dict[str, Any]]]:
        """Return the turns of interviews so far, for the metadata of the dispatches."""
        ...

    async def spent_s(self, interview_ids: Sequence[str]) -> Mapping[str, float]:
        """Return the seconds that the jobs so far have used of each interview's time limit."""
        ...

    async def note(self, sent: Mapping[str, tuple[int, str]]) -> None:
        """Store the token and the id of each dispatch that was sent, by interview id."""
        ...

    async def give_back(self, claims: Sequence[tuple[OrphanedInterview, int]]) -> None:
        """Undo claims (each given with its token) whose dispatches were not sent.

        The next check can claim the interviews again.
        """
        ...

    async def give_up(self, found: Sequence[OrphanedInterview]) -> None:
        """Set interviews without a candidate to waiting, or end them if the window has closed."""
        ...


def limits_of(settings: Settings, scope: Scope) -> Limits:
    """Return the redispatch limits from the settings, for the interviews of a scope."""
    return Limits(
        join_s=settings.join_deadline_s,
        delay_s=settings.redispatch_delay_s,
        tries=settings.redispatch_tries,
        scope=scope,
    )


class DatabaseOrphanStore:
    """`OrphanStore` in PostgreSQL."""

    def __init__(self, database: Database, limits: Limits) -> None:
        self._database = database
        self._limits = limits

    async def orphaned(self, *, job_id: str | None, room: str | None) -> list[OrphanedInterview]:
        """Call `find_orphaned`."""
        return await find_orphaned(self._database, self._limits, job_id=job_id, room=room)

    async def claim(self, found: Sequence[OrphanedInterview]) -> Mapping[str, int]:
        """Call `claim_dispatches`."""
        return await claim_dispatches(self._database, found, self._limits)

    async def record(self, looks: Sequence[Look]) -> Mapping[str, float]:
        """Call `record_looks`."""
        return await record_looks(self._database, looks)

    async def turns(self, interview_ids: Sequence[str]) -> Mapping[str, list[dict[str, Any]]]:
        """Call `turns_of_all`; return the turns as JSON data.

        Turns that a job has said without its lease are left out, because another job held the
        interview.
        """
        found = await turns_of_all(self._database, interview_ids)
        return {
            which: [turn_as_data(turn) for turn in turns if not turn.late]
            for which, turns in found.items()
        }

    async def spent_s(self, interview_ids: Sequence[str]) -> Mapping[str, float]:
        """Call `talk_seconds_of_all`."""
        return await talk_seconds_of_all(self._database, interview_ids)

    async def note(self, sent: Mapping[str, tuple[int, str]]) -> None:
        """Call `note_dispatches`."""
        await note_dispatches(self._database, sent)

    async def give_back(self, claims: Sequence[tuple[OrphanedInterview, int]]) -> None:
        """Call `give_back_dispatches`."""
        await give_back_dispatches(self._database, claims)

    async def give_up(self, found: Sequence[OrphanedInterview]) -> None:
        """Call `end_without_candidate`."""
        await end_without_candidate(self._database, found, self._limits)
