"""Supervision of a running interview until the first event that ends the interview."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Final

from states import Event
from worker.aio.timeouts import run_with_timeout
from worker.audio.clip import ClipMissing
from worker.clips.recordings import ClipName, load_clip
from worker.config.settings import Settings
from worker.interview.conversation.interviewer import Interviewer
from worker.interview.ends import end_of
from worker.interview.recovery.reconnect import say_back
from worker.interview.recovery.silence_watchdog import SilenceWatchdog
from worker.interview.recovery.stuck_turn_ladder import TurnLadder
from worker.interview.turn import Role

if TYPE_CHECKING:
    from worker.job.handle import JobHandle

logger = logging.getLogger(__name__)

#: Minimum seconds between two checks of the candidate's silence. Waits below the resolution of the
#: clock would keep the event loop busy.
_LEAST_WAIT_S: Final = 0.01
#: What a silent candidate reads whose microphone is muted or missing.
MICROPHONE_OFF: Final = (
    "I cannot hear you, because your microphone is off. "
    "Please turn it on, or type your answer here."
)
#: Maximum seconds until the message is sent. The clip is played afterwards in any case.
_NOTICE_S: Final = 3.0
#: Seconds from the arrival of a candidate until the candidate hears an audio track that somebody
#: else already hears: 0.1 to 0.3 (measured), plus a margin. LiveKit reports only the first
#: subscription to a track.
_HEARS_S: Final = 0.5


class EndConditions:
    """Supervisor of a running interview until the first event that ends the interview."""

    def __init__(
        self,
        job: JobHandle,
        interviewer: Interviewer,
        ladder: TurnLadder,
        settings: Settings,
        *,
        resumes: bool = False,
        follows: bool = False,
    ) -> None:
        self._job = job
        self._interviewer = interviewer
        self._settings = settings
        self._watchdog = SilenceWatchdog(
            line=job.transport.line,
            place=job.transport,
            floor=interviewer.floor,
            ladder=ladder,
            candidate_speaks=lambda: interviewer.hears_candidate,
            filler_s=settings.silence_filler_s,
        )
        self._asked_again = False
        # True if this job continues an interview that another job began.
        self._resumes = resumes
        # True if this job was sent to follow another job, while the candidate was in the room.
        self._follows = follows
        self._saying_back: asyncio.Task[None] | None = None

    async def until_it_ends(self) -> Event | str:
        """Greet the candidate, and return the event that ends the interview.

        For an end that the dialogue has decided, return the end's name in `worker.interview.ends`
        instead, unless the interview is completed.
        """
        if not await self._candidate_joins():
            return Event.CANDIDATE_LEFT if self._follows else Event.CANDIDATE_NEVER_JOINED
        self._listen_from_now()
        if self._resumes and self._interviewer.next_role is not Role.DONE:
            self._interviewer.answers.missed.came(self._job.transport.line)
            # Play the clip before the next question, which takes time to generate.
            saying = say_back(self._job.transport.line)
            self._saying_back = asyncio.create_task(saying, name="say-back")
            await asyncio.sleep(0)
        async with self._interviewer.exclusive.held():
            # While it is the interviewer's turn, the reply to an earlier typed message comes next.
            if not self._interviewer.floor.ours:
                await self._interviewer.speak_next()
        enders: set[asyncio.Task[Event | str]] = {
            asyncio.create_task(self._finished(), name="watch-finished"),
            asyncio.create_task(self._left(), name="watch-left"),
            asyncio.create_task(self._silent(), name="watch-silence"),
            asyncio.create_task(self._stuck(), name="watchdog"),
        }
        try:
            done, _ = await asyncio.wait(enders, return_when=asyncio.FIRST_COMPLETED)
            return done.pop().result()
        finally:
            for task in enders:
                task.cancel()

    async def _candidate_joins(self) -> bool:
        """Wait until the candidate is in the room; return False if the candidate comes too late."""
        settings = self._settings
        patience_s = settings.candidate_grace_s if self._follows else settings.candidate_join_s
        transport = self._job.transport
        others_listen = False
        try:
            async with asyncio.timeout(patience_s):
                while not transport.candidate_is_here:
                    # Looked at before the arrival: afterwards the subscription may be the
                    # candidate's own.
                    others_listen = transport.line.subscribed
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(_HEARS_S):
                            await transport.candidate_moved()
        except TimeoutError:
            return False
        if others_listen:
            await asyncio.sleep(_HEARS_S)
        return True

    async def _finished(self) -> Event | str:
        await self._interviewer.finished.wait()
        await self._job.transport.line.drain()
        return end_of(await self._interviewer.conclude())

    async def _left(self) -> Event:
        while True:
            while self._job.transport.candidate_is_here:
                await self._job.transport.candidate_moved()
            if not await self._candidate_within(self._settings.candidate_grace_s):
                return Event.CANDIDATE_LEFT
            self._listen_from_now()

    async def _stuck(self) -> Event:
        await self._watchdog.run()
        return Event.TURN_STUCK

    def _listen_from_now(self) -> None:
        """Restart the measurement of silence, so that the candidate's absence does not count."""
        self._interviewer.last_sound = asyncio.get_running_loop().time()

    async def _candidate_within(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                while not self._job.transport.candidate_is_here:
                    await self._job.transport.candidate_moved()
        except TimeoutError:
            return False
        return True

    async def _silent(self) -> Event:
        """Play a clip after half of the silence limit, and return after the whole limit."""
        loop = asyncio.get_running_loop()
        limit = self._settings.candidate_silence_s
        while True:
            quiet_s = loop.time() - self._interviewer.last_sound
            if self._interviewer.sounding or not self._job.transport.candidate_is_here:
                quiet_s = 0.0
            if quiet_s < limit / 2:
                self._asked_again = False  # restart, so that the next silence gets a clip again
            if quiet_s >= limit:
                return Event.CANDIDATE_SILENT
            if quiet_s >= limit / 2 and not self._asked_again:
                self._asked_again = True
                await self._ask_if_there()
            left_s = limit / 2 - quiet_s if quiet_s < limit / 2 else limit - quiet_s
            await asyncio.sleep(max(_LEAST_WAIT_S, left_s))

    async def _ask_if_there(self) -> None:
        """Play a clip; if the microphone is off, also tell the candidate so in a text message."""
        transport = self._job.transport
        if not transport.microphone_is_on:
            self._job.recorder.refusal("candidate_audio", "MicrophoneOff")
            try:
                await run_with_timeout(transport.write(MICROPHONE_OFF), _NOTICE_S)
            except Exception as error:  # the clip is played all the same
                logger.warning(
                    "telling the candidate that the microphone is off failed: %s",
                    type(error).__name__,
                    extra={"event": "microphone_notice_failed"},
                )
        with contextlib.suppress(ClipMissing):  # the limit applies without the clip too
            await transport.line.play(load_clip(ClipName.STILL_THERE))
