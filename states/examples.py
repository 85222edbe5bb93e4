"""Three jobs that show what the lifecycle is for: a healthy, a degraded and a failed one.

Each is run by a real `Lifecycle` on virtual time, so that what the drawings show is what the
machine does, and is the same on every machine. Needs the `testing` extra (looptime).
"""

from __future__ import annotations

from states.conditions import Condition, Status
from states.history import History
from states.table import Event
from states.testing import Entry, journey, loaded, lost, pending

_DECLARED = (
    pending("orchestrator", required=True),
    *map(pending, ("database", "vad", "stt", "tts", "llm", "turn_detector")),
)

_CONNECTED: tuple[Entry, ...] = (
    (0.118, Event.ROOM_CONNECTED),
    (0.121, Event.BOOTSTRAP_STARTED, *_DECLARED),
    (0.122, Event.LOADER_REPORTED, loaded("vad")),
    (0.124, Event.LOADER_REPORTED, loaded("llm")),
    (0.139, Event.LOADER_REPORTED, loaded("turn_detector")),
    (0.203, Event.LOADER_REPORTED, loaded("stt")),
)

_HEALTHY: tuple[Entry, ...] = (
    *_CONNECTED,
    (0.211, Event.LOADER_REPORTED, loaded("database")),
    (0.214, Event.LOADER_REPORTED, loaded("tts")),
    (0.246, Event.LOADER_REPORTED, loaded("orchestrator", required=True)),
    (0.247, Event.LOADERS_SETTLED),
    (0.412, Event.SESSION_STARTED),
    (1284.6, Event.INTERVIEW_COMPLETED),
    (1285.18, Event.CLOSED),
)

_DEGRADED: tuple[Entry, ...] = (
    *_CONNECTED,
    (0.322, Event.LOADER_REPORTED, lost("tts", "Refused")),
    (0.347, Event.LOADER_REPORTED, loaded("orchestrator", required=True)),
    (2.121, Event.LOADER_REPORTED, lost("database", "LoadTimeout")),
    (2.122, Event.LOADERS_SETTLED),
    (2.304, Event.SESSION_STARTED),
    (
        61.9,
        Event.RESOURCE_RECOVERED,
        Condition(resource="database", status=Status.READY, reason="Recovered"),
    ),
    (1502.4, Event.CANDIDATE_LEFT),
    (1503.31, Event.CLOSED),
)

_FAILED: tuple[Entry, ...] = (
    *_CONNECTED,
    (0.219, Event.LOADER_REPORTED, loaded("tts")),
    (2.121, Event.LOADER_REPORTED, lost("database", "LoadTimeout")),
    (2.123, Event.LOADER_REPORTED, lost("orchestrator", "PlanUnavailable", required=True)),
    (2.124, Event.ORCHESTRATOR_FAILED),
    (4.87, Event.CLOSED),
)


def healthy() -> History:
    """Everything loads, the interview is held to its end."""
    return journey(*_HEALTHY, header={"job_id": "healthy"})


def degraded() -> History:
    """The database is late and the voice refused: the interview begins without them."""
    return journey(*_DEGRADED, header={"job_id": "degraded"})


def failed() -> History:
    """The orchestrator fails, the one thing without which there is no interview."""
    return journey(*_FAILED, header={"job_id": "failed"})
