"""Endpointing: the silence that ends an answer depends on the question and the time left."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any, Final

from livekit.agents.voice.turn import EndpointingOptions

from worker.interview.orchestrator_llm import OrchestratorLLM

#: Seconds of silence that end an answer once the question's time is over. The interviewer does not
#: interrupt a long answer, but takes the next short pause as its end.
HURRIED_PAUSE_S: Final = 0.6
#: Minimum seconds of an answer before `HURRIED_PAUSE_S` applies, even if the question's time is
#: already over. The value equals the shortest time limit that a plan may set for a question.
LEAST_ANSWER_S: Final = 10.0
#: Seconds of silence that end an answer if the answer does not sound finished.
UNFINISHED_PAUSE_S: Final = 6.0
#: Seconds of silence that end an answer while no speech-to-text provider is left. This time is
#: long, because the transcript of the answer may arrive late.
UNHEARD_PAUSE_S: Final = 30.0


class Endpointing:
    """Controller of the session's endpointing delays, the silence that ends an answer.

    Args:
        orchestrator: Provides the current question and its remaining time.
        update_options: `AgentSession.update_options`, which raises RuntimeError if the session is
            closing.
    """

    def __init__(self, orchestrator: OrchestratorLLM, update_options: Callable[..., Any]) -> None:
        self._orchestrator = orchestrator
        self._update_options = update_options
        self._time_over: asyncio.TimerHandle | None = None
        self._pauses_s = (UNFINISHED_PAUSE_S, UNFINISHED_PAUSE_S)
        #: True while no speech-to-text provider is left, so that transcripts are late or missing.
        self.deaf = False

    def wait_for_text(self) -> None:
        """Let only a pause of `UNHEARD_PAUSE_S` end an answer, as no STT provider is left."""
        self.deaf = True
        self._set()

    def text_came(self) -> None:
        """Restore the normal pauses, because speech-to-text has produced a transcript."""
        if self.deaf:
            self.deaf = False
            self._set()

    def listen(self) -> None:
        """Set the pauses as `begin` does; use `HURRIED_PAUSE_S` after the question's time."""
        hurried_s = min(self.begin(), HURRIED_PAUSE_S)
        self._time_over = asyncio.get_running_loop().call_later(
            max(LEAST_ANSWER_S, self._orchestrator.seconds_left()),
            lambda: self._think_with(hurried_s, hurried_s),
        )

    def begin(self) -> float:
        """Set the silences (pauses) that end an answer to the current question.

        Return the silence that ends a finished answer, in seconds.
        """
        self.stop()
        pause_s = self._orchestrator.open_question().thinking_pause_s
        self._think_with(pause_s, max(pause_s, UNFINISHED_PAUSE_S))
        return pause_s

    def stop(self) -> None:
        """Cancel the timer that shortens the pauses to `HURRIED_PAUSE_S`."""
        if self._time_over is not None:
            self._time_over.cancel()

    def _think_with(self, pause_s: float, unfinished_s: float) -> None:
        """Set the silence that ends a finished answer, and the silence for an unfinished answer."""
        self._pauses_s = pause_s, unfinished_s
        self._set()

    def _set(self) -> None:
        pause_s, unfinished_s = self._pauses_s
        if self.deaf:
            pause_s = unfinished_s = UNHEARD_PAUSE_S
        options = EndpointingOptions(min_delay=pause_s, max_delay=unfinished_s)
        # A closing session has no agent, and raises RuntimeError.
        with contextlib.suppress(RuntimeError):
            self._update_options(endpointing_opts=options)
