"""`Classifier`: determines the act of a candidate's turn."""

from __future__ import annotations

from typing import Final

from worker.interview.dialogue.acts import Act
from worker.interview.dialogue.classify.cover import Found, covers, sentence_starts
from worker.interview.dialogue.classify.language import Language, language
from worker.interview.dialogue.classify.ranks import AFTER_ANSWER, ORDER
from worker.interview.dialogue.classify.reading import Context, Reading
from worker.interview.dialogue.classify.turn import (
    WHOLE_TURN_WORDS,
    TurnText,
    act_of_found,
    first_of,
    is_polite,
)
from worker.interview.dialogue.classify.words import Edge, words_of

#: `act_by` of a question that no pattern knows.
BY_QUESTION: Final = "CLARIFY.unknown_question"
#: `act_by` of a turn with nothing but courtesy.
BY_COURTESY: Final = "SMALL_TALK.courtesy"


def prepare(code: str = "en") -> Classifier:
    """Return the classifier of a language. Raises KeyError if the language has no table."""
    return Classifier(language(code))


class Classifier:
    """Determines the acts of candidates' turns in one language."""

    def __init__(self, table: Language) -> None:
        self._table = table

    def read(self, text: str, context: Context | None = None) -> Reading:
        """Return the act of the turn. A turn whose act is in doubt is an answer."""
        words = words_of(text, self._table.spelling)
        if not words:
            return Reading(act=Act.ANSWER)
        return _Readings(text, words, context or Context(), self._table).reading()


class _Readings(TurnText):
    """A turn, with one method for each way to classify it."""

    def reading(self) -> Reading:
        """Call the methods, the most reliable first, until one method returns a reading."""
        return (
            self._whole()
            or self._after_answer(Edge.SENTENCE)
            or self._nearly_whole()
            or self._after_answer()
            or self._last_sentence()
            or self._topic()
            or self._clause()
            or self._question()
            or self._courtesy()
            or Reading(act=Act.ANSWER)
        )

    def _whole(self) -> Reading | None:
        """Return the reading of the turn if patterns match all of its words; otherwise None."""
        cover = self.strict[0]
        found = first_of(cover.found) if cover is not None and not self.cut else None
        if found is None:
            return None
        reading = Reading(act=act_of_found(found), act_by=found.label.id)
        if not found.label.open or reading.act is not Act.CLARIFY:
            return reading
        guessed = self._topic()
        return guessed if guessed and guessed.act is not Act.ABOUT_JOB else reading

    def _nearly_whole(self) -> Reading | None:
        found = self.loose(0) if self.short else None
        return Reading(act=act_of_found(found), act_by=found.label.id) if found else None

    def _after_answer(self, least: Edge = Edge.NONE) -> Reading | None:
        """Return the reading of an answer that ends with a request.

        `least` is the weakest boundary (`Edge`) that may separate the request from the answer.
        """
        for start in range(1, len(self.words)):
            cover = self.strict[start]
            if cover is None or self.words[start].edge < least:
                continue
            if not self.may_begin(start, cover):
                continue
            found = first_of([f for f in cover.found if f.label.act in AFTER_ANSWER])
            if found is not None and self.may_follow_answer(act_of_found(found), start):
                return self._answer_and(found, start)
        return None

    def _last_sentence(self) -> Reading | None:
        """Return the reading of an answer whose last sentence is a request plus some words."""
        start = sentence_starts(self.words)[-1]
        if start == 0 or len(self.words) - start > WHOLE_TURN_WORDS:
            return None
        if not self.has_form_of_request(start):
            return None
        found = self.loose(start)
        return self._answer_and(found, start) if found else None

    def _answer_and(self, found: Found, start: int) -> Reading:
        return Reading(
            act=Act.ANSWER,
            also=found.label.act,
            also_from=self.words[start].start,
            act_by=found.label.id,
        )

    def _topic(self) -> Reading | None:
        """Return the reading of a short question or wish whose words fit a topic of the table."""
        start = sentence_starts(self.words)[-1]
        if start > 0 and not self.courteous(start):
            return None
        topic = self.topic_of(start, len(self.words))
        return Reading(act=topic.act, act_by=topic.id) if topic else None

    def _clause(self) -> Reading | None:
        """Return the reading of an answer in which one of the last clauses is a request."""
        best: tuple[int, int, Act, str] | None = None
        for start, end in self.clauses():
            read = self.read_clause(start, end)
            if (
                read is None
                or read[0] not in AFTER_ANSWER
                or not self.may_follow(read[0], start, end)
            ):
                continue
            act, by = read
            rank = ORDER.index(act)
            if best is None or rank < best[0]:
                best = (rank, start, act, by)
        if best is None:
            return None
        _, start, act, by = best
        if start == 0:
            return Reading(act=act, act_by=by)
        return Reading(act=Act.ANSWER, also=act, also_from=self.words[start].start, act_by=by)

    def _courtesy(self) -> Reading | None:
        """Return the reading of a turn that contains only polite phrases."""
        polite = covers(self.words, self.table, is_polite, gaps=False)[0]
        if polite is None or self.cut:
            return None
        return Reading(act=Act.SMALL_TALK, act_by=BY_COURTESY)

    def _question(self) -> Reading | None:
        """Return the reading of a question to the interviewer that matches no pattern."""
        if Act.CLARIFY in self.ruled_out or self.context.phase == "CONFIRMING_END":
            return None
        starts = sentence_starts(self.words)
        if starts[-1] == 0 and self.short and self.asks(0):
            return Reading(act=Act.CLARIFY, act_by=BY_QUESTION)
        start = starts[-1]
        if start == 0 or len(self.words) - start > WHOLE_TURN_WORDS:
            return None
        if not self.words[-1].asks or not self.asks(start):
            return None
        return Reading(
            act=Act.ANSWER,
            also=Act.CLARIFY,
            also_from=self.words[start].start,
            act_by=BY_QUESTION,
        )
