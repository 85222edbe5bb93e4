"""Supervision of the candidate's audio, so that no turn of the candidate waits forever."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, Final

from states import Status
from worker.aio.tasks import cancel_and_wait
from worker.audio.gapless_input import GaplessInput
from worker.interview.recovery.unrecognized_speech import UnrecognizedSpeechMonitor
from worker.transport.inbound_monitor import InboundMonitor

if TYPE_CHECKING:
    from livekit.agents import AgentSession

    from worker.interview.conversation.interviewer import Interviewer
    from worker.interview.recovery.reconnect import Outages
    from worker.job.handle import JobHandle


#: Seconds without a frame of sound after which the microphone counts as silent.
_SILENT_S: Final = 1.0


class InputSupervision:
    """Supervisor of the candidate's audio while an interview runs.

    `GaplessInput` feeds silence to the session while no audio arrives. `InboundMonitor` pauses the
    audio output while the network delivers no packets. If speech yields no transcript,
    `UnrecognizedSpeechMonitor` makes the interviewer ask the question again. The journal gets a
    fault record, with the duration in seconds, for missing audio, missing packets and speech
    without an end or a transcript.
    """

    def __init__(
        self, job: JobHandle, session: AgentSession[Any], interviewer: Interviewer, outages: Outages
    ) -> None:
        self._job = job
        self._session = session
        self._interviewer = interviewer
        self._input: GaplessInput | None = None
        self._looking: asyncio.Task[None] | None = None
        self._reception = InboundMonitor(
            job.transport.packets_received,
            job.transport.line,
            is_here=lambda: job.transport.candidate_is_here,
            speaks=lambda: interviewer.hears_candidate,
            room_is_away=lambda: job.transport.reach.is_away,
            record=lambda seconds: job.recorder.lasted("candidate_audio", "NoPackets", seconds),
        )
        self._reception.on_lost = outages.lost
        self._reception.on_back = outages.take_up
        #: Detector of speech that yields no transcript or never ends.
        self.unrecognized = UnrecognizedSpeechMonitor(
            session,
            sound_at=lambda: self._input.sound_at if self._input is not None else 0.0,
            end_speech=self._end_speech,
            listen_anew=self._listen_anew,
            may_ask=self._may_ask,
            ask_again=self._ask_again,
            record=lambda reason, seconds: job.recorder.lasted("answer", reason, seconds),
        )

    def begin(self) -> None:
        """Start supervising. The session must have started."""
        if (source := self._session.input.audio) is not None:
            self._input = GaplessInput(
                source,
                matters=lambda: self._interviewer.hears_candidate,
                on_gap=self._on_gap,
            )
            self._session.input.audio = self._input
        self.unrecognized.begin()
        self._looking = asyncio.create_task(self._reception.run(), name="reception")

    async def stop(self) -> None:
        """Stop supervising. The session keeps `GaplessInput` until the session closes."""
        self.unrecognized.stop()
        if self._looking is not None:
            await cancel_and_wait(self._looking)

    @property
    def silent_since(self) -> float | None:
        """Event loop time since which the microphone gives digital silence; None if it gives sound.

        The time is negative infinity if the microphone has given no sound at all. If the
        candidate's client replaces quiet sound by digital silence, the property is None.
        """
        source = self._input
        if source is None or source.is_gated:
            return None
        silent = asyncio.get_running_loop().time() - source.live_at > _SILENT_S
        return source.live_at if silent else None

    def _on_gap(self, gap_s: float) -> None:
        self._job.recorder.lasted("candidate_audio", "NoAudio", gap_s)

    def _end_speech(self) -> None:
        for name in ("vad", "stt"):
            if (listener := self._job.resources.get(name)) is not None:
                listener.end_speech()

    def _listen_anew(self) -> None:
        if (detector := self._job.resources.get("vad")) is not None:
            # Setting the VAD again replaces its stream, and livekit then ends speech that the old
            # stream has not ended.
            self._session.current_agent.update_options(vad=detector)

    def _may_ask(self) -> bool:
        interviewer, transport = self._interviewer, self._job.transport
        return (
            transport.candidate_is_here
            and transport.line.listened
            and not interviewer.sounding
            and not interviewer.finished.is_set()
            and not self.is_deaf
        )

    @property
    def is_deaf(self) -> bool:
        """True if no speech-to-text provider is left, so that no transcript is expected soon."""
        conditions = self._job.life.conditions
        return "stt" in conditions and conditions["stt"].status is Status.LOST

    async def _ask_again(self) -> None:
        interviewer = self._interviewer
        turn = interviewer.floor.turn
        async with interviewer.exclusive.held():
            if interviewer.floor.turn != turn:
                return  # do not ask again: an answer was taken during the wait, and gets its reply
            await interviewer.let_go_of_answer()
            with contextlib.suppress(RuntimeError):  # the session is closing
                await interviewer.speak_next()
