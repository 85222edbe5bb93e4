"""TTS cache on disk: sentences synthesised in advance, shared by the jobs of a worker.

The cache key consists of the provider, the voice, the model, the voice settings and the words of
the sentence. A file's name is a hash of the key, so the words themselves are not stored.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
from collections.abc import Callable, Coroutine, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Protocol

from worker.aio.threads import in_thread
from worker.speech.tts.cache_files import SpeechFiles
from worker.speech.tts.voice import Voice as Voice

if TYPE_CHECKING:
    from pathlib import Path

    from worker.audio.dsp import Pcm

logger = logging.getLogger(__name__)

#: Version of the cache key. Increase the number if a change of the code makes the same words sound
#: different. Entries of an older version are never read again, and are evicted first.
_EDITION: Final = 1
#: Timeout in seconds for reading a file. A live provider answers within the same time, so a longer
#: wait for the disk gains nothing.
_FIND_BUDGET_S: Final = 0.3
#: Number of timeouts on reading after which the cache is not used any more.
_MOST_IN_VAIN: Final = 2


class CacheSettings(Protocol):
    """The settings of the TTS cache."""

    @property
    def prepared_speech(self) -> bool:
        """False if the TTS cache is turned off."""

    @property
    def data_dir(self) -> Path:
        """The folder that contains the folder of the TTS cache."""

    @property
    def speech_cache_mb(self) -> int:
        """Maximum size of the TTS cache in MB."""

    def voices(self) -> dict[str, Voice]:
        """Return the voice of each usable provider of the TTS chain, by provider name."""


def voices_of(settings: CacheSettings) -> dict[str, Voice]:
    """Return the voice of each usable provider in INTERVIEW_TTS. The keys are provider names."""
    return settings.voices()


class SpeechStore(Protocol):
    """Storage of cached sentences. `provider` is the name of a provider of the chain."""

    async def find(self, provider: str, sentence: str) -> Pcm | None:
        """Return the sentence as spoken by `provider`, 24 kHz mono; None if it is not cached."""
        ...

    # `keep` returns a Coroutine, not any Awaitable, because the caller creates a task from it.
    def keep(self, provider: str, sentence: str, pcm: Pcm) -> Coroutine[Any, Any, bool]:
        """Store the audio of a sentence. Return False if the audio cannot be stored."""
        ...

    async def claim(self, provider: str, sentence: str) -> bool:
        """Claim the right to synthesise a sentence; return False if another job has claimed it.

        The claim lasts until `release`.
        """
        ...

    async def release(self, provider: str, sentence: str) -> None:
        """Release the claim on a sentence, so that another job may claim the sentence."""
        ...


class SpeechCache:
    """Cached sentences in a folder, in the voices of one job's fallback chain.

    No method raises an error. If the disk is full, read-only, damaged or does not answer, the job
    logs one warning and stops filling the cache. The job can still speak without the cache.
    """

    def __init__(self, folder: Path, voices: Mapping[str, Voice], *, max_bytes: int) -> None:
        self._files = SpeechFiles(folder, max_bytes=max_bytes)
        self._voices = dict(voices)
        self._in_vain = 0
        self._writable = True

    async def find(self, provider: str, sentence: str) -> Pcm | None:
        """Return the sentence as spoken by `provider`, 24 kHz mono; None if it is not cached."""
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
                logger.warning(
                    "TTS cache disabled: the disk does not answer",
                    extra={"event": "tts_cache_disabled"},
                )
        except Exception as error:  # any error, for example if no thread can be started
            logger.warning(
                "TTS cache read failed: %s",
                type(error).__name__,
                extra={"event": "tts_cache_read_failed"},
            )
        return None

    async def keep(self, provider: str, sentence: str, pcm: Pcm) -> bool:
        """Store a sentence in the voice of `provider`; return False if it cannot be stored."""
        voice = self._voices.get(provider)
        if voice is None:
            return False
        write = partial(self._files.write, name_of(voice, sentence), pcm)
        return await self._change("keep-speech", write) is not None

    async def claim(self, provider: str, sentence: str) -> bool:
        """Claim the right to synthesise a sentence; return False if another job has claimed it.

        The claim lasts until `release`, but at most `cache_files._STALE_S` seconds.
        """
        voice = self._voices.get(provider)
        if voice is None:
            return True
        claim = partial(self._files.claim, name_of(voice, sentence))
        return await self._change("claim-speech", claim) is not False

    async def release(self, provider: str, sentence: str) -> None:
        """Release the claim on a sentence, so that another job may claim the sentence."""
        voice = self._voices.get(provider)
        if voice is not None:
            release = partial(self._files.release, name_of(voice, sentence))
            await self._change("release-speech", release)

    async def _change(self, name: str, change: Callable[[], bool]) -> bool | None:
        """Run a write operation on the folder; return None if writing is not possible any more."""
        if not self._writable:
            return None
        try:
            return await in_thread(name, change)
        except Exception as error:  # any error, usually of the disk
            if self._writable:
                reason = getattr(error, "strerror", None) or type(error).__name__
                logger.warning(
                    "TTS cache write failed, no more writes in this job: %s",
                    reason,
                    extra={"event": "tts_cache_write_failed"},
                )
            self._writable = False
            return None


def speech_cache(settings: CacheSettings) -> SpeechCache | None:
    """Return the TTS cache in the data folder, or None if the settings turn it off."""
    if not settings.prepared_speech:
        return None
    return SpeechCache(
        settings.data_dir / "speech",
        voices_of(settings),
        max_bytes=settings.speech_cache_mb * 1_000_000,
    )


def name_of(voice: Voice, sentence: str) -> str:
    """Return the file name, without suffix, under which a sentence in a voice is cached."""
    words = " ".join(sentence.split())
    parts = [_EDITION, voice.provider, voice.voice, voice.model, voice.settings, words]
    return hashlib.blake2b(json.dumps(parts).encode(), digest_size=20).hexdigest()
