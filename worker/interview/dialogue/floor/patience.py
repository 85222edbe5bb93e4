"""The silence that ends a turn of the candidate: `ending_of`, `Patience`, and what they learn.

The silence depends on what was said (`Ending`), on the pauses of the speaker, and on the
accommodations of the candidate. A withdrawn line shows that the silence was too short, and raises
it. The silence counts from the candidate's last sound.
"""

from __future__ import annotations

import statistics
from collections import deque
from dataclasses import dataclass, field
from typing import Final

from states.text_enum import TextEnum
from worker.interview.dialogue.acts import Act
from worker.interview.dialogue.floor.closed_answers import (
    ENGLISH_ENDINGS,
    EndingWords,
    gives_what_was_asked,
    is_closed_by,
    is_open_by,
)
from worker.interview.dialogue.plan_view import Expects

#: Silence after a complete answer. Requirement: at most 1.3 s (median) from the candidate's last
#: sound to the interviewer's first after a closing cue, of which the VAD, the commit and the voice
#: take up to 0.5 s.
COMPLETE_S: Final = 0.8
#: Silence after an unfinished phrase. Requirement: pauses inside phrases of up to 4 s are
#: interrupted in at most 2 of 100 cases. Microsoft's and OpenAI's longest silence is 8 s as well.
INCOMPLETE_S: Final = 8.0
#: Silence after the candidate asked for time ("give me a minute"). The dialogue then asks whether
#: the candidate is ready.
ASKED_FOR_S: Final = 60.0

#: Bounds of the learned silence. Below 1.2 s most pauses between sentences would end an answer;
#: beyond 3.5 s most candidates wonder whether they were heard.
LEAST_LEARNED_S: Final = 1.2
MOST_LEARNED_S: Final = 3.5
#: Shorter silences are not pauses but a part of articulation (stops and breaths).
LEAST_PAUSE_S: Final = 0.3
#: Minimum number of pauses before the learned silence is used.
LEAST_PAUSES: Final = 5
#: Number of pauses that are kept: those of the last two or three answers.
KEPT_PAUSES: Final = 20
#: Multiple of the median absolute deviation that is added to the median. With two, some nine in ten
#: pauses of a speaker are shorter than the result.
DEVIATIONS: Final = 2.0
#: Minimum seconds by which a withdrawn line raises the silence.
RAISED_BY_S: Final = 0.25
#: Seconds that the raised silence is longer than the pause that was taken for the end.
MARGIN_S: Final = 0.1


class Ending(TextEnum):
    """How complete the candidate's turn is, and so which silence ends it."""

    COMPLETE = "complete", "what was asked for is given, or the candidate says that this is all"
    OPEN = "open", "a sentence is over; another one may follow"
    INCOMPLETE = "incomplete", "the candidate keeps the turn, or a phrase is not finished"
    ASKED_FOR = "asked_for", "the candidate asked for time"


@dataclass(frozen=True, kw_only=True)
class TurnSoFar:
    """The candidate's turn at a silence."""

    text: str = field(default="", repr=False)
    #: The act of the text, as the classifier reads it.
    act: Act = Act.ANSWER
    #: A request in the same text, after the answer.
    also: Act | None = None
    #: The kind of answer that the question expects.
    expects: Expects = Expects.OPEN
    #: True if the end-of-turn detector takes the turn for unfinished; None without a detector.
    unfinished: bool | None = None
    #: True if the candidate has asked for time before (phase WAITING).
    waiting: bool = False


@dataclass(frozen=True, kw_only=True)
class Accommodations:
    """Accommodations of a candidate. They only lengthen times. Reviewers and models get none.

    Raises ValueError for a factor outside 1 to 4.
    """

    #: Multiple of the time limits of questions, of the silence levels, and of time asked for.
    time_factor: float = 1.0
    #: Multiple of the silence that ends a turn.
    pause_factor: float = 1.0

    def __post_init__(self) -> None:
        for name in ("time_factor", "pause_factor"):
            if not 1.0 <= getattr(self, name) <= 4.0:
                raise ValueError(f"{name} must be between 1 and 4")


#: No accommodations.
NONE: Final = Accommodations()


def ending_of(turn: TurnSoFar, words: EndingWords = ENGLISH_ENDINGS) -> Ending:
    """Return how complete the turn is.

    A phrase that is open at its end outranks an answer that was asked for: "Yes, and" is not
    complete. A closing cue and an answer that was asked for outrank the end-of-turn detector, which
    knows sentences but not what was asked.
    """
    acts = (turn.act, turn.also)
    if Act.WAIT in acts or (turn.waiting and (turn.act is Act.STALL or not turn.text)):
        return Ending.ASKED_FOR
    if Act.DONE in acts or is_closed_by(turn.text, words):
        return Ending.COMPLETE
    if turn.act is Act.STALL or is_open_by(turn.text, words):
        return Ending.INCOMPLETE
    if gives_what_was_asked(turn.text, turn.act, turn.expects, words):
        return Ending.COMPLETE
    return Ending.INCOMPLETE if turn.unfinished else Ending.OPEN


class Patience:
    """Computes how long a silence must be to end a turn of one candidate.

    Except after an unfinished phrase or a request for time, the length adapts to the pauses of this
    candidate, which `note_pause` and `withdrawn` report.
    """

    def __init__(self, accommodations: Accommodations = NONE) -> None:
        self._accommodations = accommodations
        self._pauses: deque[float] = deque(maxlen=KEPT_PAUSES)
        # The silence below which no open turn ends, raised by withdrawn lines.
        self._least_s = 0.0
        self._complete_s = COMPLETE_S

    def silence_s(self, ending: Ending, plan_pause_s: float) -> float:
        """Return the seconds of silence that end a turn.

        `plan_pause_s` is the pause of the question in the plan.
        """
        factor = self._accommodations.pause_factor
        match ending:
            case Ending.COMPLETE:
                return min(self._complete_s, self.open_s(plan_pause_s)) * factor
            case Ending.INCOMPLETE:
                return max(INCOMPLETE_S, plan_pause_s) * factor
            case Ending.ASKED_FOR:
                return ASKED_FOR_S * self._accommodations.time_factor
            case Ending.OPEN:
                return self.open_s(plan_pause_s) * factor

    def open_s(self, plan_pause_s: float) -> float:
        """Return the silence of an open turn in seconds, without accommodations.

        It is the learned one once enough pauses are known. A pause of the plan outside the bounds
        of learning is a choice of the plan's author, and is only raised.
        """
        silence_s = plan_pause_s
        usual = LEAST_LEARNED_S <= plan_pause_s <= MOST_LEARNED_S
        if usual and len(self._pauses) >= LEAST_PAUSES:
            silence_s = self._learned_s()
        return max(silence_s, self._least_s)

    def note_pause(self, pause_s: float, ending: Ending = Ending.OPEN) -> None:
        """Learn from a pause inside an answer, after which the candidate went on.

        `ending` is what the turn was in the pause. Time that the candidate asked for, and pauses in
        unfinished phrases, which have a silence of their own, teach nothing.
        """
        if pause_s >= LEAST_PAUSE_S and ending in (Ending.OPEN, Ending.COMPLETE):
            self._pauses.append(pause_s)

    def withdrawn(self, pause_s: float, plan_pause_s: float, ending: Ending = Ending.OPEN) -> None:
        """Raise the silence: a pause of `pause_s` was taken for the end of the turn.

        Call it for the decision JOIN, not for a line that was withdrawn in vain.
        """
        before_s = self.open_s(plan_pause_s)
        self.note_pause(pause_s, ending)
        if ending is Ending.COMPLETE:
            self._complete_s = min(self._complete_s + RAISED_BY_S, LEAST_LEARNED_S)
        elif ending is Ending.OPEN:
            raised_s = max(before_s + RAISED_BY_S, pause_s + MARGIN_S)
            self._least_s = max(self._least_s, min(raised_s, MOST_LEARNED_S))

    def _learned_s(self) -> float:
        """Return the median plus two median absolute deviations of the pauses, within bounds."""
        median = statistics.median(self._pauses)
        deviation = statistics.median(abs(pause - median) for pause in self._pauses)
        learned_s = median + DEVIATIONS * deviation
        return min(max(learned_s, LEAST_LEARNED_S), MOST_LEARNED_S)
