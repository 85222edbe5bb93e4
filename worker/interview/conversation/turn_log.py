"""Recorder that writes each turn to the journal before the turn is committed to the dialogue.

The dialogue records that a turn leads to are written directly before the turn.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Final

from worker.interview.decided import Decided
from worker.interview.dialogue.events import Detail, Event
from worker.interview.dialogue.inputs import Happening
from worker.interview.dialogue.records import Record
from worker.interview.heard_share import share_heard
from worker.interview.orchestrator_llm import OrchestratorLLM
from worker.interview.turn import CommittedTurn, Move

#: Function that writes a turn to the journal and returns once the journal has committed the turn.
#: The function never raises.
TurnKeeper = Callable[..., Awaitable[None]]

#: Function that writes a dialogue record to the journal. The function never raises.
DialogueKeeper = Callable[[Record], None]

#: Empty latencies, for a turn without measurements, such as a turn that was sent as text.
NO_LATENCY: Final[Mapping[str, float]] = MappingProxyType({})

#: Names of latencies in a turn's record, by the name in livekit's MetricsReport
#: (llm/chat_context.py, 1.8.9).
_PARTS: Final = {
    "end_of_turn_delay": "end_of_turn",
    "transcription_delay": "transcript",
    "llm_node_ttft": "words",
    "tts_node_ttfb": "voice",
    "e2e_latency": "answer",
}


class TurnLog:
    """Recorder of the interviewer's and the candidate's turns in one interview.

    The recorded latencies of an utterance include the time for writing the preceding answer to the
    journal, under the name `commit`.
    """

    def __init__(
        self,
        orchestrator: OrchestratorLLM,
        keep_turn: TurnKeeper,
        keep_dialogue: DialogueKeeper = lambda _: None,
    ) -> None:
        self._orchestrator = orchestrator
        self._keep_turn = keep_turn
        self._keep_dialogue = keep_dialogue
        self._commit_s: float | None = None
        # Number of turns that are being written, and the events that wait for their commit.
        self._writing = 0
        self._noted: list[Happening] = []

    async def answer(
        self,
        text: str,
        latency: Mapping[str, float] = NO_LATENCY,
        *,
        interrupted: bool = False,
        hearing: int | None = None,
        typed: bool = False,
    ) -> None:
        """Write a turn of the candidate to the journal, then commit it to the dialogue.

        `hearing` is the sequence number of the last partial-answer record that the answer includes.
        `typed` is recorded with the turn, to tell a typed answer from a spoken one. Raises
        OrchestratorNotReady if the plan has not loaded.
        """
        said = CommittedTurn(
            speaker="candidate",
            text=text,
            at=datetime.now(UTC),
            question_id=self._orchestrator.open_question().id,
            interrupted=interrupted,
        )
        decided = self._orchestrator.tracker.answered(said)
        clock = asyncio.get_running_loop().time
        began = clock()
        with self._written(said, decided):
            await self._keep_turn(
                speaker="candidate",
                text=text,
                question_id=said.question_id,
                role=None,
                generated="",
                heard="",
                interrupted=interrupted,
                latency=dict(latency),
                hearing=hearing,
                typed=typed,
            )
            self._commit_s = round(clock() - began, 3)

    async def utterance(
        self,
        move: Move,
        text: str,
        *,
        heard: str,
        interrupted: bool = False,
        broke_off: bool = False,
        latency: Mapping[str, float] = NO_LATENCY,
    ) -> None:
        """Write an utterance to the journal, then commit it to the dialogue.

        `text` is the part that the candidate heard, or the whole text if it was sent as text.
        `broke_off` is true if the utterance ended early although nothing interrupted it.
        """
        measured = dict(latency)
        if latency and self._commit_s is not None:
            measured["commit"], self._commit_s = self._commit_s, None
        said = CommittedTurn(
            speaker="interviewer",
            text=text,
            at=datetime.now(UTC),
            question_id=move.question_id,
            role=move.role,
            generated=move.text,
            interrupted=interrupted,
        )
        detail = Detail.UNHEARD if broke_off else Detail.CUT if interrupted else None
        share = share_heard(text, move.text, move.asking) if interrupted else 1.0
        decided = self._orchestrator.tracker.heard(move, share, detail if heard else Detail.WRITTEN)
        with self._written(said, decided):
            await self._keep_turn(
                speaker="interviewer",
                text=text,
                question_id=move.question_id,
                role=move.role.value,
                generated=move.text,
                heard=heard,
                interrupted=interrupted,
                latency=measured,
            )

    @contextmanager
    def _written(self, said: CommittedTurn, decided: Sequence[Decided]) -> Iterator[None]:
        """Commit a turn after the `with` block has written it, then the events of that time."""
        self._keep(decided)
        self._writing += 1
        try:
            yield
            self._orchestrator.commit(said, decided)
        finally:
            self._writing -= 1
            self._note_waiting()

    def note(self, event: Happening) -> None:
        """Record an event; while a turn is being written, after the commit of the turn.

        The decisions for the turn were computed from the state before the event. An event over the
        greeting is recorded after the greeting, with which the dialogue begins.
        """
        self._noted.append(event)
        self._note_waiting()

    def _note_waiting(self) -> None:
        tracker = self._orchestrator.tracker
        while self._noted and tracker.has_begun and not self._writing:
            self.happened(tracker.happened(self._noted.pop(0)))

    def conclude(self) -> None:
        """Write to the journal that the goodbye is over, unless a record says so already."""
        tracker = self._orchestrator.tracker
        if not tracker.has_ended:
            self.happened(tracker.happened(Happening(event=Event.QUIET)))

    def happened(self, decided: Decided) -> None:
        """Write the record of an event to the journal, then commit it to the dialogue."""
        self._keep([decided])
        self._orchestrator.happened(decided)

    def _keep(self, decided: Sequence[Decided]) -> None:
        for each in decided:
            self._keep_dialogue(each.record)


def latency_of(message: Any) -> dict[str, float]:
    """Return the measured latencies of a turn in seconds, by part.

    A candidate's turn has only the latencies that are known before the turn is recorded.
    `end_of_turn` and `transcript` count from the end of the speech. `words` counts from the request
    for the words, and `voice` from the request for the audio. `answer` is the time from the end of
    the candidate's speech to the first audio of the interviewer's reply.
    """
    metrics: Any = getattr(message, "metrics", None)
    if not isinstance(metrics, Mapping):
        return {}
    found = ((part, metrics.get(name)) for name, part in _PARTS.items())
    return {part: round(s, 3) for part, s in found if isinstance(s, int | float) and s >= 0}
