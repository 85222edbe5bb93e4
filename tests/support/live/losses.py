"""What can be lost in the middle of a turn: the losses of losses_in_a_turn.py, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from tests.support.live.breakable import Parts

Step: TypeAlias = "Callable[[Parts], None]"


@dataclass(frozen=True, kw_only=True)
class Loss:
    """One resource that is lost in the middle of a turn."""

    name: str
    resource: str
    #: One line: what happens to it.
    how: str
    #: Does it. None: a fault is set, which strikes by itself.
    strike: Step | None = None
    #: In the middle of the interviewer's second question, instead of the candidate's first answer.
    in_question: bool = False
    #: Seconds into it.
    into_s: float = 3.0
    #: Somebody else serves at once.
    unnoticed: bool = False
    #: The candidate is asked to type, and answers the first question so.
    types: bool = False
    #: It is there again as soon as the first answer is over and the candidate knows of the loss,
    #: instead of before the second answer.
    soon_back: bool = False
    #: It is used again, and so judged, when the candidate has answered and not before.
    judged_when_used: bool = False
    #: Of the worker, beside those of the parts.
    settings: Mapping[str, str] = field(default_factory=dict)


#: By name. Where a resource has nobody else it is gone; `fallback` has a local one behind it.
LOSSES: Final[Mapping[str, Loss]] = {
    loss.name: loss
    for loss in (
        Loss(
            name="database",
            resource="database",
            how="its connections break, and none can be made",
            strike=lambda parts: parts.away("database"),
        ),
        Loss(
            name="vad",
            resource="vad",
            how="it raises in the middle of an answer, as often as it is opened",
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
            how="its connection breaks in the middle of a question, and none can be made",
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
            how="its connection breaks in the middle of a question, and a local voice goes on",
            strike=lambda parts: parts.away("tts"),
            in_question=True,
            into_s=1.0,
            judged_when_used=True,
            settings={"INTERVIEW_TTS": "elevenlabs,local"},
        ),
        Loss(
            name="llm",
            resource="llm",
            how="it is asked for words, and its connections stay open and silent",
            strike=lambda parts: parts.stall("llm"),
            judged_when_used=True,
        ),
    )
}
