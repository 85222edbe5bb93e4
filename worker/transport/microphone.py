"""Subscription to the microphone of the person to whom the agent listens."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from typing import Final

from livekit import rtc

from worker.aio.backoff import ExponentialBackoff
from worker.aio.tasks import log_failure
from worker.aio.token_bucket import TokenBucket
from worker.transport.inbound_data import people_in

#: Number of changes of the subscription that are allowed at once, and number of further changes per
#: second. A participant may publish microphones at any rate.
_CHANGES: Final = (3.0, 1.0)
#: Minimum time in seconds between the end of a subscription and the next request to subscribe to
#: the same track. The SDK sends the two requests in separate tasks, so they may arrive in the wrong
#: order, and the server ignores both if the second arrives before the server has carried out the
#: first. The server carries out a request within milliseconds.
_OFF_S: Final = 0.5
#: Seconds until the job repeats a request for a subscription that the server has not confirmed. A
#: confirmation takes 20 to 300 ms on a busy machine (measured), and does not come while the
#: candidate sends no media.
_AGAIN: Final = ExponentialBackoff(first_s=2.0, longest_s=60.0, jitter=0.25)
#: Number of unconfirmed requests for a subscription after which the job reconnects to the room.
_REQUESTS: Final = 2
#: Number of reconnects to the room that are allowed at once, and number of further reconnects per
#: second. A reconnect interrupts the agent's voice for a second, and a participant may publish
#: microphones that never send audio.
_RECONNECTS: Final = (1.0, 1 / 60)
#: Timeout in seconds for reading WebRTC's statistics. Reading them takes 1 to 5 ms (measured).
_STATS_S: Final = 1.0

logger = logging.getLogger(__name__)


class Microphone:
    """Subscribes to one microphone: the newest microphone of the person to whom the agent listens.

    No other track is subscribed. If the person publishes another microphone, the earlier microphone
    stays subscribed until the audio of the newer microphone can arrive. If the newest microphone is
    unpublished, the microphone before it is subscribed again. If the server names several
    microphones in one message, any of them may count as the newest, because the message does not
    tell their order. Connect to the room without automatic subscription, and then call `look`.

    A request for a subscription gets no answer, and may be lost or have no effect. Therefore a
    subscription that the server does not confirm is ended and requested again, with growing delays.
    If `_REQUESTS` requests have no effect, the job reconnects to the room, once for each
    microphone: after many changes of a participant's tracks, the SDK may not notice a track that
    the server sends (livekit-rtc 1.1.21: seen after twenty microphones in six seconds, on a busy
    machine). The job does not reconnect for the first microphone of a participant, because the SDK
    misses a track only after the participant's tracks have changed. If the track of an earlier
    microphone arrives late, that microphone is unsubscribed again, because a session would
    otherwise use a track that carries no audio.

    Args:
        room: The room, before it is connected.
        candidate: Returns the identity of the person to whom the agent listens, if there is one.
    """

    def __init__(self, room: rtc.Room, candidate: Callable[[], str | None]) -> None:
        self._room = room
        self._candidate = candidate
        #: Publication of the microphone that is subscribed or about to be subscribed; None if no
        #: microphone is published.
        self._current: rtc.RemoteTrackPublication | None = None
        #: Earlier microphones that are still published, oldest first. The newest earlier microphone
        #: whose track is received stays subscribed until the track of `_current` is received.
        self._earlier: list[rtc.RemoteTrackPublication] = []
        #: Event loop time at which each subscription was ended, because `_OFF_S` counts from then.
        self._ended_s: dict[rtc.RemoteTrackPublication, float] = {}
        self._changes = TokenBucket(burst=_CHANGES[0], per_second=_CHANGES[1])
        #: Timer that runs until `_CHANGES` or `_OFF_S` allows the next change of the subscription.
        self._timer: asyncio.TimerHandle | None = None
        #: Timer until an unconfirmed subscription is ended, or is requested again after its end.
        self._unconfirmed: asyncio.TimerHandle | None = None
        self._delays: Iterator[float] = _AGAIN.delays()
        #: Number of unconfirmed requests for a subscription to the current microphone.
        self._requests = 0
        #: Identity of the participant whose microphone was used last, and id of the first
        #: microphone of this participant.
        self._first: tuple[str, str] | None = None
        #: True if the participant whose microphone was used last has used two or more microphones.
        self._has_changed = False
        self._reconnects = TokenBucket(burst=_RECONNECTS[0], per_second=_RECONNECTS[1])
        self._reconnecting: asyncio.Task[None] | None = None
        room.on("track_published", self._on_change)
        room.on("track_unpublished", self._on_change)
        room.on("participant_disconnected", self._on_change)
        room.on("track_subscribed", self._on_subscribed)
        room.on("track_unsubscribed", self._on_unsubscribed)
        room.on("reconnected", self._on_reconnected)

    def look(self) -> None:
        """Subscribe to the newest microphone, now or as soon as `_CHANGES` and `_OFF_S` allow."""
        newest = self._newest()
        if newest is self._current or self._timer is not None:
            return
        now_s = asyncio.get_running_loop().time()
        if newest is not None and (wait_s := self._wait_s(newest, now_s)):
            self._timer = self._call_later(wait_s, self._time_over)
            return
        if self._current is not None:
            self._earlier.append(self._current)
        self._current = newest
        self._cancel_request()
        if newest is not None:
            self._changes.take()
            self._forget_requests()
            self._note_change(newest)
            self._request()
        self._end_earlier()

    @property
    def is_on(self) -> bool:
        """False if the person has no microphone, or a muted one.

        True for a person on the telephone.
        """
        person = self._person()
        if person is None or person.kind != rtc.ParticipantKind.PARTICIPANT_KIND_STANDARD:
            return True
        newest = self._newest()
        return newest is not None and not newest.muted

    async def packets_received(self) -> int | None:
        """Return the number of packets received from the microphone so far.

        Returns None if no packets are expected, because the microphone is muted or not published,
        because no packet has ever come, or because the person is on the telephone. A telephone may
        send nothing during silence.
        """
        person = self._person()
        if person is None or person.kind != rtc.ParticipantKind.PARTICIPANT_KIND_STANDARD:
            return None
        return None if self._current is None else await _packets_of(self._current)

    def close(self) -> None:
        """Stop all changes of the subscription."""
        if self._timer is not None:
            self._timer.cancel()
        self._cancel_request()
        self._room.off("track_published", self._on_change)
        self._room.off("track_unpublished", self._on_change)
        self._room.off("participant_disconnected", self._on_change)
        self._room.off("track_subscribed", self._on_subscribed)
        self._room.off("track_unsubscribed", self._on_unsubscribed)
        self._room.off("reconnected", self._on_reconnected)

    def _person(self) -> rtc.RemoteParticipant | None:
        return self._room.remote_participants.get(self._candidate() or "")

    def _newest(self) -> rtc.RemoteTrackPublication | None:
        person = self._person()
        if person is None:
            return None
        microphones = [
            publication
            for publication in person.track_publications.values()
            if publication.source == rtc.TrackSource.SOURCE_MICROPHONE
        ]
        return microphones[-1] if microphones else None

    def _on_change(self, *_: object) -> None:
        self.look()

    def _on_subscribed(
        self, _: object, publication: rtc.RemoteTrackPublication, *__: object
    ) -> None:
        if publication is self._current:
            logger.info(
                "the candidate's microphone is received",
                extra={"event": "microphone_received", "track": publication.sid},
            )
        self._end_earlier()

    def _on_unsubscribed(
        self, _: object, publication: rtc.RemoteTrackPublication, *__: object
    ) -> None:
        if publication is self._current and self._unconfirmed is None:
            self._unconfirmed = self._call_later(next(self._delays), self._check)

    def _on_reconnected(self) -> None:
        """Request the current subscription again if the server has not confirmed it.

        After a full reconnect the SDK reports the tracks of the room before it uses the new
        connection for requests, and a request that is made between these two steps is lost
        (livekit-rtc 1.1.21: `try_restart_connection` replaces the session after `SignalRestarted`).
        """
        if self._current is not None and not self._current.subscribed:
            self._current.set_subscribed(True)

    def _wait_s(self, publication: rtc.RemoteTrackPublication, now_s: float) -> float:
        """Return the seconds until a subscription to `publication` may be requested."""
        ended_s = self._ended_s.get(publication)
        off_s = 0.0 if ended_s is None else max(0.0, ended_s + _OFF_S - now_s)
        return max(off_s, self._changes.wait_s(now_s))

    def _request(self) -> None:
        """Request a subscription to the current microphone, and check later if it is confirmed."""
        if self._current is not None:
            self._requests += 1
            self._current.set_subscribed(True)
            self._unconfirmed = self._call_later(next(self._delays), self._check)

    def _note_change(self, publication: rtc.RemoteTrackPublication) -> None:
        """Note whether the participant has changed its microphone.

        The method compares ids, because the SDK makes new objects of the same microphones when the
        job reconnects to the room.
        """
        person = self._person()
        owner = "" if person is None else person.identity
        if self._first is None or self._first[0] != owner:
            self._first, self._has_changed = (owner, publication.sid), False
        elif self._first[1] != publication.sid:
            self._has_changed = True

    def _forget_requests(self) -> None:
        self._delays, self._requests = _AGAIN.delays(), 0

    def _check(self) -> None:
        """If the subscription is unconfirmed, end it, and request it again after `_OFF_S`."""
        self._unconfirmed = None
        if self._current is None:
            return
        if self._current.subscribed:
            self._forget_requests()
            return
        if self._requests == _REQUESTS and self._has_changed and not self._current.muted:
            self._reconnect()
        logger.warning(
            "the candidate's microphone is not received; the job requests the subscription again",
            extra={"event": "microphone_asked_again"},
        )
        self._end(self._current)
        self._unconfirmed = self._call_later(_OFF_S, self._request)

    def _reconnect(self) -> None:
        """Reconnect to the room, unless the last reconnect was a short time ago."""
        if self._reconnects.wait_s(asyncio.get_running_loop().time()):
            return
        self._reconnects.take()
        logger.warning(
            "the candidate's microphone is still not received; the job reconnects to the room",
            extra={"event": "microphone_reconnect"},
        )
        # The SDK offers a reconnect only as a simulation for tests, which does the same as after a
        # lost connection.
        reconnect = self._room.simulate_scenario(rtc.SimulateScenarioKind.SIMULATE_FULL_RECONNECT)
        self._reconnecting = asyncio.create_task(reconnect, name="reconnect-room")
        self._reconnecting.add_done_callback(log_failure)

    def _cancel_request(self) -> None:
        if self._unconfirmed is not None:
            self._unconfirmed.cancel()
            self._unconfirmed = None

    def _end_earlier(self) -> None:
        """End the subscriptions to earlier microphones.

        The newest earlier microphone stays subscribed until the track of the current microphone is
        received. Only a subscription whose track is received is ended: if a track arrives after the
        end of its subscription, the SDK reports the track as subscribed, and never as unsubscribed.
        """
        self._earlier = [
            each for each in self._earlier if each is not self._current and self._is_published(each)
        ]
        received = [each for each in self._earlier if each.subscribed]
        if self._current is not None and not self._current.subscribed:
            del received[-1:]
        for each in received:
            self._end(each)

    def _end(self, publication: rtc.RemoteTrackPublication) -> None:
        now_s = asyncio.get_running_loop().time()
        recent = {each: at for each, at in self._ended_s.items() if now_s - at < _OFF_S}
        self._ended_s = {**recent, publication: now_s}
        publication.set_subscribed(False)

    def _is_published(self, publication: rtc.RemoteTrackPublication) -> bool:
        return any(
            publication is each
            for person in self._room.remote_participants.values()
            for each in person.track_publications.values()
        )

    @staticmethod
    def _call_later(delay_s: float, step: Callable[[], None]) -> asyncio.TimerHandle:
        return asyncio.get_running_loop().call_later(delay_s, step)

    def _time_over(self) -> None:
        self._timer = None
        self.look()


def first_person(room: rtc.Room) -> str | None:
    """Return the identity of the person who joined first, to whom a session listens by default."""
    return next((person.identity for person in people_in(room)), None)


async def _packets_of(publication: rtc.RemoteTrackPublication) -> int | None:
    if publication.muted or publication.track is None:
        return None
    try:
        async with asyncio.timeout(_STATS_S):
            statistics = await publication.track.get_stats()
    except Exception:  # the SDK is just replacing the track
        return None
    received = (
        each.inbound_rtp.received.packets_received
        for each in statistics
        if each.WhichOneof("stats") == "inbound_rtp"
    )
    return next(received, None) or None
