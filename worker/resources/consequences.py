"""The effect of losing each resource, in one table for all code and texts about losses.

The README, `interview-worker resources`, the legends of the diagrams, and the announcements to a
candidate during an interview (worker/interview/recovery/degradation.py) are views of this table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

#: The component that ends a turn: a turn detection mode of the framework, or the resource of that
#: name.
TurnEnd = Literal["stt", "vad", "turn_detector"]


@dataclass(frozen=True, kw_only=True)
class Loss:
    """The effect of losing one resource at any time."""

    #: One sentence: the worker's behaviour without the resource.
    means: str
    #: One sentence for people: what the candidate hears or reads.
    noticed: str
    #: Name of the recorded clip that announces the loss. The candidate also gets the text of the
    #: clip in writing.
    told: str | None = None
    #: The turn detection mode without the resource, and with it.
    turns_end_on: tuple[TurnEnd, TurnEnd] | None = None


#: The losses by resource. The resources that readers ask for most come first.
LOSSES: Final[Mapping[str, Loss]] = {
    "orchestrator": Loss(
        means="There is no interview: the job fails, behind an apology.",
        noticed="A recorded voice that asks for a moment while it is tried again, "
        "and at last a recorded apology.",
    ),
    "database": Loss(
        means="The plan comes with the dispatch; turns wait on the worker's disk.",
        noticed="Nothing.",
    ),
    "journal": Loss(
        means="What was said waits in memory, goes straight to the database, and to the disk once "
        "it takes it.",
        noticed="Nothing.",
    ),
    "vad": Loss(
        means="Turns end on the speech-to-text engine's own end-pointing.",
        noticed="Nothing but turns that end a little less exactly.",
        turns_end_on=("stt", "vad"),
    ),
    "turn_detector": Loss(
        means="Turns end on the VAD's silence.",
        noticed="Nothing but a thinking pause that may count as the end of an answer.",
        turns_end_on=("vad", "turn_detector"),
    ),
    "stt": Loss(
        means="The next of the chain listens; with none left the candidate types.",
        noticed="Nothing of a change; with none left a recorded voice that asks for typed "
        "answers, and the same in writing.",
        told="trouble_hearing",
    ),
    "tts": Loss(
        means="The next of the chain speaks; with none left the questions come as text.",
        noticed="Another voice; with none left a recorded one that announces writing, then what "
        "was prepared aloud and the rest as text.",
    ),
    "llm": Loss(
        means="The plan's questions are asked word for word.",
        noticed="Nothing.",
    ),
}


def meanings() -> dict[str, str]:
    """Return the behaviour without each resource, for the legend of a diagram."""
    return {name: loss.means for name, loss in LOSSES.items()}
