"""Speech models in the worker's own processes: Moonshine tiny-en (STT) and Hibari (TTS).

The Python wheels contain the models, so the models need no key, no network and no download. A
process loads each model once, at its first use. If the process that forks the jobs calls `preload`,
the jobs inherit the loaded models. Each model handles one call at a time.

All functions block: loading takes seconds, and transcribing takes tenths of a second. On an event
loop, call these functions through an `EngineThread`.
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

from worker.audio import dsp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from worker.audio.dsp import Floats

# onnxruntime 1.29 or later looks up the name of a telemetry host when onnxruntime is first
# imported. The variable ORT_DISABLE_TELEMETRY prevents the lookup.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

logger = logging.getLogger(__name__)

T = TypeVar("T")

PROVIDER: Final = "local"
STT_MODEL: Final = "moonshine-tiny-en"
TTS_MODEL: Final = "hibari"
STT_SAMPLE_RATE: Final = 16_000
TTS_SAMPLE_RATE: Final = dsp.VOICE_SAMPLE_RATE

#: Maximum seconds of speech that are passed to Moonshine in one call. Measured: above about 25 s
#: Moonshine invents repetitions, and takes 6.6 s for 46 s of speech.
LONGEST_PIECE_S: Final = 20.0
#: Speech of more than `LONGEST_PIECE_S` seconds is cut at the quietest place in the last
#: `CUT_SEARCH_S` seconds of a piece.
CUT_SEARCH_S: Final = 6.0
#: Seconds of silence added before and after a piece of speech. Without this silence Moonshine drops
#: the first and the last words.
PADDING_S: Final = 0.3
#: Seconds of silence between two sentences of one text. Hibari's own pause of 0.6-0.8 s sounds as
#: if the text were over.
SENTENCE_PAUSE_S: Final = 0.25

# Moonshine's output for silence, hum or noise. For a spoken "you", Moonshine adds a full stop, a
# comma or a question mark (measured), so the word without punctuation was not spoken.
_HEARD_IN_NOISE: Final = "You"
# Level (0 to 1) below which audio counts as silence; the value is -60 dB full scale. A piece of
# audio whose loudest 50 ms are below this level contains no speech.
_FLOOR: Final = 0.001
_TRIM_THRESHOLD: Final = 0.005
_OLDEST_GLIBC: Final = (2, 34)


class LocalSpeechUnavailable(Exception):
    """Raised when the local speech models cannot be used; `reason` names cause and remedy."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class LocalSpeechFailed(Exception):
    """Raised when a loaded speech model fails; `cause` is the class name of the model's error.

    The message of the model's error is left out, because it may contain the text that the caller
    passed in.
    """

    def __init__(self, model: str, cause: str) -> None:
        super().__init__(f"{model} failed: {cause}")
        self.model = model
        self.cause = cause


def available() -> str | None:
    """Return None if local speech can be used on this machine, otherwise the reason why not.

    The check loads no model, so None does not guarantee that loading succeeds.
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
        return (
            "moonshine-voice is installed without its model: pip install 'moonshine-voice==0.1.0'"
        )
    return None


def _moonshine_model() -> Path:
    spec = importlib.util.find_spec("moonshine_voice")
    if spec is None or spec.origin is None:
        return Path("moonshine_voice is not installed")
    return Path(spec.origin).parent / "assets" / "tiny-en"


class _Engine(Generic[T]):
    """One speech model of this process, loaded at first use, and used by one thread at a time."""

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
            extra={
                "event": "speech_model_loaded",
                "model": self._name,
                "elapsed_s": round(time.perf_counter() - began, 3),
            },
        )
        return model


def _load_moonshine() -> Any:
    transcriber = importlib.import_module("moonshine_voice.transcriber")
    api = importlib.import_module("moonshine_voice.moonshine_api")
    # Moonshine uses one thread per call, as Hibari does. On two busy cores, a call with one thread
    # took 0.14 s; a call with Moonshine's thread pool took 0.2-0.4 s, and twice the CPU time
    # (measured). Besides, no thread pool has to survive the fork.
    os.environ.setdefault("MOONSHINE_ORT_SINGLE_THREAD", "1")
    # A threshold of 0 disables Moonshine's own VAD, which would cut at every short pause.
    options = {"return_audio_data": "false", "vad_threshold": "0.0"}
    return transcriber.Transcriber(str(_moonshine_model()), api.ModelArch.TINY, options=options)


def _load_hibari() -> Any:
    return importlib.import_module("hibari").Hibari(threads=1)


_stt: Final[_Engine[Any]] = _Engine(STT_MODEL, _load_moonshine)
_tts: Final[_Engine[Any]] = _Engine(TTS_MODEL, _load_hibari)


def preload(*, stt: bool, tts: bool) -> None:
    """Load the requested models and run each once, so that their first use in a job is fast.

    Call this function in a process without an event loop, such as the process that forks the jobs.
    The jobs share preloaded models by copy-on-write. Models that are already loaded are skipped.

    Raises:
        LocalSpeechUnavailable: the wheel or its model is missing, or the platform is not supported.
        LocalSpeechFailed: a model failed at its first use.
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
    logger.debug(
        "speech model warmed up",
        extra={"event": "speech_model_warmed_up", "model": model, "elapsed_s": elapsed},
    )


def transcribe(samples: Floats) -> str:
    """Transcribe 16 kHz mono audio; return "" if it contains no speech.

    The audio may have any length. Audio of more than `LONGEST_PIECE_S` seconds is cut at quiet
    places, and the texts of the pieces are joined. A call takes about 0.03 s per second of speech,
    and at least 0.03 s. Pass only speech that a VAD has found, because the model cannot distinguish
    speech from music.

    Raises:
        LocalSpeechUnavailable: the model is not available on this machine.
        LocalSpeechFailed: the model failed on this audio.
    """
    pieces = dsp.split_long(
        samples, STT_SAMPLE_RATE, longest_s=LONGEST_PIECE_S, search_s=CUT_SEARCH_S
    )
    return " ".join(text for piece in pieces if (text := _transcribe_piece(piece)))


def _transcribe_piece(samples: Floats) -> str:
    levels = dsp.window_levels(samples, STT_SAMPLE_RATE // 20)
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
    """Split a text into the sentences that `synthesize` speaks one by one.

    Raises:
        LocalSpeechUnavailable: the model is not available on this machine.
    """
    with _tts.use() as model:
        return [str(sentence) for sentence in model.split_sentences(text)]


def synthesize(text: str) -> Floats:
    """Synthesise a text as 24 kHz mono floats. Returns an empty array for a text without words.

    Synthesis takes about 0.01 s per second of speech. The silence that Hibari puts around a
    sentence (0.2-0.35 s before, 0.2-0.5 s after) is trimmed to 10 ms and 100 ms, because this
    silence only makes the candidate wait.

    Raises:
        LocalSpeechUnavailable: the model is not available on this machine.
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
    # Return no audio for a sentence without a letter or a digit, because Hibari would speak "..."
    # as a breath, and some symbols as a word.
    if not any(character.isalnum() for character in sentence):
        return np.zeros(0, np.float32)
    with _tts.use() as model:
        raw = np.asarray(model(sentence, seed=0), dtype=np.float32)
    return dsp.trim_silence(
        raw, TTS_SAMPLE_RATE, threshold=_TRIM_THRESHOLD, keep_before_s=0.01, keep_after_s=0.1
    )
