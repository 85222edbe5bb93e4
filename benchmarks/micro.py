"""Cost of one transition, one journal record, and one inactive fault point.

Each cost is compared with that of the underlying library call, system call or coroutine.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path

from transitions.extensions.asyncio import AsyncMachine

from benchmarks.figures import Figure
from states import Condition, Event, FileJournal, Lifecycle, MemoryJournal, Status
from worker import faults

_CALLS = 500
_ROUNDS = 9
_RECORD = {"name": "load vad", "ok": True, "reason": "Loaded", "elapsed_ms": 0.02, "attempts": 1}


async def run() -> list[Figure]:
    """Run all benchmarks of this module; takes a few seconds."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        return [*await _transitions(folder), *await _records(folder), *await _fault_points()]


async def _transitions(folder: Path) -> list[Figure]:
    what = "one transition"
    machine = AsyncMachine(states=["a", "b"], initial="a", auto_transitions=False)
    machine.add_transition("go", "a", "b")
    machine.add_transition("go", "b", "a")
    bare = await _per_call(machine.go, 1e6)
    figures = [Figure(what=what, who="transitions' AsyncMachine alone", unit="us", samples=bare)]
    for who, journal in (
        ("ours, journal in memory", MemoryJournal()),
        ("ours, journal on disk", FileJournal(folder / "transitions.jsonl")),
    ):
        life = Lifecycle(journal=journal)
        life.start()
        await _to_ready(life)
        figures += [
            Figure(what=what, who=who, unit="us", samples=await _per_call(step, 1e6), target=target)
            for what, step, target in (
                (f"{what}, internal", _internal(life), None),
                (f"{what}, with its condition", _there_and_back(life), 50.0),
            )
        ]
        await life.stop()
        journal.close()
    return sorted(figures, key=lambda figure: figure.what)


async def _to_ready(life: Lifecycle) -> None:
    for event in (Event.ROOM_CONNECTED, Event.BOOTSTRAP_STARTED):
        await life.fire(event)
    await life.fire(Event.LOADER_REPORTED, _vad(Status.READY))
    await life.fire(Event.LOADERS_SETTLED)


def _vad(status: Status) -> Condition:
    return Condition(resource="vad", status=status, reason="Measured")


def _internal(life: Lifecycle) -> Callable[[], Awaitable[object]]:
    return lambda: life.fire(Event.RESOURCE_RECOVERED)


def _there_and_back(life: Lifecycle) -> Callable[[], Awaitable[object]]:
    """Return a call that alternates between READY and DEGRADED; each call writes two records."""
    steps = cycle(
        (
            (Event.RESOURCE_LOST, _vad(Status.LOST)),
            (Event.RESOURCE_RECOVERED, _vad(Status.READY)),
        )
    )
    return lambda: life.fire(*next(steps))


async def _records(folder: Path) -> list[Figure]:
    journal = FileJournal(folder / "records.jsonl")
    clock = iter(range(10**9))

    async def append() -> None:
        journal.append("step", float(next(clock)), **_RECORD)

    async def append_and_commit() -> None:
        await append()
        await journal.commit()

    with _plain_file(folder / "plain.jsonl") as write:

        async def plain() -> None:
            write(sync=False)

        async def plain_synced() -> None:
            await asyncio.to_thread(write, sync=True)

        figures = [
            Figure(what=what, who=who, unit="us", samples=await _per_call(call, 1e6), target=target)
            for what, who, call, target in (
                ("one record", "one write(2) of as many bytes", plain, None),
                ("one record", "ours", append, 1000.0),
                ("one record on the disk", "write(2) and fsync(2) in a thread", plain_synced, None),
                ("one record on the disk", "ours", append_and_commit, 1000.0),
            )
        ]
    journal.close()
    return figures


async def _fault_points() -> list[Figure]:
    """Measure an empty coroutine, awaited directly and behind an inactive fault point."""

    async def nothing() -> None: ...

    async def bare() -> None:
        await nothing()

    async def with_point() -> None:
        await faults.at("load", nothing(), "vad")

    what = "a step with a fault point that is off"
    return [
        Figure(what=what, who=who, unit="us", samples=await _per_call(step, 1e6), target=target)
        for who, step, target in (
            ("the step alone", bare, None),
            ("with the point", with_point, 1.0),
        )
    ]


@contextmanager
def _plain_file(path: Path) -> Iterator[Callable[..., None]]:
    line = b"x" * 160 + b"\n"
    descriptor = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND)

    def write(*, sync: bool) -> None:
        os.write(descriptor, line)
        if sync:
            os.fsync(descriptor)

    try:
        yield write
    finally:
        os.close(descriptor)


async def _per_call(call: Callable[[], Awaitable[object]], scale: float) -> list[float]:
    """Return the mean duration of a call in each round, in seconds times `scale`."""
    means = []
    for _ in range(_ROUNDS):
        began = time.perf_counter()
        for _ in range(_CALLS):
            await call()
        means.append((time.perf_counter() - began) / _CALLS * scale)
    return means
