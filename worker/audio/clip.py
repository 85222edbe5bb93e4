"""A clip: recorded words that can be played without a provider, a model or a database."""

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

#: Sample rate of a loaded clip. The rate equals that of the audio output, so that playing needs no
#: resampling.
SAMPLE_RATE: Final = 24_000


@dataclass(frozen=True, kw_only=True)
class Clip:
    """One decoded recording: 16-bit mono samples, read-only."""

    name: str
    #: The words spoken in the recording.
    text: str
    pcm: npt.NDArray[np.int16] = field(repr=False)
    sample_rate: int

    @property
    def duration_s(self) -> float:
        """Playing time in seconds."""
        return len(self.pcm) / self.sample_rate


class ClipMissing(Exception):
    """Raised when the recording of the clip `name` is missing, unreadable or silent."""

    def __init__(self, name: str) -> None:
        super().__init__(f"the clip {name} cannot be read: reinstall the package that contains it")
        self.name = name


def read_clip(recording: Path | Traversable, *, name: str, text: str) -> Clip:
    """Decode an audio file of any format and rate that FFmpeg supports; blocks for 8 to 24 ms.

    Args:
        recording: The file, in a folder or in a package.
        name: The name of the clip, used in error messages and in tests.
        text: The words spoken in the recording.

    Raises:
        ClipMissing: the recording is missing, cannot be decoded, or is silent.
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
