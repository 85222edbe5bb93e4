"""Runs rounds of real interviews under fault injection."""

from __future__ import annotations

import asyncio
import contextlib
import random
import shutil
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

import asyncpg

from tests.chaos.burst import Guest
from tests.chaos.checker import judge
from tests.chaos.diary import Diary, Listener
from tests.chaos.evidence import (
    Evidence,
    InterviewRow,
    RoundEvidence,
    interview_row,
    journals_of,
    stored_records,
    turn_rows,
)
from tests.chaos.kinds import BURST, Kind
from tests.chaos.machine import is_alive
from tests.chaos.person import Person, come_first
from tests.chaos.plan import PLAN, Script
from tests.chaos.schedule import INTERVIEWS
from tests.chaos.strikes import Seat, Striker
from tests.chaos.verdict import Limits, Verdict
from tests.chaos.watch import CONNECTION_ERRORS, watching
from worker.livekit_api.errors import LiveKitError
from worker.store.errors import DatabaseError
from worker.store.interview_status import set_dispatched

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from tests.chaos.machine import PlacedWorker
    from tests.chaos.schedule import Round
    from tests.chaos.world import World
    from worker.store.interviews import Interview

#: Maximum seconds that a candidate stays: three times an undisturbed interview.
_PATIENCE_S: Final = 150.0
#: Seconds until an interview has ended after its candidate has left (its grace is 30 s), and then
#: until all of its records are in the database and its processes have ended.
_ENDS_S: Final = 60.0
_SETTLES_S: Final = 40.0
_LOOK_S: Final = 0.5
#: Seconds in which another interviewer may resume an interview after a provisional end: twice the
#: join deadline.
_TAKEN_UP_S: Final = 20.0
#: Number of sockets that a main process may open and close: those of a pool, of kept-alive
#: requests.
_SPARE_SOCKETS: Final = 8


@dataclass(frozen=True, kw_only=True)
class RoundResult:
    """The evidence of one round, and the verdict."""

    evidence: RoundEvidence
    verdict: Verdict


class Run:
    """Runs all rounds of a schedule.

    Args:
        world: The real parts.
        seed: The seed for the candidates' words, as for the schedule.
        folder: The folder for recordings and journals of interviews with violations.
        limits: The limits to check.
    """

    def __init__(
        self,
        world: World,
        *,
        seed: int,
        folder: Path,
        limits: Limits,
    ) -> None:
        self._world = world
        self._source = random.Random(seed)  # noqa: S311 - reproducible on purpose
        self._folder = folder
        self._limits = limits

    async def round(self, number: int, faults: Round) -> RoundResult:
        """Hold a round's interviews, trigger the faults, and check the evidence."""
        come_first()
        scripts = [Script.drawn(self._source) for _ in range(INTERVIEWS)]
        interviews = [await self._creator.create(PLAN) for _ in range(INTERVIEWS)]
        in_burst = BURST if any(each.kind is Kind.DISPATCH_BURST for each in faults) else 0
        invited = [await self._creator.create(PLAN) for _ in range(in_burst)]
        began_s = time.time()
        seats = [
            self._seat(interview, script, began_s)
            for interview, script in zip(interviews, scripts, strict=True)
        ]
        guests = [self._guest(interview, began_s) for interview in invited]
        striker = Striker(self._world, seats, guests)
        async with watching(self._world) as watch, asyncio.TaskGroup() as tasks:
            for seat in seats:
                tasks.create_task(self._hold(seat), name=f"interview {seat.interview_id}")
            tasks.create_task(striker.run(faults), name="faults")
        rooms = {each.room for each in seats} | {each.log.room for each in guests}
        leftovers = await self._settle(rooms)
        evidence = RoundEvidence(
            number=number,
            interviews=[
                await self._evidence(seat, script)
                for seat, script in zip(seats, scripts, strict=True)
            ],
            struck=striker.struck,
            unwritable=watch.unwritable.spans,
            no_slot=watch.no_slot.spans,
            listeners=striker.listeners,
            leftovers=leftovers,
        )
        verdict = judge(evidence, self._limits)
        self._keep_or_forget(evidence, verdict)
        return RoundResult(evidence=evidence, verdict=verdict)

    @property
    def _creator(self) -> PlacedWorker:
        """Any worker, used only for its settings, not for its process."""
        return self._world.machines[0].worker

    def _seat(self, interview: Interview, script: Script, began_s: float) -> Seat:
        diary = Diary(interview_id=interview.interview_id, room=interview.room, began_s=began_s)
        person = Person(
            partial(self._creator.candidate_of, interview),
            script,
            diary,
            recordings=self._folder,
            patience_s=_PATIENCE_S,
        )
        return Seat(
            interview_id=interview.interview_id,
            room=interview.room,
            person=person,
            send=partial(self._send, interview),
        )

    def _guest(self, interview: Interview, began_s: float) -> Guest:
        return Guest(
            Listener(interview_id=interview.interview_id, room=interview.room, began_s=began_s),
            join=partial(self._creator.candidate_of, interview),
            send=partial(self._send, interview),
            end=partial(self._delete_room, interview.room),
        )

    async def _send(self, interview: Interview) -> None:
        """Dispatch an interviewer as `interviews create --dispatch` does; retry until success."""
        while True:
            try:
                await self._creator.send_interviewer(interview)
                async with self._creator.database() as database:
                    await set_dispatched(database, interview.interview_id, dispatch_id="")
            except (LiveKitError, DatabaseError):
                await asyncio.sleep(_LOOK_S)
            else:
                return

    async def _hold(self, seat: Seat) -> None:
        """Hold one interview until its candidate has left and its end is in the database."""
        await seat.send()
        watching = asyncio.create_task(self._watch(seat), name="watch")
        try:
            await seat.person.run()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(asyncio.shield(watching), _ENDS_S)
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)

    async def _watch(self, seat: Seat) -> None:
        """Tell the candidate when the interview is over according to the database."""
        failed_s: float | None = None
        while True:
            await asyncio.sleep(_LOOK_S)
            try:
                row = await self._row(seat.interview_id)
            except CONNECTION_ERRORS:
                continue
            if row is None or row.status not in ("ended", "waiting"):
                failed_s = None
                continue
            # After a failure or a shutdown, or while the interview waits for its candidate, another
            # interviewer may be on its way.
            failed_s = failed_s or time.monotonic()
            failed = row.outcome == "failed" or row.reason == "ShutdownRequested"
            provisional = failed or row.status == "waiting"
            if not provisional or time.monotonic() - failed_s > _TAKEN_UP_S:
                seat.person.told_it_is_over()
                return

    async def _row(self, interview_id: str) -> InterviewRow | None:
        connection = await asyncpg.connect(self._world.postgres.url, timeout=2)
        try:
            return await interview_row(connection, interview_id)
        finally:
            await connection.close(timeout=2)

    async def _settle(self, rooms: Collection[str]) -> list[str]:
        """Wait until jobs have ended and journals are ingested; return the leftovers as texts."""
        give_up_s = time.monotonic() + _SETTLES_S

        def unsettled() -> list[str]:
            machines = self._world.machines
            living = [f"job {j.job_id}" for m in machines for j in m.jobs() if j.room in rooms]
            waiting = [
                f"journal {journal.job_id}"
                for m in machines
                for room in rooms
                for journal in journals_of(room, m.journals())
                if not journal.shipped
            ]
            return living + waiting

        # A poll, because the ends of other processes set no event.
        while unsettled() and time.monotonic() < give_up_s:  # noqa: ASYNC110
            await asyncio.sleep(_LOOK_S)
        leftovers = [f"{each} is left over" for each in unsettled()]
        for machine in self._world.machines:
            leftovers += [f"{each} did not end in time" for each in machine.overdue]
            machine.overdue.clear()
            grown = machine.sockets - machine.sockets_at_first
            if grown > _SPARE_SOCKETS:
                leftovers.append(f"machine {machine.number}: {grown} more sockets than at first")
        return leftovers

    async def _evidence(self, seat: Seat, script: Script) -> Evidence:
        machines = self._world.machines
        journals = [j for m in machines for j in journals_of(seat.room, m.journals())]
        connection = await asyncpg.connect(self._world.postgres.url)
        try:
            row = await interview_row(connection, seat.interview_id)
            turns = await turn_rows(connection, seat.interview_id)
            stored = await stored_records(connection, [journal.job_id for journal in journals])
        finally:
            await connection.close()
        shown = await self._creator.command_json("interviews", "show", seat.interview_id)
        people = await self._creator.participants(seat.room)
        evidence = Evidence(
            diary=seat.person.diary,
            words=script.words,
            answers={each.id: script.answer(each.id) for each in PLAN.questions},
            row=row,
            turns=turns,
            shown=[turn["text"] for turn in shown["turns"] if turn["speaker"] == "candidate"],
            stored=stored,
            journals=journals,
            in_room=[who for who in people if who.startswith("interviewer-")],
            processes=[pid for j in journals if is_alive(pid := int(j.records[0].get("pid", 0)))],
        )
        await self._delete_room(seat.room)
        return evidence

    async def _delete_room(self, room: str) -> None:
        """Delete a room; its job ends."""
        with contextlib.suppress(LiveKitError):
            await self._creator.delete_room(room)

    def _keep_or_forget(self, evidence: RoundEvidence, verdict: Verdict) -> None:
        """Keep recordings and journals of interviews with violations; delete other recordings."""
        wanted = {each.interview_id for each in verdict.violations}
        for one in evidence.interviews:
            interview_id = one.diary.interview_id
            if interview_id in wanted or "" in wanted:
                for journal in one.journals:
                    shutil.copy(
                        journal.path, self._folder / f"{interview_id}-{journal.job_id}.jsonl"
                    )
            else:
                for path in self._folder.glob(f"{interview_id}-*.wav"):
                    path.unlink()
