"""Test speech with numbered words, a fake STT that recognises it, and a fake VAD.

A word is 0.4 s of loud frames, which carry its number in their first sample, and 0.1 s of quiet
frames. Sound without a number is noise. So a test can check that each word arrived exactly once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Literal, Never

import numpy as np
from livekit import rtc
from livekit.agents import stt, vad
from livekit.agents.types import DEFAULT_API_CONNECT_OPTIONS, NOT_GIVEN, APIConnectOptions

from tests.support.virtual.provider_fakes import WORKS, Closable, Fate
from worker.audio.frames import frame_of, samples_of
from worker.speech.stt.fallback import ChainSTT
from worker.transport.in_memory import FRAME_S

RATE = 16_000
_FRAME_SAMPLES = round(FRAME_S * RATE)
#: Number of frames from which a word is recognised.
_WORD_FRAMES = 5


def sound(seconds: float, *, number: int = 0) -> list[rtc.AudioFrame]:
    """Return loud frames with the level of syllables; without a number they are noise."""
    frames = []
    for n in range(round(seconds / FRAME_S)):
        samples = np.full(_FRAME_SAMPLES, 2000 + 3000 * (n % 8), np.int16)
        samples[::2] *= -1
        samples[0] = number
        frames.append(frame_of(samples, RATE))
    return frames


def quiet(seconds: float) -> list[rtc.AudioFrame]:
    """Return frames of a quiet room."""
    samples = np.tile(np.array([3, -3], np.int16), _FRAME_SAMPLES // 2)
    samples[0] = 0
    return [frame_of(samples, RATE)] * round(seconds / FRAME_S)


def spoken(numbers: Sequence[int]) -> list[rtc.AudioFrame]:
    """Return numbered words, half a second each."""
    return [frame for n in numbers for frame in (*sound(0.4, number=n), *quiet(0.1))]


class LoudnessVAD(vad.VAD):
    """VAD that detects speech from the first loud frame to half a second after the last one.

    `fate` applies at each frame. `streams` counts the opened streams. With `never_ends` the VAD
    detects the start of speech but never its end.
    """

    def __init__(self) -> None:
        super().__init__(capabilities=vad.VADCapabilities(update_interval=FRAME_S))
        self.fate: Literal["works", "raises", "ends", "hangs"] = "works"
        self.streams = 0
        self.never_ends = False

    def stream(self) -> vad.VADStream:
        self.streams += 1
        return _LoudnessStream(self)


class _LoudnessStream(vad.VADStream):
    async def _main_task(self) -> None:
        at = quiet_s = 0.0
        speaking = False
        owner: Any = self._vad
        async for item in self._input_ch:
            if owner.fate == "raises":
                raise RuntimeError("the model is broken")
            if owner.fate == "ends":
                return
            if owner.fate == "hangs":
                await asyncio.Event().wait()
            if not isinstance(item, rtc.AudioFrame):
                at = quiet_s = 0.0
                speaking = False
                continue
            at += item.duration
            quiet_s = 0.0 if np.abs(samples_of(item)).max() > 100 else quiet_s + item.duration
            kind = vad.VADEventType.INFERENCE_DONE
            if not speaking and quiet_s == 0.0:
                speaking, kind = True, vad.VADEventType.START_OF_SPEECH
            elif speaking and quiet_s >= 0.5 and not owner.never_ends:
                speaking, kind = False, vad.VADEventType.END_OF_SPEECH
            self._event_ch.send_nowait(
                vad.VADEvent(
                    type=kind,
                    samples_index=0,
                    timestamp=at,
                    speech_duration=0.0,
                    silence_duration=quiet_s,
                    raw_accumulated_silence=quiet_s,
                    raw_accumulated_speech=0.0 if quiet_s else FRAME_S,
                )
            )


class CountingSTT(Closable, stt.STT[Never]):
    """STT that recognises numbered words.

    `fate` applies at each frame (`HANGS` simulates a half-open connection). A `deaf` stream
    accepts audio and gives no transcript. This is decided when the stream opens, or after
    `deaf_after_s` of audio. A final transcript comes `delay_s` after 0.3 s of quiet.
    """

    def __init__(
        self,
        fate: Fate = WORKS,
        *,
        deaf: bool = False,
        deaf_after_s: float | None = None,
        interims: bool = True,
        delay_s: float = 0.0,
    ) -> None:
        super().__init__(capabilities=stt.STTCapabilities(streaming=True, interim_results=interims))
        self.fate, self.deaf, self.deaf_after_s, self.delay_s = fate, deaf, deaf_after_s, delay_s
        self.streams = 0
        self.open = 0

    async def _recognize_impl(self, *_: Any, **__: Any) -> stt.SpeechEvent:
        raise NotImplementedError

    def stream(
        self,
        *,
        language: Any = NOT_GIVEN,
        conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS,
    ) -> stt.RecognizeStream:
        self.streams += 1
        return _Counting(stt=self, conn_options=conn_options)


def working_for(seconds: float) -> list[None]:
    """Return, for `in_turn`, one success per frame of `seconds` of audio."""
    return [None] * round(seconds / FRAME_S)


def _is_over(seconds: float | None, taken: int) -> bool:
    return seconds is not None and taken > round(seconds / FRAME_S)


class _Counting(stt.RecognizeStream):
    async def _run(self) -> None:
        provider: Any = self._stt
        provider.open += 1
        try:
            await self._count(provider, provider.deaf)
        finally:
            provider.open -= 1

    async def _count(self, provider: CountingSTT, deaf: bool) -> None:
        words: list[int] = []
        run, number, silent, taken, end_s = 0, 0, 0, 0, 0.0
        async for item in self._input_ch:
            if not isinstance(item, rtc.AudioFrame):
                continue
            if (error := provider.fate()) is not None:
                if isinstance(error, asyncio.CancelledError):
                    await asyncio.Event().wait()
                raise error
            taken += 1
            if deaf or _is_over(provider.deaf_after_s, taken):
                continue
            new = int(samples_of(item)[0])
            run = run + 1 if new == number else 1
            number = new
            silent = 0 if number else silent + 1
            if number and run == _WORD_FRAMES:
                if not words:
                    self._tell(stt.SpeechEventType.START_OF_SPEECH)
                words.append(number)
                if provider.capabilities.interim_results:
                    self._tell(stt.SpeechEventType.INTERIM_TRANSCRIPT, words)
            if number:
                end_s = taken * FRAME_S
            if words and silent * FRAME_S >= 0.3:
                await asyncio.sleep(provider.delay_s)
                self._tell(stt.SpeechEventType.FINAL_TRANSCRIPT, words, end_s)
                self._tell(stt.SpeechEventType.END_OF_SPEECH)
                words = []
        if words:
            self._tell(stt.SpeechEventType.FINAL_TRANSCRIPT, words, end_s)

    def _tell(
        self, kind: stt.SpeechEventType, words: Sequence[int] = (), end_s: float = 0.0
    ) -> None:
        text = " ".join(map(str, words))
        data = stt.SpeechData(
            language="en",  # type: ignore[arg-type]  # a str is coerced
            text=text,
            end_time=end_s and end_s + self.start_time_offset,
        )
        self._event_ch.send_nowait(stt.SpeechEvent(kind, alternatives=[data] if text else []))


class Listener:
    """Collects the events of a stream, each with the loop's time."""

    def __init__(self, engine: ChainSTT) -> None:
        self.stream = engine.stream()
        self.events: list[tuple[float, stt.SpeechEvent]] = []
        self._taking = asyncio.create_task(self._take())

    async def hear(self, *parts: list[rtc.AudioFrame]) -> None:
        """Push frames in real time, as a room does."""
        for part in parts:
            for frame in part:
                self.stream.push_frame(frame)
                await asyncio.sleep(FRAME_S)

    async def end(self) -> None:
        """End the audio and wait for the last transcript."""
        self.stream.end_input()
        await self._taking
        await self.stream.aclose()

    @property
    def words(self) -> list[int]:
        """The words of all final transcripts."""
        finals = self.of(stt.SpeechEventType.FINAL_TRANSCRIPT)
        return [int(word) for event in finals for word in event.alternatives[0].text.split()]

    def of(self, kind: stt.SpeechEventType) -> list[stt.SpeechEvent]:
        """Return the events of one kind."""
        return [event for _, event in self.events if event.type is kind]

    async def _take(self) -> None:
        loop = asyncio.get_running_loop()
        async for event in self.stream:
            self.events.append((loop.time(), event))
