"""The built-in apology: the message of a job whose application could not be created."""

from __future__ import annotations

import importlib.resources
from functools import cache
from typing import Final

from worker.audio.clip import Clip, read_clip

#: The file of the recording in this package, without its extension; also the name of the clip.
NAME: Final = "apology"
#: The words of the recording, which `scripts.record_clips` makes. The words fit any application.
TEXT: Final = "I am sorry, something went wrong. Please try again later."


@cache
def load_apology() -> Clip:
    """Decode the apology, once per process: the first call blocks for 8 to 24 ms.

    Raises:
        ClipMissing: the recording is missing or cannot be decoded.
    """
    recording = importlib.resources.files("worker.job") / f"{NAME}.opus"
    return read_clip(recording, name=NAME, text=TEXT)
