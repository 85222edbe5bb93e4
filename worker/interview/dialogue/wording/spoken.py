"""`Spoken`: the parts of earlier utterances on which the next words of the interviewer depend."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from worker.interview.dialogue.events import Event
from worker.interview.dialogue.inputs import Happening, Input, Turn
from worker.interview.dialogue.moves import Move
from worker.interview.dialogue.state import Dialogue
from worker.interview.dialogue.wording.prompt import Prompt, WordsBy


def visit_of(state: Dialogue) -> str:
    """Return the key of the current visit of the current question, such as `q1#1`."""
    return f"{state.question}#{state.visit(state.question)}"


@dataclass(frozen=True, kw_only=True)
class Spoken:
    """The parts of earlier utterances on which the next words of the interviewer depend."""

    #: The utterances since the candidate's last turn, in order.
    since: tuple[str, ...] = ()
    #: The ids of the probes of each visit of a question, in the order in which they were asked.
    probes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    #: The words of each probe that a language model asked, by the id of the probe.
    model_words: Mapping[str, str] = field(default_factory=dict)
    #: The last acknowledgement.
    acknowledged: str = ""
    #: The last answer that was read back, with the words around it.
    read_back: str = ""

    def then(self, given: Input, prompt: Prompt, after: Dialogue) -> Spoken:
        """Return the value after the utterance `prompt`, which follows the input `given`.

        `after` is the state after the decision for the input.
        """
        withdrawn = isinstance(given, Happening) and given.event is Event.WITHDRAWN
        since = () if isinstance(given, Turn) or withdrawn else self.since
        spoken = replace(self, since=(*since, prompt.text) if prompt.parts else since)
        for part in prompt.parts:
            if part.move is Move.ACKNOWLEDGE:
                spoken = replace(spoken, acknowledged=part.text)
            elif part.move is Move.READ_BACK:
                spoken = replace(spoken, read_back=part.text)
            elif part.move is Move.PROBE:
                spoken = replace(spoken, probes=spoken.with_probe(part.id, after))
                if part.by is WordsBy.MODEL:
                    known = {**spoken.model_words, part.id: part.text}
                    spoken = replace(spoken, model_words=known)
        return spoken

    def with_probe(self, probe: str, after: Dialogue) -> Mapping[str, tuple[str, ...]]:
        """Return the probes with one more; it replaces a probe of the visit that was withdrawn."""
        return {**self.probes, visit_of(after): (*self.asked_before(after), probe)}

    def asked_before(self, after: Dialogue) -> tuple[str, ...]:
        """Return the probes of the visit that were asked before the one that is asked now."""
        return self.probes.get(visit_of(after), ())[: max(after.count("probe") - 1, 0)]

    def open_probe(self, after: Dialogue) -> str:
        """Return the id of the probe that is to be answered; empty if it is the question itself."""
        probes, number = self.probes.get(visit_of(after), ()), after.count("probe")
        return probes[number - 1] if 0 < number <= len(probes) else ""
