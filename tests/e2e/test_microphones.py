"""The microphones of candidates on a real server: the newest one is subscribed, and no other."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from livekit import api, rtc

from states import Outcome, Reason
from states.testing import assert_outcome, assert_path
from tests.support.live.heard import MOST_WORD_ERRORS, word_error_rate
from tests.support.live.one_question import ALL_THE_WAY, ANSWER, PLAN
from tests.support.live.waiting import PATIENCE_S, eventually
from worker.simulation.audio_analysis import SAMPLE_RATE
from worker.simulation.voice import LocalVoice
from worker.transport.microphone import Microphone

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.support.live.running_worker import RunningWorker
    from worker.simulation.livekit_server import LiveKitServer
    from worker.simulation.room_candidate import Candidate

FULL_RECONNECT = rtc.SimulateScenarioKind.SIMULATE_FULL_RECONNECT
MICROPHONE = rtc.TrackSource.SOURCE_MICROPHONE


class Scene:
    """One room, in which an interviewer subscribes to the microphone of Ada."""

    def __init__(self, server: LiveKitServer, stack: AsyncExitStack) -> None:
        self._server = server
        self._stack = stack
        self._name = f"room-{uuid4().hex[:8]}"
        self.room = rtc.Room()
        self.microphone = Microphone(self.room, lambda: "ada")

    def _token(self, identity: str) -> str:
        """Return a token that allows every source: a candidate's token allows the microphone."""
        token = api.AccessToken(self._server.api_key, self._server.api_secret)
        grants = api.VideoGrants(room_join=True, room=self._name)
        return token.with_identity(identity).with_grants(grants).to_jwt()

    async def open(self) -> None:
        options = rtc.RoomOptions(auto_subscribe=False)
        await self.room.connect(self._server.url, self._token("interviewer"), options)
        self._stack.push_async_callback(self.room.disconnect)
        self._stack.callback(self.microphone.close)
        self.microphone.look()

    async def joins(self, identity: str) -> rtc.Room:
        room = rtc.Room()
        options = rtc.RoomOptions(auto_subscribe=False)
        await room.connect(self._server.url, self._token(identity), options)
        self._stack.push_async_callback(room.disconnect)
        return room

    async def publishes(
        self, room: rtc.Room, name: str, source: rtc.TrackSource.ValueType = MICROPHONE
    ) -> str:
        """Publish an audio track, and return its SID."""
        audio = rtc.AudioSource(SAMPLE_RATE, 1)
        self._stack.push_async_callback(audio.aclose)
        track = rtc.LocalAudioTrack.create_audio_track(name, audio)
        options = rtc.TrackPublishOptions(source=source)
        return (await room.local_participant.publish_track(track, options)).sid

    async def subscribed(self, *names: str, of: int) -> None:
        """Wait until `of` tracks are published, and exactly those with these names are received."""

        def are_subscribed() -> bool:
            return len(self._published()) == of and self._received() == sorted(names)

        await eventually(are_subscribed, f"the subscription of {names} alone")

    async def subscribed_to_the_last(self, *, of: int) -> None:
        """Wait until `of` tracks are published, and only the one that was named last is received.

        The server names tracks that are published within milliseconds in one message, in any order.
        """

        def is_subscribed() -> bool:
            tracks = self._published()
            return len(tracks) == of and self._received() == [tracks[-1].name]

        await eventually(is_subscribed, "the subscription of the last track alone")

    def _published(self) -> list[rtc.RemoteTrackPublication]:
        people = self.room.remote_participants.values()
        return [each for person in people for each in person.track_publications.values()]

    def _received(self) -> list[str]:
        received = [each for each in self._published() if each.subscribed and each.track]
        return sorted(each.name for each in received)


@pytest.fixture
async def scene(livekit_server: LiveKitServer) -> AsyncIterator[Scene]:
    async with AsyncExitStack() as stack:
        scene = Scene(livekit_server, stack)
        await scene.open()
        yield scene


async def test_of_all_tracks_the_candidates_microphone_alone_is_subscribed(scene: Scene) -> None:
    ada, bob = await scene.joins("ada"), await scene.joins("bob")
    await scene.publishes(bob, "another person's microphone")
    await scene.publishes(ada, "screen", rtc.TrackSource.SOURCE_SCREENSHARE_AUDIO)
    await scene.publishes(ada, "unknown", rtc.TrackSource.SOURCE_UNKNOWN)
    await scene.publishes(ada, "microphone")
    await scene.subscribed("microphone", of=4)


async def test_a_newer_microphone_replaces_the_older_one_which_returns_after_it(
    scene: Scene,
) -> None:
    ada = await scene.joins("ada")
    await scene.publishes(ada, "old")
    await scene.subscribed("old", of=1)
    new = await scene.publishes(ada, "new")
    await scene.subscribed("new", of=2)
    await ada.local_participant.unpublish_track(new)
    await scene.subscribed("old", of=1)


async def test_a_microphone_is_subscribed_again_after_a_full_reconnect(scene: Scene) -> None:
    ada = await scene.joins("ada")
    await scene.publishes(ada, "microphone")
    await scene.subscribed("microphone", of=1)
    reconnected = asyncio.Event()
    scene.room.on("reconnected", reconnected.set)
    # The interviewer alone reconnects, so the microphone is published before the interviewer is
    # back: a request for a subscription in that moment is lost.
    await scene.room.simulate_scenario(FULL_RECONNECT)
    async with asyncio.timeout(PATIENCE_S):
        await reconnected.wait()
    await scene.subscribed("microphone", of=1)


async def test_twenty_microphones_at_once_leave_one_subscribed(scene: Scene) -> None:
    ada = await scene.joins("ada")
    for number in range(20):
        await scene.publishes(ada, f"m{number}")
    await scene.subscribed_to_the_last(of=20)


async def change_microphone(candidate: Candidate) -> rtc.AudioSource:
    """Publish a second microphone, and return the first one, which gets no more audio."""
    first = candidate._source
    assert first is not None
    await candidate._microphone.close()
    await candidate._publish_microphone()
    return first


@pytest.mark.rotates
@pytest.mark.usefixtures("voices")
@pytest.mark.xdist_group("impatient_worker")
async def test_an_answer_into_a_second_microphone_is_heard_while_the_first_one_is_dead(
    impatient_worker: RunningWorker,
) -> None:
    worker = impatient_worker
    interview = await worker.create(PLAN)
    async with worker.candidate_of(interview) as candidate:
        await worker.send_interviewer(interview)
        await candidate.wait_until_interviewer_paused(quiet_s=1.0, timeout_s=PATIENCE_S)
        first = await change_microphone(candidate)
        await candidate.wait_until_heard(timeout_s=PATIENCE_S)
        await candidate.say(*await LocalVoice().render(ANSWER))
        await candidate.wait_until_alone(timeout_s=PATIENCE_S)
    await first.aclose()
    job = await worker.ended_job(interview.room)
    assert_path(job, *ALL_THE_WAY)
    assert_outcome(job, Outcome.COMPLETED, Reason.INTERVIEW_COMPLETED)
    (answer,) = (turn for turn in job.turns if turn.speaker == "candidate")
    assert word_error_rate(ANSWER, answer.text) <= MOST_WORD_ERRORS
    # Nothing was held or repeated for the packets of the first microphone that do not come.
    assert job.faults == ()
