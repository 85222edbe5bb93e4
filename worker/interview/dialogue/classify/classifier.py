"""`Classifier`: reads one turn of a candidate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from worker.interview.dialogue.acts import Act
from worker.interview.dialogue.classify.cover import (
    MOST_CONTENT,
    Cover,
    Found,
    covers,
    sentence_starts,
)
from worker.interview.dialogue.classify.language import Label, Language, language
from worker.interview.dialogue.classify.reading import LOSING, Context, Reading
from worker.interview.dialogue.classify.topics import ASKS, SAYS, Topic, words_and_pairs
from worker.interview.dialogue.classify.words import Edge, Word, is_cut, words_of

#: A turn with more words is read from its end only.
WHOLE_TURN_WORDS: Final = 15
#: Words before a request in which a report or a quotation is looked for.
_REPORTED_WITHIN: Final = 5
_LOSS_REPORTED_WITHIN: Final = 12
#: Words at the beginning of a request that ends something, in which the interviewer is addressed.
_ADDRESSED_WITHIN: Final = 5
#: Words before a request that follows an answer without a punctuation mark.
_ANSWER_WORDS: Final = 3
#: `act_by` of a question that no pattern knows.
BY_QUESTION: Final = "CLARIFY.unknown_question"
#: `act_by` of a turn with nothing but courtesy.
BY_COURTESY: Final = "SMALL_TALK.courtesy"
_SHORT_QUESTION: Final = 7
#: Clauses at the end of a turn in which a request is looked for, and content words after it.
_MOST_CLAUSES: Final = 6
_CLAUSES_OF_REQUEST: Final = 3
_MOST_CONTENT_AFTER: Final = 8
#: Content words besides the topic of a wish that would lose something.
_MOST_CONTENT_OF_LOSS: Final = 2

_A = Act
#: Of several requests in a turn the first of these counts.
ORDER: Final = (
    *(_A.WITHDRAW_CONSENT, _A.OBJECT_RECORDING, _A.POSTPONE, _A.STOP, _A.HUMAN),
    *(_A.CANNOT_HEAR, _A.PACE),
    *(_A.REPHRASE, _A.REPEAT, _A.CLARIFY, _A.NOT_UNDERSTOOD),
    *(_A.DISTRESS, _A.WAIT),
    *(_A.LATER, _A.SKIP, _A.GO_BACK),
    *(_A.ABOUT_DATA, _A.ABOUT_TIME, _A.ABOUT_RESULT, _A.ABOUT_JOB, _A.ABOUT_YOU),
    *(_A.NO_ANSWER, _A.DONE, _A.STALL, _A.READY),
)
#: After a `wait` these acts say what the candidate wants.
_ASKED_AFTER_WAIT: Final = frozenset(ORDER) - {_A.NO_ANSWER, _A.DONE, _A.STALL, _A.READY, _A.WAIT}
#: A yes or no counts where nothing of `ORDER` is said. The first one counts.
_SHORT_REPLIES: Final = (_A.AFFIRM, _A.DENY)
#: The acts that may follow an answer in the same turn.
_AFTER_ANSWER: Final = frozenset(ORDER) - {_A.READY}
#: The acts that are said at the very end of a turn.
_AT_THE_END: Final = frozenset({_A.DONE, _A.STALL, _A.NO_ANSWER})
#: The acts that need not span the whole sentence: after them the question is still open.
_LOOSE: Final = frozenset(
    {
        *(_A.CANNOT_HEAR, _A.PACE, _A.REPHRASE, _A.REPEAT, _A.CLARIFY),
        *(_A.ABOUT_DATA, _A.ABOUT_TIME, _A.ABOUT_RESULT, _A.ABOUT_JOB, _A.ABOUT_YOU),
        *(_A.WAIT, _A.GO_BACK),
    }
)
#: The acts of a question of the plan.
_AT_QUESTION: Final = frozenset({_A.SKIP, _A.LATER, _A.NO_ANSWER, _A.GO_BACK, _A.STALL, _A.CLARIFY})
#: Acts that a phase rules out.
RULED_OUT: Final = {
    "GREETING": _AT_QUESTION,
    "SOUND_CHECK": _AT_QUESTION | {_A.DONE},
    "CONSENT": _AT_QUESTION - {_A.CLARIFY} | {_A.DONE},
    "CANDIDATE_QUESTIONS": _AT_QUESTION - {_A.GO_BACK, _A.STALL, _A.CLARIFY},
    "FAREWELL": _AT_QUESTION - {_A.GO_BACK, _A.CLARIFY},
}


def prepare(code: str = "en") -> Classifier:
    """Return the classifier of a language. KeyError if there is no table of it."""
    return Classifier(language(code))


class Classifier:
    """Reads the turns of candidates in one language."""

    def __init__(self, table: Language) -> None:
        self._table = table

    def read(self, text: str, context: Context | None = None) -> Reading:
        """Return what the turn does. What is in doubt is an answer."""
        words = words_of(text, self._table.spelling)
        if not words:
            return Reading(act=Act.ANSWER)
        return _Turn(text, words, context or Context(), self._table).reading()


class _Turn:
    """One turn while it is read."""

    def __init__(self, text: str, words: Sequence[Word], context: Context, table: Language) -> None:
        self.words = words
        self.context = context
        self.table = table
        self.cut = is_cut(text)
        self.short = not self.cut and len(words) <= WHOLE_TURN_WORDS
        self.ruled_out = self._ruled_out()
        self.strict = covers(words, table, self._allowed, gaps=False)

    def reading(self) -> Reading:
        """Return the reading: the first of these that finds something."""
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

    def _allowed(self, label: Label) -> bool:
        if label.phase and label.phase not in (
            self.context.phase,
            f"{self.context.phase}({self.context.kind})",
        ):
            return False
        return label.act not in self.ruled_out

    def _allowed_in_part(self, label: Label) -> bool:
        return not label.alone and self._allowed(label)

    def _ruled_out(self) -> frozenset[Act]:
        out = RULED_OUT.get(self.context.phase, frozenset[Act]())
        asked = words_of(self.context.asked, self.table.spelling)
        texts = [word.text for word in asked]
        if texts and self.context.phase in ("LISTENING", "ASKING"):
            last = sentence_starts(asked)[-1]
            if texts[last] in self.table.yes_or_no or self.context.expects == "yes_no":
                out |= {Act.NO_ANSWER}
            if not self.table.role_play.isdisjoint(texts) and "you" in texts:
                out |= LOSING
        return out

    def _whole(self) -> Reading | None:
        """Return the reading if patterns span the whole turn."""
        cover = self.strict[0]
        found = _first_of(cover.found) if cover is not None and not self.cut else None
        return Reading(act=_act(found), act_by=found.label.id) if found else None

    def _loose(self, start: int, end: int | None = None) -> Found | None:
        """Return the request from `start` to `end` with at most three more content words."""
        cover = covers(self.words[start:end], self.table, self._allowed, gaps=True)[0]
        if cover is None or cover.content > MOST_CONTENT or cover.tells:
            return None
        found = _first_of([each for each in cover.found if each.label.act in _LOOSE])
        losing = any(each.label.act in LOSING for each in cover.found)
        return found if found and not losing else None

    def _nearly_whole(self) -> Reading | None:
        found = self._loose(0) if self.short else None
        return Reading(act=_act(found), act_by=found.label.id) if found else None

    def _after_answer(self, least: Edge = Edge.NONE) -> Reading | None:
        """Return the reading of an answer with a request at its end, after at least this edge."""
        for start in range(1, len(self.words)):
            cover = self.strict[start]
            if cover is None or self.words[start].edge < least:
                continue
            if not self._may_begin(start, cover):
                continue
            found = _first_of([f for f in cover.found if f.label.act in _AFTER_ANSWER])
            if found is not None:
                return self._answer_and(found, start)
        return None

    def _may_begin(self, start: int, cover: Cover) -> bool:
        """Return whether a request may begin at this word, after an answer."""
        word = self.words[start]
        loses = not LOSING.isdisjoint(found.label.act for found in cover.found)
        if word.edge is Edge.SENTENCE:
            return True
        within = _LOSS_REPORTED_WITHIN if loses else _REPORTED_WITHIN
        sentence = _last_sentence(self.words[max(0, start - within) : start])
        texts = [each.text for each in sentence]
        reports = self.table.reports | self.table.narrators
        if not reports.isdisjoint(texts) or texts[-1] in self.table.links:
            return False
        if not loses:
            return word.edge is Edge.COMMA or start >= _ANSWER_WORDS
        first = words_and_pairs([w.text for w in self.words[start : start + _ADDRESSED_WITHIN]])
        if word.text in self.table.joins and not self.table.wishes.isdisjoint(first):
            return True
        return word.text in self.table.breaks and not self.table.addresses.isdisjoint(first)

    def _last_sentence(self) -> Reading | None:
        """Return the reading of an answer whose last sentence is nearly a request."""
        start = sentence_starts(self.words)[-1]
        if start == 0 or len(self.words) - start > WHOLE_TURN_WORDS:
            return None
        texts = {word.text for word in self.words[start:]}
        if "you" not in texts and not self.words[-1].asks:
            return None
        found = self._loose(start)
        return self._answer_and(found, start) if found else None

    def _answer_and(self, found: Found, start: int) -> Reading:
        return Reading(
            act=Act.ANSWER,
            also=found.label.act,
            also_from=self.words[start].start,
            act_by=found.label.id,
        )

    def _topic(self) -> Reading | None:
        """Return the reading of a short question or wish about a topic."""
        start = sentence_starts(self.words)[-1]
        if start > 0 and not self._courteous(start):
            return None
        topic = self._topic_of(start, len(self.words))
        return Reading(act=topic.act, act_by=topic.id) if topic else None

    def _topic_of(self, start: int, end: int) -> Topic | None:
        sentence = self.words[start:end]
        if len(sentence) > WHOLE_TURN_WORDS or any(word.quoted for word in sentence):
            return None
        texts = [word.text for word in sentence]
        found = words_and_pairs(texts)
        for topic in self.table.topics:
            if topic.act in self.ruled_out or not topic.fits(found):
                continue
            if self._has_mood(topic.mood, sentence, found) and self._is_about(topic, texts):
                return topic
        return None

    def _clause(self) -> Reading | None:
        """Return the reading of an answer in which one of the last clauses is a request."""
        best: tuple[int, int, Act, str] | None = None
        for start, end in self._clauses():
            read = self._read_clause(start, end)
            if read is None or read[0] not in _AFTER_ANSWER or not self._may_follow(read[0], end):
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

    def _may_follow(self, act: Act, end: int) -> bool:
        """Return whether the words from `end` on may stand after a request."""
        rest = [word.text for word in self.words[end:]]
        if not rest:
            return True
        if act in _AT_THE_END or (act in LOSING and rest[0] not in self.table.reasons):
            return False
        if act is not Act.GO_BACK and any(
            self.table.tells_a_story(text) and text not in self.table.subjects | {"i"}
            for text in rest
        ):
            return False
        return sum(text not in self.table.function for text in rest) <= _MOST_CONTENT_AFTER

    def _clauses(self) -> list[tuple[int, int]]:
        """Return the spans of up to three of the last clauses."""
        starts = [
            i
            for i, word in enumerate(self.words)
            if i == 0 or word.edge is not Edge.NONE or word.text in self.table.joins
        ][-_MOST_CLAUSES:]
        ends = [*starts[1:], len(self.words)]
        return [
            (start, end)
            for i, start in enumerate(starts)
            for end in ends[i : i + _CLAUSES_OF_REQUEST]
        ]

    def _read_clause(self, start: int, end: int) -> tuple[Act, str] | None:
        cover = covers(self.words[start:end], self.table, self._allowed_in_part, gaps=False)[0]
        found = _first_of(cover.found) if cover is not None else None
        if found is not None and found.label.act in LOSING and not self._is_own(start, end):
            return None
        if found is None:
            found = self._loose(start, end)
        if found is not None:
            return _act(found), found.label.id
        topic = self._topic_of(start, end)
        if topic is None or (topic.act in LOSING and not self._is_own(start, end)):
            return None
        return topic.act, topic.id

    def _is_own(self, start: int, end: int) -> bool:
        """Return whether a request that ends something is the candidate's own, and not told."""
        texts = [word.text for word in self.words[max(0, start - _LOSS_REPORTED_WITHIN) :]]
        if not self.table.reports.isdisjoint(texts):
            return False
        before = self.words[start - 1].text if start else ""
        first = self.words[start]
        joined = first.edge is Edge.NONE and first.text not in self.table.joins
        if joined and before in self.table.links:
            return False
        found = words_and_pairs([word.text for word in self.words[start:end]])
        return start == 0 or not (self.table.addresses | self.table.wishes).isdisjoint(found)

    def _courteous(self, end: int) -> bool:
        """Return whether nothing but courtesy and requests stands before a word."""
        cover = covers(self.words[:end], self.table, self._allowed, gaps=False)[0]
        return cover is not None

    def _courtesy(self) -> Reading | None:
        """Return the reading of a turn with nothing but courtesy."""
        polite = covers(self.words, self.table, _is_polite, gaps=False)[0]
        if polite is None or self.cut:
            return None
        return Reading(act=Act.SMALL_TALK, act_by=BY_COURTESY)

    def _has_mood(self, mood: str, sentence: Sequence[Word], found: frozenset[str]) -> bool:
        wishes = not self.table.wishes.isdisjoint(found)
        if mood == SAYS:
            return True
        texts = [word.text for word in sentence]
        before = self.table.subjects | self.table.inverts | {"i", "to", "not"}
        asks = any(
            a in self.table.inverts and b in self.table.subjects and c not in before
            for c, a, b in zip(["", *texts], texts, texts[1:], strict=False)
        )
        begin = next((text for text in texts if text not in self.table.light), "")
        asks = asks or sentence[-1].asks or begin in self.table.question_words
        return asks if mood == ASKS else asks or wishes

    def _is_about(self, topic: Topic, texts: Sequence[str]) -> bool:
        """Return whether few other words are there, and none that tells a story."""
        others = [text for text in texts if text not in topic.words]
        known = self.table.function | self.table.light | self.table.subjects
        content = [text for text in others if text not in known]
        harmless = self.table.subjects if topic.mood == SAYS else known
        if any(self.table.tells_a_story(t) and t not in harmless | {"i"} for t in others):
            return False
        if not self.table.reports.isdisjoint(others):
            return False
        return len(content) <= (_MOST_CONTENT_OF_LOSS if topic.act in LOSING else MOST_CONTENT)

    def _question(self) -> Reading | None:
        """Return the reading of a question to the interviewer that no pattern knows."""
        if Act.CLARIFY in self.ruled_out or self.context.phase == "CONFIRMING_END":
            return None
        starts = sentence_starts(self.words)
        if starts[-1] == 0 and self.short and self._asks(0):
            return Reading(act=Act.CLARIFY, act_by=BY_QUESTION)
        start = starts[-1]
        if start == 0 or len(self.words) - start > WHOLE_TURN_WORDS:
            return None
        if not self.words[-1].asks or not self._asks(start):
            return None
        return Reading(
            act=Act.ANSWER,
            also=Act.CLARIFY,
            also_from=self.words[start].start,
            act_by=BY_QUESTION,
        )

    def _asks(self, start: int) -> bool:
        """Return whether the words from `start` to the end are a question to the interviewer."""
        texts = [word.text for word in self.words[start:]]
        if any(word.quoted for word in self.words[start:]) or self._tells(texts):
            return False
        begin = next((i for i, text in enumerate(texts) if text not in self.table.light), 0)
        first, second = (*texts[begin:], "", "")[:2]
        if first in self.table.inverts and second in self.table.subjects:
            return True
        if first in self.table.question_words and second in self.table.inverts:
            return True
        short = self.words[-1].asks and len(texts) <= _SHORT_QUESTION
        return short and texts[0] not in self.table.unsure and self.table.own.isdisjoint(texts)

    def _tells(self, texts: Sequence[str]) -> bool:
        own = self.table.subjects
        return any(self.table.tells_a_story(text) and text not in own for text in texts)


def _last_sentence(words: Sequence[Word]) -> Sequence[Word]:
    starts = [i for i, word in enumerate(words) if word.edge is Edge.SENTENCE]
    return words[starts[-1] :] if starts else words


def _is_polite(label: Label) -> bool:
    return label.id == "politeness"


def _act(found: Found) -> Act:
    return found.label.act or Act.ANSWER


def _first_of(found: Sequence[Found]) -> Found | None:
    """Return the request that counts."""
    acts = {each.label.act: each for each in reversed(found)}
    if (
        len(found) > 1
        and found[0].label.act is Act.WAIT
        and found[1].label.act in _ASKED_AFTER_WAIT
    ):
        del acts[Act.WAIT]  # as in `wait, is this recorded`
    if Act.READY in acts:
        acts.pop(Act.SKIP, None)  # as in `I am ready, next question`
    for act in ORDER:
        if act in acts:
            return acts[act]
    short = [each for each in found if each.label.act in _SHORT_REPLIES]
    return short[0] if short else acts.get(Act.SMALL_TALK)
