"""Check that the candidate's microphone gives sound, before the greeting and afterwards."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Never

from worker.interview.dialogue.events import Event
from worker.interview.dialogue.inputs import Happening
from worker.interview.dialogue.phases import Phase

if TYPE_CHECKING:
    from worker.interview.conversation.interviewer import Interviewer
    from worker.job.handle import JobHandle

#: Seconds without a live microphone until the candidate hears and reads so, and until this is
#: repeated.
FIRST_S: Final = 6.0
AGAIN_S: Final = 20.0
#: Seconds from this sentence until the greeting, if the microphone is on and gives only digital
#: silence. Some clients send nothing else while the candidate is quiet.
GREETS_AFTER_S: Final = 5.0
#: Seconds between two looks at the microphone.
_LOOK_S: Final = 0.25

#: Function that returns the event-loop time since which the microphone gives only digital silence;
#: None if the microphone gives sound.
SilentSince = Callable[[], "float | None"]


class MicrophoneCheck:
    """Tells a candidate whose microphone is missing, muted or silent, and that typing works.

    Time in which the interviewer or the candidate speaks does not count, and nothing is said to a
    candidate who types.

    Args:
        job: The job.
        interviewer: The interviewer.
        silent_since: Returns since when the microphone gives only digital silence.
        is_deaf: Returns whether no speech-to-text provider is left.
    """

    def __init__(
        self,
        job: JobHandle,
        interviewer: Interviewer,
        silent_since: SilentSince,
        is_deaf: Callable[[], bool],
    ) -> None:
        self._job = job
        self._interviewer = interviewer
        self._silent_since = silent_since
        self._is_deaf = is_deaf
        #: True once the candidate was told of the present failure of the microphone.
        self._told = False

    @property
    def is_live(self) -> bool:
        """True if the candidate's microphone is on and gives sound."""
        return self._job.transport.microphone_is_on and self._silent_since() is None

    async def arrives(self) -> None:
        """Return once the candidate can be greeted.

        That is as soon as the microphone gives sound, the candidate has typed, or the greeting was
        written. A microphone that is on and gives digital silence delays the greeting only until
        the candidate was told so.
        """
        clock = asyncio.get_running_loop().time
        due_at = clock() + FIRST_S
        while not self._can_greet:
            if self._interviewer.sounding or not self._job.transport.candidate_is_here:
                due_at = max(due_at, clock() + (GREETS_AFTER_S if self._told else FIRST_S))
            elif clock() >= due_at:
                if self._told and self._job.transport.microphone_is_on:
                    return
                await self._tell()
                on = self._job.transport.microphone_is_on
                due_at = clock() + (GREETS_AFTER_S if on else AGAIN_S)
            await asyncio.sleep(_LOOK_S)

    @property
    def _can_greet(self) -> bool:
        interviewer = self._interviewer
        if interviewer.dialogue.has_begun:
            return True
        return (self.is_live or interviewer.has_typed) and not interviewer.floor.ours

    async def run(self) -> Never:
        """Watch the microphone without end, after the greeting has begun."""
        clock = asyncio.get_running_loop().time
        while True:
            due_s = AGAIN_S if self._told else FIRST_S
            began = clock()
            while clock() - began < due_s:
                await asyncio.sleep(_LOOK_S)
                if self.is_live:
                    self._told, due_s = False, FIRST_S
                if self.is_live or self._must_wait:
                    began = clock()
            await self._tell()

    @property
    def _must_wait(self) -> bool:
        """True if the candidate is not told now, or cannot hear it."""
        interviewer, transport = self._interviewer, self._job.transport
        phase = interviewer.dialogue.state.place.phase
        return (
            interviewer.sounding
            or interviewer.has_typed
            or interviewer.finished.is_set()
            or phase in (Phase.FAREWELL, Phase.ENDED)
            or not transport.candidate_is_here
            or (transport.line.subscribed and not transport.line.listened)
            or self._is_deaf()
        )

    async def _tell(self) -> None:
        if not self._told:
            self._job.recorder.refusal("candidate_audio", "MicrophoneOff")
        self._told = True
        async with self._interviewer.exclusive.held():
            if not self._interviewer.sounding:
                with contextlib.suppress(RuntimeError):  # the session is closing
                    await self._interviewer.happened(Happening(event=Event.NOAUDIO))
