"""Options of a LiveKit room: how long it stays open when empty, and how many people may join.

What livekit-server 1.13.5 does (pkg/service/roommanager.go and roomallocator.go,
pkg/rtc/room.go):

- A room has the options of the request that opened it: of CreateRoom, or of the first participant,
  whose token may contain them. Without options in the request, the room has the options of the
  server's configuration. By default, the server closes a room 20 s after its participants have
  left.
- A room that is open keeps its options: CreateRoom changes neither them nor the creation time.
- After a restart of a server without Redis, all rooms are gone. A room is opened again by the first
  participant who returns. When the server renews a token, it keeps the room's options in the token.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from livekit import api

#: Maximum time-out of a room in seconds: LiveKit stores a number of 32 bits.
LONGEST_TIMEOUT_S: Final = 2**31 - 1
#: Seconds by which an open room may close earlier than the options ask for and still be accepted,
#: because clocks differ, and because the room was opened some moments before.
_TOLERANCE_S: Final = 60.0


@dataclass(frozen=True, kw_only=True)
class RoomOptions:
    """Options of one room."""

    #: Seconds from its creation for which the room waits for its first participant. An interviewer
    #: does not count.
    empty_timeout_s: int
    #: Seconds for which the room waits for a participant who left. An interviewer does not keep the
    #: room open.
    departure_timeout_s: int
    #: Maximum number of participants, without agents and recorders; 0: no limit.
    most_people: int = 0

    def configuration(self) -> api.RoomConfiguration:
        """Return the options in the form that a token contains.

        The room gets these options if the owner of the token opens the room.
        """
        return api.RoomConfiguration(
            empty_timeout=self.empty_timeout_s,
            departure_timeout=self.departure_timeout_s,
            max_participants=self.most_people,
        )

    def are_met_by(self, room: api.Room, *, now_s: float) -> bool:
        """Return whether an existing room satisfies these options.

        The room must stay open at least as long as the options ask, and admit at most as many
        people.

        `now_s` is the Unix time. An option that the server does not report counts as met.
        """
        if not room.departure_timeout:
            return True  # the server does not report the option
        closes_s = room.creation_time + room.empty_timeout
        is_long = (
            room.departure_timeout >= self.departure_timeout_s
            and closes_s - now_s >= self.empty_timeout_s - _TOLERANCE_S
        )
        is_small = not self.most_people or 0 < room.max_participants <= self.most_people
        return is_long and is_small
