"""Speech that was synthesised before it is needed: sentences on disk, shared by a worker's jobs.

What is found there depends on who speaks, with which voice, model and settings, and on every
word. A file's name is a hash of these; the words themselves stand nowhere.
"""

from __future__ import annotations

import asyncio
import hashlib
import importlib.metadata
import json
import logging
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Protocol

from worker.in_thread import in_thread
from worker.speech import local_models
from worker.speech.speech_files import SpeechFiles

if TYPE_CHECKING:
    from pathlib import Path

    from worker.provider_settings import ProviderSettings
    from worker.settings import Settings
    from worker.speech.audio import Pcm

logger = logging.getLogger(__name__)

#: Changes whenever the same words would be spoken differently: what was kept before is then
#: never asked for, and is the first to go.
_EDITION: Final = 1
#: Seconds in which a file is read, or is not waited for: a voice answers in as many. A disk that
#: was waited for in vain so often is not asked any more.
_FIND_BUDGET_S: Final = 0.3
_MOST_IN_VAIN: Final = 2


@dataclass(frozen=True, kw_only=True)
class Voice:
    """All by which two providers' audio for the same words differs."""

    provider: str
    voice: str
    model: str
    settings: tuple[str, ...] = ()


def voices_of(settings: ProviderSettings) -> dict[str, Voice]:
    """The voice of each member of INTERVIEW_TTS, by the member's name."""
    known = {
        "elevenlabs": Voice(
            provider="elevenlabs",
            voice=settings.elevenlabs_voice,
            model=settings.elevenlabs_model,
            # A rehearsal's stand-in must not speak in an interview.
            settings=(settings.elevenlabs_language, settings.elevenlabs_base_url),
        ),
        "local": Voice(
            provider=local_models.PROVIDER,
            voice=local_models.TTS_MODEL,
            model=_version_of("hibari-tts"),
        ),
    }
    return {name: known[name] for name in settings.usable("tts")}


def _version_of(distribution: str) -> str:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return "none"


class SpeechStore(Protocol):
    """Where prepared sentences are; `provider` is a member of the chain, by name."""

    async def find(self, provider: str, sentence: str) -> Pcm | None:
        """The sentence in that provider's voice, 24 kHz mono; None where there is none."""
        ...

    # A coroutine, since it becomes a task.
    def keep(self, provider: str, sentence: str, pcm: Pcm) -> Coroutine[Any, Any, bool]:
        """Keep it. False where that is not possible, now or any more."""
        ...

    async def claim(self, provider: str, sentence: str) -> bool:
        """Say that this job is about to ask for it; `release` it after. False where another is."""
        ...

    async def release(self, provider: str, sentence: str) -> None:
        """Give up a claim."""
        ...


class PreparedSpeech:
    """The prepared sentences in a folder, in the voices of one job's chain.

    Nothing of it raises: a disk that is full, read-only, damaged or does not answer costs the
    preparation, once said in the log, and never speech.
    """

    def __init__(self, folder: Path, voices: Mapping[str, Voice], *, max_bytes: int) -> None:
        self._files = SpeechFiles(folder, max_bytes=max_bytes)
        self._voices = dict(voices)
        self._in_vain = 0
        self._writable = True

    async def find(self, provider: str, sentence: str) -> Pcm | None:
        """The sentence in that provider's voice, 24 kHz mono; None where there is none."""
        voice = self._voices.get(provider)
        if voice is None or self._in_vain >= _MOST_IN_VAIN:
            return None
        read = partial(self._files.read, name_of(voice, sentence))
        try:
            async with asyncio.timeout(_FIND_BUDGET_S):
                return await in_thread("find-speech", read)
        except TimeoutError:
            self._in_vain += 1
            if self._in_vain == _MOST_IN_VAIN:
                self._writable = False
                logger.warning("prepared speech is not used any more: the disk does not answer")
        except Exception as error:  # such as a thread that cannot be started
            logger.warning("prepared speech was not read: %s", type(error).__name__)
        return None

    async def keep(self, provider: str, sentence: str, pcm: Pcm) -> bool:
        """Keep the sentence in that provider's voice. False where that is not possible."""
        voice = self._voices.get(provider)
        if voice is None:
            return False
        write = partial(self._files.write, name_of(voice, sentence), pcm)
        return await self._change("keep-speech", write) is not None

    async def claim(self, provider: str, sentence: str) -> bool:
        """Say that this job is about to ask for it; `release` it after. False where another is."""
        voice = self._voices.get(provider)
        if voice is None:
            return True
        claim = partial(self._files.claim, name_of(voice, sentence))
        return await self._change("claim-speech", claim) is not False

    async def release(self, provider: str, sentence: str) -> None:
        """Give up a claim."""
        voice = self._voices.get(provider)
        if voice is not None:
            release = partial(self._files.release, name_of(voice, sentence))
            await self._change("release-speech", release)

    async def _change(self, name: str, change: Callable[[], bool]) -> bool | None:
        """Do something to the folder; None where that is not possible any more."""
        if not self._writable:
            return None
        try:
            return await in_thread(name, change)
        except Exception as error:  # a disk, mostly; or a thread that cannot be started
            if self._writable:
                reason = getattr(error, "strerror", None) or type(error).__name__
                logger.warning("speech is not prepared any more: %s", reason)
            self._writable = False
            return None


def prepared_speech(settings: Settings) -> PreparedSpeech | None:
    """The cache that the settings name, in the data folder; None where they turn it off."""
    if not settings.prepared_speech:
        return None
    return PreparedSpeech(
        settings.data_dir / "speech",
        voices_of(settings),
        max_bytes=settings.speech_cache_mb * 1_000_000,
    )


def name_of(voice: Voice, sentence: str) -> str:
    """The file's name, without its ending, of a sentence in a voice."""
    words = " ".join(sentence.split())
    parts = [_EDITION, voice.provider, voice.voice, voice.model, voice.settings, words]
    return hashlib.blake2b(json.dumps(parts).encode(), digest_size=20).hexdigest()
