"""How the end of a text tells whether an answer is complete: cues, open phrases, closed answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from worker.interview.dialogue.acts import Act
from worker.interview.dialogue.floor.words import plain, word_set
from worker.interview.dialogue.plan_view import Expects

#: Maximum number of words of an answer that gives nothing but what was asked for. "Yes, in Java and
#: in Go" does; after a longer answer to a closed question, more is likely to follow.
CLOSED_WORDS: Final = 8


@dataclass(frozen=True, kw_only=True)
class EndingWords:
    """The words of a language that show whether a turn is complete."""

    #: Words after which a phrase is never finished: conjunctions, articles, fillers.
    trailing: frozenset[str]
    #: Words after which a phrase is not finished unless a mark ends the sentence.
    trailing_unmarked: frozenset[str]
    #: Pairs of words that do end a sentence, although the second is in `trailing`.
    finished: frozenset[tuple[str, str]]
    #: Words that end a text as a closing cue, each as words in a row.
    closing: tuple[tuple[str, ...], ...]
    #: Words that may follow a closing cue.
    courtesy: frozenset[str]
    #: Words of which one must occur in an answer to a closed question.
    given: Mapping[Expects, frozenset[str]]


_NUMBERS: Final = word_set(
    """none zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen
    fifteen sixteen seventeen eighteen nineteen twenty thirty forty fifty sixty seventy eighty
    ninety hundred thousand million dozen half once twice"""
)
_DATES: Final = word_set(
    """january february march april may june july august september october november december monday
    tuesday wednesday thursday friday saturday sunday today tomorrow yesterday immediately now
    week month year weeks months years first second third fourth fifth"""
)
_YES_NO: Final = word_set(
    """yes yeah yep yup sure absolutely definitely certainly correct right okay ok no nope never
    not"""
)

ENGLISH_ENDINGS: Final = EndingWords(
    trailing=word_set(
        """a an the and or but so because cause since although while if my your our their um umm uh
        uhm er erm hmm hm eh"""
    ),
    trailing_unmarked=word_set(
        """though when where which who that than then as like to of in on at for with from by about
        into over under between his her its this these those is are was were am be been being have
        has had do does did can could will would should may might must i we they he she you not very
        really also well"""
    ),
    finished=frozenset({("think", "so"), ("hope", "so"), ("guess", "so"), ("believe", "so")}),
    closing=tuple(
        tuple(cue.split())
        for cue in (
            "thats it",
            "that is it",
            "thats all",
            "that is all",
            "thats about it",
            "that is about it",
            "thats everything",
            "that is everything",
            "thats my answer",
            "that is my answer",
            "that was it",
            "that was all",
            "that was my part",
            "thats basically it",
            "thats pretty much it",
            "thats the story",
            "thats how we did it",
            "thats how i did it",
            "nothing else",
            "nothing more",
            "nothing to add",
            "im done",
            "i am done",
        )
    ),
    courtesy=word_set("thank you thanks really basically yeah yes i think guess suppose"),
    given=MappingProxyType(
        {Expects.YES_NO: _YES_NO, Expects.NUMBER: _NUMBERS, Expects.DATE: _DATES | _NUMBERS}
    ),
)
#: Maximum number of words of an answer such as "yes I do" or "no we did not", which is finished.
_SHORT_WORDS: Final = 4


def is_open_by(text: str, words: EndingWords) -> bool:
    """Return whether the text ends in the middle of a phrase, or with a filler.

    Speech-to-text sets a full stop after each piece, so a mark proves little: "And then the." is
    open. It is trusted only after words that do end sentences, as in "the team I worked with."
    """
    said = plain(text)
    if not said or said[-2:] in words.finished:
        return False
    if said[-1] in words.trailing:
        return True
    if said[-1] not in words.trailing_unmarked or text.rstrip().endswith((".", "?", "!")):
        return False
    return not (len(said) <= _SHORT_WORDS and said[0] in words.given[Expects.YES_NO])


def is_closed_by(text: str, words: EndingWords) -> bool:
    """Return whether the text ends with a closing cue, such as "That's it, thank you."."""
    said = plain(text)
    while said and said[-1] in words.courtesy:
        said = said[:-1]
    return any(said[-len(cue) :] == cue for cue in words.closing)


def gives_what_was_asked(text: str, act: Act, expects: Expects, words: EndingWords) -> bool:
    """Return whether a yes or no, a number or a date was asked for, and the text gives it."""
    wanted = words.given.get(expects)
    said = plain(text)
    if wanted is None or not 0 < len(said) <= CLOSED_WORDS:
        return False
    if expects is Expects.YES_NO:
        return act in (Act.AFFIRM, Act.DENY) or said[0] in wanted
    return any(word in wanted or word[0].isdigit() for word in said)
