"""What one renewal costs PostgreSQL while many leases are live."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Final

from benchmarks import fleet_database
from benchmarks.fleet_database import FleetDatabase
from benchmarks.fleet_figures import Measured
from benchmarks.fleet_statements import renewal_statement
from benchmarks.fleet_world import Options

_LEASES: Final = 10_000
#: Jobs of each worker, so that 1,250 workers renew the leases.
_JOBS: Final = 8
_LEASE_S: Final = 3.0
#: Renewals of every worker that are measured, after one that is not.
_ROUNDS: Final = 4
#: Renewals of which EXPLAIN ANALYZE reports the execution.
_EXPLAINED: Final = 200


async def cost(server_url: str, options: Options) -> Measured:
    """Measure execution time, pages, WAL and updates in place of renewals, one after the other.

    The first round after the checkpoint writes whole pages to the WAL, and is not measured.
    """
    jobs = options.jobs or _JOBS
    workers = options.workers or _LEASES // jobs
    async with fleet_database.database(server_url) as database:
        leases = workers * jobs
        interviews = await database.add_running(
            "live-", leases, ends_in_s=_LEASE_S, lease_s=_LEASE_S
        )
        await database.settle()
        job_ids = [f"AJ_{each}" for each in interviews]
        fleet = [job_ids[n : n + jobs] for n in range(0, leases, jobs)]
        await _renew(database, fleet)
        before = await database.counters()
        for _ in range(_ROUNDS):
            await _renew(database, fleet)
        after = await database.counters()
        executions = [
            await database.execute(
                *await renewal_statement(ids, worker_id=f"worker-{n}", lease_s=_LEASE_S)
            )
            for n, ids in enumerate(fleet[:_EXPLAINED])
        ]
    renewed = leases * _ROUNDS
    wal_bytes = (after.wal_bytes - before.wal_bytes) / renewed
    updates = after.updates - before.updates
    hot = (after.hot_updates - before.hot_updates) / updates if updates else 0.0
    took_ms = statistics.median(each.took_ms for each in executions)
    buffers = statistics.median(each.buffers for each in executions)
    return Measured(
        figure=f"{took_ms:.2f} ms, {buffers:.0f} pages, {100 * hot:.1f} % HOT,"
        f" {wal_bytes:.0f} B of WAL a lease",
        passed=took_ms < 0.5 and hot > 0.95 and wal_bytes < 200,
        details={
            "leases": leases,
            "jobs_per_worker": jobs,
            "slowest_ms": max(each.took_ms for each in executions),
            "updates": updates,
        },
    )


async def _renew(database: FleetDatabase, fleet: Sequence[Sequence[str]]) -> None:
    for n, ids in enumerate(fleet):
        await database.run(*await renewal_statement(ids, worker_id=f"worker-{n}", lease_s=_LEASE_S))
