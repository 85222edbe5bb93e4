"""The subscription to one microphone: the newest of the candidate; on virtual time."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest
from livekit import rtc

from worker.transport.microphone import Microphone, first_person

pytestmark = pytest.mark.looptime

MICROPHONE = rtc.TrackSource.SOURCE_MICROPHONE
PERSON = rtc.ParticipantKind.PARTICIPANT_KIND_STANDARD
AGENT = rtc.ParticipantKind.PARTICIPANT_KIND_AGENT


class Publication:
    """A published track; the server subscribes it at once if `answers`."""

    def __init__(self, room: Room, name: str, source: int, *, answers: bool) -> None:
        self.name = name
        self.source = source
        self.subscribed = False
        self.muted = False
        self.track: Any = None
        self._room = room
        self._answers = answers

    def set_subscribed(self, subscribed: bool) -> None:
        self._room.asked.append((self.name, subscribed))
        if not self._answers:
            return
        changed = subscribed and not self.subscribed
        self.subscribed = subscribed
        if changed:
            self._room.emit("track_subscribed", object(), self)


class Room(rtc.EventEmitter[Any]):
    """A room with participants who publish tracks."""

    def __init__(self) -> None:
        super().__init__()
        self.remote_participants: dict[str, Any] = {}
        self.asked: list[tuple[str, bool]] = []
        self.candidate: str | None = "ada"
        self.microphone = Microphone(
            cast("rtc.Room", self), lambda: self.candidate or first_person(cast("rtc.Room", self))
        )

    def joins(self, identity: str = "ada", kind: int = PERSON) -> None:
        self.remote_participants[identity] = SimpleNamespace(
            identity=identity, kind=kind, track_publications={}
        )

    def leaves(self, identity: str = "ada") -> None:
        self.emit("participant_disconnected", self.remote_participants.pop(identity))

    def publishes(
        self, name: str, identity: str = "ada", source: int = MICROPHONE, *, answers: bool = True
    ) -> Publication:
        person = self.remote_participants[identity]
        publication = Publication(self, name, source, answers=answers)
        person.track_publications[name] = publication
        self.emit("track_published", publication, person)
        return publication

    def unpublishes(self, name: str, identity: str = "ada") -> None:
        person = self.remote_participants[identity]
        self.emit("track_unpublished", person.track_publications.pop(name), person)

    @property
    def subscribed(self) -> list[str]:
        """The names of the published tracks that are subscribed."""
        return [
            each.name
            for person in self.remote_participants.values()
            for each in person.track_publications.values()
            if each.subscribed
        ]


@pytest.fixture
async def room() -> Room:
    room = Room()
    room.joins()
    return room


async def test_the_candidates_microphone_is_subscribed_and_nothing_else(room: Room) -> None:
    room.joins("bob")
    room.joins("interviewer-1", AGENT)
    room.publishes("camera", source=rtc.TrackSource.SOURCE_CAMERA)
    room.publishes("screen", source=rtc.TrackSource.SOURCE_SCREENSHARE_AUDIO)
    room.publishes("a", "bob")
    room.publishes("b", "interviewer-1")
    room.publishes("mine")
    assert room.asked == [("mine", True)]


async def test_a_microphone_that_was_published_before_is_subscribed(room: Room) -> None:
    before = Publication(room, "before", MICROPHONE, answers=True)
    room.remote_participants["ada"].track_publications["before"] = before
    room.microphone.look()
    assert room.subscribed == ["before"]


async def test_the_newer_of_two_microphones_is_used_and_then_the_older_one_is_given_up(
    room: Room,
) -> None:
    room.publishes("old")
    room.publishes("new")
    assert room.asked == [("old", True), ("new", True), ("old", False)]
    assert room.subscribed == ["new"]


async def test_the_older_microphone_is_used_again_if_the_newer_one_ends(room: Room) -> None:
    room.publishes("old")
    room.publishes("new")
    room.unpublishes("new")
    assert room.subscribed == ["old"]


async def test_packets_are_counted_on_the_microphone_that_is_used(room: Room) -> None:
    def with_packets(publication: Publication, count: int) -> None:
        received = SimpleNamespace(received=SimpleNamespace(packets_received=count))
        entry = SimpleNamespace(WhichOneof=lambda _: "inbound_rtp", inbound_rtp=received)

        async def get_stats() -> list[Any]:
            return [entry]

        publication.track = SimpleNamespace(get_stats=get_stats)

    assert await room.microphone.packets_received() is None
    with_packets(room.publishes("old"), 3)
    assert await room.microphone.packets_received() == 3
    new = room.publishes("new")
    with_packets(new, 8)
    assert await room.microphone.packets_received() == 8
    new.muted = True
    assert await room.microphone.packets_received() is None


async def test_twenty_microphones_at_once_change_the_subscription_a_few_times(room: Room) -> None:
    for number in range(20):
        room.publishes(f"m{number}")
    assert len([name for name, on in room.asked if on]) <= 3
    await asyncio.sleep(2.0)
    assert room.subscribed == ["m19"]
    assert len([name for name, on in room.asked if on]) <= 4


async def test_of_microphones_that_the_server_does_not_subscribe_one_is_asked_for(
    room: Room,
) -> None:
    for number in range(3):
        room.publishes(f"m{number}", answers=False)
    asked = dict(room.asked)
    assert [name for name, on in asked.items() if on] == ["m2"]


async def test_a_candidate_who_returns_is_heard_again(room: Room) -> None:
    room.publishes("before")
    room.leaves()
    room.joins()
    room.publishes("after")
    assert room.subscribed == ["after"]


async def test_a_subscription_that_a_reconnect_has_lost_is_asked_for_again(room: Room) -> None:
    room.publishes("mine", answers=False)
    room.emit("reconnected")
    assert room.asked == [("mine", True), ("mine", True)]


async def test_a_reconnect_changes_no_subscription_that_exists(room: Room) -> None:
    room.emit("reconnected")
    room.publishes("mine")
    room.emit("reconnected")
    assert room.asked == [("mine", True)]


async def test_before_the_candidate_is_known_the_first_person_is_heard(room: Room) -> None:
    room.candidate = None
    room.joins("bob")
    room.publishes("theirs", "bob")
    room.publishes("hers", "ada")
    assert room.subscribed == ["hers"]
    room.candidate = "bob"
    room.microphone.look()
    assert room.subscribed == ["theirs"]


async def test_a_closed_microphone_subscribes_nothing(room: Room) -> None:
    room.microphone.close()
    room.publishes("late")
    room.emit("reconnected")
    assert room.asked == []
