"""Subscription to the microphone of the person to whom the agent listens."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from livekit import rtc

from worker.aio.token_bucket import TokenBucket
from worker.transport.inbound_data import people_in

#: Changes of the subscription that may follow each other at once, and further changes per second. A
#: participant may publish microphones at any rate.
_CHANGES: Final = (3.0, 1.0)
#: Timeout in seconds for reading WebRTC's statistics, which normally takes 1 to 5 ms (measured).
_STATS_S: Final = 1.0


class Microphone:
    """Subscribes to one microphone: the newest of the person to whom the agent listens.

    No other track is subscribed. If a newer microphone is published, it replaces the earlier one,
    which stays subscribed until the audio of the newer one can arrive. If the newest is
    unpublished, the one before it is subscribed again. Connect to the room without automatic
    subscription, and call `look` after that.

    Args:
        room: The room, before it is connected.
        candidate: Returns the identity of the person to whom the agent listens, if there is one.
    """

    def __init__(self, room: rtc.Room, candidate: Callable[[], str | None]) -> None:
        self._room = room
        self._candidate = candidate
        #: The publication that is subscribed, or about to be.
        self._current: rtc.RemoteTrackPublication | None = None
        #: Earlier publications that stay subscribed until the current one is.
        self._replaced: list[rtc.RemoteTrackPublication] = []
        self._changes = TokenBucket(burst=_CHANGES[0], per_second=_CHANGES[1])
        #: Timer until the next change is allowed.
        self._timer: asyncio.TimerHandle | None = None
        room.on("track_published", self._on_change)
        room.on("track_unpublished", self._on_change)
        room.on("participant_disconnected", self._on_change)
        room.on("track_subscribed", self._on_subscribed)
        room.on("reconnected", self._on_reconnected)

    def look(self) -> None:
        """Subscribe to the newest microphone, unless it is subscribed."""
        newest = self._newest()
        if newest is self._current or self._timer is not None:
            return
        now_s = asyncio.get_running_loop().time()
        if newest is not None and (wait_s := self._changes.wait_s(now_s)):
            self._timer = asyncio.get_running_loop().call_later(wait_s, self._time_over)
            return
        if self._current is not None:
            self._replace(self._current)
        self._current = newest
        if newest is None:
            self._unsubscribe_replaced()
            return
        self._changes.take()
        newest.set_subscribed(True)

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
        """Change the subscription no more."""
        if self._timer is not None:
            self._timer.cancel()
        self._room.off("track_published", self._on_change)
        self._room.off("track_unpublished", self._on_change)
        self._room.off("participant_disconnected", self._on_change)
        self._room.off("track_subscribed", self._on_subscribed)
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

    def _on_subscribed(self, _: object, publication: rtc.RemoteTrackPublication) -> None:
        if publication is self._current:
            self._unsubscribe_replaced()

    def _on_reconnected(self) -> None:
        """Ask again for a subscription that the server has not confirmed.

        After a full reconnect the SDK reports the tracks of the room before it uses the new
        connection for requests. A request that is made in between is lost (livekit-rtc 1.1.21:
        `try_restart_connection` replaces the session after `SignalRestarted`).
        """
        if self._current is not None and not self._current.subscribed:
            self._current.set_subscribed(True)

    def _replace(self, publication: rtc.RemoteTrackPublication) -> None:
        """Keep a subscription until its successor has one, or end one that has no audio yet."""
        if publication.subscribed:
            self._replaced.append(publication)
        elif self._is_published(publication):
            publication.set_subscribed(False)

    def _unsubscribe_replaced(self) -> None:
        replaced, self._replaced = self._replaced, []
        for each in replaced:
            if each is not self._current and self._is_published(each):
                each.set_subscribed(False)

    def _is_published(self, publication: rtc.RemoteTrackPublication) -> bool:
        return any(
            publication is each
            for person in self._room.remote_participants.values()
            for each in person.track_publications.values()
        )

    def _time_over(self) -> None:
        self._timer = None
        self.look()


def first_person(room: rtc.Room) -> str | None:
    """Return the identity of the person who joined first, and to whom a session links itself."""
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
