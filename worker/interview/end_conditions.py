"""Supervision of a running interview until the first event that ends the interview."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Never

from states import Event
from worker.config.settings import Settings
from worker.interview.conversation.interviewer import Interviewer
from worker.interview.dialogue.events import Event as Told
from worker.interview.dialogue.inputs import Happening
from worker.interview.dialogue.wording.lines import has_lines
from worker.interview.ends import end_of
from worker.interview.recovery.microphone_check import MicrophoneCheck, SilentSince
from worker.interview.recovery.reconnect import say_back
from worker.interview.recovery.silence_ladder import SilenceLadder
from worker.interview.recovery.silence_watchdog import SilenceWatchdog
from worker.interview.recovery.stuck_turn_ladder import TurnLadder
from worker.interview.turn import Role

if TYPE_CHECKING:
    from worker.job.handle import JobHandle

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
        silent_since: SilentSince = lambda: None,
        is_deaf: Callable[[], bool] = lambda: False,
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
        self._silence = SilenceLadder(job, interviewer, settings.candidate_silence_s, is_deaf)
        self._microphone = MicrophoneCheck(job, interviewer, silent_since, is_deaf)
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
            if not self._follows:
                return Event.CANDIDATE_NEVER_JOINED
            await self._note_absence(over=True)
            return Event.CANDIDATE_LEFT
        self._listen_from_now()
        enders: set[asyncio.Task[Event | str]] = {
            asyncio.create_task(self._talks(), name="watch-microphone"),
            asyncio.create_task(self._finished(), name="watch-finished"),
            asyncio.create_task(self._left(), name="watch-left"),
            asyncio.create_task(self._silent(), name="watch-silence"),
            asyncio.create_task(self._stuck(), name="watchdog"),
        }
        try:
            done, _ = await asyncio.wait(enders, return_when=asyncio.FIRST_COMPLETED)
            # What the dialogue has decided counts, if two conditions end at the same time.
            return min(done, key=lambda task: task.get_name() != "watch-finished").result()
        finally:
            for task in enders:
                task.cancel()

    async def _talks(self) -> Never:
        """Begin to speak, and then watch the candidate's microphone without end."""
        dialogue = self._interviewer.dialogue
        tells, continues = has_lines(dialogue.plan.language), dialogue.has_begun
        if tells:
            await self._microphone.arrives()
        if continues or not dialogue.has_begun:  # otherwise the greeting was a reply, or written
            await self._begin()
        if tells:
            await self._microphone.run()
        await asyncio.Event().wait()
        raise AssertionError  # an event that nobody sets

    async def _begin(self) -> None:
        """Greet the candidate, or continue the interview of an earlier job."""
        interviewer = self._interviewer
        welcomes = interviewer.dialogue.continues_after_absence
        if self._resumes and interviewer.next_role is not Role.DONE:
            interviewer.answers.missed.came(self._job.transport.line)
            if not welcomes:
                # Play the clip before the next question, which takes time to generate.
                saying = say_back(self._job.transport.line)
                self._saying_back = asyncio.create_task(saying, name="say-back")
                await asyncio.sleep(0)
        async with interviewer.exclusive.held():
            if interviewer.floor.ours:
                return  # while it is the interviewer's turn, the reply to a typed message comes
            if welcomes:
                await interviewer.happened(interviewer.dialogue.beginning())
            else:
                await interviewer.speak_next()

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
            if not self._job.transport.reach.is_away:  # otherwise the room was lost
                await self._note_absence()
            if not await self._candidate_within(self._settings.candidate_grace_s):
                await self._note_absence(over=True)
                return Event.CANDIDATE_LEFT
            self._listen_from_now()

    async def _note_absence(self, *, over: bool = False) -> None:
        """Record that the candidate has left; with `over`, also that they stayed away too long."""
        interviewer = self._interviewer
        async with interviewer.exclusive.held():
            await interviewer.recorded()
            if not interviewer.dialogue.is_absent:
                interviewer.noted(Happening(event=Told.LEFT))
            if over:
                interviewer.noted(Happening(event=Told.GRACE_OVER))
            elif interviewer.dialogue.is_over:
                await interviewer.speak_next()  # nothing is left to say

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
        await self._silence.until_silent()
        return Event.CANDIDATE_SILENT
