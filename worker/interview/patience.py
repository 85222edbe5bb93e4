"""How long the candidate may answer: as the question says, and less once its time is over."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any, Final

from livekit.agents.voice.turn import EndpointingOptions

from worker.interview.orchestrator_llm import OrchestratorLLM

#: Seconds of silence that end an answer once its question's time is over: nobody is talked
#: over, and nobody is waited for.
HURRIED_PAUSE_S: Final = 0.6
#: Seconds that every answer has before that, also where the question's time was over before:
#: the shortest time that a plan may give.
LEAST_ANSWER_S: Final = 10.0
#: Seconds of silence that end an answer which does not sound finished.
UNFINISHED_PAUSE_S: Final = 6.0
#: Seconds that the first half of an answer waits for the rest, which nobody listened to.
UNHEARD_PAUSE_S: Final = 30.0


class Patience:
    """Sets the silence that ends an answer.

    Args:
        orchestrator: Knows the open question and its time.
        update_options: The session's; raises RuntimeError where it is closing.
    """

    def __init__(self, orchestrator: OrchestratorLLM, update_options: Callable[..., Any]) -> None:
        self._orchestrator = orchestrator
        self._update_options = update_options
        self._time_over: asyncio.TimerHandle | None = None
        self._pauses_s = (UNFINISHED_PAUSE_S, UNFINISHED_PAUSE_S)
        #: Nobody listens: what is said now comes as text later, if at all.
        self.deaf = False

    def wait_for_text(self) -> None:
        """Nobody listens any more: no silence ends an answer of which a part is not understood."""
        self.deaf = True
        self._set()

    def text_came(self) -> None:
        """Somebody listens."""
        if self.deaf:
            self.deaf = False
            self._set()

    def listen(self) -> None:
        """Be patient with the answer, until its question's time is over."""
        hurried_s = min(self.begin(), HURRIED_PAUSE_S)
        self._time_over = asyncio.get_running_loop().call_later(
            max(LEAST_ANSWER_S, self._orchestrator.seconds_left()),
            lambda: self._think_with(hurried_s, hurried_s),
        )

    def begin(self) -> float:
        """Let an answer end as its question says; returns its pause, in seconds."""
        self.stop()
        pause_s = self._orchestrator.open_question().thinking_pause_s
        self._think_with(pause_s, max(pause_s, UNFINISHED_PAUSE_S))
        return pause_s

    def stop(self) -> None:
        """Forget the time of the open question."""
        if self._time_over is not None:
            self._time_over.cancel()

    def _think_with(self, pause_s: float, unfinished_s: float) -> None:
        """How long a silence ends the answer, and one that does not sound finished."""
        self._pauses_s = pause_s, unfinished_s
        self._set()

    def _set(self) -> None:
        pause_s, unfinished_s = self._pauses_s
        if self.deaf:
            pause_s = unfinished_s = UNHEARD_PAUSE_S
        options = EndpointingOptions(min_delay=pause_s, max_delay=unfinished_s)
        # A session that is closing has no agent any more, and needs no pause.
        with contextlib.suppress(RuntimeError):
            self._update_options(endpointing_opts=options)
