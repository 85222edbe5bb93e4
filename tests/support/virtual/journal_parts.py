"""Builders for journals in the form in which jobs write them, and an example job's records."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

AT = "2026-11-02T10:00:00.000000Z"


def record(kind: str, t: float, **fields: Any) -> dict[str, Any]:
    """Return a journal record without its sequence number."""
    return {"v": 1, "at": AT, "t": t, "kind": kind, **fields}


def transition(source: str | None, event: str | None, target: str, t: float, **end: Any) -> Any:
    return record("transition", t, **{"from": source, "event": event, "to": target}, **end)


def condition(resource: str, status: str, reason: str, t: float) -> dict[str, Any]:
    return record("condition", t, resource=resource, status=status, reason=reason, message="")


def step(name: str, t: float, *, ok: bool = True, reason: str = "Done", **more: Any) -> Any:
    fields = {"ok": ok, "reason": reason, "elapsed_ms": 100.0, "attempts": 1, **more}
    return record("step", t, name=name, **fields)


def numbered(records: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the records with their sequence numbers."""
    return [{**each, "seq": n} for n, each in zip(itertools.count(), records, strict=False)]


def lines(records: Iterable[Mapping[str, Any]]) -> bytes:
    """Return the records as the content of a journal file."""
    return b"".join(json.dumps(each).encode() + b"\n" for each in records)


def write(path: Path, records: Iterable[Mapping[str, Any]]) -> None:
    """Append records to a journal."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        file.write(lines(records))


#: The job's header, and the records of a start without problems.
HEADER = record("job", 0.0, job_id="AJ_1", room="room-1", interview_id="iv-1", pid=4711)
START = (
    HEADER,
    transition(None, None, "HANDSHAKE", 0.05),
    transition("HANDSHAKE", "room_connected", "CONNECTED", 0.35),
    transition("CONNECTED", "bootstrap_started", "BOOTSTRAPPING", 0.36),
    step("load vad", 0.4, reason="Loaded"),
    condition("vad", "ready", "Loaded", 0.4),
    transition("BOOTSTRAPPING", "loaders_settled", "READY", 0.45),
    transition("READY", "session_started", "RUNNING", 0.6),
)
END = (
    transition(
        "RUNNING",
        "interview_completed",
        "CLOSING",
        60.6,
        outcome="completed",
        reason="InterviewCompleted",
    ),
    step("close vad", 60.7, reason="Closed"),
    transition(
        "CLOSING", "closed", "CLOSED", 61.0, outcome="completed", reason="InterviewCompleted"
    ),
)
