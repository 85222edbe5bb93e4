"""The scenarios of the fleet benchmark. Each measures one row of the result table."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

from benchmarks import fleet_database, fleet_renewals
from benchmarks.fleet_figures import Measured, Row
from benchmarks.fleet_ledger import SHIPMENT, room_of
from benchmarks.fleet_world import Options, World

#: Runs a scenario: URL of the server, and what the command line chooses.
Run = Callable[[str, Options], Awaitable[Measured]]

#: Longest wait for a redispatch, in seconds; none within it is a miss.
_PATIENCE_S: Final = 30.0
#: Maximum seconds until a killed worker is followed: the rest of its leases, a look, a dispatch.
_FOLLOWED_S: Final = 5.0
#: Seconds between two looks at the number of claims. The time of the last claim is as exact.
_LOOK_S: Final = 0.05
#: Seconds between the starts of two workers, for many workers that share the processors of one
#: machine with their database. All at once, they would measure the opening of connections.
_START_S: Final = 0.1
#: Transactions a second of a job by which the count may be wrong: a session of PostgreSQL reports
#: its count once a second, so that a minute may have one second more or less.
_INEXACT: Final = 0.02


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """One row of the result table, and what measures it."""

    what: str
    #: The figure of the code before leases had a table of their own.
    before: str
    goal: str
    run: Run

    async def measure(self, name: str, server_url: str, options: Options) -> Row:
        """Run the scenario; return its row."""
        measured = await self.run(server_url, options)
        return Row(name=name, what=self.what, before=self.before, goal=self.goal, measured=measured)


def renewals(workers: int, least: float) -> Run:
    """Return a scenario: `workers` renew the leases of a job each, and keep a share of `least`.

    The workers start one after another, and are measured while all of them hold their leases.
    """

    async def run(server_url: str, options: Options) -> Measured:
        number = options.workers or workers
        rtt_ms, seconds = options.round_trip_ms(20.0), options.seconds or 60.0
        jobs = 1 if options.jobs is None else options.jobs
        async with World(server_url, options, {"zone": rtt_ms}) as world:
            measured_ms = await world.round_trips()
            await world.add_workers(
                "zone",
                number,
                jobs=jobs,
                slots=jobs + 4,
                processes=options.processes,
                within_s=number * _START_S,
            )
            await world.warm_up()
            await world.reset()
            await asyncio.sleep(seconds)
            gaps, used = await world.gaps(), await world.use(seconds)
        return Measured(
            figure=f"{100 * gaps.share:.2f} % of {gaps.kept + gaps.missed}, longest gap"
            f" {gaps.longest_s:.2f} s, after starts within {number * _START_S:.0f} s; proxy"
            f" {used['proxy_cpu_percent']:.0f} % of a processor, machine"
            f" {used['machine_cpu_percent']:.0f} %",
            passed=gaps.share >= least,
            details={"workers": number, "rtt_ms": measured_ms, "missed": gaps.missed, **used},
        )

    return run


async def take_overs(server_url: str, options: Options) -> Measured:
    """Count healthy interviews that are taken over; then kill a far worker."""
    half = (options.workers or 20) // 2
    seconds = options.seconds or 600.0
    jobs = 2 if options.jobs is None else options.jobs
    far_ms = options.round_trip_ms(60.0)
    round_trips = {"near": 1.0, "far": far_ms, "killed": far_ms}
    async with World(server_url, options, round_trips) as world:
        measured_ms = await world.round_trips()
        for zone in ("near", "far"):
            await world.add_workers(zone, half, jobs=jobs, slots=jobs + 2)
        (interview,) = await world.add_workers("killed", 1, jobs=1, slots=4)
        await world.warm_up()
        await world.reset()
        await asyncio.sleep(seconds)
        taken_over = len(world.livekit.dispatched_at)
        used = await world.use(seconds)
        killed = asyncio.get_running_loop().time()
        await world.kill("killed")
        followed = await world.until_taken(room_of(interview), within_s=_PATIENCE_S)
        followed_s = None if followed is None else followed - killed
    passed = taken_over == 0 and followed_s is not None and followed_s <= _FOLLOWED_S
    shown = "never" if followed_s is None else f"after {followed_s:.1f} s"
    return Measured(
        figure=f"{taken_over} in {seconds:.0f} s; a killed worker was followed {shown}",
        passed=passed,
        details={"rtt_ms": measured_ms, "followed_s": followed_s, **used},
    )


async def transactions(server_url: str, options: Options) -> Measured:
    """Count the transactions of workers without jobs, and then those that the jobs add."""
    workers, seconds = options.workers or 20, options.seconds or 60.0
    jobs = workers * (4 if options.jobs is None else options.jobs)
    async with World(server_url, options, {"zone": options.round_trip_ms(20.0)}) as world:
        slots = jobs // workers + 4
        await world.add_workers("zone", workers, slots=slots, processes=options.processes)
        await world.warm_up()
        of_workers, _ = await _transactions(world, seconds)
        await world.add_jobs("zone", jobs)
        await world.warm_up()
        of_all, done = await _transactions(world, seconds)
        used = await world.use(seconds)
    shipped = done.get(SHIPMENT, 0) / seconds
    by_worker = of_workers / workers
    by_job = (of_all - of_workers - shipped) / jobs if jobs else 0.0
    return Measured(
        figure=f"{by_worker:.2f} a worker; {by_job:.2f} a job and {shipped / max(1, jobs):.2f}"
        " shipped batches",
        passed=by_worker <= 2.5 and by_job <= 0.5 + _INEXACT,
        details={"operations_per_second": {k: n / seconds for k, n in done.items()}, **used},
    )


async def _transactions(world: World, seconds: float) -> tuple[float, dict[str, int]]:
    """Return the transactions per second, and the operations of all workers by name."""
    await world.reset()
    before = await world.database.counters()
    await asyncio.sleep(seconds)
    after = await world.database.counters()
    done: dict[str, int] = {}
    for report in await world.reports():
        for name, count in report["done"].items():
            done[name] = done.get(name, 0) + count
    return (after.transactions - before.transactions) / seconds, done


async def vanished_zone(server_url: str, options: Options) -> Measured:
    """Let a zone of five workers vanish in the middle of its statements."""
    workers, seconds = options.workers or 20, options.seconds or 20.0
    rtt_ms = options.round_trip_ms(20.0)
    async with World(server_url, options, {"here": rtt_ms, "gone": rtt_ms}) as world:
        await world.add_workers("here", workers, jobs=1, slots=8)
        lost = await world.add_workers("gone", 5, jobs=2, slots=8)
        await world.warm_up()
        await world.reset()
        world.forget("gone")
        began = asyncio.get_running_loop().time()
        await world.distance.vanish("gone", within_chunks=4, seed=options.seed)
        await asyncio.sleep(seconds)
        gaps, used = await world.gaps("here"), await world.use(seconds)
        taken = [
            world.taken_at[room] - began for room in map(room_of, lost) if room in world.taken_at
        ]
    return Measured(
        figure=f"longest gap between renewals {gaps.longest_s:.2f} s; {len(taken)} of {len(lost)}"
        " lost interviews followed",
        passed=gaps.longest_s <= 1.0 and len(taken) == len(lost),
        details={"followed_after_s": sorted(round(each, 2) for each in taken), **used},
    )


def behind(hopeless: int) -> Run:
    """Return a scenario: an interview loses its interviewer behind `hopeless` untaken dispatches.

    The candidates of the untaken dispatches are not in their rooms.
    """

    async def run(server_url: str, options: Options) -> Measured:
        async with World(server_url, options, {"zone": options.round_trip_ms(20.0)}) as world:
            await world.add_workers("zone", options.workers or 5, slots=4)
            await world.warm_up()
            await world.database.add_untaken("untaken-", hopeless)
            await asyncio.sleep(2 * world.watch_s)
            ends_in_s = 2.0
            interviews = await world.database.add_running(
                "lost-", 1, ends_in_s=ends_in_s, lease_s=world.lease_s
            )
            ended = asyncio.get_running_loop().time() + ends_in_s
            world.arrive(interviews)
            taken = await world.until_taken(room_of(interviews[0]), within_s=_PATIENCE_S)
            # Two looks: the one that just missed the end, and the next one, with its LiveKit calls.
            limit_s = 2 * world.watch_s + 0.5
            took_s = None if taken is None else taken - ended
            calls = dict(world.livekit.calls)
        return Measured(
            figure="never" if took_s is None else f"{took_s:.2f} s after the lease's end",
            passed=took_s is not None and took_s <= limit_s,
            details={"limit_s": limit_s, "livekit_calls": calls},
        )

    return run


async def burst(server_url: str, options: Options) -> Measured:
    """Let 1,000 leases end at the same time.

    The new jobs are accepted by their workers, and have no processes: in a fleet these run on many
    machines, here they would compete with the leader for two processors.
    """
    leases, workers = 1000, options.workers or 20
    round_trips = {"zone": options.round_trip_ms(20.0)}
    async with World(server_url, options, round_trips, job_processes=False) as world:
        slots = 2 * leases // workers
        await world.add_workers("zone", workers, slots=slots, processes=options.processes)
        await world.warm_up()
        await world.database.settle()
        ends_in_s = 4.0
        interviews = await world.database.add_running(
            "burst-", leases, ends_in_s=ends_in_s, lease_s=world.lease_s
        )
        loop = asyncio.get_running_loop()
        ended = loop.time() + ends_in_s
        world.arrive(interviews)
        await world.reset()
        claimed, limit = 0, ended + _PATIENCE_S
        while claimed < leases and loop.time() < limit:
            await asyncio.sleep(_LOOK_S)
            claimed = await world.database.claimed("burst-")
        claimed_s = loop.time() - ended
        leased, limit = 0, loop.time() + _PATIENCE_S
        while leased < claimed and loop.time() < limit:
            await asyncio.sleep(_LOOK_S)
            leased = await world.database.leased("burst-", token=2)
        leased_s = loop.time() - ended
        dispatched = [at - ended for at in world.livekit.dispatched_at.values()]
        calls = dict(world.livekit.calls)
        used = await world.use(leased_s + ends_in_s)
    return Measured(
        figure=f"{claimed} claims within {claimed_s:.1f} s, {leased} new leases within"
        f" {leased_s:.1f} s",
        passed=claimed == leases and claimed_s <= 5.0,
        details={"last_dispatch_s": max(dispatched, default=None), "livekit_calls": calls, **used},
    )


async def conditions(server_url: str) -> dict[str, Any]:
    """Return the settings of the server that explain the figures."""
    async with fleet_database.database(server_url) as database:
        return await database.conditions()


#: All scenarios by name, in the order of the table.
SCENARIOS: Final[dict[str, Scenario]] = {
    "renewals-50": Scenario(
        what="renewals kept: 50 workers, round trip 20 ms",
        before="43 %",
        goal="100 %",
        run=renewals(50, 1.0),
    ),
    "renewals-200": Scenario(
        what="renewals kept: 200 workers, round trip 20 ms",
        before="",
        goal=">= 99.9 %",
        run=renewals(200, 0.999),
    ),
    "take-overs": Scenario(
        what="healthy interviews taken over in 10 min: round trip 60 ms, one zone near, one far",
        before="some",
        goal="0, and a killed worker followed within 5 s",
        run=take_overs,
    ),
    "transactions": Scenario(
        what="transactions a second",
        before="5 a worker; 1.3 to 2.2 a job",
        goal="<= 2.5; <= 0.5 and one a shipped batch",
        run=transactions,
    ),
    "renewal-cost": Scenario(
        what="execution of one renewal, 10,000 live leases",
        before="9 to 14 ms, no HOT update, 1,547 B of WAL",
        goal="< 0.5 ms, > 95 % HOT, < 200 B a lease",
        run=fleet_renewals.cost,
    ),
    "vanished-zone": Scenario(
        what="a zone of 5 workers vanishes in the middle of statements",
        before="9.9 s without renewals",
        goal="<= 1 s for the others",
        run=vanished_zone,
    ),
    "behind-60": Scenario(
        what="one interview without interviewer behind 60 that cannot be helped",
        before="never",
        goal="at the next look",
        run=behind(60),
    ),
    "behind-5000": Scenario(
        what="one interview without interviewer behind 5,000 that cannot be helped",
        before="never",
        goal="at the next look",
        run=behind(5000),
    ),
    "burst": Scenario(
        what="1,000 leases end at once, round trip 20 ms",
        before="50 a look",
        goal="1,000 claims within 5 s",
        run=burst,
    ),
}
