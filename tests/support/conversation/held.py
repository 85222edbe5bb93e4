"""Conversations on virtual time: a whole interview with a candidate who takes a row's steps."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np
import pytest

from states import Event
from tests.support.conversation.candidate import Candidate, NotHeard
from tests.support.conversation.ear import Ear, EarLine, HeardWord
from tests.support.conversation.microphone import Acoustics, Mixer
from tests.support.conversation.speech_fakes import NumberedSTT, NumberedVoice, SileroLikeVAD
from tests.support.conversation.steps import Step, Tries, Waits
from tests.support.conversation.words import Lexicon
from tests.support.virtual.model_parts import ModelStandIn, Reply
from tests.support.virtual.whole_interview import WholeInterview
from worker.audio.clip import Clip
from worker.clips import recordings
from worker.transport.in_memory import InMemoryTransport

if TYPE_CHECKING:
    from pathlib import Path

    from livekit.agents import JobContext

    from states import Outcome
    from worker.interview.plan.plan import Plan

#: Seconds after the last step in which the interview has to end. Then the test cancels it.
ENDS_WITHIN_S: Final = 20.0


class Expectation(Protocol):
    """What must be true of a conversation after its end."""

    def check(self, talk: Conversation) -> None:
        """Raise AssertionError if the expectation is not met."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One conversation: what the candidate does in which room, and what must come of it."""

    #: A sentence that says what is true of every such conversation.
    name: str
    steps: tuple[Step, ...]
    expects: tuple[Expectation, ...] = ()
    #: What the interviewer does not do right yet, so that this row fails; None if the row passes.
    gap: str | None = None
    plan: Plan
    acoustics: Acoustics = field(default_factory=Acoustics)
    #: Reply of the language model; None: there is no model.
    model: Reply | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    #: True for a candidate who is not in the room yet when the job starts.
    late: bool = False


def table(*rows: Row) -> pytest.MarkDecorator:
    """Return the mark that makes one test of each row; rows with a gap have to fail."""
    params = [
        pytest.param(
            row,
            id=row.name,
            marks=[pytest.mark.xfail(strict=True, raises=AssertionError, reason=row.gap)]
            if row.gap
            else [],
        )
        for row in rows
    ]
    return pytest.mark.parametrize("row", params)


def _clip(name: recordings.ClipName) -> Clip:
    """Return a short clip in place of a recording."""
    return Clip(name=name, text=name.text, pcm=np.full(2400, 1, np.int16), sample_rate=24_000)


def _shown(line: list[HeardWord]) -> str:
    """Return a line of the interviewer; a word of which too little was audible ends with a dash."""
    return " ".join(word.text if word.understood else f"{word.text}-" for word in line)


class _Room(InMemoryTransport):
    """Transport of a conversation."""

    line: EarLine


class Conversation(WholeInterview):
    """One conversation, during and after which a test reads what was heard, written and stored."""

    def __init__(self, row: Row, folder: Path, patch: pytest.MonkeyPatch) -> None:
        super().__init__(folder, patch, plan=row.plan)
        self.row = row
        self.lexicon = Lexicon()
        self.ear = Ear(self.lexicon)
        self.detector = SileroLikeVAD()
        self.ears = {"first": NumberedSTT(self.lexicon)}  # type: ignore[dict-item]
        self.voices = {"first": NumberedVoice(self.lexicon)}
        if row.model is not None:
            self.models = {"stand_in": ModelStandIn(row.model)}
        self.make_transport = self._make_room
        # `EarLine` speaks the clips; the recordings are not decoded.
        patch.setattr(recordings, "_found", {name: _clip(name) for name in recordings.ClipName})
        #: The step that failed, if any.
        self.failed: NotHeard | None = None

    def _make_room(self, ctx: JobContext, on_event: Callable[[Event], None]) -> _Room:
        self.microphone = Mixer(self.row.acoustics, self.ear.number_at)
        line = EarLine(self.ear, self.lexicon)
        room = _Room(ctx, on_event, line=line, microphone=self.microphone)
        room.candidate_is_here = not self.row.late
        return room

    async def _answer(self) -> None:
        """Take the steps of the row, then let the interview end."""
        self.candidate = Candidate(self.lexicon, self.ear, self.microphone, self.transport)
        self.candidate.since = self.began
        try:
            await self._take_steps()
        except NotHeard as missing:
            self.failed = missing
        else:
            await asyncio.sleep(ENDS_WITHIN_S)
        self.job.life.post(Event.CANCEL_REQUESTED)

    async def _take_steps(self) -> None:
        """Take the steps. Raises NotHeard with the number of the step that failed."""
        for number, step in enumerate(self.row.steps, 1):
            place = f"step {number} of {len(self.row.steps)}"
            # Stands if the interview ends, and this task is cancelled, during the step.
            if not isinstance(step, Tries | Waits):
                self.failed = NotHeard(f"{place}: the interview ended before {step}")
            try:
                await step.take(self.candidate)
            except NotHeard as missing:
                raise NotHeard(f"{place}: {missing}") from None
            self.failed = None

    async def check(self, **settings: Any) -> None:
        """Hold the conversation and check what it expects.

        Raises AssertionError with the transcript of what was said and heard.
        """
        await self.held(**self.row.settings, **settings)
        try:
            if self.failed is not None:
                raise self.failed
            for expectation in self.row.expects:
                expectation.check(self)
        except AssertionError as problem:
            raise AssertionError(f"{problem}\n\n{self.transcript()}") from None

    # --- results ----------------------------------------------------------------------------------

    @property
    def outcome(self) -> Outcome | None:
        return self.history.outcome

    @property
    def questions(self) -> list[str]:
        """The texts of the plan's questions, in order."""
        return [question.text for question in self.row.plan.questions]

    def stored(self) -> list[dict[str, Any]]:
        """Return the stored turns of the candidate."""
        return self._of("candidate")

    def answer_to(self, question_id: str) -> str:
        """Return the words that are stored as the candidate's answer to a question."""
        turns = [turn for turn in self.stored() if turn["question_id"] == question_id]
        return " ".join(turn["text"] for turn in turns)

    def transcript(self) -> str:
        """Return what was heard, done and stored, with the job's seconds."""
        events = [(line[0].start, f"hears {_shown(line)}") for line in self.ear.lines()]
        events += self.candidate.did
        events += [
            (self.began + turn["t"], f"stored under {turn['question_id']}: {turn['text']}")
            for turn in self.stored()
        ]
        events.sort(key=lambda event: event[0])
        shown = [f"{at - self.began:8.2f}  {what}" for at, what in events]
        end = f"          {self.outcome} {self.history.reason}; written {self.transport.written}"
        return "\n".join([*shown, end])
