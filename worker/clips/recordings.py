"""Bundled clips: recorded sentences that need no text-to-speech provider.

`scripts.record_clips` records the clips from the texts below. The clips are part of the package, so
that the candidate hears an explanation even if every provider has failed.
"""

from __future__ import annotations

import contextlib
import importlib.resources
import logging

from states.text_enum import TextEnum
from worker.audio.clip import Clip, ClipMissing, read_clip

logger = logging.getLogger(__name__)


class ClipName(TextEnum):
    """All clips. The value is the file name without its extension, `text` the spoken words."""

    #: The candidate has joined, and the interview is being prepared.
    WELCOME = "welcome", "Welcome. Your interview will begin in a moment."
    #: The candidate has to wait, and silence would seem too long.
    ONE_MOMENT = "one_moment", "One moment, please."
    #: The next question is a little late.
    LET_ME_SEE = "let_me_see", "Let me see."
    #: The next question is late, and a clip has already been played.
    PATIENCE = "patience", "Thank you for your patience. It will not be long."
    #: No speech-to-text provider is left: the candidate has to type.
    TROUBLE_HEARING = (
        "trouble_hearing",
        "I am having trouble hearing you. Please type your answers to me.",
    )
    #: Speech output does not work: the questions come as text.
    TROUBLE_SPEAKING = (
        "trouble_speaking",
        "I am having trouble speaking, so I will write to you instead.",
    )
    #: A new interviewer continues the interview of a lost interviewer, or an outage is over.
    BACK = "back", "Sorry, we were interrupted. I am back."
    #: The interview failed, or the worker shuts down without a successor.
    CANNOT_GO_ON = (
        "cannot_go_on",
        "I am sorry, we cannot go on today. Your answers are kept, and we will be in touch.",
    )
    #: The candidate joined an interview that had already ended.
    ALREADY_OVER = "already_over", "This interview is already over. Thank you, and goodbye."
    #: The candidate has been silent for a long time.
    STILL_THERE = "still_there", "Are you still there?"
    #: The interview ends without the plan's closing, because of the time limit or a silent
    #: candidate.
    GOODBYE = "goodbye", "Thank you, and goodbye."


#: Result of decoding each clip so far. A forked process inherits the decoded clips.
_found: dict[ClipName, Clip | ClipMissing] = {}


def clip_named(name: str) -> ClipName:
    """Return the clip called `name`. Raises KeyError if no clip has that name."""
    return {clip.value: clip for clip in ClipName}[name]


def load_clip(name: ClipName) -> Clip:
    """Decode a clip, once per process: the first call blocks for 8 to 24 ms.

    Raises:
        ClipMissing: the recording is missing or cannot be decoded. Logged only once per clip.
    """
    if name not in _found:
        recording = importlib.resources.files("worker.clips") / f"{name}.opus"
        try:
            _found[name] = read_clip(recording, name=name, text=name.text)
        except ClipMissing as error:
            logger.error("a recorded clip is left out: %s", error, extra={"event": "clip_left_out"})
            _found[name] = error
    found = _found[name]
    if isinstance(found, ClipMissing):
        # Raise a new exception, because the stored one would collect a longer traceback each time.
        raise ClipMissing(name) from found
    return found


def preload_clips() -> None:
    """Decode every clip before the fork, so that decoding blocks no event loop later.

    Missing clips are logged and raise no error. `missing_clips` returns them.
    """
    for name in ClipName:
        with contextlib.suppress(ClipMissing):
            load_clip(name)


def missing_clips() -> tuple[ClipName, ...]:
    """Return the clips that failed to load so far."""
    return tuple(name for name, found in _found.items() if isinstance(found, ClipMissing))
