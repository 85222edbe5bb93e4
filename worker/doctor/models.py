"""Checks that the models that run inside the worker can be loaded and used."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from livekit import rtc

from worker.audio.dsp import to_float, to_pcm
from worker.doctor.context import run_in_daemon_thread
from worker.doctor.finding import Finding, fine, wrong
from worker.speech import local_models
from worker.speech.local_models import LocalSpeechFailed, LocalSpeechUnavailable
from worker.speech.vad.silero import VADLoadFailed, load_vad

if TYPE_CHECKING:
    from worker.audio.dsp import Floats
    from worker.doctor.context import CheckContext

#: Timeout in seconds for loading a model and using it once, on a busy machine.
MODEL_S: Final = 10.0
SENTENCE: Final = "Shall we begin with the first question?"
_INSTALL: Final = "or remove local from the chains"


async def check_vad(_: CheckContext) -> Finding:
    """Check that the voice activity detector Silero loads and processes a moment of silence."""
    began = time.perf_counter()
    try:
        await load_vad()
    except VADLoadFailed as error:
        return wrong(
            f"the VAD did not load ({error.cause}): the end of turns is detected less precisely",
            "reinstall livekit-plugins-silero and onnxruntime",
        )
    return fine(f"Silero loaded in {_ms(began)} ms", load_ms=_ms(began))


async def check_local_tts(_: CheckContext) -> Finding:
    """Check that the local text-to-speech model loads and synthesizes a sentence."""
    began = time.perf_counter()
    try:
        speech = await run_in_daemon_thread(lambda: local_models.synthesize(SENTENCE))
    except (LocalSpeechUnavailable, LocalSpeechFailed) as error:
        return wrong(str(error), _INSTALL)
    seconds = len(speech) / local_models.TTS_SAMPLE_RATE
    if seconds == 0:
        return wrong("local text to speech gave no audio", "reinstall hibari-tts")
    took = _ms(began)
    return fine(
        f"synthesized {seconds:.1f} s of speech in {took} ms, loading included", took_ms=took
    )


async def check_local_stt(_: CheckContext) -> Finding:
    """Check that the local speech-to-text model loads and transcribes a sentence.

    The local text-to-speech model speaks the sentence.
    """
    began = time.perf_counter()
    try:
        text = await run_in_daemon_thread(lambda: local_models.transcribe(_spoken()))
    except (LocalSpeechUnavailable, LocalSpeechFailed) as error:
        return wrong(str(error), _INSTALL)
    return judge_understood(text, took_ms=_ms(began))


def judge_understood(text: str, *, took_ms: int) -> Finding:
    """Judge the transcript of `SENTENCE` by the number of words that were recognized."""
    wanted, got = _words(SENTENCE), set(_words(text))
    understood = sum(word in got for word in wanted)
    found = f"recognized {understood} of {len(wanted)} words in {took_ms} ms, loading included"
    facts: dict[str, Any] = {"understood": understood, "words": len(wanted), "took_ms": took_ms}
    if understood < len(wanted) / 2:
        return wrong(found, "reinstall moonshine-voice==0.1.0", **facts)
    return fine(found, **facts)


async def check_script(_: CheckContext) -> Finding:
    """Report that all is fine, because the vendor `scripted` needs no model and no service."""
    return fine("the plan's own texts need no model")


def _spoken() -> Floats:
    speech = local_models.synthesize(SENTENCE)
    pcm = to_pcm(speech)
    resampler = rtc.AudioResampler(local_models.TTS_SAMPLE_RATE, local_models.STT_SAMPLE_RATE)
    frames = resampler.push(bytearray(pcm.tobytes())) + resampler.flush()
    joined = np.concatenate([np.frombuffer(frame.data, np.int16) for frame in frames])
    return to_float(joined)


def _words(text: str) -> list[str]:
    return re.findall(r"[a-z]+", text.lower())


def _ms(began: float) -> int:
    return round((time.perf_counter() - began) * 1000)
