"""The states of the inbound connectivity, and the table of all transitions between them."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum, auto
from types import MappingProxyType
from typing import Final


class InboundState(StrEnum):
    """Whether packets of the candidate arrive. Every monitor begins as RECEIVING."""

    #: Packets arrive, or none are expected, or only a few are missing.
    RECEIVING = auto()
    #: So many packets are missing that the current speech counts as cut off. Output continues.
    CUT_OFF = auto()
    #: Output is paused until packets arrive.
    PAUSED = auto()
    #: Output was paused for the longest time, and is about to resume although no packets arrive.
    GIVING_UP = auto()
    #: Output has resumed although no packets arrive. It is not paused again before packets arrive.
    GIVEN_UP = auto()


class InboundEvent(StrEnum):
    """What can change an `InboundState`."""

    #: Packets were missing for so many checks that the current speech counts as cut off.
    CUT_OFF = auto()
    #: Packets were missing for so many checks that output has to be paused.
    PAUSE_DUE = auto()
    #: Output has been paused for the longest time.
    TIME_OVER = auto()
    #: Output has resumed, or was not paused.
    RESUMED = auto()
    #: Packets arrived, or none are expected, or the room is disconnected.
    BEGAN_AGAIN = auto()


_S, _E = InboundState, InboundEvent

#: The states in which output is paused.
PAUSED: Final = frozenset({_S.PAUSED, _S.GIVING_UP})
#: The states in which the return of packets has to be handled.
INTERRUPTED: Final = frozenset({_S.CUT_OFF, _S.PAUSED})

#: The next state for each state and event. An event without a row changes nothing.
TRANSITIONS: Final[Mapping[tuple[InboundState, InboundEvent], InboundState]] = MappingProxyType(
    {
        (_S.RECEIVING, _E.CUT_OFF): _S.CUT_OFF,
        (_S.CUT_OFF, _E.PAUSE_DUE): _S.PAUSED,
        (_S.PAUSED, _E.TIME_OVER): _S.GIVING_UP,
        (_S.PAUSED, _E.RESUMED): _S.CUT_OFF,
        (_S.GIVING_UP, _E.RESUMED): _S.GIVEN_UP,
        **{(state, _E.BEGAN_AGAIN): _S.RECEIVING for state in _S},
    }
)
