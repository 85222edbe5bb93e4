"""Parts of the tests of the redispatch of interviews."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any, TypeAlias, cast

from tests.support.virtual.memory_leases import CANDIDATE, MemoryRooms
from worker.continuity.redispatch import Redispatcher
from worker.store.orphans import LEASE_EXPIRED, NOT_SENT, Look, OrphanedInterview

GRACE_S = 30.0


Passes: TypeAlias = Callable[[float], None]


def rescue_in(rooms: MemoryRooms) -> Redispatcher:
    return Redispatcher(rooms, identity="interviewer-{}".format, grace_s=GRACE_S)


class ManyLeases:
    """An `OrphanStore` with several interviews, each of which is found while it is not claimed."""

    def __init__(self, number: int, *, at_a_time: int = 100, why: str = LEASE_EXPIRED) -> None:
        self.at_a_time = at_a_time
        self.whys = {f"iv-{each}": why for each in range(number)}
        self.tokens = dict.fromkeys(self.whys, 1)
        self.left = list(self.whys)
        self.claimed: list[str] = []
        self.given_back: list[str] = []
        self.all_given_back = asyncio.Event()
        self.looks: list[Look] = []
        self.sent: list[str] = []

    async def orphaned(self, **_: object) -> list[OrphanedInterview]:
        return [self._orphan(name) for name in self.left[: self.at_a_time]]

    def _orphan(self, name: str) -> OrphanedInterview:
        interview = SimpleNamespace(
            interview_id=name,
            room=f"room-{name}",
            candidate_identity=CANDIDATE,
            dispatch_id=None,
            reason=None,
            token=self.tokens[name],
        )
        return OrphanedInterview(
            interview=cast(Any, interview),
            why=self.whys[name],
            lost_why=LEASE_EXPIRED,
            last_job="AJ_old",
        )

    async def claim(self, found: Sequence[OrphanedInterview]) -> dict[str, int]:
        names = [each.interview.interview_id for each in found]
        self.claimed += names
        self.left = [name for name in self.left if name not in names]
        for name in names:
            self.tokens[name] += 1
        return {name: self.tokens[name] for name in names}

    async def record(self, looks: Sequence[Look]) -> dict[str, float]:
        self.looks += looks
        return {}

    async def turns(self, interview_ids: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
        return {}

    async def spent_s(self, interview_ids: Sequence[str]) -> dict[str, float]:
        return {}

    async def note(self, sent: Mapping[str, tuple[int, str]]) -> None:
        self.sent += sent

    async def give_back(self, claims: Sequence[tuple[OrphanedInterview, int]]) -> None:
        for found, token in claims:
            name = found.interview.interview_id
            assert token == self.tokens[name]
            self.whys[name] = NOT_SENT
            self.left.append(name)
            self.given_back.append(name)
        if len(self.given_back) == len(self.claimed):
            self.all_given_back.set()

    async def give_up(self, found: Sequence[OrphanedInterview]) -> None:
        raise AssertionError("no candidate is absent for long")


class HangingRooms(MemoryRooms):
    """Rooms in which a dispatch is answered only once `answer` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.answer = asyncio.Event()
        self.sending: asyncio.Queue[str] = asyncio.Queue()

    async def all_sending(self, number: int) -> None:
        """Wait until a number of dispatches is being sent."""
        for _ in range(number):
            await self.sending.get()

    async def send(self, found: OrphanedInterview, **_: object) -> str:
        self.sending.put_nowait(found.interview.interview_id)
        await self.answer.wait()
        return "AD_1"
