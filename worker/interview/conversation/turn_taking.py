"""`TurnTaking`: who has the turn to speak, and what follows a turn of the candidate."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from enum import Enum, auto
from typing import TYPE_CHECKING, Any

from worker.interview.conversation.endpointing import Endpointing
from worker.interview.conversation.exclusive import Exclusive
from worker.interview.conversation.stop import Stop
from worker.interview.orchestrator_llm import OrchestratorLLM
from worker.interview.turn import Role
from worker.job.floor import TurnFloor

if TYPE_CHECKING:
    from livekit.agents import AgentSession

logger = logging.getLogger(__name__)


class Follows(Enum):
    """What follows a turn of the candidate."""

    UTTERANCE = auto()
    #: Nothing is said, because the candidate asked for time.
    SILENCE = auto()
    END = auto()


class TurnTaking:
    """Gives the turn to speak to the interviewer or to the candidate.

    Args:
        orchestrator: Holds the dialogue.
        session: Returns the session.
        is_answering: Tells whether the candidate is speaking, or has given an answer that is not
            yet committed as a turn.
    """

    def __init__(
        self,
        orchestrator: OrchestratorLLM,
        session: Callable[[], AgentSession[Any]],
        is_answering: Callable[[], bool],
    ) -> None:
        self._orchestrator = orchestrator
        #: Sets the silence that ends an answer.
        self.patience = Endpointing(
            orchestrator, lambda **options: session().update_options(**options)
        )
        #: Tells whether the interviewer is stopping.
        self.stop = Stop(is_answering)
        #: Lock that is held while an answer is taken, or while the interviewer begins to speak
        #: without an answer.
        self.exclusive = Exclusive()
        #: Tracks whether the interviewer or the candidate has the turn to speak.
        self.floor = TurnFloor()
        #: Set once the interviewer has nothing left to say.
        self.finished = asyncio.Event()

    def finish(self) -> None:
        """Note that the interviewer has nothing left to say."""
        self.floor.give()
        self.finished.set()

    async def take_answer(self, taking: Awaitable[None]) -> Follows:
        """Commit a turn of the candidate to the dialogue. Return what follows the turn."""
        self.floor.take()
        try:
            await taking
            self.patience.begin()
            if self.finished.is_set() or self._orchestrator.next_move().role is Role.DONE:
                self.finish()
                return Follows.END
            if self._orchestrator.has_due:
                return Follows.UTTERANCE
            # The candidate goes on, for example after "let me think".
            self.floor.give()
            self.patience.listen()
            return Follows.SILENCE
        except Exception:
            logger.exception(
                "committing the candidate's turn failed",
                extra={"event": "candidate_turn_not_committed"},
            )
            return Follows.UTTERANCE
