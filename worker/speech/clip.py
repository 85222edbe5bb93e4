"""A clip: recorded words that need no speech provider, no model and no database to be spoken."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import av
import numpy as np

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable
    from pathlib import Path

    import numpy.typing as npt

#: Samples per second of a loaded clip: that of the line, so that playing it needs no resampling.
SAMPLE_RATE: Final = 24_000


@dataclass(frozen=True, kw_only=True)
class Clip:
    """One recording, decoded: 16-bit mono samples that nobody may change."""

    name: str
    #: The words spoken in it.
    text: str
    pcm: npt.NDArray[np.int16] = field(repr=False)
    sample_rate: int

    @property
    def duration_s(self) -> float:
        """Seconds that it takes to play."""
        return len(self.pcm) / self.sample_rate


class ClipMissing(Exception):
    """The recording of the clip `name` is not there, or nothing can be heard of it."""

    def __init__(self, name: str) -> None:
        super().__init__(f"the clip {name} cannot be read: reinstall what it belongs to")
        self.name = name


def read_clip(recording: Path | Traversable, *, name: str, text: str) -> Clip:
    """Decode an audio file of any format and rate that FFmpeg knows: 8 to 24 ms, blocking.

    Args:
        recording: The file, in a folder or in a package.
        name: What the clip is called, in errors and in tests.
        text: The words spoken in it.

    Raises:
        ClipMissing: the recording is not there, cannot be decoded, or is without a sound.
    """
    try:
        pcm = _decode(recording.read_bytes())
    except (OSError, ValueError, LookupError, av.FFmpegError) as error:
        raise ClipMissing(name) from error
    if not pcm.any():
        raise ClipMissing(name)
    pcm.flags.writeable = False
    return Clip(name=name, text=text, pcm=pcm, sample_rate=SAMPLE_RATE)


def _decode(recording: bytes) -> npt.NDArray[np.int16]:
    resampler = av.AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE)
    parts: list[npt.NDArray[np.int16]] = []
    with av.open(io.BytesIO(recording), mode="r") as container:
        for frame in [*container.decode(audio=0), None]:
            parts += [part.to_ndarray()[0] for part in resampler.resample(frame)]
    return np.concatenate(parts)
