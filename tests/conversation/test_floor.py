"""Who may interrupt whom: short words, noises, interruptions, echo, other voices."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.conversation.texts import (
    A0,
    A1,
    ANSWERS_ALL,
    ANSWERS_THE_LAST,
    ANSWERS_THE_REST,
    EACH_ANSWER,
    Q0,
    Q1,
    Q2,
    QUESTIONS,
    plan,
)
from tests.support.conversation.acoustics import Timbre
from tests.support.conversation.expectations import (
    Completed,
    CompletedTruly,
    Heard,
    NotCompleted,
    NothingOfTheInterviewerIsStored,
    NotStored,
)
from tests.support.conversation.held import Conversation, Row, table
from tests.support.conversation.microphone import Acoustics, Echo
from tests.support.conversation.steps import (
    AnotherVoiceTalks,
    Answers,
    Hears,
    HearsNot,
    HearsWord,
    IsSilencedWithin,
    Makes,
    Says,
    Tries,
    Waits,
)

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.looptime

OTHERS = "another voice counts as the candidate's"
#: What a backchannel is to the local recogniser, by what it is.
BACKCHANNELS = {"Yeah.": "Yeah.", "Mm-hmm.": "Mum."}
BESIDES = "By the way we also had to move all of the old data by hand at night."
#: Word of the second question that is said more than 2.5 s after its first word.
LATE_WORD = 11


@table(
    *(
        Row(
            name=f"a backchannel over a question neither stops it nor answers it: {said}",
            plan=plan(),
            steps=(
                *(Hears(Q0), Says(A0)),
                *(HearsWord(LATE_WORD, of=Q1), Says(said, heard_as=heard, over=True)),
                *(Hears(Q1), Says(A1), ANSWERS_THE_LAST),
            ),
            expects=(
                *(Heard(Q1, times=1, longest_gap_s=0.3), NotStored(heard)),
                *(*EACH_ANSWER, Completed()),
            ),
        )
        for said, heard in BACKCHANNELS.items()
    ),
    *(
        Row(
            name=f"a cough of {seconds} s costs at most 0.8 s of silence in a question",
            plan=plan(),
            steps=(
                *(Hears(Q0), Says(A0)),
                *(HearsWord(LATE_WORD, of=Q1), Makes(Timbre.COUGH, seconds)),
                *(Hears(Q1), Says(A1), ANSWERS_THE_LAST),
            ),
            expects=(Heard(Q1, times=1, longest_gap_s=0.8), *EACH_ANSWER, Completed()),
        )
        for seconds in (0.3, 0.6)
    ),
    Row(
        name="an interruption stops the interviewer within 0.9 s at the end of a word",
        plan=plan(),
        steps=(
            *(Hears(Q0), Says(A0), HearsWord(6, of=Q1), Says("Sorry, what was that?")),
            IsSilencedWithin(0.9),
        ),
    ),
    Row(
        name="a question of which little was heard is asked again after an interruption",
        plan=plan(),
        steps=(
            *(Hears(Q0), Says(A0), HearsWord(6, of=Q1), Says("Sorry, what was that?")),
            *(Hears(Q1, within_s=15), Says(A1), ANSWERS_THE_LAST),
        ),
        expects=(*EACH_ANSWER, Completed()),
    ),
    Row(
        name="what an interruption left unheard of a question is said later",
        plan=plan(),
        steps=(
            *(Hears(Q0), Says(A0), HearsWord(13, of=Q1), Says("Sorry, what was that?")),
            *(Hears("for some of its users?", within_s=15), Says(A1), ANSWERS_THE_LAST),
        ),
        expects=(*EACH_ANSWER, Completed()),
    ),
    Row(
        name="an echo of the interviewer answers nothing while the candidate is silent",
        plan=plan(),
        acoustics=Acoustics(echo=Echo(db=-12)),
        steps=(HearsWord(1, of="Hello", within_s=10), Waits(90)),
        expects=(NothingOfTheInterviewerIsStored(), NotCompleted()),
    ),
    *(
        Row(
            name=f"with an echo at {db} dB an interview is completed only if it was held",
            plan=plan(),
            acoustics=Acoustics(echo=Echo(db=db)),
            steps=(
                Tries(
                    tuple(
                        Answers((q,), (a,))
                        for q, a in zip(QUESTIONS, ANSWERS_ALL.answers, strict=True)
                    )
                ),
            ),
            expects=(NothingOfTheInterviewerIsStored(), CompletedTruly()),
        )
        for db in (-6, -12, -20)
    ),
    Row(
        name="another voice at -15 dB answers nothing in a minute",
        gap=OTHERS,
        plan=plan(),
        steps=(
            *(Hears(Q0), AnotherVoiceTalks(-15, seconds=60), HearsNot((Q1,), for_s=62)),
            *(Says(A0), ANSWERS_THE_REST),
        ),
        expects=(NotStored("the weather will be fine"), *EACH_ANSWER, Completed()),
    ),
    Row(
        name="an interview with a question that was cut off each time is not completed",
        plan=plan(),
        steps=(
            *(Hears(Q0), Says(A0)),
            *(HearsWord(4, of=Q1), Says(BESIDES)) * 3,
            Tries((Answers((Q1,), (A1,)), ANSWERS_THE_LAST)),
        ),
        expects=(CompletedTruly(),),
    ),
    Row(
        name="an interview whose last question nobody answers is not completed",
        plan=plan(),
        steps=(Hears(Q0), Says(A0), Hears(Q1), Says(A1), Hears(Q2), Waits(40)),
        settings={"INTERVIEW_CANDIDATE_SILENCE_S": 20},
        expects=(NotCompleted(), *EACH_ANSWER[:2]),
    ),
)
async def test_conversation(row: Row, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    await Conversation(row, tmp_path, monkeypatch).check()
