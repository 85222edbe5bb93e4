"""Speech to text with Moonshine in the worker's own process, as a streaming LiveKit STT."""

from __future__ import annotations

import asyncio
import time
import weakref
from collections import deque
from typing import TYPE_CHECKING, Any, Final, Never

from livekit import rtc
from livekit.agents import APIConnectionError, LanguageCode, stt, utils, vad
from livekit.agents.types import DEFAULT_API_CONNECT_OPTIONS, NOT_GIVEN

from worker.aio.tasks import cancel_and_wait
from worker.aio.threads import EngineThread
from worker.audio import dsp
from worker.audio.frames import resampled, samples_of
from worker.speech import local_models
from worker.speech.stt.chunker import Piece, SpeechPieces
from worker.speech.vad.energy import EnergyVAD

if TYPE_CHECKING:
    from livekit.agents import APIConnectOptions
    from livekit.agents.types import NotGivenOr

    from worker.audio.dsp import Pcm

_RATE: Final = local_models.STT_SAMPLE_RATE
_LANGUAGE: Final = LanguageCode("en")


class LocalSTT(stt.STT[Never]):
    """Local STT for English, which needs no key and no network.

    A VAD finds the speech in the audio. Each stretch of speech is transcribed in a thread as soon
    as the stretch has ended (0.03 s per second of speech, on one of two busy cores). LocalSTT gives
    no interim results. Speech of more than `LONGEST_PIECE_S` seconds is cut into pieces at quiet
    places, and the pieces are transcribed while the speech continues. A long answer therefore loses
    no word, and its transcript is not late.

    Without a VAD, `EnergyVAD` finds the speech. `EnergyVAD` works even if Silero did not load, so
    that `turn_detection="stt"` can still end turns. END_OF_SPEECH follows the last FINAL_TRANSCRIPT
    of the speech. END_OF_SPEECH is omitted if the speaker has continued during the transcription,
    so that a turn that ends on END_OF_SPEECH is complete.
    """

    def __init__(self, *, vad: vad.VAD | None = None) -> None:
        super().__init__(
            capabilities=stt.STTCapabilities(
                streaming=True, interim_results=False, aligned_transcript="chunk"
            )
        )
        self._vad = vad or EnergyVAD()
        self._thread = EngineThread("local-stt")
        self._streams: weakref.WeakSet[LocalRecognizeStream] = weakref.WeakSet()

    @property
    def model(self) -> str:
        return local_models.STT_MODEL

    @property
    def provider(self) -> str:
        return local_models.PROVIDER

    def give_up_vad(self) -> vad.VAD:
        """Replace the failed VAD by `EnergyVAD`, also for later streams. Return the new VAD."""
        self._vad = EnergyVAD()
        return self._vad

    def stream(
        self,
        *,
        language: NotGivenOr[str] = NOT_GIVEN,
        conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS,
    ) -> LocalRecognizeStream:
        """Open a stream for one speaker. The model knows only English, so `language` is ignored."""
        stream = LocalRecognizeStream(
            owner=self, vad=self._vad, thread=self._thread, conn_options=conn_options
        )
        self._streams.add(stream)
        return stream

    async def _recognize_impl(
        self,
        buffer: utils.AudioBuffer,
        *,
        language: NotGivenOr[str] = NOT_GIVEN,
        conn_options: APIConnectOptions,
    ) -> stt.SpeechEvent:
        frame = utils.merge_frames(buffer)
        samples = resampled(samples_of(frame), frame.sample_rate, _RATE)
        text = await _transcribe(self._thread, samples)
        data = stt.SpeechData(language=_LANGUAGE, text=text, end_time=len(samples) / _RATE)
        return stt.SpeechEvent(
            type=stt.SpeechEventType.FINAL_TRANSCRIPT, alternatives=[data] if text else []
        )

    async def aclose(self) -> None:
        """Close every stream, then end the transcription thread.

        Waits for a transcription that has begun.
        """
        for stream in list(self._streams):
            await stream.aclose()
        await self._thread.aclose()


async def _transcribe(thread: EngineThread, samples: Pcm) -> str:
    """Transcribe `samples` in the thread.

    Raises APIConnectionError if the model fails or is unavailable. LiveKit does not retry if the
    model is unavailable.
    """
    try:
        return await thread.run(local_models.transcribe, dsp.to_float(samples))
    except local_models.LocalSpeechFailed as error:
        raise APIConnectionError(str(error)) from None
    except local_models.LocalSpeechUnavailable as error:
        raise APIConnectionError(str(error), retryable=False) from None


async def _together(*tasks: asyncio.Task[Any]) -> None:
    """Wait until all tasks have ended. Cancel all tasks if one fails or if the caller is cancelled.

    Unlike `asyncio.gather`, this function cancels each task only once, so the cleanup of a task is
    not disturbed.
    """
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        for task in done:
            task.result()
    finally:
        await cancel_and_wait(*tasks)


class LocalRecognizeStream(stt.RecognizeStream):
    """Stream of one speaker, which gives a final transcript of each stretch of speech.

    If an attempt fails, the stream keeps the received speech that is not transcribed yet, so that
    LiveKit's retry loses no speech.
    """

    def __init__(
        self,
        *,
        owner: LocalSTT,
        vad: vad.VAD,
        thread: EngineThread,
        conn_options: APIConnectOptions,
    ) -> None:
        self._owner = owner
        self._vad = vad
        self._thread = thread
        self._pieces: deque[Piece] = deque()
        self._more = asyncio.Event()
        self._speech = SpeechPieces()
        # Positions, in seconds of audio over all attempts (calls of `_run`): the end of the pushed
        # audio, the start of the current VAD stream, and the start of the current attempt.
        self._pushed_s = 0.0
        self._vad_start_s = 0.0
        self._run_start_s = 0.0
        self._announced = False
        super().__init__(stt=owner, conn_options=conn_options, sample_rate=_RATE)

    async def _run(self) -> None:
        self._run_start_s = self._pushed_s
        self._send_off(self._speech.end(self._pushed_s))
        listening = asyncio.create_task(self._listen(), name="local-stt-listen")
        writing = asyncio.create_task(self._write(listening), name="local-stt-write")
        await _together(listening, writing)

    async def _listen(self) -> None:
        """Detect speech until the input ends. Each flush starts a new VAD stream."""
        try:
            while await self._listen_until_flush():
                pass
        except Exception as error:
            # Replace the failed VAD for the next attempt and for all later streams.
            self._vad = self._owner.give_up_vad()
            raise APIConnectionError(f"the VAD failed: {type(error).__name__}") from error
        finally:
            self._more.set()

    async def _listen_until_flush(self) -> bool:
        """Listen with one VAD stream until a flush or the end of input. Return True for a flush."""
        self._vad_start_s = self._pushed_s
        stream = self._vad.stream()
        feeding = asyncio.create_task(self._feed(stream), name="local-stt-feed")
        watching = asyncio.create_task(self._watch(stream), name="local-stt-watch")
        try:
            await _together(feeding, watching)
        finally:
            await stream.aclose()
        self._send_off(self._speech.end(self._pushed_s))
        return feeding.result()

    async def _feed(self, stream: vad.VADStream) -> bool:
        """Feed the VAD until a flush or the end of the input. Return True for a flush."""
        flushed = False
        async for item in self._input_ch:
            if not isinstance(item, rtc.AudioFrame):
                flushed = True
                break
            self._pushed_s += item.duration
            stream.push_frame(item)
        stream.end_input()
        return flushed

    async def _watch(self, stream: vad.VADStream) -> None:
        async for event in stream:
            now_s = self._vad_start_s + event.timestamp
            if event.type is vad.VADEventType.START_OF_SPEECH:
                self._open_speech(event, now_s)
            elif event.type is vad.VADEventType.INFERENCE_DONE:
                self._send_off(self._speech.go_on(map(samples_of, event.frames), now_s))
            else:
                self._send_off(self._speech.end(now_s - event.silence_duration))

    def _open_speech(self, event: vad.VADEvent, now_s: float) -> None:
        self._speech.begin(map(samples_of, event.frames), now_s)
        if not self._announced:
            self._announced = True
            began = self._wall_clock(now_s - event.speech_duration)
            self._event_ch.send_nowait(
                stt.SpeechEvent(stt.SpeechEventType.START_OF_SPEECH, speech_start_time=began)
            )

    def _send_off(self, piece: Piece | None) -> None:
        if piece is not None:
            self._pieces.append(piece)
            self._more.set()

    async def _write(self, listening: asyncio.Task[None]) -> None:
        """Transcribe all queued pieces of speech in order, until the input has ended."""
        while True:
            self._more.clear()
            while self._pieces:
                await self._write_piece(self._pieces[0])
            if listening.done():
                return
            await self._more.wait()

    async def _write_piece(self, piece: Piece) -> None:
        text = await _transcribe(self._thread, piece.samples)
        self._pieces.popleft()
        spoke_until = self._wall_clock(piece.end_s)
        if text:
            self._event_ch.send_nowait(
                stt.SpeechEvent(
                    stt.SpeechEventType.FINAL_TRANSCRIPT,
                    alternatives=[self._speech_data(piece, text)],
                    speech_end_time=spoke_until,
                )
            )
        usage = stt.RecognitionUsage(audio_duration=len(piece.samples) / _RATE)
        self._event_ch.send_nowait(
            stt.SpeechEvent(stt.SpeechEventType.RECOGNITION_USAGE, recognition_usage=usage)
        )
        # If speech has begun again by now, emit no END_OF_SPEECH, because turn detection counts
        # the new speech as part of the old speech.
        over = piece.ends_speech and not self._pieces and not self._speech.going_on
        if over and self._announced:
            self._announced = False
            self._event_ch.send_nowait(
                stt.SpeechEvent(stt.SpeechEventType.END_OF_SPEECH, speech_end_time=spoke_until)
            )

    def _speech_data(self, piece: Piece, text: str) -> stt.SpeechData:
        offset_s = self.start_time_offset - self._run_start_s
        return stt.SpeechData(
            language=_LANGUAGE,
            text=text,
            start_time=max(0.0, piece.start_s + offset_s),
            end_time=max(0.0, piece.end_s + offset_s),
        )

    def _wall_clock(self, audio_s: float) -> float:
        """Convert an audio position to a `time.time` value.

        The end of the received audio counts as the current time.
        """
        return time.time() - max(0.0, self._pushed_s - audio_s)
