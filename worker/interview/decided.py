"""An input of the dialogue with the decision for it, before the decision is applied."""

from __future__ import annotations

from dataclasses import dataclass

from worker.interview.dialogue.decide import Step
from worker.interview.dialogue.inputs import Input
from worker.interview.dialogue.records import Record


@dataclass(frozen=True)
class Decided:
    """An input with the step that the table decided for it, and its record."""

    given: Input
    step: Step
    record: Record
    #: The candidate's words of a request; the whole text if the turn has no request.
    words: str = ""
