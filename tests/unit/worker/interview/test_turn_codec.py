"""Turns of earlier jobs that a dispatch carries: a wrong one makes the whole list count as none."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.virtual.interview_parts import plan_of
from worker.interview.orchestrator import next_move
from worker.interview.turn_codec import from_json

TURN: dict[str, Any] = {
    "speaker": "candidate",
    "text": "I led a team.",
    "at": "2026-03-01T10:00:00+00:00",
    "question_id": "q0",
    "role": None,
    "generated": "",
    "interrupted": False,
}


def test_a_turn_is_read_with_its_defaults() -> None:
    (turn,) = from_json([TURN])
    assert (turn.speaker, turn.text, turn.question_id) == ("candidate", "I led a team.", "q0")
    short = {name: TURN[name] for name in ("speaker", "text", "at", "role")}
    (turn,) = from_json([short])
    assert (turn.generated, turn.interrupted, turn.question_id) == ("", False, None)


@pytest.mark.parametrize(
    "changed",
    [
        {"speaker": "narrator"},
        {"speaker": ["candidate"]},
        {"text": 5},
        {"text": None},
        {"generated": {}},
        {"question_id": 0},
        {"interrupted": "no"},
        {"at": "2026-03-01T10:00:00"},
        {"at": 1},
    ],
    ids=repr,
)
def test_a_turn_with_a_wrong_field_makes_the_list_empty(changed: dict[str, Any]) -> None:
    turns = from_json([TURN, TURN | changed])
    assert turns == []
    assert next_move(plan_of(), turns).question_id == "q0"
