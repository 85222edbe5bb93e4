"""Everything that a scenario of the fleet benchmark runs: database, proxy, LiveKit, workers."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import time
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any, Final, Self

import psutil

from benchmarks import fleet_database
from benchmarks.child import Child, ChildFailed
from benchmarks.distance import Distance
from benchmarks.fleet_database import FleetDatabase
from benchmarks.fleet_figures import Gaps
from benchmarks.fleet_ledger import candidate_of, room_of
from benchmarks.fleet_livekit import LiveKitStandIn

#: Seconds in which the stand-in of LiveKit answers a call.
_LIVEKIT_S: Final = 0.02
#: Lease durations that a fleet runs before a scenario begins: no lease expires for one lease after
#: the first contact with the database.
_WARM_UP_LEASES: Final = 2.0
#: Seconds within which all jobs must have their leases. A job whose attempt fails tries again.
_HELD_S: Final = 60.0
#: Seconds between two looks at the number of leases.
_LOOK_S: Final = 0.2


@dataclass(frozen=True, kw_only=True)
class Options:
    """What the command line chooses. None: the scenario's own value."""

    workers: int | None = None
    #: Jobs of each worker.
    jobs: int | None = None
    rtt_ms: float | None = None
    seconds: float | None = None
    turns_per_minute: float = 6.0
    seed: int = 0
    #: Processes over which the workers are spread.
    processes: int = 2

    def round_trip_ms(self, usual_ms: float) -> float:
        """Return the chosen round trip in milliseconds, or `usual_ms`."""
        return usual_ms if self.rtt_ms is None else self.rtt_ms


class World:
    """One scenario's database, proxy, stand-in of LiveKit, and processes with workers.

    Use it as an async context manager.

    Args:
        server_url: URL of the PostgreSQL server.
        options: What the command line chooses.
        round_trips_ms: The round trip to the database of each zone, by the zone's name.
        job_processes: False if a dispatch is only accepted: the worker takes the lease and renews
            it. The processes of the jobs, which run on many machines, are left out.
    """

    def __init__(
        self,
        server_url: str,
        options: Options,
        round_trips_ms: Mapping[str, float],
        *,
        job_processes: bool = True,
    ) -> None:
        self._server_url = server_url
        self._options = options
        self._round_trips_ms = round_trips_ms
        self._job_processes = job_processes
        self._open = AsyncExitStack()
        self._by_zone: dict[str, list[Child]] = {}
        #: Name in `_by_zone` of the zone that has vanished.
        self._vanished = ""
        self._draw = random.Random(options.seed)  # noqa: S311  # guards nothing
        self._began_cpu: dict[str, float] = {}
        self.livekit = LiveKitStandIn(answer_s=_LIVEKIT_S)
        #: Time at which the first new job of a room had the lease, or was accepted, by the event
        #: loop's clock.
        self.taken_at: dict[str, float] = {}
        #: Dispatches that no worker has taken.
        self.untaken = 0
        self._took = asyncio.Event()
        #: Settings of the workers in seconds, known once a worker has started.
        self.lease_s = self.watch_s = 0.0

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            self.database: FleetDatabase = await stack.enter_async_context(
                fleet_database.database(self._server_url)
            )
            self.distance = await stack.enter_async_context(
                Distance(self.database.url, self._round_trips_ms)
            )
            await stack.enter_async_context(self.livekit)
            self.livekit.on_dispatch = self._hand_out
            self._open = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._open.aclose()

    async def add_workers(
        self,
        zone: str,
        workers: int,
        *,
        jobs: int = 0,
        slots: int,
        processes: int = 1,
        within_s: float = 0.0,
    ) -> list[str]:
        """Start workers in a zone, each with `jobs` jobs; return the ids of their interviews.

        The workers are spread over `processes` processes, and start within `within_s` seconds. The
        jobs start after them, a few at a time. Raises ChildFailed if a job could not
        take its lease.
        """
        shares = [len(range(n, workers, processes)) for n in range(processes)]
        started = await asyncio.gather(
            *(self._start(zone, share, slots=slots, within_s=within_s) for share in shares if share)
        )
        interviews = await self._hold(zone, started, [share for share in shares if share], jobs)
        self._by_zone.setdefault(zone, []).extend(started)
        return interviews

    async def add_jobs(self, zone: str, jobs: int) -> list[str]:
        """Give the workers of a zone further jobs; return the ids of their interviews."""
        processes = self._by_zone[zone]
        shares = [len(range(n, jobs, len(processes))) for n in range(len(processes))]
        return await self._hold(zone, processes, shares, 1)

    def arrive(self, interviews: Sequence[str]) -> None:
        """Let the candidates of interviews be in their rooms."""
        for interview_id in interviews:
            self.livekit.people[room_of(interview_id)] = {candidate_of(interview_id)}

    async def until_taken(self, room: str, *, within_s: float) -> float | None:
        """Return the time at which a new job of a room has the lease; None after `within_s`."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                while room not in self.taken_at:
                    self._took.clear()
                    await self._took.wait()
        return self.taken_at.get(room)

    async def warm_up(self) -> None:
        """Let the fleet run until leases can expire, and until its connections are open."""
        await asyncio.sleep(_WARM_UP_LEASES * self.lease_s + 1)

    async def reset(self) -> None:
        """Count everything from zero again."""
        await asyncio.gather(*(child.ask("reset") for child in self._children()))
        self._began_cpu = await self._cpu_s()
        psutil.cpu_percent()

    async def reports(self, zone: str | None = None) -> list[dict[str, Any]]:
        """Return the report of each process since `reset`, of one zone or of all."""
        return list(await asyncio.gather(*(child.ask("report") for child in self._children(zone))))

    async def gaps(self, zone: str | None = None) -> Gaps:
        """Return the kept and the missed renewals since `reset`, of one zone or of all."""
        return Gaps.sum_of(await self.reports(zone))

    async def kill(self, zone: str) -> None:
        """Kill the processes of a zone with SIGKILL."""
        gone = self._by_zone.pop(zone)
        await asyncio.gather(*(child.kill() for child in gone))

    def forget(self, zone: str) -> None:
        """Give no more dispatches to a zone that has vanished; its processes run on."""
        self._vanished = zone

    async def use(self, seconds: float) -> dict[str, Any]:
        """Return the use of processors and connections since `reset`, `seconds` ago."""
        used, connections = await self._cpu_s(), (await self.distance.use())["connections"]
        reports = await self.reports()
        each_s = [float(report["cpu_s"]) for report in reports]
        return {
            **{
                f"{name}_cpu_percent": round(100 * (cpu_s - self._began_cpu[name]) / seconds, 1)
                for name, cpu_s in used.items()
            },
            "workers_cpu_percent": round(100 * sum(each_s) / seconds, 1),
            "cpu_percent_of_each_process": [round(100 * cpu_s / seconds, 1) for cpu_s in each_s],
            "machine_cpu_percent": psutil.cpu_percent(),
            "connections": connections,
            "failed_operations": _summed(reports, "failed"),
            "warnings": _summed(reports, "events"),
            "broken_jobs": _summed(reports, "broken"),
        }

    async def _cpu_s(self) -> dict[str, float]:
        """Return the processor time in seconds of what is neither a worker nor a job.

        `benchmark` is this process, with the stand-in of LiveKit. The database is missing if it is
        on another machine.
        """
        used = {
            "proxy": (await self.distance.use())["cpu_s"],
            "benchmark": time.process_time(),
        }
        database = await self.database.cpu_s()
        return used if database is None else {**used, "database": database}

    async def round_trips(self) -> dict[str, float]:
        """Return the measured round trip of each zone in milliseconds."""
        return {
            zone: await fleet_database.round_trip_ms(self.distance.url(zone))
            for zone in self._round_trips_ms
        }

    async def _start(self, zone: str, workers: int, *, slots: int, within_s: float) -> Child:
        environment = {
            **os.environ,
            "FLEET_DATABASE_URL": self.distance.url(zone),
            "FLEET_LIVEKIT_URL": self.livekit.url,
            "FLEET_SLOTS": str(slots),
            "FLEET_SEED": str(self._draw.randrange(2**31)),
        }
        child = await Child.start("benchmarks.fleet_process", environment=environment)
        self.lease_s, self.watch_s = child.ready["lease_s"], child.ready["watch_s"]
        self._open.push_async_callback(child.aclose)
        await child.ask("start", workers=workers, within_s=within_s)
        return child

    async def _hold(
        self, zone: str, processes: Sequence[Child], shares: Sequence[int], jobs: int
    ) -> list[str]:
        total = sum(shares) * jobs
        if not total:
            return []
        prefix = f"{zone}-{self._draw.randrange(16**6):06x}-"
        interviews = await self.database.add_created(prefix, total)
        self.arrive(interviews)
        rest = iter(interviews)
        parts = [[next(rest) for _ in range(share * jobs)] for share in shares]
        await asyncio.gather(
            *(
                child.ask("hold", interviews=part, turns_per_minute=self._options.turns_per_minute)
                for child, part in zip(processes, parts, strict=True)
            )
        )
        limit = asyncio.get_running_loop().time() + _HELD_S
        while (leased := await self.database.leased(prefix, token=1)) < total:
            if asyncio.get_running_loop().time() > limit:
                raise ChildFailed(f"only {leased} of {total} jobs could take their leases")
            await asyncio.sleep(_LOOK_S)
        return interviews

    async def _hand_out(self, room: str, metadata: str) -> None:
        """Give a dispatch to a worker, as LiveKit does."""
        children = [
            child
            for zone, of_zone in self._by_zone.items()
            if zone != self._vanished
            for child in of_zone
        ]
        if not children:
            self.untaken += 1
            return
        if await self._is_taken(self._draw.choice(children), metadata):
            self.taken_at.setdefault(room, asyncio.get_running_loop().time())
            self._took.set()
        else:
            self.untaken += 1

    async def _is_taken(self, child: Child, metadata: str) -> bool:
        turns = self._options.turns_per_minute
        try:
            if not self._job_processes:
                return bool((await child.ask("accept", metadata=metadata))["accepted"])
            taken = await child.ask("take", metadata=metadata, turns_per_minute=turns)
        except ChildFailed:
            return False
        return taken["token"] is not None

    def _children(self, zone: str | None = None) -> list[Child]:
        zones = self._by_zone if zone is None else {zone: self._by_zone[zone]}
        return [child for of_zone in zones.values() for child in of_zone]


def _summed(reports: Sequence[Mapping[str, Any]], name: str) -> dict[str, int]:
    total: dict[str, int] = {}
    for report in reports:
        for key, count in report[name].items():
            total[key] = total.get(key, 0) + count
    return total
