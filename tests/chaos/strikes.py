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
from tests.chaos.kinds import DATABASE_DELAY_S, OF_A_WORKER, Kind
from tests.chaos.machine import is_alive
from tests.chaos.spans import Span
from tests.support.live.breakable import socket_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from tests.chaos.burst import Guest
    from tests.chaos.diary import Listener
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
        guests: The candidates of the round's burst of dispatches.
    """

    def __init__(self, world: World, seats: Sequence[Seat], guests: Sequence[Guest] = ()) -> None:
        self._world = world
        self._seats = seats
        self._guests = guests
        self.struck: list[Struck] = []
        #: What the candidates of the burst heard.
        self.listeners: list[Listener] = []
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
        """Return the interviewers that a fault of a worker affects, by interview.

        A paused main process affects none: their own processes continue and store what they hear.
        """
        if fault.kind not in OF_A_WORKER - {Kind.PAUSE_MAIN}:
            return {}
        machine = self._machine(fault)
        return {
            seat.interview_id: jobs[-1].identity
            for seat in self._seats
            if (jobs := [job for job in machine.jobs() if job.room == seat.room])
        }

    async def _do(self, fault: Fault) -> str | None:
        """Trigger a fault; return a note on its target. Raises _Missed if there is no target."""
        world = self._world
        match fault.kind:
            case Kind.KILL_JOB:
                return await self._to_job(fault, signal.SIGKILL)
            case Kind.STOP_JOB:
                return await self._to_job(fault, signal.SIGSTOP)
            case Kind.KILL_WORKER | Kind.KILL_MACHINE | Kind.TERMINATE_WORKER:
                await self._end_worker(fault)
            case Kind.ROLLING_RESTART:
                await self._restart_all(fault)
            case Kind.STOP_WORKER | Kind.PAUSE_MAIN:
                await self._pause_worker(fault)
            case Kind.FILL_DISK:
                await self._fill_disk(fault)
            case Kind.STOP_DATABASE | Kind.KILL_DATABASE:
                await self._end_database(fault)
            case Kind.FAIL_OVER_DATABASE:
                await self._fail_over(fault)
            case Kind.KILL_LIVEKIT:
                await world.livekit.kill()
                await asyncio.sleep(fault.for_s)
                await world.livekit.restart()
            case Kind.DISPATCH_TWICE:
                await self._seat(fault).send()
            case Kind.DISPATCH_BURST:
                async with asyncio.TaskGroup() as tasks:
                    attending = [tasks.create_task(guest.attend()) for guest in self._guests]
                self.listeners += [task.result() for task in attending]
            case Kind.DROP_CANDIDATE:
                if not self._seat(fault).person.drop(fault.for_s):
                    raise _Missed("the candidate has left")
                await asyncio.sleep(fault.for_s)
            case _:
                await self._break_line(fault)
        return None

    async def _end_database(self, fault: Fault) -> None:
        line, postgres = self._world.lines["database"], self._world.postgres
        line.refuse()
        await (postgres.stop if fault.kind is Kind.STOP_DATABASE else postgres.kill)()
        await asyncio.sleep(fault.for_s)
        await postgres.started()
        await line.heal()

    async def _fail_over(self, fault: Fault) -> None:
        """Lead the database's address to the standby and back, as an address that lags does.

        Afterwards the connections to the standby stay open: whoever keeps one can still not write.
        """
        line = self._world.lines["database"]
        line.redirect(socket_of(self._world.standby_url))
        line.cut()
        await asyncio.sleep(fault.for_s)
        line.redirect(socket_of(self._world.postgres.url))

    async def _break_line(self, fault: Fault) -> None:
        """Disturb the connections to a provider or the database, then restore them."""
        line = self._world.lines[fault.target or "database"]
        if fault.kind is Kind.SLOW_PROVIDER:
            line.delay(_LATE_S)
        elif fault.kind is Kind.DELAY_DATABASE:
            line.delay(DATABASE_DELAY_S)
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
        with machine.withheld():
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
        with machine.withheld():
            stop = machine.signal_main if fault.kind is Kind.PAUSE_MAIN else machine.signal_all
            stopped = stop(signal.SIGSTOP)
            if not stopped:
                raise _Missed("no worker is running")
            try:
                await asyncio.sleep(fault.for_s)
            finally:
                for pid in stopped:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGCONT)

    async def _end_worker(self, fault: Fault) -> None:
        machine = self._machine(fault)
        main = machine.worker.main
        if main is None:
            raise _Missed("no worker is running")
        machine.registered = False
        if fault.kind is Kind.KILL_WORKER:
            main.kill()
        elif fault.kind is Kind.KILL_MACHINE:
            machine.signal_all(signal.SIGKILL)
        else:
            await _terminate_twice(machine, fault.for_s)
        self.replacing.append(asyncio.create_task(machine.replace(), name="replace"))

    async def _restart_all(self, fault: Fault) -> None:
        """Restart all workers, each once the worker before it is registered again."""
        for machine in self._world.machines:
            if machine.worker.main is not None:
                await _terminate_twice(machine, fault.for_s)
            await machine.replace()


async def _terminate_twice(machine: Machine, apart_s: float) -> None:
    """Drain a worker, then let it hand its interviews over, as a deploy in a hurry does."""
    main = machine.worker.main
    machine.registered = False
    machine.signal_group(signal.SIGTERM)
    await asyncio.sleep(apart_s)
    if main is not None and is_alive(main.pid):
        with contextlib.suppress(psutil.NoSuchProcess):
            main.send_signal(signal.SIGTERM)


class _Missed(Exception):
    """Raised when a fault has no target."""
