"""The options of a room in a job's token."""

from __future__ import annotations

import datetime

import jwt
from livekit import api

from worker.livekit_api.room_options import RoomOptions
from worker.server.room_token import with_room_options

KEY = "a-key"
SECRET = "a-secret-of-at-least-thirty-two-characters"
OPTIONS = RoomOptions(empty_timeout_s=390, departure_timeout_s=120, most_people=4)


def token(*, valid_s: float = 3600) -> str:
    """Return a token as LiveKit makes it for a job."""
    grants = api.VideoGrants(room_join=True, room="a-room", agent=True)
    made = api.AccessToken(KEY, SECRET).with_identity("interviewer-AJ_1").with_kind("agent")
    made = made.with_grants(grants).with_attributes({"lk.agent.name": "interviewer"})
    return made.with_ttl(datetime.timedelta(seconds=valid_s)).to_jwt()


def claims_of(text: str) -> dict[str, object]:
    found: dict[str, object] = jwt.decode(
        text, SECRET, algorithms=["HS256"], options={"verify_exp": False, "verify_nbf": False}
    )
    return found


def test_the_options_are_added_and_everything_else_stays() -> None:
    before = token()
    after = with_room_options(before, SECRET, OPTIONS)
    config = api.TokenVerifier(KEY, SECRET).verify(after).room_config
    assert config is not None
    found = config.empty_timeout, config.departure_timeout, config.max_participants
    assert found == (390, 120, 4)
    claims = claims_of(after)
    del claims["roomConfig"]
    assert claims == claims_of(before)


def test_a_wrong_clock_of_this_machine_does_not_matter() -> None:
    assert "roomConfig" in claims_of(with_room_options(token(valid_s=-60), SECRET, OPTIONS))


def test_a_token_of_another_secret_stays_as_it_is() -> None:
    of_another = token()
    assert with_room_options(of_another, "another" * 6, OPTIONS) == of_another
    assert with_room_options("no token", SECRET, OPTIONS) == "no token"
