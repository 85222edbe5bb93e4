"""`words_of`: the utterance that says the moves of a decided step."""

from __future__ import annotations

from typing import Final

from worker.interview.dialogue.acts import Act
from worker.interview.dialogue.decide import Step
from worker.interview.dialogue.inputs import Input
from worker.interview.dialogue.moves import Move
from worker.interview.dialogue.state import Dialogue, Fact
from worker.interview.dialogue.wording.lines import lines_or_none_of
from worker.interview.dialogue.wording.prompt import Prompt
from worker.interview.dialogue.wording.saying import Saying
from worker.interview.dialogue.wording.spoken import Spoken
from worker.interview.dialogue.wording.words_by_move import WORDS
from worker.interview.plan.plan import Plan

_NOTHING: Final = Spoken()


def words_of(
    step: Step,
    after: Dialogue,
    plan: Plan,
    *,
    given: Input,
    words: str = "",
    spoken: Spoken = _NOTHING,
    seq: int = 0,
) -> Prompt:
    """Return the utterance that says the moves of `step`; one without parts if there are none.

    `given` is the input that was decided, `after` the state after it, and `seq` the number of its
    record. `words` are the candidate's words; if the turn has an answer and a request, only those
    of the request. `spoken` is what the interviewer has said before (`Spoken.then`).

    Without prepared lines in the language of the plan, only the words of the plan are said.
    """
    saying = Saying(
        step=step,
        after=after,
        plan=plan,
        given=given,
        words=words,
        spoken=spoken,
        seq=seq,
        lines=lines_or_none_of(plan.language),
    )
    parts = tuple(
        part
        for move in step.moves
        if move in WORDS
        for part in WORDS[move](saying, move)
        if part.text
    )
    if not parts:
        return Prompt()
    return Prompt(
        parts=parts,
        also_written=Move.IN_WRITING in step.moves or bool(after.facts.get(Fact.WRITTEN)),
        slower=Move.SLOWER in step.moves or after.count(str(Act.PACE)) > 0,
    )
