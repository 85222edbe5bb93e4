"""Three example jobs for the drawings: a healthy job, a degraded job and a failed job.

A real `Lifecycle` runs each job on virtual time. The drawings therefore show the actual behaviour
of the lifecycle, and are identical on every computer. The module needs the `testing` extra
(looptime).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from typing import Any

from states.conditions import Condition, Status
from states.history import History, Step, Turn
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
    (2.121, Event.LOADER_REPORTED, lost("database", "LoadTimeout")),
    (2.134, Event.LOADER_REPORTED, loaded("orchestrator", required=True)),
    (2.135, Event.LOADERS_SETTLED),
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


def _step(name: str, began: float, ended: float, reason: str = "", **more: Any) -> Step:
    return Step(
        name=name,
        ok=not reason,
        reason=reason or ("Loaded" if name.startswith("load") else "Done"),
        t=ended,
        elapsed_ms=round((ended - began) * 1000, 3),
        **{"attempts": 1, **more},
    )


def _load(name: str, ended: float, reason: str = "", began: float = 0.121, **more: Any) -> Step:
    own: dict[str, Any] = {"needs": (), "budget_s": 2.0 if name == "database" else 5.0}
    return _step(f"load {name}", began, ended, reason, **{**own, **more})


def _orchestrator(began: float, ended: float, reason: str = "") -> Step:
    return _load("orchestrator", ended, reason, began, needs=("database",), budget_s=None)


_STEPS = (
    _step("connect", 0.003, 0.118),
    _step("open_line", 0.119, 0.164),
    _load("vad", 0.122),
    _load("llm", 0.124),
    _load("turn_detector", 0.139),
    _load("stt", 0.203, began=0.122, needs=("vad",)),
)


def _closing(began: float, **lasted_ms: float) -> Iterator[Step]:
    for name, ms in lasted_ms.items():
        yield _step(name, began, round(began + ms / 1000, 6))
        began = round(began + ms / 1000, 6)


def _interview(began: float, ended: float) -> Iterator[Turn]:
    """Yield questions and answers between the times `began` and `ended`, with placeholder texts."""
    at = began
    speakers = (("interviewer", 240, 1.2), ("candidate", 1040, 3.5))
    for seq, (question, round_, (speaker, characters, pause)) in enumerate(
        product(("welcome", "project", "debugging", "teamwork", "questions"), range(3), speakers)
    ):
        at += pause + characters / 15
        if at > ended:
            return
        yield Turn(
            seq=100 + seq,
            t=round(at, 3),
            at="",
            speaker=speaker,
            text="." * characters,
            generated="",
            heard="",
            interrupted=(question, round_, speaker) == ("debugging", 1, "interviewer"),
            question_id=question,
        )


def healthy() -> History:
    """Return a job that loads all resources and completes the interview."""
    return replace(
        journey(*_HEALTHY, header={"job_id": "healthy"}),
        steps=(
            *_STEPS,
            _load("database", 0.211),
            _load("tts", 0.214),
            _orchestrator(0.211, 0.246),
            _step("start_session", 0.248, 0.411),
            *_closing(1284.6, stop_work=1, stop_session=210, leave_room=140, close_resources=160),
        ),
        turns=tuple(_interview(0.6, 1284.0)),
    )


def degraded() -> History:
    """Return a job whose interview begins without the database and without the voice.

    The database exceeds its load budget, and the text-to-speech provider refuses the connection.
    """
    return replace(
        journey(*_DEGRADED, header={"job_id": "degraded"}),
        steps=(
            *_STEPS,
            _load("tts", 0.322, "Refused", attempts=3),
            _load("database", 2.121, "LoadTimeout"),
            _orchestrator(2.121, 2.134),
            _step("start_session", 2.136, 2.303),
            *_closing(1502.4, stop_work=2, stop_session=340, leave_room=260, close_resources=290),
        ),
        turns=tuple(_interview(3.0, 1470.0)),
        faults=(
            {"t": 512.4, "where": "turn", "error": "SilentTurn", "rung": "clip", "silent_s": 2.0},
            {"t": 515.6, "where": "turn", "error": "SilentTurn", "rung": "again", "silent_s": 5.2},
            {"t": 803.1, "where": "llm", "error": "Late"},
        ),
    )


def failed() -> History:
    """Return a job that fails because its only required resource, the orchestrator, fails."""
    return replace(
        journey(*_FAILED, header={"job_id": "failed"}),
        steps=(
            *_STEPS,
            _load("tts", 0.219),
            _load("database", 2.121, "LoadTimeout"),
            _orchestrator(2.121, 2.123, "PlanUnavailable"),
            *_closing(2.124, stop_work=1, last_words=2410, leave_room=190, close_resources=130),
        ),
    )
