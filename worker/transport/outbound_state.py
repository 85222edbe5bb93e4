"""The states of the outbound connectivity, and the table of all transitions between them."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum, auto
from types import MappingProxyType
from typing import Final


class OutboundState(StrEnum):
    """Whether the candidate hears the audio output. Every monitor begins as HEARD."""

    #: The room is connected. The candidate hears the output, or is not in the room yet.
    HEARD = auto()
    #: The candidate has left the room, which is still connected. Output continues.
    CANDIDATE_AWAY = auto()
    #: The candidate is in the room again, and will soon hear the output.
    CANDIDATE_RETURNING = auto()
    #: The callback `on_person_back` continues the interview with a candidate who had left. Output
    #: is not paused.
    CONTINUING = auto()
    #: The room is disconnected. Output is paused, as in all states of `PAUSED`.
    ROOM_LOST = auto()
    #: The room has been disconnected for `GONE_S` seconds, and counts as permanently lost.
    ROOM_GONE = auto()
    #: The room is connected again, and the candidate is not in the room.
    WAITING_FOR_CANDIDATE = auto()
    #: The candidate has to subscribe to the track that was published again.
    WAITING_FOR_SUBSCRIPTION = auto()
    #: The candidate can hear the output again. Output resumes when `before_return` has ended.
    RESUMING = auto()
    #: The job leaves the room.
    CLOSED = auto()


class OutboundEvent(StrEnum):
    """What can change an `OutboundState`."""

    CANDIDATE_LEFT = auto()
    CANDIDATE_HERE = auto()
    #: The candidate who came back is still in the room when CANDIDATE_RETURNING ends.
    CANDIDATE_STAYED = auto()
    #: The candidate came back, and left again before the state CANDIDATE_RETURNING ended.
    CANDIDATE_LEFT_AGAIN = auto()
    ROOM_LOST = auto()
    #: The room has been disconnected for `GONE_S` seconds.
    ROOM_TIME_OVER = auto()
    ROOM_BACK = auto()
    #: The candidate is in the room, and has to subscribe to the track.
    UNSUBSCRIBED = auto()
    #: The candidate can hear the output, as far as is known.
    AUDIBLE = auto()
    #: The callback `before_return` or `on_person_back` has ended.
    PREPARED = auto()
    CLOSED = auto()


class Track(StrEnum):
    """Whether the audio track was published again, and whether the new track has a subscriber."""

    #: The track was not published again, so its earlier subscribers hear the track.
    SAME = auto()
    #: The track was published again. The candidate has to be in the room and to subscribe.
    REPLACED = auto()
    #: The track was published again, and has a subscriber. The candidate has to be in the room.
    SUBSCRIBED = auto()


_S, _E = OutboundState, OutboundEvent

#: The states in which output is paused.
PAUSED: Final = frozenset(
    {
        _S.ROOM_LOST,
        _S.ROOM_GONE,
        _S.WAITING_FOR_CANDIDATE,
        _S.WAITING_FOR_SUBSCRIPTION,
        _S.RESUMING,
    }
)

#: The next state for each state and event. An event without a row changes nothing.
TRANSITIONS: Final[Mapping[tuple[OutboundState, OutboundEvent], OutboundState]] = MappingProxyType(
    {
        # Only the candidate leaves, and comes back.
        (_S.HEARD, _E.CANDIDATE_LEFT): _S.CANDIDATE_AWAY,
        (_S.CONTINUING, _E.CANDIDATE_LEFT): _S.CANDIDATE_AWAY,
        (_S.CANDIDATE_AWAY, _E.CANDIDATE_HERE): _S.CANDIDATE_RETURNING,
        (_S.CANDIDATE_RETURNING, _E.CANDIDATE_LEFT_AGAIN): _S.CANDIDATE_AWAY,
        (_S.CANDIDATE_RETURNING, _E.CANDIDATE_STAYED): _S.CONTINUING,
        (_S.CONTINUING, _E.PREPARED): _S.HEARD,
        # The room is lost. From ROOM_LOST on, the candidate's own leaving changes no state.
        **{(state, _E.ROOM_LOST): _S.ROOM_LOST for state in _S if state is not _S.CLOSED},
        (_S.ROOM_GONE, _E.ROOM_LOST): _S.ROOM_GONE,
        (_S.ROOM_LOST, _E.ROOM_TIME_OVER): _S.ROOM_GONE,
        # The room is back. The monitor finds out whether the candidate hears the track.
        (_S.ROOM_LOST, _E.ROOM_BACK): _S.WAITING_FOR_CANDIDATE,
        (_S.ROOM_GONE, _E.ROOM_BACK): _S.WAITING_FOR_CANDIDATE,
        (_S.WAITING_FOR_CANDIDATE, _E.UNSUBSCRIBED): _S.WAITING_FOR_SUBSCRIPTION,
        (_S.WAITING_FOR_CANDIDATE, _E.AUDIBLE): _S.RESUMING,
        (_S.WAITING_FOR_SUBSCRIPTION, _E.AUDIBLE): _S.RESUMING,
        # No row for AUDIBLE in RESUMING: the preparation runs once for each outage. A second run
        # would record the outage twice, and would no longer know that an answer was cut off.
        (_S.RESUMING, _E.PREPARED): _S.HEARD,
        **{(state, _E.CLOSED): _S.CLOSED for state in _S},
    }
)
