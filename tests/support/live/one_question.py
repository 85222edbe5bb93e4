"""The shortest possible interview, and predicates on the journals of its jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

import psutil

from states import State
from worker.demo.script import CandidateScript
from worker.interview.plan.plan import Plan, Question

if TYPE_CHECKING:
    from states import History

ANSWER = "I learned to listen first, and to write a small test before I change anything."
PLAN = Plan(
    title="One question",
    opening="Hello, and welcome to this short talk. I am your interviewer today.",
    questions=(
        Question(
            id="last-week",
            text="What did you learn at work last week?",
            follow_ups_allowed=0,
            thinking_pause_s=1.2,
        ),
    ),
    closing="Thank you, that was all. Goodbye.",
)
SCRIPT = CandidateScript(PLAN, answers={"last-week": ANSWER})

#: Seconds for a candidate to join, to come back, and to answer: short enough for a test to wait,
#: and longer than the delays of a busy machine.
IMPATIENCE = {
    "INTERVIEW_CANDIDATE_JOIN_S": "5",
    "INTERVIEW_CANDIDATE_GRACE_S": "10",
    "INTERVIEW_CANDIDATE_SILENCE_S": "40",
}

ALL_THE_WAY = ["HANDSHAKE", "CONNECTED", "BOOTSTRAPPING", "READY", "RUNNING", "CLOSING", "CLOSED"]
NEVER_STARTED = ["HANDSHAKE", "CONNECTED", "BOOTSTRAPPING", "CLOSING", "CLOSED"]


def new_room() -> str:
    """Return a room name that is not used yet."""
    return f"room-{uuid4().hex[:8]}"


def is_running(history: History) -> bool:
    """Return whether the job has reached RUNNING."""
    return State.RUNNING in history.path


def is_gone(history: History) -> bool:
    """Return whether the job's process has ended."""
    return not psutil.pid_exists(int(history.header["pid"]))
