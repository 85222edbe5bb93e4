"""Recorder that writes each turn to the journal before the turn is committed to the plan."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime

from worker.interview.conversation.latency import NO_LATENCY
from worker.interview.orchestrator import CommittedTurn, Move
from worker.interview.orchestrator_llm import OrchestratorLLM

#: Function that writes a turn to the journal and returns once the journal has committed the turn.
#: The function never raises.
TurnKeeper = Callable[..., Awaitable[None]]


class TurnLog:
    """Recorder of the turns of both sides in one interview.

    The recorded latencies of an utterance include the time for writing the preceding answer.
    """

    def __init__(self, orchestrator: OrchestratorLLM, keep_turn: TurnKeeper) -> None:
        self._orchestrator = orchestrator
        self._keep_turn = keep_turn
        self._commit_s: float | None = None

    async def answer(
        self,
        text: str,
        latency: Mapping[str, float] = NO_LATENCY,
        *,
        interrupted: bool = False,
        hearing: int | None = None,
    ) -> CommittedTurn:
        """Write the candidate's answer to the current question to the journal.

        The caller has to commit the returned turn to the plan. `hearing` is the seq of the last
        partial-answer record that the answer includes. Raises OrchestratorNotReady if the plan has
        not loaded.
        """
        said = CommittedTurn(
            speaker="candidate",
            text=text,
            at=datetime.now(UTC),
            question_id=self._orchestrator.open_question().id,
            interrupted=interrupted,
        )
        clock = asyncio.get_running_loop().time
        began = clock()
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
        )
        self._commit_s = round(clock() - began, 3)
        return said

    async def utterance(
        self,
        move: Move,
        text: str,
        *,
        heard: str,
        interrupted: bool = False,
        latency: Mapping[str, float] = NO_LATENCY,
    ) -> None:
        """Write an utterance to the journal, then commit it to the plan.

        `text` is the part that the candidate heard, or the whole text if it was sent as text.
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
        self._orchestrator.commit(said)
