"""Triggers the scheduled faults on the real parts, and records their results."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import psutil

from tests.chaos.evidence import Struck
from tests.chaos.machine import is_alive
from tests.chaos.schedule import OF_A_WORKER, Kind
from tests.chaos.spans import Span

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from tests.chaos.machine import Machine
    from tests.chaos.person import Person
    from tests.chaos.schedule import Fault
    from tests.chaos.world import World

#: Seconds to wait for the job of a room that has no job process at the moment.
_SOON_S: Final = 4.0
_LOOK_S: Final = 0.1
#: Delay, in seconds, of all data to and from a provider.
_LATE_S: Final = 1.5


@dataclass(kw_only=True)
class Seat:
    """One interview of the round, as the target of faults."""

    interview_id: str
    room: str
    person: Person
    send: Callable[[], Awaitable[None]]


class Striker:
    """Triggers the faults of one round.

    Args:
        world: The parts on which the faults act.
        seats: The round's interviews, in order.
    """

    def __init__(self, world: World, seats: Sequence[Seat]) -> None:
        self._world = world
        self._seats = seats
        self.struck: list[Struck] = []
        #: Tasks that start a new worker in place of one that has ended.
        self.replacing: list[asyncio.Task[None]] = []

    async def run(self, faults: Sequence[Fault]) -> None:
        """Trigger each fault at its time; return after all faults and all replacements."""
        async with asyncio.TaskGroup() as tasks:
            for fault in faults:
                tasks.create_task(self._strike(fault), name=str(fault))
        await asyncio.gather(*self.replacing)

    async def _strike(self, fault: Fault) -> None:
        await asyncio.sleep(fault.at_s)
        start_s = time.time()
        interviewers = self._interviewers_struck_by(fault)
        note, hit = "", True
        try:
            note = await self._do(fault) or ""
        except _Missed as missed:
            note, hit = str(missed), False
        if fault.kind in (Kind.KILL_JOB, Kind.STOP_JOB) and hit:
            interviewers = {self._seat(fault).interview_id: note}
        self.struck.append(
            Struck(
                kind=fault.kind,
                target=fault.target,
                span=Span(start_s=start_s, end_s=time.time()),
                hit=hit,
                interviewers=interviewers if hit else {},
                note=note,
            )
        )

    def _seat(self, fault: Fault) -> Seat:
        return self._seats[int(fault.target)]

    def _machine(self, fault: Fault) -> Machine:
        return self._world.machines[int(fault.target)]

    def _interviewers_struck_by(self, fault: Fault) -> dict[str, str]:
        """Return the interviewers that a fault of a worker affects, by interview."""
        if fault.kind not in OF_A_WORKER:
            return {}
        machine = self._machine(fault)
        return {
            seat.interview_id: jobs[-1].identity
            for seat in self._seats
            if (jobs := [job for job in machine.jobs() if job.room == seat.room])
        }

    async def _do(self, fault: Fault) -> str | None:
        """Trigger a fault; return a note on its target. Raises _Missed if there is no target."""
        world, kind = self._world, fault.kind
        match kind:
            case Kind.KILL_JOB:
                return await self._to_job(fault, signal.SIGKILL)
            case Kind.STOP_JOB:
                return await self._to_job(fault, signal.SIGSTOP)
            case Kind.KILL_WORKER | Kind.KILL_MACHINE | Kind.TERMINATE_WORKER:
                await self._end_worker(fault)
            case Kind.STOP_WORKER:
                await self._pause_worker(fault)
            case Kind.FILL_DISK:
                await self._fill_disk(fault)
            case Kind.STOP_DATABASE | Kind.KILL_DATABASE:
                line = world.lines["database"]
                line.refuse()
                await (world.postgres.stop if kind is Kind.STOP_DATABASE else world.postgres.kill)()
                await asyncio.sleep(fault.for_s)
                await world.postgres.started()
                await line.heal()
            case Kind.KILL_LIVEKIT:
                await world.livekit.kill()
                await asyncio.sleep(fault.for_s)
                await world.livekit.restart()
            case Kind.DISPATCH_TWICE:
                await self._seat(fault).send()
            case Kind.DROP_CANDIDATE:
                if not self._seat(fault).person.drop(fault.for_s):
                    raise _Missed("the candidate has left")
                await asyncio.sleep(fault.for_s)
            case _:
                await self._break_line(fault)
        return None

    async def _break_line(self, fault: Fault) -> None:
        """Disturb the connections to a provider or the database, then restore them."""
        line = self._world.lines[fault.target or "database"]
        if fault.kind is Kind.SLOW_PROVIDER:
            line.delay(_LATE_S)
        elif fault.kind is Kind.RESET_PROVIDER:
            line.refuse()
            line.cut()
        else:
            line.stall()
        await asyncio.sleep(fault.for_s)
        await line.heal()

    async def _fill_disk(self, fault: Fault) -> None:
        machine = self._machine(fault)
        if not machine.has_disk:
            raise _Missed("no disk can be mounted here")
        await asyncio.to_thread(machine.fill_disk)
        try:
            await asyncio.sleep(fault.for_s)
        finally:
            machine.free_disk()

    async def _to_job(self, fault: Fault, number: signal.Signals) -> str:
        """Send a signal to the room's newest job; return the identity of its interviewer."""
        room = self._seat(fault).room
        give_up_s = time.monotonic() + _SOON_S
        while not (found := [j for m in self._world.machines for j in m.jobs() if j.room == room]):
            if time.monotonic() > give_up_s:
                raise _Missed("no job is running")
            await asyncio.sleep(_LOOK_S)
        job = max(found, key=lambda job: job.began)
        os.kill(job.pid, number)
        if number is signal.SIGSTOP:
            await asyncio.sleep(fault.for_s)
            with contextlib.suppress(ProcessLookupError):
                os.kill(job.pid, signal.SIGCONT)
        return job.identity

    async def _pause_worker(self, fault: Fault) -> None:
        machine = self._machine(fault)
        stopped = machine.signal_all(signal.SIGSTOP)
        if not stopped:
            raise _Missed("no worker is running")
        await asyncio.sleep(fault.for_s)
        for pid in stopped:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

    async def _end_worker(self, fault: Fault) -> None:
        machine = self._machine(fault)
        main = machine.worker.main
        if main is None:
            raise _Missed("no worker is running")
        if fault.kind is Kind.KILL_WORKER:
            main.kill()
        elif fault.kind is Kind.KILL_MACHINE:
            machine.signal_all(signal.SIGKILL)
        else:
            machine.signal_group(signal.SIGTERM)
            await asyncio.sleep(fault.for_s)
            if is_alive(main.pid):
                with contextlib.suppress(psutil.NoSuchProcess):
                    main.send_signal(signal.SIGTERM)
        self.replacing.append(asyncio.create_task(machine.replace(), name="replace"))


class _Missed(Exception):
    """Raised when a fault has no target."""
