"""Conversion of turns from the database and from a dispatch to `CommittedTurn`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from worker.interview.orchestrator import CommittedTurn, Role

if TYPE_CHECKING:
    from worker.store.turns import Turn


def from_store(turn: Turn) -> CommittedTurn:
    """Return a turn from the database as `CommittedTurn`."""
    return CommittedTurn(
        speaker=turn.speaker,
        text=turn.text,
        at=turn.at,
        question_id=turn.question_id,
        role=_role(turn.role),
        generated=turn.generated or "",
        interrupted=turn.interrupted,
    )


def from_json(turns: Sequence[Any]) -> list[CommittedTurn]:
    """Return the turns in JSON data; an empty list if any turn is invalid."""
    try:
        return [
            CommittedTurn(
                **{**turn, "at": datetime.fromisoformat(turn["at"]), "role": _role(turn["role"])}
            )
            for turn in turns
        ]
    except (KeyError, TypeError, ValueError):
        return []


def _role(name: str | None) -> Role | None:
    # A newer worker may have written a role that this version does not know.
    return Role(name) if name in tuple(Role) else None
