"""Multi-process audio cache on disk: atomic writes, size-bounded, LRU.

Audio is stored as raw samples, because raw samples are read and verified in a millisecond. Decoding
Opus takes 8 to 24 ms (measured). 20 s of raw audio take a megabyte.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import secrets
import struct
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from worker.audio.dsp import Pcm

logger = logging.getLogger(__name__)

#: Sample rate (hertz) of every provider and of the files. All rates are equal, because one audio
#: output plays all voices.
SAMPLE_RATE: Final = 24_000
_FORMAT: Final = 1
#: Header of a file: magic, format, channels, sample rate, number of samples, and a digest. The
#: digest covers the file's name, the other fields of the header, and the samples. The samples
#: follow the header as 16-bit mono, little-endian.
_HEADER: Final = struct.Struct("<8sHHII16s")
_MAGIC: Final = b"IVSPEECH"
_SUFFIX: Final = ".speech"
_DRAFT_SUFFIX: Final = ".draft"
_CLAIM_SUFFIX: Final = ".claim"
_TRANSIENT: Final = (_DRAFT_SUFFIX, _CLAIM_SUFFIX)
#: Seconds after which a draft (a cache file that is being written) or a claim (a file that says
#: that a job synthesises the sentence) counts as left over from a dead job.
_STALE_S: Final = 60.0
#: Longest possible audio of a sentence, in seconds. A file with longer audio counts as damaged, and
#: is not read into memory as a whole.
_LONGEST_S: Final = 900.0
#: Eviction deletes files until their total size is this fraction of the limit, so that eviction is
#: not needed after every write.
_ROOMY: Final = 0.9


class SpeechFiles:
    """Audio files of at most `max_bytes` bytes in total. All methods block.

    Any number of processes may use the folder at the same time, because each file is replaced as a
    whole and a file that has disappeared counts as a cache miss.
    """

    def __init__(self, folder: Path, *, max_bytes: int) -> None:
        self._folder = folder
        self._max_bytes = max_bytes

    def read(self, name: str) -> Pcm | None:
        """Return the samples of a file; None if it is missing or damaged. Remove a damaged file."""
        path = self._path(name)
        try:
            with path.open("rb") as file:
                content = file.read(_HEADER.size + _largest_payload() + 1)
        except OSError:
            return None
        pcm = _unpacked(name, content)
        with contextlib.suppress(OSError):
            if pcm is None:
                path.unlink()
                logger.warning(
                    "a damaged file was removed from the TTS cache",
                    extra={"event": "tts_cache_file_damaged"},
                )
            else:
                # Mark the file as used, because eviction removes the least recently used files
                # first.
                os.utime(path)
        return pcm

    def write(self, name: str, pcm: Pcm) -> bool:
        """Store the samples, and evict old files if the limit is exceeded.

        Raises OSError if the file cannot be written.
        """
        self._make_folder()
        draft = self._folder / f"{name}.{os.getpid()}.{secrets.token_hex(4)}{_DRAFT_SUFFIX}"
        try:
            draft.write_bytes(_packed(name, pcm))
            draft.replace(self._path(name))
        except OSError:
            with contextlib.suppress(OSError):
                draft.unlink(missing_ok=True)
            raise
        self._make_room()
        return True

    def claim(self, name: str) -> bool:
        """Claim the right to synthesise a sentence; return False if another job has claimed it.

        Raises OSError if the claim cannot be written.
        """
        path = self._claim(name)
        self._make_folder()
        with contextlib.suppress(OSError):
            if path.stat().st_mtime < time.time() - _STALE_S:
                path.unlink()
        try:
            path.touch(mode=0o600, exist_ok=False)
        except FileExistsError:
            return False
        return True

    def release(self, name: str) -> bool:
        """Release the claim on a sentence. Raises OSError if the claim cannot be removed."""
        self._claim(name).unlink(missing_ok=True)
        return True

    def _make_room(self) -> None:
        """Remove stale temporary files and, if the cache is too large, old audio files.

        The least recently used audio files are removed first. Several processes may run this method
        at the same time.
        """
        found: list[tuple[float, int, Path]] = []
        stale = time.time() - _STALE_S
        for entry in os.scandir(self._folder):
            with contextlib.suppress(OSError):
                status = entry.stat(follow_symlinks=False)
                if entry.name.endswith(_SUFFIX):
                    found.append((status.st_mtime, status.st_size, Path(entry.path)))
                elif status.st_mtime < stale and entry.name.endswith(_TRANSIENT):
                    Path(entry.path).unlink()
        excess = sum(size for _, size, _ in found) - self._max_bytes
        if excess <= 0:
            return
        excess += round(self._max_bytes * (1 - _ROOMY))
        for _, size, path in sorted(found):
            if excess <= 0:
                return
            with contextlib.suppress(OSError):
                path.unlink()
            excess -= size

    def _make_folder(self) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def _claim(self, name: str) -> Path:
        return self._folder / f"{name}{_CLAIM_SUFFIX}"

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}{_SUFFIX}"


def _largest_payload() -> int:
    return round(_LONGEST_S * SAMPLE_RATE) * 2


def _packed(name: str, pcm: Pcm) -> bytes:
    payload = pcm.astype("<i2").tobytes()
    fields = (_MAGIC, _FORMAT, 1, SAMPLE_RATE, len(pcm))
    return _HEADER.pack(*fields, _digest(name, fields, payload)) + payload


def _unpacked(name: str, content: bytes) -> Pcm | None:
    if len(content) < _HEADER.size:
        return None
    *fields, digest = _HEADER.unpack_from(content)
    payload = content[_HEADER.size :]
    wanted = [_MAGIC, _FORMAT, 1, SAMPLE_RATE, len(payload) // 2]
    if fields != wanted or len(payload) % 2 or not payload:
        return None
    if not secrets.compare_digest(digest, _digest(name, tuple(fields), payload)):
        return None
    return np.frombuffer(payload, "<i2").astype(np.int16)


def _digest(name: str, fields: tuple[object, ...], payload: bytes) -> bytes:
    summed = hashlib.blake2b(json.dumps([name, *map(str, fields)]).encode(), digest_size=16)
    summed.update(payload)
    return summed.digest()
