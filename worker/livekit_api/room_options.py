"""Options of a LiveKit room: how long it stays open without a candidate, and how many may join.

What livekit-server 1.13.5 does (pkg/service/roommanager.go and roomallocator.go,
pkg/rtc/room.go):

- A room has the options of the request that opened it: of CreateRoom, or of the first participant,
  whose token may contain them. Without options it has those of the server's configuration, 20 s
  without its participants by default.
- A room that is open keeps its options: CreateRoom changes neither them nor the creation time.
- After a restart of a server without Redis, all rooms are gone. The first participant who returns
  opens the room again. The server renews tokens with the options in them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from livekit import api

#: Largest time-out, in seconds. LiveKit stores 32 bits without a sign.
LONGEST_TIMEOUT_S: Final = 2**31 - 1
#: Seconds by which an open room may close earlier than asked for. Clocks differ, and a room that
#: was opened with the same end in mind was opened a moment later or earlier.
_TOLERANCE_S: Final = 60.0


@dataclass(frozen=True, kw_only=True)
class RoomOptions:
    """Options of one room."""

    #: Seconds from its creation for which the room waits for its first participant. An interviewer
    #: does not count.
    empty_timeout_s: int
    #: Seconds for which the room waits for a participant who left. An interviewer does not keep it
    #: open.
    departure_timeout_s: int
    #: Maximum number of participants, without agents and recorders; 0: no limit.
    most_people: int = 0

    def configuration(self) -> api.RoomConfiguration:
        """Return the options for a token, so that its owner opens the room with them."""
        return api.RoomConfiguration(
            empty_timeout=self.empty_timeout_s,
            departure_timeout=self.departure_timeout_s,
            max_participants=self.most_people,
        )

    def are_met_by(self, room: api.Room, *, now_s: float) -> bool:
        """Return whether an open room stays open as long as these options ask, and is as small.

        `now_s` is the Unix time. What the server does not say counts as met.
        """
        if not room.departure_timeout:
            return True  # the server says nothing
        closes_s = room.creation_time + room.empty_timeout
        is_long = (
            room.departure_timeout >= self.departure_timeout_s
            and closes_s - now_s >= self.empty_timeout_s - _TOLERANCE_S
        )
        is_small = not self.most_people or 0 < room.max_participants <= self.most_people
        return is_long and is_small
