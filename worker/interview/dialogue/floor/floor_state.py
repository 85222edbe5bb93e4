"""The states of the floor, its events, and the table of all transitions with their decisions."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from states.text_enum import TextEnum
from worker.interview.dialogue.floor.decisions import Kind


class FloorState(TextEnum):
    """Who has the floor. Every floor begins as THEIRS. "Our" is the interviewer's."""

    THEIRS = "theirs", "no line of ours sounds; the candidate may speak"
    OURS_OPENING = "ours_opening", "the first 2.5 s of our line after a pause of the candidate"
    OURS = "ours", "our line sounds"
    CONTESTED = "contested", "the candidate makes a sound over our line, which sounds on, softer"
    PAUSING = "pausing", "our line pauses at the end of a word, still undecided"
    PAUSED = "paused", "our line is paused, still undecided"
    YIELDING = "yielding", "the candidate gets the floor at the end of a word"
    WITHDRAWING = "withdrawing", "our line was silenced; whether words follow is not yet known"


class FloorEvent(TextEnum):
    """What can change the state of the floor. `Floor` derives the events from its inputs."""

    LINE_OPENS = "line_opens", "our line begins after a pause of the candidate"
    LINE_BEGINS = "line_begins", "our line begins, but not after a pause of the candidate"
    LINE_OVER = "line_over", "our line is over"
    OPENING_OVER = "opening_over", "the first 2.5 s are over"
    SOUND_BEGINS = "sound_begins", "the candidate makes a sound over our line"
    SOUND_LASTS = "sound_lasts", "the sound is longer than most backchannels"
    SHORT_SOUND_OVER = "short_sound_over", "the sound is over, and was as short as a cough"
    HARMLESS_SO_FAR = "harmless_so_far", "the interim words are a backchannel or an echo"
    OVERLAP = "overlap", "the final words are a backchannel"
    ECHO = "echo", "the final words are an echo of our line"
    TALK_BEGINS = "talk_begins", "the interim words are an interruption"
    TALK = "talk", "the final words are an interruption"
    NO_WORDS = "no_words", "no words have come in time"
    WORD_ENDS = "word_ends", "the word at whose end our line pauses or stops is over"


class Edge(NamedTuple):
    """The next state, and the decisions that the transition makes, in this order."""

    target: FloorState
    kinds: tuple[Kind, ...] = ()


_S, _E, _K = FloorState, FloorEvent, Kind
#: The states in which a sound or words over our line are undecided, and our line may go on.
UNDECIDED: Final = (_S.CONTESTED, _S.PAUSING, _S.PAUSED)
#: The states in which a sound of an earlier moment may be found to be an overlap.
_SETTLED: Final = (_S.THEIRS, _S.OURS_OPENING, _S.OURS)

#: The transition for each state and event. An event without a row changes nothing.
TRANSITIONS: Final[Mapping[tuple[FloorState, FloorEvent], Edge]] = MappingProxyType(
    {
        # Our line. After WITHDRAWING the end of the silenced line decides nothing.
        **{(state, _E.LINE_OPENS): Edge(_S.OURS_OPENING) for state in _S},
        **{(state, _E.LINE_BEGINS): Edge(_S.OURS) for state in _S},
        **{
            (state, _E.LINE_OVER): Edge(_S.THEIRS)
            for state in (_S.OURS_OPENING, _S.OURS, *UNDECIDED, _S.YIELDING)
        },
        (_S.OURS_OPENING, _E.OPENING_OVER): Edge(_S.OURS),
        # A sound without words. Our line pauses before it is known whether words follow.
        (_S.OURS_OPENING, _E.SOUND_BEGINS): Edge(_S.WITHDRAWING, (_K.WITHDRAW,)),
        (_S.OURS, _E.SOUND_BEGINS): Edge(_S.CONTESTED, (_K.DUCK,)),
        (_S.CONTESTED, _E.SOUND_LASTS): Edge(_S.PAUSING),
        (_S.PAUSING, _E.WORD_ENDS): Edge(_S.PAUSED, (_K.PAUSE,)),
        **{(state, _E.SHORT_SOUND_OVER): Edge(_S.OURS, (_K.RESUME,)) for state in UNDECIDED},
        # Interim words. They pause our line, but only final words end it.
        (_S.PAUSING, _E.HARMLESS_SO_FAR): Edge(_S.CONTESTED),
        (_S.PAUSED, _E.HARMLESS_SO_FAR): Edge(_S.CONTESTED, (_K.RESUME,)),
        (_S.OURS_OPENING, _E.TALK_BEGINS): Edge(_S.WITHDRAWING, (_K.WITHDRAW,)),
        **{(state, _E.TALK_BEGINS): Edge(_S.PAUSING) for state in (_S.OURS, _S.CONTESTED)},
        # Final words that are no turn, or no words at all.
        **{
            (state, event): Edge(state, (kind,))
            for state in _SETTLED
            for event, kind in (
                (_E.OVERLAP, _K.OVERLAP),
                (_E.NO_WORDS, _K.OVERLAP),
                (_E.ECHO, _K.ECHO),
            )
        },
        **{
            (state, event): Edge(_S.OURS, (_K.RESUME, kind))
            for state in UNDECIDED
            for event, kind in (
                (_E.OVERLAP, _K.OVERLAP),
                (_E.NO_WORDS, _K.OVERLAP),
                (_E.ECHO, _K.ECHO),
            )
        },
        (_S.WITHDRAWING, _E.OVERLAP): Edge(_S.THEIRS, (_K.OVERLAP, _K.SAY_AGAIN)),
        (_S.WITHDRAWING, _E.NO_WORDS): Edge(_S.THEIRS, (_K.SAY_AGAIN,)),
        (_S.WITHDRAWING, _E.ECHO): Edge(_S.THEIRS, (_K.ECHO, _K.SAY_AGAIN)),
        # Final words that interrupt.
        **{(s, _E.TALK): Edge(_S.YIELDING) for s in (_S.OURS, _S.CONTESTED, _S.PAUSING)},
        (_S.PAUSED, _E.TALK): Edge(_S.THEIRS, (_K.STOP,)),
        (_S.YIELDING, _E.WORD_ENDS): Edge(_S.THEIRS, (_K.STOP,)),
        (_S.OURS_OPENING, _E.TALK): Edge(_S.THEIRS, (_K.WITHDRAW, _K.JOIN)),
        (_S.WITHDRAWING, _E.TALK): Edge(_S.THEIRS, (_K.JOIN,)),
    }
)
