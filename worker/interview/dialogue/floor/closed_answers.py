"""How the end of a text tells whether an answer is complete: cues, open phrases, closed answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from worker.interview.dialogue.acts import Act
from worker.interview.dialogue.floor.words import plain
from worker.interview.dialogue.plan_view import Expects

#: Maximum number of words of an answer that gives nothing but what was asked for. "Yes, in Java and
#: in Go" does; after a longer answer to a closed question, more is likely to follow.
CLOSED_WORDS: Final = 8


@dataclass(frozen=True, kw_only=True)
class EndingWords:
    """The words of a language that show whether a turn is complete."""

    #: Words after which a phrase is not finished, fillers among them.
    trailing: frozenset[str]
    #: Words that end a text as a closing cue, each as words in a row.
    closing: tuple[tuple[str, ...], ...]
    #: Words of which one must occur in an answer to a closed question.
    given: Mapping[Expects, frozenset[str]]


_NUMBERS: Final = frozenset(
    """none zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen
    fifteen sixteen seventeen eighteen nineteen twenty thirty forty fifty sixty seventy eighty
    ninety hundred thousand million dozen half once twice""".split()
)
_DATES: Final = frozenset(
    """january february march april may june july august september october november december monday
    tuesday wednesday thursday friday saturday sunday today tomorrow yesterday immediately now
    week month year weeks months years first second third fourth fifth""".split()
)
_YES_NO: Final = frozenset(
    """yes yeah yep yup sure absolutely definitely certainly correct right okay ok no nope never
    not""".split()
)

ENGLISH_ENDINGS: Final = EndingWords(
    trailing=frozenset(
        """a an the and or but so because cause since although though while if when where which who
        that than then as like to of in on at for with from by about into over under between my our
        your his her their its this these those is are was were am be been being have has had do
        does did can could will would should may might must i we they he she you not very really
        also well um umm uh uhm er erm hmm hm eh""".split()
    ),
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
            "done",
            "i think thats all",
        )
    ),
    given=MappingProxyType(
        {Expects.YES_NO: _YES_NO, Expects.NUMBER: _NUMBERS, Expects.DATE: _DATES | _NUMBERS}
    ),
)
#: Trailing words that complete a short answer, as in "Yes, I do." and "No, I was not."
_SHORT_ANSWER_ENDS: Final = frozenset(
    "do does did have has had am is are was were can could will would should not i we that".split()
)


def is_open_by(text: str, words: EndingWords) -> bool:
    """Return whether the text ends in the middle of a phrase, or with a filler.

    A word that ends a sentence, with a full stop or a question mark, is not open, unless it is a
    conjunction or a filler, after which speech-to-text sets a full stop as well.
    """
    said = plain(text)
    if not said or said[-1] not in words.trailing:
        return False
    if text.rstrip().endswith((".", "?", "!")) and said[-1] in _SHORT_ANSWER_ENDS:
        return False
    return not (len(said) <= 4 and said[0] in _YES_NO and said[-1] in _SHORT_ANSWER_ENDS)


def is_closed_by(text: str, words: EndingWords) -> bool:
    """Return whether the text ends with a closing cue, such as "that's it"."""
    said = plain(text)
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
