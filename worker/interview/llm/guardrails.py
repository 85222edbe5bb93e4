"""Checks of a language model's words, before the words are spoken to a candidate.

The checks are pure functions with a table of rules, one line for each rule. Each refusal has a
name, which is counted and logged. The model's words are never repaired, but either accepted
unchanged or refused.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from enum import Enum
from functools import cached_property

from worker.interview.llm import honesty
from worker.interview.llm.honesty_en import Honesty
from worker.interview.llm.vocabulary_en import Vocabulary, vocabulary_of
from worker.interview.llm.words import words_of
from worker.interview.sentences import sentences

#: Maximum number of words in an acknowledgement, which is about nine seconds of speech.
ACKNOWLEDGEMENT_WORDS = 25
#: Maximum number of words in a follow-up, including the lead-in to the question. 35 words are about
#: thirteen seconds of speech.
FOLLOW_UP_WORDS = 35
#: Maximum number of sentences in an acknowledgement or a follow-up.
MOST_SENTENCES = 2
#: Longest word that the model may use, in characters.
_LONGEST_WORD = 30
#: Number of consecutive words from the prompt at which a text counts as read out from the prompt.
_QUOTED_RUN = 6
#: Share of another question's content words at which a follow-up counts as a repeated question.
_SAME_QUESTION = 0.75
#: Maximum number of words per function word of the plan's language in a text. A text with more
#: words per function word counts as a text in another language.
_FUNCTION_WORDS_IN = 5
#: Number of first letters by which words are compared. The forms of a word usually have these
#: letters in common.
_STEM = 4

#: Marks that may stand between words. Text-to-speech renders a mark as a pause or as a word.
_PUNCTUATION = frozenset(" .,;:!?'\"-()%&/+\u2018\u2019\u201c\u201d\u2026\u2013\u2014")
_ADDRESS = re.compile(r"://|\bwww\.|@|\.(?:com|org|net|io|dev|ai|co|app|gov|edu|info|me)\b", re.I)


class Refusal(Enum):
    """Reason why a language model's words are not spoken.

    The value of a member is used in logs and counters.
    """

    EMPTY = "Empty"
    TOO_LONG = "TooLong"
    TOO_MANY_SENTENCES = "TooManySentences"
    #: An acknowledgement that does not end with a full stop or an exclamation mark.
    UNFINISHED = "Unfinished"
    CONTROL_CHARACTER = "ControlCharacter"
    #: A letter from a script that the plan's language does not use.
    OTHER_SCRIPT = "OtherScript"
    OTHER_LANGUAGE = "OtherLanguage"
    #: The word lists that check the words (`VOCABULARIES`) lack the plan's language.
    LANGUAGE_UNKNOWN = "LanguageUnknown"
    #: Characters that do not belong in spoken text: markup, code, emoji.
    MARKUP = "Markup"
    ADDRESS = "Address"
    #: An acknowledgement that asks or orders something.
    ASKS_SOMETHING = "AsksSomething"
    #: A follow-up that has no question or several questions, or does not end with its question.
    NOT_ONE_QUESTION = "NotOneQuestion"
    VERDICT = "Verdict"
    ENDS_INTERVIEW = "EndsInterview"
    PROMISE = "Promise"
    PRIVATE_TOPIC = "PrivateTopic"
    #: Words about the model or its instructions, or about the interviewer in the first person.
    SPEAKS_OF_ITSELF = "SpeaksOfItself"
    #: Words that could be about the interview: who holds it, who hears it, or what is kept of it.
    SPEAKS_OF_INTERVIEW = "SpeaksOfInterview"
    #: Words that answer a question or a request of the candidate. Only the dialogue does that.
    ANSWERS_CANDIDATE = "AnswersCandidate"
    #: Words that the model copied from the prompt, such as the points of a good answer.
    READS_OUT = "ReadsOut"
    #: A follow-up that repeats a question from the plan, or an earlier question.
    REPEATS_QUESTION = "RepeatsQuestion"
    #: Words that have nothing to do with the question or its answer, or could be about something
    #: else than what the candidate did.
    OFF_TOPIC = "OffTopic"


@dataclass(frozen=True)
class _Draft:
    """A language model's words before the check."""

    text: str
    vocabulary: Vocabulary
    most_words: int
    told: tuple[str, ...]

    @cached_property
    def words(self) -> list[str]:
        return _words_of(self.text, self.vocabulary)

    @cached_property
    def sentences(self) -> tuple[str, ...]:
        return sentences(self.text)

    @cached_property
    def characters(self) -> frozenset[str]:
        """The distinct characters of the text, which are only a few even in a long text."""
        return frozenset(self.text)

    @cached_property
    def plain(self) -> list[str]:
        """The sentences, normalized for the search with the patterns of the vocabulary."""
        return [" ".join(_words_of(sentence, self.vocabulary)) for sentence in self.sentences]

    def says(self, pattern: re.Pattern[str]) -> bool:
        return any(pattern.search(sentence) for sentence in self.plain)

    def states(self, check: Callable[[str, Honesty], bool]) -> bool:
        return any(check(sentence, self.vocabulary.honesty) for sentence in self.sentences)

    def asks(self, sentence: str) -> bool:
        words = _words_of(sentence, self.vocabulary)
        opens = bool(words) and words[0] in self.vocabulary.openers
        asking = self.vocabulary.asking.search(" ".join(words)) is not None
        return "?" in sentence or opens or asking


_Rule = tuple[Refusal, Callable[[_Draft], bool]]

#: Rules for acknowledgements and follow-ups. The first broken rule is the reason for a refusal.
_SPOKEN: tuple[_Rule, ...] = (
    (Refusal.EMPTY, lambda draft: not draft.words),
    (Refusal.CONTROL_CHARACTER, lambda draft: any(map(_is_control, draft.characters))),
    (Refusal.OTHER_SCRIPT, lambda draft: any(map(_is_foreign_letter, draft.characters))),
    (Refusal.ADDRESS, lambda draft: bool(_ADDRESS.search(draft.text))),
    (Refusal.MARKUP, lambda draft: not all(map(_is_spoken, draft.characters))),
    (Refusal.TOO_LONG, lambda draft: _is_too_long(draft)),
    (Refusal.TOO_MANY_SENTENCES, lambda draft: len(draft.sentences) > MOST_SENTENCES),
    (Refusal.SPEAKS_OF_ITSELF, lambda draft: draft.says(draft.vocabulary.itself)),
    (Refusal.VERDICT, lambda draft: draft.says(draft.vocabulary.verdict)),
    (Refusal.ENDS_INTERVIEW, lambda draft: draft.says(draft.vocabulary.ending)),
    (Refusal.PROMISE, lambda draft: draft.says(draft.vocabulary.promise)),
    (Refusal.PRIVATE_TOPIC, lambda draft: _is_private(draft)),
    (Refusal.ANSWERS_CANDIDATE, lambda draft: draft.states(honesty.answers_candidate)),
    (Refusal.SPEAKS_OF_ITSELF, lambda draft: draft.states(honesty.speaks_of_itself)),
    (Refusal.SPEAKS_OF_INTERVIEW, lambda draft: draft.states(honesty.speaks_of_interview)),
    (Refusal.READS_OUT, lambda draft: _reads_out(draft)),
    (Refusal.OTHER_LANGUAGE, lambda draft: _is_foreign(draft)),
)

_ACKNOWLEDGEMENT: tuple[_Rule, ...] = (
    *_SPOKEN,
    (Refusal.ASKS_SOMETHING, lambda draft: any(draft.asks(s) for s in draft.sentences)),
    (Refusal.UNFINISHED, lambda draft: not draft.text.endswith((".", "!"))),
)

_FOLLOW_UP: tuple[_Rule, ...] = (
    *_SPOKEN,
    (Refusal.NOT_ONE_QUESTION, lambda draft: not _asks_once_at_its_end(draft)),
)


def check_acknowledgement(
    text: str, *, about: Iterable[str], language: str = "en", told: Iterable[str] = ()
) -> str | Refusal:
    """Return the words to speak, or the reason for refusing the words.

    `about` holds the question and the answer. `language` is the language of the plan. `told` holds
    texts from the prompt, which the model must not read out.
    """
    words = _checked(text, _ACKNOWLEDGEMENT, ACKNOWLEDGEMENT_WORDS, language, told)
    vocabulary = vocabulary_of(language)
    if isinstance(words, Refusal) or vocabulary is None:
        return words
    return words if _is_of_answer(sentences(words), about, vocabulary) else Refusal.OFF_TOPIC


def check_follow_up(
    text: str,
    *,
    about: Iterable[str],
    asked: Iterable[str] = (),
    language: str = "en",
    told: Iterable[str] = (),
) -> str | Refusal:
    """Return the words to speak, or the reason for refusing the words.

    `about` holds the question, the points of a good answer, and the answer. `asked` holds the
    questions that were asked before, and the questions that the plan will ask anyway. `language`
    and `told` are the same as in `check_acknowledgement`.
    """
    words = _checked(text, _FOLLOW_UP, FOLLOW_UP_WORDS, language, told)
    vocabulary = vocabulary_of(language)
    if isinstance(words, Refusal) or vocabulary is None:
        return words
    *before, question = sentences(words)
    if any(_is_same_question(question, other, vocabulary) for other in asked if other.strip()):
        return Refusal.REPEATS_QUESTION
    about = tuple(about)
    if not _is_of_answer(before, about, vocabulary):
        return Refusal.OFF_TOPIC
    content = _content_of(question, vocabulary)
    if any(content & _content_of(text, vocabulary) for text in about):
        return words
    rules, known = vocabulary.honesty, vocabulary.function_words
    return words if honesty.is_neutral_probe(question, rules, known) else Refusal.OFF_TOPIC


def _is_of_answer(said: Iterable[str], about: Iterable[str], vocabulary: Vocabulary) -> bool:
    """Return whether statements are kind, or about the answer, whose texts are in `about`."""
    said = tuple(said)
    known = set().union(*(_content_of(text, vocabulary) for text in about))
    known |= {word[:_STEM] for word in vocabulary.acknowledging}
    content = set().union(*(_content_of(sentence, vocabulary) for sentence in said))
    strange = content - known
    # A list of forbidden words is never complete, so the words must be about the answer. At most
    # one content word may be new, and only together with at least two known content words.
    if len(strange) > min(1, len(content - strange) // 2):
        return False
    kind = vocabulary.acknowledging | vocabulary.function_words
    return not any(honesty.is_not_of_answer(each, vocabulary.honesty, kind) for each in said)


def _checked(
    text: str, rules: Collection[_Rule], most_words: int, language: str, told: Iterable[str]
) -> str | Refusal:
    vocabulary = vocabulary_of(language)
    if vocabulary is None:
        return Refusal.LANGUAGE_UNKNOWN
    # A letter and its accent may arrive as two characters, so combine the two.
    draft = _Draft(unicodedata.normalize("NFC", text.strip()), vocabulary, most_words, tuple(told))
    broken = (refusal for refusal, breaks in rules if breaks(draft))
    return next(broken, draft.text)


def _words_of(text: str, vocabulary: Vocabulary) -> list[str]:
    return words_of(text, vocabulary.contractions)


def _is_control(character: str) -> bool:
    return unicodedata.category(character) in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def _is_foreign_letter(character: str) -> bool:
    latin = ("LATIN SMALL", "LATIN CAPITAL")
    return character.isalpha() and not unicodedata.name(character, "").startswith(latin)


def _is_spoken(character: str) -> bool:
    digit = character.isascii() and character.isdigit()
    return character.isalpha() or digit or character in _PUNCTUATION


def _is_too_long(draft: _Draft) -> bool:
    parts = draft.text.split()
    longest = max(len(part) for part in parts)
    return len(parts) > draft.most_words or longest > _LONGEST_WORD


def _is_foreign(draft: _Draft) -> bool:
    known = sum(word in draft.vocabulary.function_words for word in draft.words)
    return known * _FUNCTION_WORDS_IN < len(draft.words)


def _is_private(draft: _Draft) -> bool:
    vocabulary = draft.vocabulary
    return any(vocabulary.private.search(vocabulary.terms.sub("", s)) for s in draft.plain)


def _reads_out(draft: _Draft) -> bool:
    runs = _runs(draft.words)
    return any(not runs.isdisjoint(_runs(_words_of(t, draft.vocabulary))) for t in draft.told)


def _runs(words: list[str]) -> set[tuple[str, ...]]:
    starts = range(len(words) - _QUOTED_RUN + 1)
    return {tuple(words[start : start + _QUOTED_RUN]) for start in starts}


def _asks_once_at_its_end(draft: _Draft) -> bool:
    *before, last = draft.sentences
    return draft.text.endswith("?") and last.count("?") == 1 and not any(map(draft.asks, before))


def _is_same_question(question: str, other: str, vocabulary: Vocabulary) -> bool:
    mine = _words_of(question, vocabulary)
    if any(mine == _words_of(text, vocabulary) for text in (other, sentences(other)[-1])):
        return True
    content = _content_of(other, vocabulary)
    shared = content & _content_of(question, vocabulary)
    # Different questions of a plan often share one or two words, so require at least three.
    return len(content) > 2 and len(shared) >= _SAME_QUESTION * len(content)


def _content_of(text: str, vocabulary: Vocabulary) -> set[str]:
    """Return the content words of a text, cut to the first `_STEM` letters."""
    return {
        word[:_STEM]
        for word in _words_of(text, vocabulary)
        if len(word) > 2 and word not in vocabulary.function_words
    }
