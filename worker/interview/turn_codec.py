"""Conversion of turns from the database and from a dispatch to `CommittedTurn`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, get_args

from worker.interview.turn import CommittedTurn, Role, Speaker

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
        return [_checked(turn) for turn in turns]
    except (KeyError, TypeError, ValueError):
        return []


def _checked(data: Any) -> CommittedTurn:
    """Return one turn. Raises KeyError, TypeError or ValueError if a field is missing or wrong."""
    at, role = datetime.fromisoformat(data["at"]), _role(data["role"])
    turn = CommittedTurn(**{**data, "at": at, "role": role})
    question_id = "" if turn.question_id is None else turn.question_id
    texts = (turn.text, turn.generated, question_id)
    if turn.speaker not in get_args(Speaker) or not all(isinstance(text, str) for text in texts):
        raise TypeError("a turn has no valid speaker, or its text is not a string")
    # Refuse times without an offset, because they cannot be compared with the times of this job.
    if not isinstance(turn.interrupted, bool) or turn.at.tzinfo is None:
        raise TypeError("a turn's time has no UTC offset, or `interrupted` is not a boolean")
    return turn


def _role(name: str | None) -> Role | None:
    # A newer worker may have written a role that this version does not know.
    return Role(name) if name in tuple(Role) else None
