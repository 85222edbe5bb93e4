"""One interview under a fault: the audio heard, the candidate's waits, and the committed turns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from states import Outcome, Reason
from states.testing import assert_outcome
from tests.support.live.heard import (
    MOST_WORD_ERRORS,
    heard_by,
    without_clips,
    word_error_rate,
)
from tests.support.live.one_question import ANSWER, SCRIPT, is_gone
from worker.simulation.conversation import hold_conversation

if TYPE_CHECKING:
    from collections.abc import Callable

    from states import History
    from tests.support.live.running_worker import RunningWorker
    from worker.store.interviews import Interview

#: Writes a property of the test into its report: pytest's `record_property`.
Record: TypeAlias = "Callable[[str, object], None]"

#: Maximum seconds that a candidate waits for the interviewer: the pause that ends an answer
#: (1.2 s), the delays of a busy machine, and the budget of one fault.
LONGEST_WAIT_S = 12.0


@dataclass(frozen=True, kw_only=True)
class Talk:
    """The candidate's side of an interview."""

    #: Transcript of the audio in the room.
    heard: str
    #: Seconds from the end of the candidate's speech, or from joining, to the interviewer's speech.
    waits_s: tuple[float, ...]


async def talk(worker: RunningWorker, interview: Interview) -> Talk:
    """Dispatch the interviewer, and answer its question aloud until it leaves."""
    async with worker.candidate_of(interview) as candidate:
        await worker.send_interviewer(interview)
        exchanges = await hold_conversation(candidate, SCRIPT)
        heard = await heard_by(candidate)
    return Talk(heard=heard, waits_s=tuple(exchange.waited_s for exchange in exchanges))


def assert_nothing_was_lost(job: History, said: Talk) -> None:
    """Assert a completed interview with correct words, no long wait, and an ended process."""
    assert_outcome(job, Outcome.COMPLETED, Reason.INTERVIEW_COMPLETED)
    assert word_error_rate(ANSWER, spoken_by(job, "candidate")) <= MOST_WORD_ERRORS
    spoken = spoken_by(job, "interviewer")
    assert word_error_rate(spoken, without_clips(said.heard, spoken)) <= MOST_WORD_ERRORS
    assert max(said.waits_s) <= LONGEST_WAIT_S
    assert is_gone(job)


def spoken_by(job: History, speaker: str) -> str:
    """Return the text of all turns of a speaker."""
    return " ".join(turn.text for turn in job.turns if turn.speaker == speaker)


def write_down(record: Record, job: History, said: Talk | None) -> None:
    """Write the scenario's row into the test report (`--junitxml`)."""
    record("path", " ".join(job.path))
    record("outcome", f"{job.outcome}/{job.reason}")
    if said is not None:
        record("waits_s", " ".join(f"{wait:.1f}" for wait in said.waits_s))
