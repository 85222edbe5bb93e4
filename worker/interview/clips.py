"""Recorded sentences that need no speech provider, no model and no database to be spoken.

The recordings are made by `worker.interview.make_clips` from the words below and ship with the
package, so that a candidate is told what goes on when nothing else works.
"""

from __future__ import annotations

import enum
import functools
import importlib.resources
import io
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import av
import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

#: Samples per second of a loaded clip: that of the line, so that playing it needs no resampling.
SAMPLE_RATE: Final = 24_000


class ClipName(enum.Enum):
    """Every clip there is; the value is the name of its file, `text` the words spoken in it."""

    text: str

    def __new__(cls, value: str, text: str) -> ClipName:
        member = object.__new__(cls)
        member._value_ = value
        member.text = text
        return member

    #: The candidate is there, and the interview is being prepared.
    WELCOME = "welcome", "Welcome. Your interview will begin in a moment."
    #: An answer takes longer than anybody would wait for in silence.
    ONE_MOMENT = "one_moment", "One moment, please."
    #: No speech recognition is left.
    TROUBLE_HEARING = "trouble_hearing", "I am having trouble hearing you."
    #: No speech synthesis is left: the questions come as text.
    TROUBLE_SPEAKING = (
        "trouble_speaking",
        "I am having trouble speaking, so I will write to you instead.",
    )
    #: A new interviewer goes on where one that died left off.
    BACK = "back", "Sorry, we were interrupted. I am back."
    #: The interview failed.
    CANNOT_GO_ON = (
        "cannot_go_on",
        "I am sorry, we cannot go on today. Your answers are kept, and we will be in touch.",
    )
    #: The candidate came to an interview that has ended.
    ALREADY_OVER = "already_over", "This interview is already over. Thank you, and goodbye."
    #: The candidate has been silent for long.
    STILL_THERE = "still_there", "Are you still there?"
    #: The end of an interview.
    GOODBYE = "goodbye", "Thank you, and goodbye."


@dataclass(frozen=True, kw_only=True)
class Clip:
    """One recording, decoded: 16-bit mono samples that nobody may change."""

    name: ClipName
    pcm: npt.NDArray[np.int16] = field(repr=False)
    sample_rate: int

    @property
    def text(self) -> str:
        """The words spoken in it."""
        return self.name.text

    @property
    def duration_s(self) -> float:
        """Seconds that it takes to play."""
        return len(self.pcm) / self.sample_rate


class ClipMissing(Exception):
    """The recording of `name` is missing from the package, or is no audio."""

    def __init__(self, name: ClipName) -> None:
        super().__init__(f"the clip {name.value} cannot be read: reinstall the package")
        self.name = name


@functools.cache
def load_clip(name: ClipName) -> Clip:
    """Decode a clip, once per process: 8 to 24 ms of blocking work for the first to ask.

    Raises:
        ClipMissing: the recording is not there or cannot be decoded.
    """
    recording = importlib.resources.files("worker.interview") / "clips" / f"{name.value}.opus"
    try:
        pcm = _decode(recording.read_bytes())
    except (OSError, av.FFmpegError) as error:
        raise ClipMissing(name) from error
    pcm.flags.writeable = False
    return Clip(name=name, pcm=pcm, sample_rate=SAMPLE_RATE)


def preload_clips() -> None:
    """Decode every clip, so that none is decoded on an event loop; meant for before the fork.

    Raises:
        ClipMissing: a recording is not there or cannot be decoded.
    """
    for name in ClipName:
        load_clip(name)


def _decode(recording: bytes) -> npt.NDArray[np.int16]:
    resampler = av.AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE)
    parts: list[npt.NDArray[np.int16]] = []
    with av.open(io.BytesIO(recording), mode="r") as container:
        for frame in [*container.decode(audio=0), None]:
            parts += [part.to_ndarray()[0] for part in resampler.resample(frame)]
    return np.concatenate(parts)
