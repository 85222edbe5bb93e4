"""The speech models in our own process: Moonshine tiny-en (hears) and Hibari (speaks).

Both come inside their wheels: no key, no network, no download. A model is loaded once per
process, before the fork where `preload` is called there, and one call at a time uses it.

Everything here blocks: seconds to load, tenths of a second to transcribe. On an event loop use an
`engine_thread`.
"""

from __future__ import annotations

import importlib
import importlib.util
import logging
import os
import platform
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

import numpy as np

from worker.speech import audio

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from worker.speech.audio import Floats

# onnxruntime 1.29 and later look up a telemetry host when it is first imported.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

logger = logging.getLogger(__name__)

T = TypeVar("T")

PROVIDER: Final = "local"
STT_MODEL: Final = "moonshine-tiny-en"
TTS_MODEL: Final = "hibari"
STT_SAMPLE_RATE: Final = 16_000
TTS_SAMPLE_RATE: Final = audio.VOICE_SAMPLE_RATE

#: Seconds of speech that Moonshine is given at once, at most. Measured: above about 25 s it
#: invents repeats, and takes 6.6 s for 46 s of speech.
LONGEST_PIECE_S: Final = 20.0
#: Seconds before `LONGEST_PIECE_S` in which the quietest place to cut is looked for.
CUT_SEARCH_S: Final = 6.0
#: Seconds of silence on each side, without which Moonshine drops first and last words.
PADDING_S: Final = 0.3
#: Seconds between two sentences of one text; Hibari's own 0.6-0.8 s sounds like the end of it.
SENTENCE_PAUSE_S: Final = 0.25

# What Moonshine answers to silence, hum or noise. A spoken "you" comes with a full stop, comma
# or question mark (measured), so the bare word is no answer of anybody's.
_HEARD_IN_NOISE: Final = "You"
# Level (0 to 1) below which even the loudest 50 ms of a piece are no speech: -60 dB full scale.
_FLOOR: Final = 0.001
_TRIM_THRESHOLD: Final = 0.005
_OLDEST_GLIBC: Final = (2, 34)


class LocalSpeechUnavailable(Exception):
    """The local speech models cannot be used here; `reason` says why and what to do."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class LocalSpeechFailed(Exception):
    """A loaded speech model failed at its work; `cause` is the name of the engine's error.

    The engine's own message is left out, since it may hold the text it was given.
    """

    def __init__(self, model: str, cause: str) -> None:
        super().__init__(f"{model} failed: {cause}")
        self.model = model
        self.cause = cause


def available() -> str | None:
    """Tell whether local speech can be used here: None if it can, otherwise the reason.

    Loads nothing, so that an answer of None is no promise that loading succeeds.
    """
    system, machine = sys.platform, platform.machine()
    if system != "linux" or machine != "x86_64":
        return f"local speech needs Linux on x86_64, this is {system} on {machine}"
    libc, version = platform.libc_ver()
    if libc == "glibc" and tuple(map(int, version.split(".")[:2])) < _OLDEST_GLIBC:
        return f"local speech needs glibc 2.34 or later, this is {version}"
    for module, wheel in (("moonshine_voice", "moonshine-voice==0.1.0"), ("hibari", "hibari-tts")):
        if importlib.util.find_spec(module) is None:
            return f"local speech needs {wheel}: pip install '{wheel}'"
    if not (_moonshine_model() / "encoder_model.ort").exists():
        return "this moonshine-voice has no model inside: pip install 'moonshine-voice==0.1.0'"
    return None


def _moonshine_model() -> Path:
    spec = importlib.util.find_spec("moonshine_voice")
    if spec is None or spec.origin is None:
        return Path("moonshine_voice is not installed")
    return Path(spec.origin).parent / "assets" / "tiny-en"


class _Engine(Generic[T]):
    """One model of this process: loaded when first used, used by one thread at a time."""

    def __init__(self, name: str, load: Callable[[], T]) -> None:
        self._name = name
        self._load = load
        self._lock = threading.Lock()
        self._loaded: T | None = None

    @property
    def loaded(self) -> bool:
        return self._loaded is not None

    @contextmanager
    def use(self) -> Iterator[T]:
        with self._lock:
            if self._loaded is None:
                self._loaded = self._start()
            try:
                yield self._loaded
            except Exception as error:
                raise LocalSpeechFailed(self._name, type(error).__name__) from None

    def _start(self) -> T:
        if reason := available():
            raise LocalSpeechUnavailable(reason)
        began = time.perf_counter()
        try:
            model = self._load()
        except Exception as error:
            reason = f"{self._name} did not load ({type(error).__name__}): reinstall its wheel"
            raise LocalSpeechUnavailable(reason) from error
        logger.debug(
            "speech model loaded",
            extra={"model": self._name, "elapsed_s": round(time.perf_counter() - began, 3)},
        )
        return model


def _load_moonshine() -> Any:
    transcriber = importlib.import_module("moonshine_voice.transcriber")
    api = importlib.import_module("moonshine_voice.moonshine_api")
    # One thread per call, as with Hibari: on two busy cores it took 0.14 s instead of 0.2-0.4 s,
    # and half the CPU (measured), and no thread pool has to survive the fork.
    os.environ.setdefault("MOONSHINE_ORT_SINGLE_THREAD", "1")
    # A threshold of 0 turns off Moonshine's own VAD, which would cut at every short pause.
    options = {"return_audio_data": "false", "vad_threshold": "0.0"}
    return transcriber.Transcriber(str(_moonshine_model()), api.ModelArch.TINY, options=options)


def _load_hibari() -> Any:
    return importlib.import_module("hibari").Hibari(threads=1)


_stt: Final[_Engine[Any]] = _Engine(STT_MODEL, _load_moonshine)
_tts: Final[_Engine[Any]] = _Engine(TTS_MODEL, _load_hibari)


def preload(*, stt: bool, tts: bool) -> None:
    """Load the models asked for and use each once, so that no job pays for either.

    For a process without an event loop, such as the one that jobs are forked from: what is
    loaded there is shared with every job by copy on write. What is loaded already stays.

    Raises:
        LocalSpeechUnavailable: the wheel, the platform or the model is missing.
    """
    if stt and not _stt.loaded:
        began = time.perf_counter()
        noise = np.random.default_rng(0).normal(0.0, 0.05, 3 * STT_SAMPLE_RATE)
        transcribe(noise.astype(np.float32))
        _log_warm(STT_MODEL, began)
    if tts and not _tts.loaded:
        began = time.perf_counter()
        synthesize("Shall we begin?")
        _log_warm(TTS_MODEL, began)


def _log_warm(model: str, began: float) -> None:
    elapsed = round(time.perf_counter() - began, 3)
    logger.debug("speech model warm", extra={"model": model, "elapsed_s": elapsed})


def transcribe(samples: Floats) -> str:
    """Write down what is said in 16 kHz mono audio; "" where nothing is.

    Audio of any length: above 20 s it is cut where it is quietest, and the texts are joined.
    Takes about 0.03 s per second of speech, and at least 0.03 s. Give it speech, cut out by a
    VAD: it is not made to tell speech from music.

    Raises:
        LocalSpeechUnavailable: the model is not to be had here.
        LocalSpeechFailed: the model failed on this audio.
    """
    pieces = audio.split_long(
        samples, STT_SAMPLE_RATE, longest_s=LONGEST_PIECE_S, search_s=CUT_SEARCH_S
    )
    return " ".join(text for piece in pieces if (text := _transcribe_piece(piece)))


def _transcribe_piece(samples: Floats) -> str:
    levels = audio.window_levels(samples, STT_SAMPLE_RATE // 20)
    if levels.size == 0 or float(levels.max()) < _FLOOR:
        return ""
    padding = np.zeros(round(PADDING_S * STT_SAMPLE_RATE), np.float32)
    padded = np.concatenate([padding, samples, padding])
    with _stt.use() as model:
        transcript = model.transcribe_without_streaming(padded.tolist(), STT_SAMPLE_RATE)
    text = " ".join(line.text.strip() for line in transcript.lines).strip()
    spoken = any(character.isalnum() for character in text) and text != _HEARD_IN_NOISE
    return text if spoken else ""


def split_sentences(text: str) -> list[str]:
    """Cut a text into the sentences that `synthesize` speaks one by one.

    Raises:
        LocalSpeechUnavailable: the model is not to be had here.
    """
    with _tts.use() as model:
        return [str(sentence) for sentence in model.split_sentences(text)]


def synthesize(text: str) -> Floats:
    """Speak a text: 24 kHz mono floats, empty where there is nothing to be said aloud.

    One sentence takes about 0.01 s per second of speech. The silence that Hibari puts around a
    sentence (0.2-0.35 s before, 0.2-0.5 s after) is trimmed to 10 and 100 ms, since a candidate
    waits through it.

    Raises:
        LocalSpeechUnavailable: the model is not to be had here.
        LocalSpeechFailed: the model failed on this text.
    """
    pause = np.zeros(round(SENTENCE_PAUSE_S * TTS_SAMPLE_RATE), np.float32)
    spoken: list[Floats] = []
    for sentence in split_sentences(text):
        speech = _synthesize_sentence(sentence)
        if speech.size:
            spoken += [pause, speech] if spoken else [speech]
    return np.concatenate(spoken) if spoken else np.zeros(0, np.float32)


def _synthesize_sentence(sentence: str) -> Floats:
    # Hibari makes a breath of "..." and a word of some symbols.
    if not any(character.isalnum() for character in sentence):
        return np.zeros(0, np.float32)
    with _tts.use() as model:
        raw = np.asarray(model(sentence, seed=0), dtype=np.float32)
    return audio.trim_silence(
        raw, TTS_SAMPLE_RATE, threshold=_TRIM_THRESHOLD, keep_before_s=0.01, keep_after_s=0.1
    )
