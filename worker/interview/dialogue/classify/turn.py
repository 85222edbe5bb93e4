"""`TurnText`: the words of a turn that is being classified, and tests of their parts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from worker.interview.dialogue.acts import Act
from worker.interview.dialogue.classify.addressed import (
    SHORT_TURN,
    asks_briefly,
    asks_inside,
    begins_a_request,
    continues_a_sentence,
    describes,
    is_addressed,
    is_past,
    is_question,
    may_follow_an_answer,
    opens_a_request,
    wishes_something,
)
from worker.interview.dialogue.classify.cover import (
    MOST_CONTENT,
    Cover,
    Found,
    covers,
    sentence_starts,
)
from worker.interview.dialogue.classify.language import Label, Language
from worker.interview.dialogue.classify.ranks import (
    ASKED_AFTER_WAIT,
    AT_THE_END,
    LOOSE,
    ORDER,
    RULED_OUT,
    SHORT_REPLIES,
)
from worker.interview.dialogue.classify.reading import LOSING, Context
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
#: Content words besides a request that addresses the interviewer but has no form of a request.
_MOST_CONTENT_OF_STATEMENT: Final = 2
#: Words of a turn that has few words besides a request.
_NO_ANSWER_WORDS: Final = 12
#: Words before a request that neither addresses the interviewer nor has a form of its own.
_BEFORE_STATEMENT: Final = 2
_VERY_SHORT: Final = 5
_SHORT_QUESTION: Final = 7
#: Clauses at the end of a turn in which a request is looked for, and content words after it.
_MOST_CLAUSES: Final = 6
_CLAUSES_OF_REQUEST: Final = 3
_MOST_CONTENT_AFTER: Final = 8
#: Content words besides the topic of a wish that would lose something.
_MOST_CONTENT_OF_LOSS: Final = 2


class TurnText:
    """The words of one turn of the candidate that is being classified."""

    def __init__(self, text: str, words: Sequence[Word], context: Context, table: Language) -> None:
        self.words = words
        self.context = context
        self.table = table
        self.cut = is_cut(text)
        self.short = not self.cut and len(words) <= WHOLE_TURN_WORDS
        self.ruled_out = self._ruled_out()
        self.strict = covers(words, table, self._allowed, gaps=False)

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
            if not self.table.role_play.isdisjoint(words_and_pairs(texts)):
                out |= LOSING
        return out

    def loose(self, start: int, end: int | None = None) -> Found | None:
        """Return the request between `start` and `end`; None if too many words match no pattern."""
        cover = covers(self.words[start:end], self.table, self._allowed, gaps=True)[0]
        texts = [word.text for word in self.words[start:]]
        if not self.table.subjects_of_words.isdisjoint(words_and_pairs(texts)):
            return None
        if cover is None or cover.content > self._most_content(start, end) or cover.tells:
            return None
        found = first_of([each for each in cover.found if each.label.act in LOOSE])
        if found is None or (
            found.first > _BEFORE_STATEMENT
            and len(self.words) > _VERY_SHORT
            and cover.content
            and not self.has_form_of_request(start, end)
            and not is_addressed(self.words[start:end], self.table)
        ):
            return None
        if cover.content and self._is_in_a_statement(start, start + found.first, end):
            return None
        return None if any(each.label.act in LOSING for each in cover.found) else found

    def _is_in_a_statement(self, start: int, first: int, end: int | None) -> bool:
        """Return whether a request that begins at `first` only looks like a question."""
        if continues_a_sentence(self.words[:end], first, self.table):
            return True
        if first > start and self.words[first - 1].text in self.table.conditions:
            return True
        if len(self.words) <= SHORT_TURN:
            return False
        return self.words[first].text in self.table.question_words and not is_question(
            self.words[first:end], self.table
        )

    def _most_content(self, start: int, end: int | None) -> int:
        """Return how many content words may stand besides a request in these words."""
        if self.has_form_of_request(start, end):
            return MOST_CONTENT
        words = self.words[start:end]
        if describes(words, self.table):
            return 0 if is_past(words) else 1
        return MOST_CONTENT if len(self.words) <= SHORT_TURN else _MOST_CONTENT_OF_STATEMENT

    def has_form_of_request(self, start: int, end: int | None = None) -> bool:
        """Return whether the words between `start` and `end` begin as a request or question."""
        words = self.words[start:end]
        return opens_a_request(words, self.table) or is_question(words, self.table)

    def may_follow_answer(self, act: Act, start: int, end: int | None = None) -> bool:
        """Return whether the words between `start` and `end` can be a request after an answer."""
        if not self._has_answer_before(start):
            return True
        last = len(self.words) if end is None else end
        short = len(self.words) <= _NO_ANSWER_WORDS
        request = self.words[start:last]
        described = describes(request, self.table) or is_past(request)
        if act in (Act.CANNOT_HEAR, Act.REPEAT) and short and not described:
            return True
        return may_follow_an_answer(act, self.words, start, last, self.table)

    def _has_answer_before(self, start: int) -> bool:
        before = [word.text for word in self.words[:start]]
        known = self.table.function | self.table.light | self.table.subjects
        content = sum(text not in known for text in before)
        return content > 1 or self._tells(before)

    def may_begin(self, start: int, cover: Cover) -> bool:
        """Return whether a request may begin at the word `start`, after an answer."""
        word = self.words[start]
        loses = not LOSING.isdisjoint(found.label.act for found in cover.found)
        if word.edge is Edge.SENTENCE:
            return True
        within = _LOSS_REPORTED_WITHIN if loses else _REPORTED_WITHIN
        sentence = _last_sentence(self.words[max(0, start - within) : start])
        texts = [each.text for each in sentence]
        reports = self.table.reports | self.table.narrators | self.table.speakers
        if not loses and is_addressed(self.words[start:], self.table):
            reports -= self.table.speakers
        if not reports.isdisjoint(texts) or texts[-1] in self.table.links:
            return False
        if not loses:
            return word.edge is Edge.COMMA or start >= _ANSWER_WORDS
        first = words_and_pairs([w.text for w in self.words[start : start + _ADDRESSED_WITHIN]])
        if word.text in self.table.joins and not self.table.wishes.isdisjoint(first):
            return True
        return word.text in self.table.breaks and not self.table.addresses.isdisjoint(first)

    def topic_of(self, start: int, end: int) -> Topic | None:
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

    def may_follow(self, act: Act, start: int, end: int) -> bool:
        """Return whether the words from `end` on may follow a request with this act.

        The request has the words from `start` to `end`.
        """
        rest = [word.text for word in self.words[end:]]
        if not rest:
            return True
        if act in AT_THE_END or (act in LOSING and rest[0] not in self.table.reasons):
            return False
        if act is not Act.GO_BACK and any(
            self.table.tells_a_story(text) and text not in self.table.subjects | {"i"}
            for text in rest
        ):
            return False
        request = self.words[start:end]
        if start == 0 and describes(request, self.table):
            return False
        exact = covers(self.words[start:end], self.table, self._allowed_in_part, gaps=False)[0]
        quotes = self.table.quotes | self.table.subjects_of_words
        if act is not Act.GO_BACK and not quotes.isdisjoint(words_and_pairs(rest)):
            return False
        clear = exact is not None or self.has_form_of_request(start, end)
        most = _MOST_CONTENT_AFTER if clear else _MOST_CONTENT_OF_STATEMENT
        return sum(text not in self.table.function for text in rest) <= most

    def clauses(self) -> list[tuple[int, int]]:
        """Return all spans of one to three consecutive clauses among the last six clauses."""
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

    def read_clause(self, start: int, end: int) -> tuple[Act, str] | None:
        cover = covers(self.words[start:end], self.table, self._allowed_in_part, gaps=False)[0]
        found = first_of(cover.found) if cover is not None else None
        if found is not None and found.label.act in LOSING and not self._is_own(start, end):
            return None
        act = act_of_found(found) if found is not None and start > 0 else None
        if act is not None and not self.may_follow_answer(act, start, end):
            return None
        if found is None and start > 0 and not begins_a_request(self.words[start:end], self.table):
            return None
        if found is None:
            found = self.loose(start, end)
        if found is not None:
            return act_of_found(found), found.label.id
        topic = self.topic_of(start, end)
        if topic is None or (topic.act in LOSING and not self._is_own(start, end)):
            return None
        return topic.act, topic.id

    def _is_own(self, start: int, end: int) -> bool:
        """Return whether the candidate makes a request, such as to stop, and does not quote it."""
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

    def courteous(self, end: int) -> bool:
        """Return whether only polite phrases and requests precede the word with index `end`."""
        cover = covers(self.words[:end], self.table, self._allowed, gaps=False)[0]
        return cover is not None

    def _has_mood(self, mood: str, sentence: Sequence[Word], found: frozenset[str]) -> bool:
        if mood == SAYS:
            return True
        asks = is_question(sentence, self.table) or asks_inside(sentence, self.table)
        asks = asks or asks_briefly(sentence, self.table)
        return asks if mood == ASKS else asks or wishes_something(sentence, found, self.table)

    def _is_about(self, topic: Topic, texts: Sequence[str]) -> bool:
        """Return whether the words outside the topic are few and not typical of a story."""
        others = [text for text in texts if text not in topic.words]
        known = self.table.function | self.table.light | self.table.subjects
        content = [text for text in others if text not in known]
        harmless = self.table.subjects if topic.mood == SAYS else known
        if any(self.table.tells_a_story(t) and t not in harmless | {"i"} for t in others):
            return False
        reports = self.table.reports | (self.table.speakers if topic.act in LOSING else set())
        if not reports.isdisjoint(others):
            return False
        most = _MOST_CONTENT_OF_LOSS if topic.act in LOSING else MOST_CONTENT
        return len(content) <= (1 if topic.act is Act.CANNOT_HEAR else most)

    def asks(self, start: int) -> bool:
        """Return whether the words from `start` to the end are a question to the interviewer."""
        texts = [word.text for word in self.words[start:]]
        if any(word.quoted for word in self.words[start:]) or self._tells(texts):
            return False
        if not self.table.subjects_of_words.isdisjoint(words_and_pairs(texts)):
            return False
        opening = self.table.light - {"now"}
        begin = next((i for i, text in enumerate(texts) if text not in opening), 0)
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


def is_polite(label: Label) -> bool:
    """Return whether a pattern matches only a polite phrase."""
    return label.id == "politeness"


def act_of_found(found: Found) -> Act:
    """Return the act of a request that a pattern matched."""
    return found.label.act or Act.ANSWER


def first_of(found: Sequence[Found]) -> Found | None:
    """Return the request that takes precedence over the others; None without a request."""
    acts = {each.label.act: each for each in reversed(found)}
    if len(found) > 1 and found[0].label.act is Act.WAIT and found[1].label.act in ASKED_AFTER_WAIT:
        del acts[Act.WAIT]  # as in `wait, is this recorded`
    if Act.READY in acts:
        acts.pop(Act.SKIP, None)  # as in `I am ready, next question`
    for act in ORDER:
        if act in acts:
            return acts[act]
    short = [each for each in found if each.label.act in SHORT_REPLIES]
    return short[0] if short else acts.get(Act.SMALL_TALK)
