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
    """All clips.

    The value of a member is the file name without its extension, and `text` is the spoken words.
    """

    #: Played if the greeting is late.
    WELCOME = "welcome", "Welcome. Your interview will begin in a moment."
    #: Played while the candidate waits for resources, for a late reply, or for a handover.
    ONE_MOMENT = "one_moment", "One moment, please."
    #: Played if the next question is late, as the first clip of that turn.
    LET_ME_SEE = "let_me_see", "Let me see."
    #: Played if the next question is still late after an earlier clip.
    PATIENCE = "patience", "Thank you for your patience. It will not be long."
    #: Played if no speech-to-text provider is left, so that the candidate has to type.
    TROUBLE_HEARING = (
        "trouble_hearing",
        "I am having trouble hearing you. Please type your answers to me.",
    )
    #: Played if speech output does not work, so that questions are sent as text.
    TROUBLE_SPEAKING = (
        "trouble_speaking",
        "I am having trouble speaking, so I will write to you instead.",
    )
    #: Played if an interviewer continues the interview of a lost interviewer, or after an outage.
    BACK = "back", "Sorry, we were interrupted. I am back."
    #: Played if the interview failed, or if the worker shuts down without a handover.
    CANNOT_GO_ON = (
        "cannot_go_on",
        "I am sorry, we cannot go on today. Your answers are kept, and we will be in touch.",
    )
    #: Played to a candidate who joins an interview that has already ended.
    ALREADY_OVER = "already_over", "This interview is already over. Thank you, and goodbye."
    #: Played if the candidate has been silent for a long time.
    STILL_THERE = "still_there", "Are you still there?"
    #: Played if the interview ends without the plan's closing, because of the time limit, because
    #: the candidate is silent, or because the interview was cancelled.
    GOODBYE = "goodbye", "Thank you, and goodbye."


#: Decoded clips by name; for a clip that failed to load, the error instead. A forked process
#: inherits the decoded clips.
_found: dict[ClipName, Clip | ClipMissing] = {}


def clip_named(name: str) -> ClipName:
    """Return the clip called `name`. Raises KeyError if no clip has that name."""
    return {clip.value: clip for clip in ClipName}[name]


def load_clip(name: ClipName) -> Clip:
    """Decode a clip, once per process: the first call blocks for 8 to 24 ms.

    Raises:
        ClipMissing: the recording is missing or cannot be decoded. The error is logged only once
            per clip.
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
    """Decode every clip before job processes fork, so that decoding blocks no event loop later.

    Missing clips are logged and raise no error. `missing_clips` returns them.
    """
    for name in ClipName:
        with contextlib.suppress(ClipMissing):
            load_clip(name)


def missing_clips() -> tuple[ClipName, ...]:
    """Return the clips that failed to load so far."""
    return tuple(name for name, found in _found.items() if isinstance(found, ClipMissing))
