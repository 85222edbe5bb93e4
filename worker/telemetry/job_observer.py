"""The main process's view of its jobs, read from journals, for metrics, probes and operators."""

from __future__ import annotations

import signal
import time
from collections import deque
from pathlib import Path
from typing import Any, Final

from states import Outcome, Phase, Reason
from states.table import phase_of
from worker.telemetry import catalog
from worker.telemetry.job_view import JobView
from worker.telemetry.journal_follower import JournalFollower, News
from worker.telemetry.metrics import Metrics
from worker.telemetry.worker_status import WorkerStatus

#: Seconds without a heartbeat after which a job counts as unresponsive. A job sends a heartbeat
#: every second.
UNRESPONSIVE_S: Final = 10.0
#: Maximum number of ended jobs that `Observer.jobs` lists; older jobs are dropped.
_ENDED_KEPT: Final = 50


class Observer:
    """Follows the jobs of one worker.

    The observer keeps the last `_ENDED_KEPT` ended jobs, and the counters of all jobs.
    """

    def __init__(self, journals: Path, *, version: str) -> None:
        self.metrics = Metrics()
        self.metrics.show(catalog.WORKER, 1, version)
        self.follower = JournalFollower(journals, self._on_news)
        self._running: dict[str, JobView] = {}
        self._ended: deque[JobView] = deque(maxlen=_ENDED_KEPT)

    def job_given(self, job_id: str, room: str) -> None:
        """Register a job that was assigned to a process."""
        if job_id not in self._running:
            self.metrics.count(catalog.JOBS_STARTED)
            now = time.time()
            self._running[job_id] = JobView(job_id=job_id, room=room, received_at=now, alive_at=now)
            self.follower.follow(job_id)

    async def job_gone(self, job_id: str, exit_code: int | None) -> None:
        """Record the end of a job whose process has exited.

        If the job's journal does not contain the job's end, the exit code determines the outcome.
        """
        await self.follower.finish(job_id)
        view = self._running.pop(job_id, None)
        if view is None:
            return
        self.metrics.count(catalog.JOB_EXITS, code_of(exit_code))
        if phase_of(view.state) is not Phase.OVER:
            view.outcome, view.reason = _unwritten_end(exit_code)
            self.metrics.count(catalog.JOBS_ENDED, view.outcome, view.reason)
        self._ended.append(view)

    def _on_news(self, news: News) -> None:
        view = self._running.get(news.job_id)
        if view is None:
            return
        view.alive_at = max(view.alive_at, news.alive_at)
        view.on_disk = view.on_disk or news.alive_at > 0
        for record in news.records:
            self.metrics.take(view, record)
            view.apply(record)

    # --- views ------------------------------------------------------------------------------------

    def jobs(self) -> list[dict[str, Any]]:
        """Return the running jobs, oldest first, then the last ended jobs, newest first."""
        now = time.time()
        running = sorted(self._running.values(), key=lambda view: view.received_at)
        return [
            view.as_data(now) | {"running": view.job_id in self._running}
            for view in (*running, *reversed(self._ended))
        ]

    def job(self, job_id: str) -> dict[str, Any] | None:
        """Return a running or recently ended job; None if there is no such job."""
        return next((each for each in self.jobs() if each["job_id"] == job_id), None)

    def unresponsive(self) -> list[str]:
        """Return the ids of the running jobs without a heartbeat for `UNRESPONSIVE_S` seconds."""
        latest = time.time() - UNRESPONSIVE_S
        running = self._running.values()
        return [view.job_id for view in running if view.on_disk and view.alive_at < latest]

    def page(self, status: WorkerStatus) -> bytes:
        """Return all metrics in Prometheus text format."""
        metrics = self.metrics
        metrics.show_jobs(self._running.values(), len(self.unresponsive()))
        metrics.show(catalog.READY, status.ready)
        metrics.show_each(catalog.NOT_READY, {name: 1.0 for name, _ in status.waiting_on})
        metrics.show(catalog.DRAINING, status.draining)
        metrics.show(catalog.DRAIN_LEFT, status.drain_left_s or 0.0)
        metrics.show(catalog.SLOTS, status.slots)
        metrics.show(catalog.SLOTS_USED, status.slots_used)
        metrics.show(catalog.LOAD, status.load)
        running = float(len(self._running))
        metrics.show_each(
            catalog.PROCESSES, {"warm": float(status.warm_processes), "running": running}
        )
        metrics.show(catalog.SHIPPING_LAG, status.shipping_lag_s)
        metrics.show(catalog.JOURNALS_WAITING, status.journals_waiting)
        if status.pool is not None:
            used, there = status.pool
            metrics.show_each(catalog.POOL, {"used": float(used), "idle": float(there - used)})
        metrics.show(catalog.RENEWAL_AGE, status.renewal_age_s or 0.0)
        if status.disk_free_bytes is not None:
            metrics.show(catalog.DISK_FREE, status.disk_free_bytes)
        return metrics.page()

    async def run(self) -> None:
        """Follow the journals until cancelled."""
        await self.follower.run()


def _unwritten_end(exit_code: int | None) -> tuple[str, str]:
    """Return outcome and reason of a job whose journal does not contain the job's end."""
    if exit_code == 0:  # the job did not fail, but its disk accepted no more records
        return "unknown", "NotWritten"
    killed = exit_code is not None and exit_code < 0
    return Outcome.FAILED, Reason.PROCESS_KILLED if killed else Reason.PROCESS_EXITED


def code_of(exit_code: int | None) -> str:
    """Return a process's exit code as text, or the name of the signal that killed the process."""
    if exit_code is None:
        return "unknown"
    if exit_code >= 0:
        return str(exit_code)
    try:
        return signal.Signals(-exit_code).name
    except ValueError:
        return f"SIG{-exit_code}"
