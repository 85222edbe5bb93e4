"""One interview under a fault: what the candidate heard, how long it waited, and what was kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from states import Outcome, Reason
from states.testing import assert_outcome
from tests.support.live.heard import MOST_WORD_ERRORS, heard_by, word_error_rate
from tests.support.live.one_question import ANSWER, SCRIPT, is_gone
from worker.demo.conversation import hold_conversation

if TYPE_CHECKING:
    from collections.abc import Callable

    from states import History
    from tests.support.live.running_worker import RunningWorker
    from worker.store.interviews import Interview

#: Writes a property of the test into its report: pytest's `record_property`.
Record: TypeAlias = "Callable[[str, object], None]"

#: Seconds that a candidate may wait for a word: the pause that ends an answer (1.2 s), what a
#: busy machine adds to it, and one fault's budget.
LONGEST_WAIT_S = 12.0


@dataclass(frozen=True, kw_only=True)
class Talk:
    """The candidate's side of an interview."""

    #: What was said in the room, as a recogniser has it.
    heard: str
    #: Seconds from the end of the candidate's words, or from joining, to the interviewer's.
    waits_s: tuple[float, ...]


async def talk(worker: RunningWorker, interview: Interview) -> Talk:
    """Send the interviewer, and answer its question aloud, until it leaves."""
    async with worker.candidate_of(interview) as candidate:
        await worker.send_interviewer(interview)
        exchanges = await hold_conversation(candidate, SCRIPT)
        heard = await heard_by(candidate)
    return Talk(heard=heard, waits_s=tuple(exchange.waited_s for exchange in exchanges))


def assert_nothing_was_lost(job: History, said: Talk) -> None:
    """To its end, in everybody's own words, and with nobody left in silence."""
    assert_outcome(job, Outcome.COMPLETED, Reason.INTERVIEW_COMPLETED)
    assert word_error_rate(ANSWER, spoken_by(job, "candidate")) <= MOST_WORD_ERRORS
    assert word_error_rate(spoken_by(job, "interviewer"), said.heard) <= MOST_WORD_ERRORS
    assert max(said.waits_s) <= LONGEST_WAIT_S
    assert is_gone(job)


def spoken_by(job: History, speaker: str) -> str:
    """All that somebody said."""
    return " ".join(turn.text for turn in job.turns if turn.speaker == speaker)


def write_down(record: Record, job: History, said: Talk | None) -> None:
    """Put the scenario's row into the test report (`--junitxml`)."""
    record("path", " ".join(job.path))
    record("outcome", f"{job.outcome}/{job.reason}")
    if said is not None:
        record("waits_s", " ".join(f"{wait:.1f}" for wait in said.waits_s))
