"""Resource failures in the middle of a turn, by name, for losses_in_a_turn.py."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from tests.support.live.breakable import Parts

Step: TypeAlias = "Callable[[Parts], None]"


@dataclass(frozen=True, kw_only=True)
class Loss:
    """One resource that fails in the middle of a turn."""

    name: str
    resource: str
    #: The failure, in one line.
    how: str
    #: Triggers the failure. None: an injected fault of the worker triggers on its own.
    strike: Step | None = None
    #: Fail in the interviewer's second question instead of in the candidate's first answer.
    in_question: bool = False
    #: Seconds into that turn.
    into_s: float = 3.0
    #: A replacement serves at once, so the candidate notices nothing.
    unnoticed: bool = False
    #: The interviewer asks the candidate to type, and the candidate types the first answer.
    types: bool = False
    #: The resource is available again as soon as the first answer has ended and the candidate
    #: knows of the failure, instead of before the second answer.
    soon_back: bool = False
    #: The worker uses the resource again, and so updates its condition, only after the candidate
    #: has answered.
    judged_when_used: bool = False
    #: Settings of the worker, in addition to those of the parts.
    settings: Mapping[str, str] = field(default_factory=dict)


#: By name. Most resources have no replacement; those named `fallback` have a local provider.
LOSSES: Final[Mapping[str, Loss]] = {
    loss.name: loss
    for loss in (
        Loss(
            name="database",
            resource="database",
            how="its connections break, and new ones are refused",
            strike=lambda parts: parts.away("database"),
        ),
        Loss(
            name="vad",
            resource="vad",
            how="it raises in the middle of an answer, and at each new stream",
            strike=lambda parts: parts.broken_vad.touch(),
            unnoticed=True,
            soon_back=True,
        ),
        Loss(
            name="turn_detector",
            resource="turn_detector",
            how="it raises as it judges the end of the first answer",
            judged_when_used=True,
            settings={
                "INTERVIEW_TURN_DETECTOR": "local",
                "INTERVIEW_ALLOW_FAULTS": "1",
                "INTERVIEW_FAULTS": "turn_detector=raise@1",
            },
        ),
        Loss(
            name="stt",
            resource="stt",
            how="its connection breaks in the middle of an answer, which is typed then",
            strike=lambda parts: parts.away("stt"),
            types=True,
            judged_when_used=True,
        ),
        Loss(
            name="stt, soon back",
            resource="stt",
            how="its connection breaks in the middle of an answer, and nothing is typed",
            strike=lambda parts: parts.away("stt"),
            soon_back=True,
        ),
        Loss(
            name="stt, half-open",
            resource="stt",
            how="its connection falls silent in the middle of an answer, which is typed then",
            into_s=1.0,
            strike=lambda parts: parts.stall("stt"),
            types=True,
            judged_when_used=True,
        ),
        Loss(
            name="stt, fallback",
            resource="stt",
            how="its connection breaks in the middle of an answer, and a local model listens",
            strike=lambda parts: parts.away("stt"),
            unnoticed=True,
            soon_back=True,
            judged_when_used=True,
            settings={"INTERVIEW_STT": "deepgram,local"},
        ),
        Loss(
            name="tts",
            resource="tts",
            how="its connection breaks in the middle of a question, and new ones are refused",
            strike=lambda parts: parts.away("tts"),
            in_question=True,
            into_s=1.0,
            judged_when_used=True,
        ),
        Loss(
            name="tts, half-open",
            resource="tts",
            how="its connection falls silent in the middle of a question",
            strike=lambda parts: parts.stall("tts"),
            in_question=True,
            into_s=1.0,
            judged_when_used=True,
        ),
        Loss(
            name="tts, fallback",
            resource="tts",
            how="its connection breaks in the middle of a question, and a local voice continues",
            strike=lambda parts: parts.away("tts"),
            in_question=True,
            into_s=1.0,
            judged_when_used=True,
            settings={"INTERVIEW_TTS": "elevenlabs,local"},
        ),
        Loss(
            name="llm",
            resource="llm",
            how="it gets a request, and its connections stay open and silent",
            strike=lambda parts: parts.stall("llm"),
            judged_when_used=True,
        ),
    )
}
