"""The interview's recorded sentences, for when nothing else can speak.

The recordings are made by `worker.interview.make_clips` from the words below and ship with the
package, so that a candidate is told what goes on when nothing else works.
"""

from __future__ import annotations

import contextlib
import importlib.resources
import logging
from enum import StrEnum

from worker.speech.clip import Clip, ClipMissing, read_clip

logger = logging.getLogger(__name__)


class ClipName(StrEnum):
    """Every clip there is; the value is the name of its file, `text` the words spoken in it."""

    text: str

    def __new__(cls, value: str, text: str) -> ClipName:
        member = str.__new__(cls, value)
        member._value_ = value
        member.text = text
        return member

    #: The candidate is there, and the interview is being prepared.
    WELCOME = "welcome", "Welcome. Your interview will begin in a moment."
    #: An answer takes longer than anybody would wait for in silence.
    ONE_MOMENT = "one_moment", "One moment, please."
    #: The next question takes a little longer than it should.
    LET_ME_SEE = "let_me_see", "Let me see."
    #: It still does.
    PATIENCE = "patience", "Thank you for your patience. It will not be long."
    #: No speech recognition is left.
    TROUBLE_HEARING = (
        "trouble_hearing",
        "I am having trouble hearing you. Please type your answers to me.",
    )
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


#: What was found of each clip that was looked for; a fork carries it on.
_found: dict[ClipName, Clip | ClipMissing] = {}


def clip_named(name: str) -> ClipName:
    """The clip of a name. Raises KeyError."""
    return {clip.value: clip for clip in ClipName}[name]


def load_clip(name: ClipName) -> Clip:
    """Decode a clip, once per process: 8 to 24 ms of blocking work for the first to ask.

    Raises:
        ClipMissing: the recording is not there or cannot be decoded; logged the first time.
    """
    if name not in _found:
        recording = importlib.resources.files("worker.interview") / "clips" / f"{name}.opus"
        try:
            _found[name] = read_clip(recording, name=name, text=name.text)
        except ClipMissing as error:
            logger.error("%s", error)
            _found[name] = error
    found = _found[name]
    if isinstance(found, ClipMissing):
        # Another one: each that is raised gathers a traceback of its own.
        raise ClipMissing(name) from found
    return found


def preload_clips() -> None:
    """Look for every clip, so that none is decoded on an event loop; meant for before the fork.

    Those that are missing are logged, and keep nobody: `missing_clips` has them.
    """
    for name in ClipName:
        with contextlib.suppress(ClipMissing):
            load_clip(name)


def missing_clips() -> tuple[ClipName, ...]:
    """The clips that were looked for in vain so far."""
    return tuple(name for name, found in _found.items() if isinstance(found, ClipMissing))
