"""The states of a segment of output audio, and the tables of all transitions between them.

A segment has two states: how far its audio is synthesised, and how far it is played.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum, auto
from types import MappingProxyType
from typing import Final


class Synthesis(StrEnum):
    """Whether audio is still added to a segment. Every segment begins as OPEN."""

    #: More audio may be added.
    OPEN = auto()
    #: No more audio is added, but the segment may still be cut off in this event loop iteration.
    ENDED = auto()
    #: The segment was synthesised to its end.
    WHOLE = auto()
    #: The segment was closed before its end. Audio that is still added is not played.
    CUT_OFF = auto()
    #: As CUT_OFF, and no more audio is added.
    CUT_OFF_ENDED = auto()


class Playback(StrEnum):
    """How far a segment is played. Every segment begins as QUEUED."""

    QUEUED = auto()
    #: The first audio was pushed to the sink.
    PLAYING = auto()
    #: The segment was played out or cut off. No audio of the segment is fed any more.
    OVER = auto()


class SegmentEvent(StrEnum):
    """The events that change a state of a segment."""

    #: The first or further audio was pushed to the sink.
    PUSHED = auto()
    #: No more audio is added.
    ENDED = auto()
    #: The event loop iteration in which the segment ended is over.
    SETTLED = auto()
    #: The segment was played out or cut off.
    CLOSED = auto()


_S, _P, _E = Synthesis, Playback, SegmentEvent

#: The states in which no more audio is added.
COMPLETE: Final = frozenset({_S.ENDED, _S.WHOLE, _S.CUT_OFF_ENDED})

#: The next state for each state and event. An event without a row changes nothing.
SYNTHESIS: Final[Mapping[tuple[Synthesis, SegmentEvent], Synthesis]] = MappingProxyType(
    {
        (_S.OPEN, _E.ENDED): _S.ENDED,
        (_S.OPEN, _E.CLOSED): _S.CUT_OFF,
        (_S.ENDED, _E.SETTLED): _S.WHOLE,
        (_S.ENDED, _E.CLOSED): _S.CUT_OFF_ENDED,
        # No row for CLOSED in WHOLE: how much was synthesised is known, however much was played.
        (_S.CUT_OFF, _E.ENDED): _S.CUT_OFF_ENDED,
    }
)
#: As `SYNTHESIS`, for how far the segment is played.
PLAYBACK: Final[Mapping[tuple[Playback, SegmentEvent], Playback]] = MappingProxyType(
    {
        (_P.QUEUED, _E.PUSHED): _P.PLAYING,
        (_P.QUEUED, _E.CLOSED): _P.OVER,
        (_P.PLAYING, _E.CLOSED): _P.OVER,
    }
)
