"""The candidates of a burst of dispatches, on a room without LiveKit."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
from livekit import rtc
from livekit.rtc.participant import PublishTrackError

from tests.chaos.burst import Guest
from tests.chaos.diary import Listener
from worker.simulation.audio_analysis import AudibleSpan
from worker.simulation.candidate import CandidateTimeout

if TYPE_CHECKING:
    from worker.simulation.room_candidate import Candidate


class ScriptedCandidate:
    """A candidate that hears an interviewer after some seconds, or whose room is lost first."""

    def __init__(self, *, sound_s: float | None = None, lost_s: float | None = None) -> None:
        self._sound_s = sound_s
        self._lost_s = lost_s
        self.meter = SimpleNamespace(last_audible_s=None)
        self.meters: dict[str, Any] = {}
        self.now_s = 0.0
        self.left = False

    async def join(self) -> None:
        pass

    async def leave(self) -> None:
        self.left = True

    async def wait_for_sound(self, *, since_s: float, timeout_s: float) -> float:
        await _after(self._sound_s, timeout_s)
        self.meter.last_audible_s = self.now_s = since_s + 4.0
        self.meters["interviewer-AJ_1"] = SimpleNamespace(
            spans=(AudibleSpan(start_s=3.0, end_s=4.0),)
        )
        return 3.0

    async def wait_until_disconnected(self, *, timeout_s: float) -> None:
        await _after(self._lost_s, timeout_s)


class RefusedCandidate(ScriptedCandidate):
    """A candidate that LiveKit does not let in, or whose microphone it does not take."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self._error = error

    async def join(self) -> None:
        raise self._error


async def _after(happens_s: float | None, timeout_s: float) -> None:
    if happens_s is None or happens_s > timeout_s:
        await asyncio.sleep(timeout_s)
        raise CandidateTimeout("an event", timeout_s)
    await asyncio.sleep(happens_s)


class Burst:
    """One guest with scripted visits, and what it asked for."""

    def __init__(self, *visits: ScriptedCandidate, send_s: float = 0.0) -> None:
        self.sent: list[str] = []
        self.ended = False
        self.visits = list(visits)
        self._coming = iter(visits)
        self._send_s = send_s
        self.guest = Guest(
            Listener(interview_id="iv", room="room", began_s=0.0),
            join=lambda: cast("Candidate", next(self._coming)),
            send=self._send,
            end=self._end,
        )

    async def _send(self) -> None:
        await asyncio.sleep(self._send_s)
        self.sent.append("dispatched")

    async def _end(self) -> None:
        self.ended = True


@pytest.mark.looptime
async def test_a_guest_leaves_after_the_first_words_and_ends_the_interview() -> None:
    burst = Burst(ScriptedCandidate(sound_s=3.0))
    log = await burst.guest.attend()
    assert asyncio.get_running_loop().time() == pytest.approx(6.0)
    assert burst.sent == ["dispatched"]
    assert burst.visits[0].left
    assert burst.ended
    ((identity, (span,)),) = log.voices.items()
    assert identity == "interviewer-AJ_1"
    assert span.length_s == pytest.approx(1.0)
    assert len(log.visits) == 1


@pytest.mark.looptime
async def test_a_guest_whose_room_is_lost_joins_again() -> None:
    burst = Burst(
        ScriptedCandidate(lost_s=1.0),
        RefusedCandidate(rtc.ConnectError("refused")),
        RefusedCandidate(PublishTrackError("timed out")),
        ScriptedCandidate(sound_s=2.0),
    )
    log = await burst.guest.attend()
    assert all(visit.left for visit in burst.visits)
    assert len(log.visits) == 2
    assert log.voices


@pytest.mark.looptime
async def test_a_dispatch_that_is_still_tried_ends_with_the_visit() -> None:
    burst = Burst(ScriptedCandidate(sound_s=3.0), send_s=100.0)
    await burst.guest.attend()
    assert burst.sent == []
    assert burst.ended
