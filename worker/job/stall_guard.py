"""Reaction of a job to a blocked event loop: a message to the candidate, and a record."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from worker.aio.loop_monitor import LoopMonitor, Stall

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

    from worker.job.runner_job import RunnerJob

logger = logging.getLogger(__name__)


class StallGuard:
    """Context manager that watches the event loop of a job. Create the manager on the watched loop.

    If the loop is blocked in the interviewer's turn, a thread plays the application's waiting
    message after INTERVIEW_SILENCE_FILLER_S seconds of silence, and again after twice that time.
    Once the loop runs again, the journal gets a `fault` record LoopStalled with the blocking call
    and the duration.
    """

    def __init__(self, job: RunnerJob, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._job = job
        self.watch = LoopMonitor(on_blocked=self._say, on_over=self._record, clock=clock)

    def __enter__(self) -> Self:
        self.watch.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.watch.stop()

    def _say(self, said: int) -> bool:
        """Play a waiting message. Runs in the watchdog's thread while the job's loop is blocked."""
        try:
            return self._is_awaited() and self._play(said)
        except Exception as error:  # any error, because the application's code may raise
            logger.warning(
                "the waiting message failed to play while the event loop was blocked: %s",
                type(error).__name__,
                extra={"event": "waiting_message_failed"},
            )
            return False

    def _is_awaited(self) -> bool:
        job = self._job
        ours = job.session is None if job.floor is None else job.floor.ours
        return ours and job.life.state.may_speak and job.transport.candidate_is_here

    def _play(self, said: int) -> bool:
        words = self._job.app.waiting_words()
        if words is None:
            return False
        filler_s = self._job.settings.silence_filler_s
        return self._job.transport.line.play_aside(
            words, after_s=2 * filler_s if said else filler_s
        )

    def _record(self, stall: Stall) -> None:
        self._job.recorder.stalled(stall)
        logger.warning(
            "the event loop was blocked by %s",
            stall.call,
            extra={
                "event": "event_loop_blocked",
                "stalled_s": round(stall.stalled_s, 1),
                "said": stall.said,
            },
        )
        if self._job.floor is not None:
            # Do not count the silence during the stall, because no TTS provider caused it.
            self._job.floor.begin_anew()
