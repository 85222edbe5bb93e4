"""A process of the fleet benchmark: several workers with their jobs, on one event loop.

The parent sets FLEET_DATABASE_URL, FLEET_LIVEKIT_URL, FLEET_SLOTS and FLEET_SEED, and sends
requests (benchmarks/child.py). The log is not printed; its warnings are counted by event.
"""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import os
import random
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from benchmarks.child import Handler, allow_many_connections, serve
from benchmarks.fleet_figures import RenewalGaps
from benchmarks.fleet_ledger import FleetWorker, Operations, settings_for
from worker.config.settings import Settings

#: Jobs of one process that start at the same time.
_AT_A_TIME: Final = 2


class EventCounter(logging.Handler):
    """Counts warnings and errors of the log by their event."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.events: Counter[str] = Counter()

    def emit(self, record: logging.LogRecord) -> None:
        """Count one record."""
        self.events[str(getattr(record, "event", None) or _first_words(record))] += 1


class FleetProcess:
    """The workers of this process, and the requests of the parent.

    Args:
        settings: The settings of every worker.
        database_url: URL of the database, through the proxy.
        draw: Source of the pauses before the starts of the workers.
        log: Counts the warnings.
    """

    def __init__(
        self, settings: Settings, database_url: str, draw: random.Random, log: EventCounter
    ) -> None:
        self._settings = settings
        self._url = database_url
        self._draw = draw
        self._log = log
        self._workers: list[FleetWorker] = []
        self._operations = Operations()
        self._gaps = RenewalGaps(settings.lease_renew_s, asyncio.get_running_loop().time)
        self._cpu_s = 0.0

    async def start(self, workers: int, within_s: float) -> Mapping[str, Any]:
        """Start workers, spread over `within_s` seconds, at least the time between two renewals."""
        within_s = max(within_s, self._settings.lease_renew_s)
        new = [
            FleetWorker(self._settings, self._url, self._operations, self._gaps)
            for _ in range(workers)
        ]
        await asyncio.gather(
            *(worker.start(after_s=self._draw.uniform(0, within_s)) for worker in new)
        )
        self._workers += new
        return {}

    async def hold(self, interviews: Sequence[str], turns_per_minute: float) -> Mapping[str, Any]:
        """Run a job for each interview, spread evenly over the workers.

        Return how many of the jobs have taken their leases at the first attempt.
        """
        gate = asyncio.Semaphore(_AT_A_TIME)

        async def take(worker: FleetWorker, interview_id: str) -> bool:
            async with gate:
                metadata = json.dumps({"interview_id": interview_id})
                return await worker.take(metadata, turns_per_minute=turns_per_minute) is not None

        taken = await asyncio.gather(
            *(
                take(self._workers[n % len(self._workers)], interview_id)
                for n, interview_id in enumerate(interviews)
            )
        )
        return {"held": sum(taken)}

    async def take(self, metadata: str, turns_per_minute: float) -> Mapping[str, Any]:
        """Let the worker with the most free slots run the job of a dispatch.

        `token` is None if no slot is free, or if the job could not take its lease.
        """
        worker = self._freest()
        if worker is None:
            return {"token": None}
        return {"token": await worker.take(metadata, turns_per_minute=turns_per_minute)}

    async def accept(self, metadata: str) -> Mapping[str, Any]:
        """Let the worker with the most free slots accept a dispatch, without the job's process."""
        worker = self._freest()
        if worker is not None:
            worker.accept(metadata)
        return {"accepted": worker is not None}

    def _freest(self) -> FleetWorker | None:
        worker = max(self._workers, key=lambda each: each.free_slots)
        return worker if worker.free_slots > 0 else None

    async def reset(self) -> Mapping[str, Any]:
        """Count everything from zero again."""
        # The many workers of this process share one heap, which a real worker has for itself.
        # Collections of the whole heap would be a cost of the benchmark.
        gc.collect()
        gc.freeze()
        self._gaps.reset()
        self._operations.done.clear()
        self._operations.failed.clear()
        self._log.events.clear()
        self._cpu_s = time.process_time()
        return {}

    async def report(self) -> Mapping[str, Any]:
        """Return what was counted since `reset`; of jobs and redispatches, since the start."""
        return {
            **asdict(self._gaps.report()),
            "done": dict(self._operations.done),
            "failed": dict(self._operations.failed),
            "events": dict(self._log.events),
            "sent": _total(worker.sent for worker in self._workers),
            "superseded": sum(worker.superseded for worker in self._workers),
            "broken": _total(worker.broken for worker in self._workers),
            "cpu_s": time.process_time() - self._cpu_s,
        }

    async def aclose(self) -> None:
        """End all workers."""
        await asyncio.gather(*(worker.aclose() for worker in self._workers))


def _first_words(record: logging.LogRecord) -> str:
    """Return the logger and the beginning of a message that names no event."""
    error = record.exc_info[0] if record.exc_info else None
    cause = f" ({error.__name__})" if error is not None else ""
    return f"{record.name}: {record.getMessage()[:60]}{cause}"


def _total(counters: Iterable[Counter[str]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for counter in counters:
        total.update(counter)
    return dict(total)


async def main() -> None:
    """Run the process until standard input ends."""
    allow_many_connections()
    log = EventCounter()
    logging.basicConfig(handlers=[log], level=logging.WARNING, force=True)
    with tempfile.TemporaryDirectory(prefix="bench-fleet-") as folder:
        settings = settings_for(
            os.environ["FLEET_LIVEKIT_URL"], Path(folder), slots=int(os.environ["FLEET_SLOTS"])
        )
        draw = random.Random(int(os.environ["FLEET_SEED"]))  # noqa: S311  # guards nothing
        process = FleetProcess(settings, os.environ["FLEET_DATABASE_URL"], draw, log)
        requests: dict[str, Handler] = {
            "start": process.start,
            "hold": process.hold,
            "take": process.take,
            "accept": process.accept,
            "reset": process.reset,
            "report": process.report,
        }
        ready = {"lease_s": settings.lease_s, "watch_s": settings.watch_s}
        try:
            await serve(requests, ready={**ready, "renew_s": settings.lease_renew_s})
        finally:
            await process.aclose()


if __name__ == "__main__":
    asyncio.run(main())
