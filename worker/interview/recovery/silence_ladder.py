"""The sentences to a silent candidate, and the end after the last of them."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from worker.aio.timeouts import run_with_timeout
from worker.audio.clip import ClipMissing
from worker.clips.recordings import ClipName, load_clip
from worker.interview.dialogue.events import Event
from worker.interview.dialogue.inputs import Happening
from worker.interview.dialogue.silence import noinput_after_s
from worker.interview.dialogue.wording.lines import has_lines
from worker.interview.plan.plan import SILENCE_S

if TYPE_CHECKING:
    from worker.interview.conversation.interviewer import Interviewer
    from worker.job.handle import JobHandle

logger = logging.getLogger(__name__)

#: Minimum and maximum seconds between two looks at the silence. Waits below the resolution of the
#: clock would keep the event loop busy; during a longer wait the dialogue may have gone on.
_LEAST_WAIT_S: Final = 0.01
_LONGEST_WAIT_S: Final = 1.0
#: Seconds of silence within which an answer whose text is known becomes a turn.
_ANSWER_S: Final = 8.0
#: What a silent candidate reads whose microphone is muted or missing, in an interview whose
#: language has no prepared lines.
MICROPHONE_OFF: Final = (
    "I cannot hear you, because your microphone is off. "
    "Please turn it on, or type your answer here."
)
#: Maximum seconds until this message is sent. The clip is played afterwards in any case.
_NOTICE_S: Final = 3.0


class SilenceLadder:
    """Supervisor of the candidate's silence.

    At each level of the plan the event NOINPUT is decided by the table of the dialogue, and its
    utterance is spoken. The last level leads to the goodbye. Silence counts since the later last
    sound of the interviewer and the candidate, and only while the candidate is in the room.

    Where the table has nothing to say to a silent candidate, a clip is played after half of the
    last level, and the interview ends after the whole: in a language without prepared lines, while
    no speech-to-text provider is left, and in a phase without a question to the candidate.

    Args:
        job: The job.
        interviewer: The interviewer.
        silence_s: Seconds at which the last of the default levels is reached; the levels of each
            plan are scaled with it.
        is_deaf: Returns whether no speech-to-text provider is left.
    """

    def __init__(
        self,
        job: JobHandle,
        interviewer: Interviewer,
        silence_s: float,
        is_deaf: Callable[[], bool],
    ) -> None:
        self._job = job
        self._interviewer = interviewer
        self._is_deaf = is_deaf
        self._factor = silence_s / SILENCE_S[-1]
        #: Event-loop time from which the silence counts, if no later sound comes.
        self._counts_from = 0.0
        self._asked_at = -1.0

    async def until_silent(self) -> None:
        """Say what each level says; return if the interview has to end without a goodbye."""
        while True:
            quiet_s, after_s = self._quiet_s(), self._after_s()
            if after_s is None:
                limit_s = self._factor * self._levels_s[-1]
                if quiet_s >= limit_s:
                    return
                if quiet_s >= limit_s / 2:
                    await self._ask_if_there()
                due_s = limit_s / 2 if quiet_s < limit_s / 2 else limit_s
            else:
                if quiet_s >= after_s:
                    await self._next_level()
                    continue
                due_s = after_s
            await asyncio.sleep(min(max(_LEAST_WAIT_S, due_s - quiet_s), _LONGEST_WAIT_S))

    @property
    def _levels_s(self) -> tuple[float, ...]:
        return self._interviewer.dialogue.view.silence_levels_s

    def _after_s(self) -> float | None:
        dialogue = self._interviewer.dialogue
        if self._is_deaf() or not has_lines(dialogue.plan.language):
            return None
        after_s = noinput_after_s(dialogue.state, self._levels_s, self._factor)
        if after_s is not None and self._interviewer.answers.half.text:
            return max(after_s, _ANSWER_S)  # the answer becomes a turn first
        return after_s

    def _quiet_s(self) -> float:
        interviewer, now = self._interviewer, asyncio.get_running_loop().time()
        if interviewer.sounding or not self._job.transport.candidate_is_here:
            self._counts_from = now
        return now - max(interviewer.last_sound, self._counts_from)

    async def _next_level(self) -> None:
        """Let the dialogue decide what is said to the silent candidate, and say it."""
        async with self._interviewer.exclusive.held():
            after_s = self._after_s()
            if after_s is None or self._quiet_s() < after_s:
                return  # something was said during the wait
            self._counts_from = asyncio.get_running_loop().time()
            absent = self._interviewer.dialogue.is_absent
            event = Event.RETURNED if absent else Event.NOINPUT
            with contextlib.suppress(RuntimeError):  # the session is closing
                await self._interviewer.happened(Happening(event=event))

    async def _ask_if_there(self) -> None:
        """Play a clip, once in each silence. If the microphone is off, also write so."""
        if self._asked_at == self._interviewer.last_sound:
            return
        self._asked_at = self._interviewer.last_sound
        transport = self._job.transport
        if not transport.microphone_is_on and not has_lines(
            self._interviewer.dialogue.plan.language
        ):
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
