"""`Prompt`: one utterance of the interviewer, and the parts that it consists of."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from worker.interview.dialogue.moves import PROMPTS, Move


class WordsBy(StrEnum):
    """Where the words of an utterance come from."""

    PLAN = "plan"
    LINE = "line"
    FACT = "fact"
    MODEL = "model"


#: The moves that ask something: their words must be heard.
ASKING: Final = PROMPTS | {
    Move.LAST,
    Move.DISCLOSE,
    Move.CHECK_SOUND,
    Move.ASK_CONSENT,
    Move.REPEAT_IT,
    Move.SKIP_ANYWAY,
    Move.SKIP_OR_LATER,
    Move.SKIP_OR_TYPE,
    Move.ARE_YOU_THERE,
    Move.ARE_YOU_READY,
    Move.OFFER_BREAK,
    Move.OTHER_LANGUAGE,
    Move.READ_BACK,
    Move.CONFIRM_END,
    Move.OFFER_QUESTIONS,
    Move.ANYTHING_ELSE,
}
#: Groups of moves. The part whose move is in the first of these groups names the utterance.
_NAMED_BY: Final[tuple[frozenset[Move], ...]] = (
    PROMPTS,
    frozenset({Move.FACT, Move.CLARIFICATION}),
    ASKING - {Move.LAST},
    frozenset(Move) - {Move.LAST, Move.ACKNOWLEDGE, Move.SHORT_GOODBYE},
    frozenset(Move),
)


@dataclass(frozen=True, kw_only=True)
class Part:
    """The words of one move."""

    move: Move
    text: str
    #: What the words are: `question:q1`, `probe:q1/2` (the second follow-up) or `probe:q1/size`
    #: (of the point `size`), `rephrasing:q1/1`, `clarification:q1/1`, `fact:salary`, `line:go_on`.
    id: str
    by: WordsBy


@dataclass(frozen=True, kw_only=True)
class Prompt:
    """One utterance of the interviewer. An utterance without parts is none: nothing is said."""

    parts: tuple[Part, ...] = ()
    #: True if the utterance is also written in the chat.
    also_written: bool = False
    #: True if the utterance is spoken slower.
    slower: bool = False

    @property
    def text(self) -> str:
        """The words to speak; empty if nothing is said."""
        return " ".join(part.text for part in self.parts)

    @property
    def asking(self) -> str:
        """The part of the text that must be heard: the question, else the whole text."""
        asked = [part.text for part in self.parts if part.move in ASKING]
        return asked[-1] if asked else self.text

    @property
    def prompt(self) -> str:
        """The id of the part that names the utterance; empty if nothing is said.

        That is a question, probe or rephrasing of the plan if there is one, then a fact or
        clarification, then another question of the interviewer, then a line.
        """
        named = self._named
        return named.id if named else ""

    @property
    def words_by(self) -> WordsBy | None:
        """Where the words of the part that names the utterance come from; None without a part."""
        named = self._named
        return named.by if named else None

    @property
    def _named(self) -> Part | None:
        for moves in _NAMED_BY:
            found = [part for part in self.parts if part.move in moves]
            if found:
                return found[-1]
        return None
