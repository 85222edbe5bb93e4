"""Three jobs that show what the lifecycle is for: a healthy, a degraded and a failed one.

Each is run by a real `Lifecycle` on virtual time, so that what the drawings show is what the
machine does, and is the same on every machine. Needs the `testing` extra (looptime).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import looptime

from states.conditions import Condition, Status
from states.history import History
from states.journal import MemoryJournal
from states.machine import Lifecycle
from states.table import Event

_BEGAN = datetime(2026, 1, 1, 9, 0, tzinfo=UTC)


@dataclass(frozen=True)
class _Happening:
    """An event, at `t` seconds since the job was received, with the condition it carries."""

    t: float
    event: Event
    condition: Condition | None = None


def _ready(t: float, resource: str, *, required: bool = False) -> _Happening:
    condition = Condition(
        resource=resource, status=Status.READY, reason="Loaded", required=required
    )
    return _Happening(t, Event.LOADER_REPORTED, condition)


def _lost(t: float, resource: str, reason: str, *, required: bool = False) -> _Happening:
    condition = Condition(resource=resource, status=Status.LOST, reason=reason, required=required)
    return _Happening(t, Event.LOADER_REPORTED, condition)


def _connected() -> Iterable[_Happening]:
    return (
        _Happening(0.118, Event.ROOM_CONNECTED),
        _Happening(0.121, Event.BOOTSTRAP_STARTED),
        _ready(0.122, "vad"),
        _ready(0.124, "llm"),
        _ready(0.139, "turn_detector"),
    )


_HEALTHY = (
    *_connected(),
    _ready(0.176, "database"),
    _ready(0.201, "stt"),
    _ready(0.214, "tts"),
    _ready(0.246, "orchestrator", required=True),
    _Happening(0.246, Event.LOADERS_SETTLED),
    _Happening(0.412, Event.SESSION_STARTED),
    _Happening(1284.6, Event.INTERVIEW_COMPLETED),
    _Happening(1285.18, Event.CLOSED),
)

_BACK = Condition(resource="database", status=Status.READY, reason="Recovered")

_DEGRADED = (
    *_connected(),
    _ready(0.203, "stt"),
    _lost(0.322, "tts", "Refused"),
    _ready(0.347, "orchestrator", required=True),
    _lost(2.121, "database", "LoadTimeout"),
    _Happening(2.121, Event.LOADERS_SETTLED),
    _Happening(2.304, Event.SESSION_STARTED),
    _Happening(61.9, Event.RESOURCE_RECOVERED, _BACK),
    _Happening(1502.4, Event.CANDIDATE_LEFT),
    _Happening(1503.31, Event.CLOSED),
)

_FAILED = (
    *_connected(),
    _ready(0.202, "stt"),
    _ready(0.219, "tts"),
    _lost(2.121, "database", "LoadTimeout"),
    _lost(2.123, "orchestrator", "PlanUnavailable", required=True),
    _Happening(2.124, Event.ORCHESTRATOR_FAILED),
    _Happening(4.87, Event.CLOSED),
)


def healthy() -> History:
    """Everything loads, the interview is held to its end."""
    return _run("healthy", _HEALTHY)


def degraded() -> History:
    """The database is late and the voice refused: the interview is held without them."""
    return _run("degraded", _DEGRADED)


def failed() -> History:
    """The orchestrator fails, the one thing without which there is no interview."""
    return _run("failed", _FAILED)


def _run(name: str, happenings: Iterable[_Happening]) -> History:
    loop = looptime.new_event_loop(start=0.0)
    try:
        return loop.run_until_complete(_live(name, happenings))
    finally:
        loop.close()


async def _live(name: str, happenings: Iterable[_Happening]) -> History:
    time = asyncio.get_running_loop().time
    journal = MemoryJournal(now=lambda: _BEGAN + timedelta(seconds=time()))
    async with Lifecycle(journal=journal, header={"job_id": name}) as lifecycle:
        for happening in happenings:
            await asyncio.sleep(max(0.0, happening.t - time()))
            await lifecycle.fire(happening.event, happening.condition)
        return History.of(lifecycle)
