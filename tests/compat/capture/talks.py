"""The plan of the captured interviews, and how their candidate answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from worker.demo.script import CandidateScript
from worker.interview.plan.plan import Plan, Question
from worker.simulation.conversation import hold_conversation
from worker.simulation.voice import LocalVoice

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.compat.capture.world import World
    from worker.simulation.room_candidate import Candidate

PLAN = Plan(
    title="Two short questions",
    opening="Hello, and welcome.",
    questions=(
        Question(
            id="last-week",
            text="What did you learn last week?",
            good_answer=("names one thing", "tells what it is good for"),
            follow_ups=("What was hard about it?",),
            follow_ups_allowed=1,
            thinking_pause_s=1.2,
        ),
        Question(
            id="next-week",
            text="What will you try next?",
            follow_ups_allowed=0,
            thinking_pause_s=1.2,
        ),
    ),
    closing="Thank you. Goodbye.",
)
ANSWERS = {
    "last-week": "I learned to listen first, and to write a small test before a change.",
    "last-week/1": "It was hard to find the time for the test.",
    "next-week": "I will try to explain my work to a friend every single day.",
}
_LONGEST_S = 180.0


async def speak(candidate: Candidate) -> None:
    """Answer every question aloud, until the interviewer has left."""
    await hold_conversation(candidate, CandidateScript(PLAN, answers=ANSWERS))


async def write_answers(
    world: World, room: str, candidate: Candidate, *, but: Sequence[str] = ()
) -> None:
    """Answer every question in writing, and wait for the goodbye. `but` are jobs that ended."""
    for question in PLAN.questions:
        await world.asked(room, question.id, but=but)
        await candidate.send_text(ANSWERS[question.id])
    await candidate.wait_until_alone(timeout_s=_LONGEST_S)


async def begin_answer(candidate: Candidate) -> None:
    """Say an answer that is long enough to be cut off."""
    await candidate.say(*await LocalVoice().render(" ".join([ANSWERS["last-week"]] * 8)))
