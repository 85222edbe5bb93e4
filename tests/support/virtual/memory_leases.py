"""In-memory leases, on a clock that a test moves (docs/explanation/continuity.md)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

from worker.livekit_api.errors import LiveKitUnreachable
from worker.store.errors import DatabaseUnavailable
from worker.store.leases import Holder, InterviewCancelled, LeaseHeld
from worker.store.orphans import LEASE_EXPIRED, NOT_TAKEN, Look, OrphanedInterview
from worker.store.scope import Scope

LEASE_S = 3.0
JOIN_S = 10.0
ROOM = "room-1"
CANDIDATE = "candidate-iv-1"
SCOPE = Scope(agent_name="interviewer", livekit="ws://livekit", takes_unnamed=True)


@dataclass(kw_only=True)
class MemoryLeases:
    """The lease of one interview. Replaces `store.leases`, and an `OrphanStore`."""

    now: float = 100.0
    away: bool = False
    #: The interview was deleted from the database.
    deleted: bool = False
    token: int = 0
    job: str | None = None
    expires: float = 0.0
    dispatched_at: float = 100.0
    seen: float = 100.0
    calm_until: float = 0.0
    running: bool = False
    over: bool = False
    #: The interview was cancelled with a command.
    cancelled: bool = False
    #: Why the interview lost its last interviewer, from a redispatch until a job takes it.
    lost_why: str | None = None
    #: The job that held the lease last.
    last: str | None = None
    #: The tokens of all claimed dispatches.
    claims: list[int] = field(default_factory=list)
    dispatches: list[str] = field(default_factory=list)
    #: The token and the time of the first of several looks that did not find the candidate.
    absent_since: tuple[int, float] | None = None
    #: Seconds that the jobs so far have used of the time limit.
    used_s: float = 61.5

    def _ask(self) -> None:
        if self.away:
            raise DatabaseUnavailable("lease", OSError(), "postgresql://database")

    @property
    def expired(self) -> bool:
        in_contact = self.now - self.seen <= LEASE_S / 2
        calm = self.calm_until > self.now
        return self.job is not None and self.expires <= self.now and in_contact and not calm

    async def take_lease(self, database: object, which: str, *, job_id: str, **_: object) -> int:
        self._ask()
        if self.cancelled:
            raise InterviewCancelled("the interview was cancelled")
        if self.job not in (None, job_id) and not self.expired:
            raise LeaseHeld(self.token)
        self.token += self.job != job_id
        self.job, self.expires, self.running = job_id, self.now + LEASE_S, True
        self.lost_why = None
        self.last = job_id
        return self.token

    async def keep_lease(
        self, _: object, __: str, *, job_id: str, token: int, **___: float
    ) -> Holder | None:
        self._ask()
        if self.deleted:
            return None
        known = Holder(token=self.token, job_id=self.job)
        if self.token < token:
            self.token, self.job, self.expires = token, job_id, self.now + LEASE_S
            return known
        if (self.job, self.token) == (job_id, token) and self.expires < self.now + LEASE_S / 2:
            self.expires = self.now + LEASE_S
        return Holder(token=self.token, job_id=self.job, cancelled=self.cancelled)

    def renew(self, jobs: Collection[str]) -> None:
        self._ask()
        if self.now - self.seen > LEASE_S / 2:
            self.calm_until = self.now + LEASE_S
        self.seen = self.now
        if self.job in jobs:
            self.expires = self.now + LEASE_S

    @property
    def why(self) -> str | None:
        if self.over:
            return None
        if self.expired:
            return LEASE_EXPIRED
        waits = self.job is None and self.now - self.dispatched_at >= JOIN_S
        return NOT_TAKEN if waits else None

    async def orphaned(self, *, job_id: str | None, room: str | None) -> list[OrphanedInterview]:
        self._ask()
        if (why := self.why) is None:
            return []
        interview = SimpleNamespace(
            interview_id="iv-1",
            room=ROOM,
            candidate_identity=CANDIDATE,
            token=self.token,
            reason=None,
        )
        return [
            OrphanedInterview(
                interview=cast(Any, interview),
                why=why,
                lost_why=self.lost_why if why == NOT_TAKEN and self.lost_why else why,
                last_job=self.job or self.last,
            )
        ]

    async def claim(self, found: Sequence[OrphanedInterview]) -> dict[str, int]:
        self._ask()
        if not found or found[0].interview.token != self.token or self.why is None:
            return {}
        self.token += 1
        self.job, self.running, self.dispatched_at = None, False, self.now
        self.lost_why = found[0].lost_why
        self.claims.append(self.token)
        return {"iv-1": self.token}

    async def record(self, looks: Sequence[Look]) -> dict[str, float]:
        self._ask()
        for look in looks:
            token = look.token
            if not look.absent:
                self.absent_since = None
            elif self.absent_since is None or self.absent_since[0] != token:
                self.absent_since = token, self.now
        since = self.absent_since
        return {"iv-1": self.now - since[1]} if looks and since is not None else {}

    async def give_back(self, claims: Sequence[tuple[OrphanedInterview, int]]) -> None:
        self._ask()
        if (self.token, self.job) in [(token, None) for _, token in claims]:
            self.dispatched_at = self.now - JOIN_S

    async def give_up(self, found: Sequence[OrphanedInterview]) -> None:
        self._ask()
        if found[0].interview.token == self.token and self.why is not None:
            self.token, self.job, self.over = self.token + 1, None, True

    async def turns(self, interview_ids: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
        self._ask()
        turns = [{"speaker": "candidate", "text": "The half of it."}]
        return dict.fromkeys(interview_ids, turns)

    async def spent_s(self, interview_ids: Sequence[str]) -> dict[str, float]:
        self._ask()
        return dict.fromkeys(interview_ids, self.used_s)

    async def note(self, sent: Mapping[str, tuple[int, str]]) -> None:
        self._ask()
        self.dispatches += [dispatch_id for _, dispatch_id in sent.values()]


class MemoryRooms:
    """One room, and the actions on it in order."""

    def __init__(self) -> None:
        self.here = {CANDIDATE}
        self.did: list[str] = []
        self.broken: set[str] = set()
        #: The turns that each dispatch carried.
        self.sent_with: list[list[dict[str, Any]]] = []
        #: The time of earlier jobs that each dispatch told.
        self.spent_s: list[float | None] = []

    def _try(self, what: str) -> None:
        if what in self.broken:
            raise LiveKitUnreachable("ws://livekit", reason="timed out", budget_s=1)

    async def counts(self, rooms: Collection[str]) -> dict[str, int]:
        self._try("counts")
        agents = sum(each.startswith("interviewer-") for each in self.here)
        return dict.fromkeys(rooms, len(self.here) - agents)

    async def people(self, rooms: Collection[str]) -> Mapping[str, Collection[str]]:
        self._try("people")
        return dict.fromkeys(rooms, self.here)

    async def remove(self, room: str, identity: str) -> None:
        self._try("remove")
        self.did.append(f"remove {identity}")

    async def send(
        self, found: OrphanedInterview, *, turns: list[dict[str, Any]], spent_s: float | None
    ) -> str:
        self._try("send")
        self.sent_with.append(turns)
        self.spent_s.append(spent_s)
        self.did.append(f"send after {found.last_job}: {found.why}")
        return f"AD_{len(self.did)}"
