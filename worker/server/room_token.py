"""Room options in a job's token, for a job that reopens the room after a restart of LiveKit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import jwt

if TYPE_CHECKING:
    from worker.livekit_api.room_options import RoomOptions

_ALGORITHM: Final = "HS256"


def with_room_options(token: str, secret: str, options: RoomOptions) -> str:
    """Return a job's token with room options, which apply if the job opens the room.

    LiveKit ignores the options while the room is open, and copies the options into each renewed
    token. A token that was not signed with `secret` is returned unchanged; the room then gets the
    options of LiveKit's configuration.
    """
    try:
        claims = jwt.decode(
            token,
            secret,
            algorithms=[_ALGORITHM],
            # Do not check the times in the token, because the clocks of LiveKit and of this machine
            # may differ.
            options={"verify_exp": False, "verify_nbf": False, "verify_iat": False},
        )
    except jwt.InvalidTokenError:
        return token
    claims["roomConfig"] = {
        "emptyTimeout": options.empty_timeout_s,
        "departureTimeout": options.departure_timeout_s,
        "maxParticipants": options.most_people,
    }
    return jwt.encode(claims, secret, algorithm=_ALGORITHM)
