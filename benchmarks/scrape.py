"""Cost of a scrape, and cost of half a million old journals for a worker.

A scrape is compared with one of an empty registry, and a poll of the journals with one in a folder
without old journals.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest

from benchmarks.figures import Figure
from states import State
from worker.telemetry.job_observer import Observer
from worker.telemetry.worker_status import WorkerStatus

_JOBS = 100
_ENDED = 1000
_OLD_JOURNALS = 500_000
_ROUNDS = 9
_STATUS = WorkerStatus(started=True, slots=_JOBS, slots_used=_JOBS)


async def run() -> list[Figure]:
    """Run all benchmarks of this module; takes half a minute, mostly to create the old journals."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        empty = CollectorRegistry()
        observer = await _observer(folder / "few")
        scrapes = [
            Figure(
                what="one scrape",
                who="prometheus_client, without metrics",
                unit="ms",
                samples=_timed(lambda: generate_latest(empty)),
            ),
            Figure(
                what="one scrape",
                who=f"ours, {_JOBS} jobs running and {_ENDED} ended",
                unit="ms",
                samples=_timed(lambda: observer.page(_STATUS)),
                target=100.0,
            ),
        ]
        return [*scrapes, *await _looks(folder)]


async def _looks(folder: Path) -> list[Figure]:
    crowded = folder / "many"
    await asyncio.to_thread(_make_old_journals, crowded)
    return [
        Figure(
            what=f"one check of {_JOBS} running jobs",
            who=who,
            unit="ms",
            samples=await _look_times(place),
            target=target,
        )
        for who, place, target in (
            ("no other journal in the folder", folder / "none", None),
            (f"{_OLD_JOURNALS:,} old journals in the folder", crowded, 500.0),
        )
    ]


async def _look_times(folder: Path) -> list[float]:
    observer = await _observer(folder, ended=0)
    samples = []
    for _ in range(_ROUNDS):
        for n in range(_JOBS):
            with (folder / f"AJ_{n}.jsonl").open("a") as journal:
                journal.write('{"kind": "step", "t": 2.0, "name": "x", "ok": true}\n')
        began = time.perf_counter()
        await observer.follower.look()
        samples.append((time.perf_counter() - began) * 1000)
    return samples


async def _observer(folder: Path, *, ended: int = _ENDED) -> Observer:
    """Return an observer that has seen `ended` jobs end and follows `_JOBS` running ones."""
    await asyncio.to_thread(folder.mkdir, exist_ok=True)
    observer = Observer(folder, version="0")
    for n in range(ended):
        observer.job_given(f"old-{n}", "room")
        await observer.job_gone(f"old-{n}", n % 2)
    for n in range(_JOBS):
        (folder / f"AJ_{n}.jsonl").write_text(_journal())
        observer.job_given(f"AJ_{n}", "room")
    await observer.follower.look()
    return observer


def _journal() -> str:
    """Return the journal of a job's start."""
    states = [None, *itertools.takewhile(lambda s: s is not State.DEGRADED, State), State.RUNNING]
    records: list[dict[str, Any]] = [{"kind": "job", "t": 0.0, "room": "room"}]
    for n, (source, target) in enumerate(itertools.pairwise(states)):
        records.append({"kind": "transition", "t": n / 10, "from": source, "to": target})
    return "".join(json.dumps(record) + "\n" for record in records)


def _make_old_journals(folder: Path) -> None:
    """Create hard links to a few files, because only the number of names matters."""
    folder.mkdir()
    for n in range(_OLD_JOURNALS):
        if n % 60_000 == 0:
            source = folder / f"source-{n}.jsonl"
            source.write_text("{}\n")
        os.link(source, folder / f"old-{n}.jsonl")


def _timed(call: Callable[[], object]) -> list[float]:
    samples = []
    for _ in range(_ROUNDS):
        began = time.perf_counter()
        call()
        samples.append((time.perf_counter() - began) * 1000)
    return samples
