"""The words of each move, and the moves that have none. A move gives one or more parts."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Final

from worker.interview.dialogue.acts import Act
from worker.interview.dialogue.moves import Move
from worker.interview.dialogue.phases import Outcome, Phase
from worker.interview.dialogue.state import Fact
from worker.interview.dialogue.wording.facts import fact_for
from worker.interview.dialogue.wording.prompt import Part, WordsBy
from worker.interview.dialogue.wording.question_words import QUESTION_WORDS, Words
from worker.interview.dialogue.wording.saying import Saying
from worker.interview.plan.markup import markup_in

#: Most words of an answer that is read back.
_MOST_READ_BACK: Final = 25
#: Marks in an answer that text to speech reads aloud as words, or takes for markup.
_MARKS: Final = re.compile(r"[<>{}`*|~\[\]\\]+")


def _line(say: Saying, move: Move) -> Iterator[Part]:
    yield say.line(move)


def _greeting(say: Saying, move: Move) -> Iterator[Part]:
    yield say.planned(move, "opening", say.plan.opening)


def _disclosure(say: Saying, move: Move) -> Iterator[Part]:
    yield say.planned(move, "disclosure", say.plan.disclosure.say)


def _sound_check(say: Saying, move: Move) -> Iterator[Part]:
    yield say.planned(move, "sound_check", say.plan.sound_check)


def _consent(say: Saying, move: Move) -> Iterator[Part]:
    if say.plan.consent is not None:
        yield say.planned(move, "consent", say.plan.consent.ask)


def _offer_questions(say: Saying, move: Move) -> Iterator[Part]:
    if say.plan.candidate_questions is not None:
        yield say.planned(move, "candidate_questions", say.plan.candidate_questions.ask)


def _acknowledgement(say: Saying, move: Move) -> Iterator[Part]:
    """Yield an acknowledgement other than the last one, chosen by the number of the record."""
    lines = say.lines.acknowledgements
    number = say.seq % len(lines)
    if lines[number] == say.spoken.acknowledged:
        number = (number + 1) % len(lines)
    yield Part(move=move, text=lines[number], id=f"line:{move}", by=WordsBy.LINE)


def _fact(say: Saying, move: Move) -> Iterator[Part]:
    """Yield the fact that answers the candidate, else a line that says that there is none."""
    if say.request is Act.OBJECT_RECORDING:
        yield say.line(move, "objection_noted")
    fact = _known_fact(say, move)
    if fact is not None:
        yield fact
    elif say.request is Act.ABOUT_RESULT:
        yield say.line(move, "no_judgement")
    elif say.after.place.phase in (Phase.CANDIDATE_QUESTIONS, Phase.FAREWELL):
        yield say.line(move, "pass_on")
    else:
        yield say.line(move, "no_more_facts")


def _known_fact(say: Saying, move: Move) -> Part | None:
    name = fact_for(say.request, say.words, say.lines) if say.request else ""
    text = getattr(say.plan.facts, name) if name else None
    if text is None:
        return None
    return Part(move=move, text=text.strip(), id=f"fact:{name}", by=WordsBy.FACT)


def _at_the_end(say: Saying, move: Move) -> Iterator[Part]:
    """Yield that questions have their time later. In a plan without that time, yield the fact."""
    if say.plan.candidate_questions is not None:
        yield say.line(move)
    else:
        yield _known_fact(say, move) or say.line(move, "question_noted")


def _social(say: Saying, move: Move) -> Iterator[Part]:
    found = say.lines.found_in(say.words)
    key = next((each.name for each in say.lines.social_words if each.fit(found)), "other")
    yield Part(move=move, text=say.lines.social[key], id=f"line:{key}", by=WordsBy.LINE)


def _read_back(say: Saying, move: Move) -> Iterator[Part]:
    """Yield the answer, and whether it is right; in the same words if that is asked again."""
    line = say.line(move)
    if say.step.rows[-1:] == (str(move),):
        answer = _speakable(say.words)
        asks = say.line(move, "read_back_question").text
        text = f"{line.text} {answer}. {asks}" if answer else ""
    else:
        text = say.spoken.read_back
    yield replace(line, text=text) if text else say.line(move, "read_back_unclear")


def _speakable(answer: str) -> str:
    """Return an answer in the form in which it is read back; empty if it is not."""
    text = " ".join(_MARKS.sub(" ", answer).split()).rstrip(".,;:!? ")
    return "" if len(text.split()) > _MOST_READ_BACK or markup_in(text) else text


def _confirm_end(say: Saying, move: Move) -> Iterator[Part]:
    yield say.line(move, f"confirm_{say.after.place.kind}")


def _goodbye(say: Saying, move: Move) -> Iterator[Part]:
    """Yield the closing of the plan, or the goodbye of the outcome."""
    plan, outcome = say.plan, str(say.after.facts.get(Fact.OUTCOME) or "")
    planned = {
        Outcome.STOPPED: ("stopped", plan.stopped),
        Outcome.POSTPONED: ("postponed", plan.postponed),
        Outcome.MISSED: ("missed", plan.missed),
        Outcome.REFUSED: ("refused", plan.consent.refused if plan.consent else plan.stopped),
    }
    if not outcome and not say.after.facts.get(Fact.QUESTIONS_OFFERED):
        # Only the end of the time comes before the outcome and before the candidate's questions.
        yield say.line(move, "goodbye_time")
    elif outcome in (Outcome.WITHDRAWN, Outcome.HUMAN, Outcome.FAILED):
        yield say.line(move, f"goodbye_{outcome}")
    elif outcome in planned:
        yield say.planned(move, *planned[Outcome(outcome)])
    else:
        yield say.planned(move, "closing", plan.closing)


#: The moves that give no words, each with its reason.
SILENT: Final[Mapping[Move, str]] = {
    Move.NEXT: "the decision replaces it by the move that asks what comes next",
    Move.SAME: "the decision replaces it by the interviewer's own question",
    Move.IN_WRITING: "it says how the utterance is delivered",
}
#: The moves whose words are the prepared line with the name of the move.
PREPARED: Final = (
    Move.HEARING_HELP,
    Move.MICROPHONE,
    Move.GO_ON,
    Move.GO_AHEAD,
    Move.TAKE_YOUR_TIME,
    Move.AS_YOU_UNDERSTAND,
    Move.LEAVE_OUT,
    Move.COME_BACK,
    Move.SIMILAR_CASE,
    Move.THAT_IS_FINE,
    Move.LEAVE_OPEN,
    Move.LET_ME_FINISH,
    Move.HEADPHONES,
    Move.BACKGROUND,
    Move.TYPING,
    Move.NOT_CAUGHT,
    Move.TIME_IS_UP,
    Move.WELCOME_BACK,
    Move.INTERRUPTED,
    Move.NO_MORE_FACTS,
    Move.PASS_ON,
    Move.ADDED,
    Move.REPEAT_IT,
    Move.SKIP_ANYWAY,
    Move.SKIP_OR_TYPE,
    Move.ARE_YOU_THERE,
    Move.ARE_YOU_READY,
    Move.OFFER_BREAK,
    Move.OTHER_LANGUAGE,
    Move.ANYTHING_ELSE,
    Move.SHORT_GOODBYE,
)
#: The words of each move that is spoken.
WORDS: Final[Mapping[Move, Words]] = {
    **dict.fromkeys(PREPARED, _line),
    **QUESTION_WORDS,
    Move.GREET: _greeting,
    Move.DISCLOSE: _disclosure,
    Move.CHECK_SOUND: _sound_check,
    Move.ASK_CONSENT: _consent,
    Move.ACKNOWLEDGE: _acknowledgement,
    Move.SOCIAL: _social,
    Move.FACT: _fact,
    Move.NO_JUDGEMENT: _fact,
    Move.AT_THE_END: _at_the_end,
    Move.READ_BACK: _read_back,
    Move.CONFIRM_END: _confirm_end,
    Move.OFFER_QUESTIONS: _offer_questions,
    Move.GOODBYE: _goodbye,
}
