"""Webhooks as LiveKit sends them, and requests of others to the same path."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from hypothesis import strategies as st

from tests.fuzz.strategies.damage import as_bytes, damaged, damaged_bytes, json_texts

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

#: A name that a candidate has chosen. No log line and no answer may contain it.
CHOSEN: Final = "zebrafish-quartet"
EVENTS: Final = (
    "participant_joined",
    "participant_left",
    "participant_connection_aborted",
    "room_started",
    "room_finished",
    "track_published",
    "egress_ended",
    "of_a_newer_server",
)


def events() -> SearchStrategy[dict[str, Any]]:
    """Return the JSON of an event (https://docs.livekit.io/home/server/webhooks/)."""
    participant = st.fixed_dictionaries(
        {"sid": st.just("PA_1"), "identity": st.just(CHOSEN)},
        optional={
            "name": st.just(CHOSEN),
            "metadata": st.text(max_size=20),
            "state": st.sampled_from(("JOINED", "ACTIVE", 2)),
            "joinedAt": st.sampled_from(("1767225600", 1767225600)),
            "attributes": st.dictionaries(st.text(max_size=4), st.text(max_size=4), max_size=2),
        },
    )
    room = st.fixed_dictionaries(
        {"name": st.text(max_size=20)},
        optional={"sid": st.just("RM_1"), "numParticipants": st.integers(0, 9)},
    )
    return st.fixed_dictionaries(
        {"event": st.sampled_from(EVENTS), "room": room, "participant": participant},
        optional={
            "id": st.just("EV_1"),
            "createdAt": st.sampled_from(("1767225600", 1767225600)),
            "of_a_newer_server": st.integers(),
        },
    )


def bodies() -> SearchStrategy[bytes]:
    """Return bodies of valid events."""
    return events().map(json.dumps).map(as_bytes)


def damaged_bodies() -> SearchStrategy[bytes]:
    """Return bodies whose data or bytes are damaged."""
    return damaged_bytes(json_texts(damaged(events())).map(as_bytes))


def authorizations() -> SearchStrategy[str]:
    """Return values of the header Authorization that are no signature of the body."""
    visible = st.characters(min_codepoint=0x21, max_codepoint=0x7E)
    jwt = st.lists(st.text(visible, max_size=40), min_size=3, max_size=3).map(".".join)
    return st.one_of(st.text(visible, max_size=200), jwt, st.just("a." * 2000), st.just("Bearer x"))
