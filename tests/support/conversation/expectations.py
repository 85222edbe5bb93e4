"""What must be true of a conversation after its end: of what was heard and of what is stored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from states import Outcome, Reason
from tests.support.conversation.words import is_in, shared_run
from worker.store.interview import waits_for_candidate

if TYPE_CHECKING:
    from tests.support.conversation.held import Conversation

#: Words in a row that an answer shares with a line of the interviewer only if they are an echo.
_ECHOED_WORDS: Final = 3


@dataclass(frozen=True)
class Stored:
    """Each of these pieces is stored word by word under the question, and under no other."""

    question_id: str
    pieces: tuple[str, ...]

    def __init__(self, question_id: str, *pieces: str) -> None:
        object.__setattr__(self, "question_id", question_id)
        object.__setattr__(self, "pieces", pieces)

    def check(self, talk: Conversation) -> None:
        answer = talk.answer_to(self.question_id)
        for piece in self.pieces:
            assert is_in(piece, answer), f'not stored under {self.question_id}: "{piece}"'
            others = {turn["question_id"] for turn in talk.stored() if is_in(piece, turn["text"])}
            assert others <= {self.question_id}, f'"{piece}" is stored under {others}'


@dataclass(frozen=True)
class NotStored:
    """These words are in no stored turn of the candidate."""

    text: str

    def check(self, talk: Conversation) -> None:
        turns = [turn["text"] for turn in talk.stored() if is_in(self.text, turn["text"])]
        assert not turns, f'"{self.text}" is stored as {turns}'


@dataclass(frozen=True)
class Kept:
    """These words are in a stored turn of the candidate, whichever question it belongs to."""

    text: str

    def check(self, talk: Conversation) -> None:
        assert any(is_in(self.text, t["text"]) for t in talk.stored()), f'lost: "{self.text}"'


@dataclass(frozen=True)
class NothingOfTheInterviewerIsStored:
    """No stored turn of the candidate has words of the interviewer."""

    def check(self, talk: Conversation) -> None:
        lines = talk.ear.text()
        echoed = [t["text"] for t in talk.stored() if shared_run(t["text"], lines) >= _ECHOED_WORDS]
        assert not echoed, f"the interviewer's own words are stored as answers: {echoed}"


@dataclass(frozen=True)
class Heard:
    """The candidate heard a text as a whole: so often, and with no longer silence in it."""

    text: str
    times: int | None = None
    longest_gap_s: float | None = None

    def check(self, talk: Conversation) -> None:
        found = talk.ear.occurrences(self.text)
        assert found, f'not heard: "{self.text}"'
        assert self.times in (None, len(found)), f'heard {len(found)} times: "{self.text}"'
        if self.longest_gap_s is not None:
            gap_s = max(occurrence.longest_gap_s for occurrence in found)
            assert gap_s <= self.longest_gap_s, f'a silence of {gap_s:.2f} s in "{self.text}"'


@dataclass(frozen=True)
class HeardBefore:
    """The candidate heard the first text before the second one."""

    first: str
    second: str

    def check(self, talk: Conversation) -> None:
        first, second = talk.ear.occurrences(self.first), talk.ear.occurrences(self.second)
        assert first, f'not heard: "{self.first}"'
        assert second, f'not heard: "{self.second}"'
        assert first[0].start < second[0].start, f'"{self.second}" was heard first'


@dataclass(frozen=True)
class NeverHeard:
    """The candidate heard none of these texts."""

    texts: tuple[str, ...]

    def __init__(self, *texts: str) -> None:
        object.__setattr__(self, "texts", texts)

    def check(self, talk: Conversation) -> None:
        for text in self.texts:
            assert not talk.ear.occurrences(text), f'heard: "{text}"'


@dataclass(frozen=True)
class Completed:
    """The interview ended by itself as completed."""

    def check(self, talk: Conversation) -> None:
        assert talk.outcome is Outcome.COMPLETED, f"the outcome is {talk.outcome}"


@dataclass(frozen=True)
class NotCompleted:
    """The interview did not end as completed."""

    def check(self, talk: Conversation) -> None:
        assert talk.outcome is not Outcome.COMPLETED, "the outcome is completed"


@dataclass(frozen=True)
class EndedByItself:
    """The interview ended without the cancellation that the test sends at last."""

    def check(self, talk: Conversation) -> None:
        assert talk.history.reason != Reason.CANCEL_REQUESTED, "the interview did not end"


@dataclass(frozen=True)
class DialogueEndedAs:
    """The last dialogue record of the job says that the dialogue has ended with this outcome."""

    outcome: str

    def check(self, talk: Conversation) -> None:
        last = talk.history.dialogue[-1]
        assert (last["name"], last["to"]) == ("quiet", f"ENDED({self.outcome})"), f"{last}"
        assert talk.outcome == self.outcome, f"the outcome is {talk.outcome}"


@dataclass(frozen=True)
class StaysOpen:
    """The job ended because the candidate is absent, so that another job goes on when they come."""

    def check(self, talk: Conversation) -> None:
        reason = talk.history.reason
        assert waits_for_candidate(talk.outcome, reason), f"the job ended with {reason}"


@dataclass(frozen=True)
class CompletedTruly:
    """The outcome is completed only if every question was heard as a whole and has an answer."""

    def check(self, talk: Conversation) -> None:
        if talk.outcome is not Outcome.COMPLETED:
            return
        for question in talk.row.plan.questions:
            assert talk.ear.occurrences(question.text), f'completed, never heard: "{question.text}"'
            assert talk.answer_to(question.id), f"completed without an answer to {question.id}"
