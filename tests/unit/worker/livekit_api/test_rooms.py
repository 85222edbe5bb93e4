"""The grants of a candidate's token."""

from __future__ import annotations

import pytest
from livekit import api

from worker.livekit_api.rooms import candidate_token

KEY, SECRET = "a-key", "a-secret-of-at-least-thirty-two-characters"


def test_a_candidate_token_allows_one_room_with_audio_text_and_listening() -> None:
    token = candidate_token(KEY, SECRET, room="a-room", identity="candidate-1", name="Ann")
    claims = api.TokenVerifier(KEY, SECRET).verify(token)
    assert (claims.identity, claims.name) == ("candidate-1", "Ann")
    assert claims.video == api.VideoGrants(
        room_join=True,
        room="a-room",
        can_publish=True,
        can_publish_sources=["microphone"],
        can_publish_data=True,
        can_subscribe=True,
        can_update_own_metadata=False,
    )


@pytest.mark.parametrize("empty", ["key", "secret", "room", "identity"])
def test_a_token_without_an_identity_or_a_room_is_refused(empty: str) -> None:
    given = {"key": KEY, "secret": SECRET, "room": "a-room", "identity": "candidate-1", empty: ""}
    with pytest.raises(ValueError, match="needs a key"):
        candidate_token(
            given["key"], given["secret"], room=given["room"], identity=given["identity"]
        )
