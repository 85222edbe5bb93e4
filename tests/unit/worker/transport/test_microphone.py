"""The subscription to one microphone: the newest of the candidate; on virtual time."""

from __future__ import annotations

import asyncio
import itertools
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
    """A published track; the server subscribes it at once if `answers`.

    Like the SDK, it counts as unsubscribed when that is asked for, before the server knows.
    """

    def __init__(self, room: Room, name: str, source: int, *, answers: bool) -> None:
        self.name = name
        self.sid = f"TR_{next(room.numbers)}"
        self.source = source
        self.subscribed = False
        self.muted = False
        self.track: Any = None
        self._room = room
        self.answers = answers

    def set_subscribed(self, subscribed: bool) -> None:
        self._room.asked.append((self.name, subscribed))
        if not subscribed:
            self.ends()
        elif self.answers and not self.subscribed:
            self.arrives()

    def arrives(self) -> None:
        """Be subscribed, by a request that may be long ago."""
        self.subscribed = True
        self._room.emit("track_subscribed", object(), self)

    def ends(self) -> None:
        """Be no longer subscribed, if it was."""
        if self.subscribed:
            self.subscribed = False
            self._room.emit("track_unsubscribed", object(), self, object())


class Room(rtc.EventEmitter[Any]):
    """A room with participants who publish tracks."""

    def __init__(self) -> None:
        super().__init__()
        self.remote_participants: dict[str, Any] = {}
        self.numbers = itertools.count()
        self.asked: list[tuple[str, bool]] = []
        #: Times at which the job reconnected to the room.
        self.reconnects: list[float] = []
        self.candidate: str | None = "ada"
        self.microphone = Microphone(
            cast("rtc.Room", self), lambda: self.candidate or first_person(cast("rtc.Room", self))
        )

    def joins(self, identity: str = "ada", kind: int = PERSON) -> None:
        self.remote_participants[identity] = SimpleNamespace(
            identity=identity, sid=f"PA_{next(self.numbers)}", kind=kind, track_publications={}
        )

    def leaves(self, identity: str = "ada") -> None:
        self.emit("participant_disconnected", self.remote_participants.pop(identity))

    def publishes(
        self,
        name: str,
        identity: str = "ada",
        source: int = MICROPHONE,
        *,
        answers: bool = True,
        sid: str | None = None,
    ) -> Publication:
        person = self.remote_participants[identity]
        publication = Publication(self, name, source, answers=answers)
        publication.sid = sid or publication.sid
        person.track_publications[name] = publication
        self.emit("track_published", publication, person)
        return publication

    def unpublishes(self, name: str, identity: str = "ada") -> None:
        person = self.remote_participants[identity]
        self.emit("track_unpublished", person.track_publications.pop(name), person)

    async def simulate_scenario(self, scenario: int) -> None:
        assert scenario == rtc.SimulateScenarioKind.SIMULATE_FULL_RECONNECT
        self.reconnects.append(asyncio.get_running_loop().time())

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


async def test_a_microphone_that_is_missing_or_muted_is_off_and_a_telephone_is_on(
    room: Room,
) -> None:
    assert not room.microphone.is_on
    room.publishes("screen", source=rtc.TrackSource.SOURCE_SCREENSHARE_AUDIO)
    assert not room.microphone.is_on
    mine = room.publishes("mine")
    assert room.microphone.is_on
    mine.muted = True
    assert not room.microphone.is_on
    room.joins("ada", rtc.ParticipantKind.PARTICIPANT_KIND_SIP)
    assert room.microphone.is_on
    room.leaves()
    assert room.microphone.is_on


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
    await asyncio.sleep(0.5)
    assert room.subscribed == ["old"]


async def test_a_subscription_is_asked_for_half_a_second_after_its_end_at_the_earliest(
    room: Room,
) -> None:
    # The server, or the SDK, could act on the later of two requests alone, or on the earlier last.
    room.publishes("old")
    room.publishes("new")
    room.unpublishes("new")
    await asyncio.sleep(0.49)
    assert room.asked == [("old", True), ("new", True), ("old", False)]
    await asyncio.sleep(0.02)
    assert room.asked[3:] == [("old", True)]


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


async def test_of_microphones_that_arrive_before_the_newest_one_the_latest_is_kept(
    room: Room,
) -> None:
    first, second, newest = (room.publishes(f"m{number}", answers=False) for number in range(3))
    second.arrives()
    first.arrives()
    assert room.subscribed == ["m1"]
    newest.arrives()
    assert room.subscribed == ["m2"]


async def test_a_subscription_is_not_ended_before_it_is_confirmed(room: Room) -> None:
    # The SDK would report the track as subscribed for ever if it arrived at that moment.
    for number in range(3):
        room.publishes(f"m{number}", answers=False)
    assert room.asked == [("m0", True), ("m1", True), ("m2", True)]


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


async def test_an_earlier_microphone_that_arrives_late_is_given_up_again(room: Room) -> None:
    late = room.publishes("late", answers=False)
    room.publishes("new")
    late.arrives()
    assert room.subscribed == ["new"]


async def test_an_earlier_microphone_that_arrives_late_is_kept_until_the_newest_one_is_there(
    room: Room,
) -> None:
    late = room.publishes("late", answers=False)
    new = room.publishes("new", answers=False)
    late.arrives()
    assert room.subscribed == ["late"]
    new.arrives()
    assert room.subscribed == ["new"]


async def test_a_microphone_that_is_still_subscribed_when_it_is_used_again_is_the_only_one(
    room: Room,
) -> None:
    late = room.publishes("late", answers=False)
    room.publishes("still subscribed")
    room.publishes("new", answers=False)
    late.arrives()
    room.unpublishes("new")
    await asyncio.sleep(2.0)
    assert room.subscribed == ["still subscribed"]


async def test_a_subscription_that_is_not_confirmed_is_ended_and_asked_for_again(
    room: Room,
) -> None:
    mine = room.publishes("mine", answers=False)
    mine.answers = True  # from the next request on
    await asyncio.sleep(1.4)
    assert room.asked == [("mine", True)]
    await asyncio.sleep(1.2)
    assert room.subscribed == ["mine"]
    await asyncio.sleep(600.0)
    assert room.asked == [("mine", True), ("mine", False), ("mine", True)]


async def test_a_microphone_that_never_arrives_is_asked_for_once_a_minute_in_the_end(
    room: Room, caplog: pytest.LogCaptureFixture
) -> None:
    room.publishes("zanzibar", answers=False)
    await asyncio.sleep(600.0)
    before = len(room.asked)
    await asyncio.sleep(600.0)
    assert 20 <= len(room.asked) - before <= 30
    assert {vars(record)["event"] for record in caplog.records} == {"microphone_asked_again"}
    assert "zanzibar" not in caplog.text


async def test_after_two_requests_without_effect_the_job_reconnects_to_the_room_once(
    room: Room, caplog: pytest.LogCaptureFixture
) -> None:
    room.publishes("first")
    began = asyncio.get_running_loop().time()
    room.publishes("second", answers=False)
    await asyncio.sleep(600.0)
    (at,) = room.reconnects
    assert 4.0 < at - began < 8.0
    events = {vars(record)["event"] for record in caplog.records}
    assert events >= {"microphone_asked_again", "microphone_reconnect"}


async def test_the_job_does_not_reconnect_for_the_first_microphone_of_a_participant(
    room: Room,
) -> None:
    room.publishes("slow", answers=False)
    await asyncio.sleep(600.0)
    assert room.reconnects == []


async def test_the_job_reconnects_for_a_microphone_after_the_candidates_return(
    room: Room,
) -> None:
    room.publishes("first")
    room.leaves()
    room.joins()
    room.publishes("slow", answers=False)
    await asyncio.sleep(600.0)
    assert len(room.reconnects) == 1


async def test_the_first_microphone_stays_the_first_when_the_sdk_makes_a_new_object_of_it(
    room: Room,
) -> None:
    # The SDK does so when the job has reconnected to the room.
    first, person = room.publishes("slow", answers=False), room.remote_participants["ada"]
    room.leaves()
    person.track_publications = {}
    room.remote_participants["ada"] = person
    room.publishes("slow", answers=False, sid=first.sid)
    await asyncio.sleep(600.0)
    assert room.reconnects == []


async def test_the_job_reconnects_for_the_first_microphone_if_it_is_used_after_another(
    room: Room,
) -> None:
    room.publishes("first").answers = False  # from the next request on
    room.publishes("second")
    room.unpublishes("second")
    await asyncio.sleep(600.0)
    assert len(room.reconnects) == 1


async def test_the_job_does_not_reconnect_for_a_muted_microphone(room: Room) -> None:
    room.publishes("first")
    room.publishes("second", answers=False).muted = True
    await asyncio.sleep(600.0)
    assert room.reconnects == []


async def test_for_many_microphones_that_never_arrive_the_job_reconnects_once_a_minute(
    room: Room,
) -> None:
    for number in range(30):
        room.publishes(f"m{number}", answers=False)
        await asyncio.sleep(20.0)
    assert 5 <= len(room.reconnects) <= 11


async def test_a_subscription_that_ends_by_itself_is_asked_for_again(room: Room) -> None:
    mine = room.publishes("mine")
    await asyncio.sleep(60.0)
    mine.ends()
    await asyncio.sleep(5.0)
    assert room.subscribed == ["mine"]


async def test_a_newer_microphone_takes_the_place_of_one_that_is_asked_for_again(
    room: Room,
) -> None:
    room.publishes("old", answers=False)
    await asyncio.sleep(4.0)
    room.publishes("new")
    await asyncio.sleep(600.0)
    assert room.subscribed == ["new"]
    assert ("old", True) not in room.asked[room.asked.index(("new", True)) :]


async def test_a_closed_microphone_is_not_asked_for_again(room: Room) -> None:
    room.publishes("mine", answers=False)
    room.microphone.close()
    await asyncio.sleep(600.0)
    assert room.asked == [("mine", True)]
