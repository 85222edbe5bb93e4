"""Fakes of the speech models: a voice and a recogniser of numbered words, and a detector.

The recogniser understands a numbered word from its number: no acoustic model runs, and a quiet word
is understood as well as a loud one, down to `HEARD_DBFS`. The times of the detector and of the
recogniser are those that were measured with Silero and the local recogniser.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Never

import numpy as np
from livekit import rtc
from livekit.agents import stt, vad
from livekit.agents.types import DEFAULT_API_CONNECT_OPTIONS, NOT_GIVEN, APIConnectOptions

from tests.support.conversation.acoustics import RATE
from tests.support.virtual.provider_fakes import Closable
from tests.support.virtual.scripted_voice import ScriptedTTS, Sound, Step
from tests.support.virtual.stt_fakes import LoudnessVAD
from worker.audio.frames import frame_of, samples_of

if TYPE_CHECKING:
    from tests.support.conversation.words import Lexicon
    from worker.audio.dsp import Pcm

#: Level from which the detector and the recogniser hear a sound.
HEARD_DBFS: Final = -45.0
#: Seconds of a voice, and of another sound, from which Silero detects speech. A burst of noise of
#: 0.18 s did not start it.
STARTS_AFTER_S: Final = 0.1
STARTS_AFTER_NOISE_S: Final = 0.2
#: Seconds of quiet after which Silero ends speech. Until then the quiet counts as speech.
ENDS_AFTER_S: Final = 0.55
#: Seconds from the last sound to the text of the local recogniser, which gives no interim text.
TEXT_AFTER_S: Final = 0.9
#: Seconds of speech after which the local recogniser gives the text without waiting for a pause.
LONGEST_PIECE_S: Final = 20.0
_HEARD_POWER: Final = (32_767 * 10 ** (HEARD_DBFS / 20)) ** 2
#: Number of frames from which a word is recognised.
WORD_FRAMES: Final = 3
#: Value of the samples of the interviewer's word number 0. Every number above it is a word.
VOICE_BASE: Final = 1000


def is_heard(samples: Pcm) -> bool:
    """Return whether a frame is loud enough to be heard. The first sample is a number."""
    sound = samples[1:].astype(np.float32)
    return float(sound @ sound) > _HEARD_POWER * len(sound)


class NumberedVoice(ScriptedTTS):
    """Voice whose samples have the value of the word that is spoken, at a typical pace."""

    def __init__(self, lexicon: Lexicon) -> None:
        super().__init__([])
        self._lexicon = lexicon

    def synthesize(
        self, text: str, *, conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS
    ) -> Any:
        steps: list[Step] = [
            Sound(word.seconds, VOICE_BASE + word.number) for word in self._lexicon.speak(text)
        ]
        self._scripts = [steps]
        return super().synthesize(text, conn_options=conn_options)


class SileroLikeVAD(LoudnessVAD):
    """Detector of sound that is as slow as Silero, and counts the same time as speech."""

    def stream(self) -> vad.VADStream:
        self.streams += 1
        return _Detection(self)


class _Detection(vad.VADStream):
    async def _main_task(self) -> None:
        self._forget()
        async for item in self._input_ch:
            if not isinstance(item, rtc.AudioFrame):
                self._forget()
                continue
            self._event_ch.send_nowait(self._event(item))

    def _forget(self) -> None:
        self._at_s = self._quiet_s = self._loud_s = self._speech_s = 0.0
        self._speaks = False

    def _event(self, frame: rtc.AudioFrame) -> vad.VADEvent:
        self._at_s += frame.duration
        samples = samples_of(frame)
        loud = is_heard(samples)
        enough_s = STARTS_AFTER_S if samples[0] else STARTS_AFTER_NOISE_S
        self._quiet_s = 0.0 if loud else self._quiet_s + frame.duration
        self._loud_s = self._loud_s + frame.duration if loud else 0.0
        kind = vad.VADEventType.INFERENCE_DONE
        if self._speaks:
            self._speech_s += frame.duration
            if self._quiet_s >= ENDS_AFTER_S:
                self._speaks, kind = False, vad.VADEventType.END_OF_SPEECH
        else:
            self._speech_s = 0.0
            if loud and self._loud_s >= enough_s:
                self._speaks, kind = True, vad.VADEventType.START_OF_SPEECH
                self._speech_s = self._loud_s
        return vad.VADEvent(
            type=kind,
            samples_index=0,
            timestamp=self._at_s,
            speech_duration=self._speech_s,
            silence_duration=self._quiet_s,
            frames=[frame],
            probability=1.0 if loud else 0.0,
            speaking=self._speaks,
            raw_accumulated_silence=self._quiet_s,
            raw_accumulated_speech=self._loud_s,
        )


class NumberedSTT(Closable, stt.STT[Never]):
    """Recogniser of numbered words, which gives the words of a phrase after the phrase."""

    def __init__(self, lexicon: Lexicon) -> None:
        super().__init__(capabilities=stt.STTCapabilities(streaming=True, interim_results=False))
        self.lexicon = lexicon

    async def _recognize_impl(self, *_: Any, **__: Any) -> stt.SpeechEvent:
        raise NotImplementedError

    def stream(
        self,
        *,
        language: Any = NOT_GIVEN,
        conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS,
    ) -> stt.RecognizeStream:
        return _Recognition(stt=self, conn_options=conn_options)


class _Recognition(stt.RecognizeStream):
    async def _run(self) -> None:
        self._words: list[int] = []
        run = number = 0
        at_s = begun_s = end_s = quiet_s = 0.0
        async for item in self._input_ch:
            if not isinstance(item, rtc.AudioFrame):
                continue
            at_s += item.duration
            samples = samples_of(item)
            loud = is_heard(samples)
            new = int(samples[0]) if loud else 0
            run = run + 1 if new == number else 1
            number = new
            if number and run == WORD_FRAMES:
                self._words.append(number)
            quiet_s, end_s = (0.0, at_s) if loud else (quiet_s + item.duration, end_s)
            begun_s = at_s if not self._words else begun_s
            if self._words and (quiet_s >= TEXT_AFTER_S or at_s - begun_s >= LONGEST_PIECE_S):
                self._tell(end_s)
        if self._words:
            self._tell(end_s)

    def _tell(self, end_s: float) -> None:
        assert isinstance(self._stt, NumberedSTT)
        text = " ".join(self._stt.lexicon[number].text for number in self._words)
        self._words = []
        data = stt.SpeechData(
            language="en",  # type: ignore[arg-type]  # a str is coerced
            text=text,
            end_time=end_s + self.start_time_offset,
        )
        kind = stt.SpeechEventType.FINAL_TRANSCRIPT
        self._event_ch.send_nowait(stt.SpeechEvent(kind, alternatives=[data]))


def numbered(sound: Pcm, number: int) -> rtc.AudioFrame:
    """Return a frame of a microphone in which the recogniser finds this word; 0 is no word."""
    sound[0] = number
    return frame_of(sound, RATE)
