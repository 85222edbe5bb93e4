"""What a job does about an event loop that is blocked: a word to the candidate, and a record."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Final

from states import State
from worker.loop_watch import LoopWatch, Stall

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

    from worker.job_handle import RunnerJob

logger = logging.getLogger(__name__)

#: Somebody may be waiting for a word in these.
_WAITING_STATES: Final = frozenset(
    {State.CONNECTED, State.BOOTSTRAPPING, State.READY, State.DEGRADED, State.RUNNING}
)


class LoopGuard:
    """Watches the event loop of a job while it is entered; to be made on that loop.

    Where the loop is blocked and it is the interviewer's turn, the application's waiting words
    are played past the loop once nothing was heard for INTERVIEW_SILENCE_FILLER_S, and again
    after twice that. When it goes on the journal has `fault` LoopStalled: what blocked it, and
    for how long.
    """

    def __init__(self, job: RunnerJob, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._job = job
        self.watch = LoopWatch(on_blocked=self._say, on_over=self._record, clock=clock)

    def __enter__(self) -> Self:
        self.watch.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.watch.stop()

    def _say(self, said: int) -> bool:
        """In the watch's thread, while nothing of the job moves."""
        try:
            return self._is_awaited() and self._play(said)
        except Exception as error:  # an application's words among others
            logger.warning("nothing was said while the loop is blocked: %s", type(error).__name__)
            return False

    def _is_awaited(self) -> bool:
        job = self._job
        ours = job.session is None if job.floor is None else job.floor.ours
        return ours and job.life.state in _WAITING_STATES and job.stage.candidate_is_here

    def _play(self, said: int) -> bool:
        words = self._job.app.waiting_words()
        if words is None:
            return False
        filler_s = self._job.settings.silence_filler_s
        return self._job.stage.line.play_aside(words, after_s=2 * filler_s if said else filler_s)

    def _record(self, stall: Stall) -> None:
        self._job.book.stalled(stall)
        logger.warning(
            "the event loop was blocked by %s",
            stall.call,
            extra={"stalled_s": round(stall.stalled_s, 1), "said": stall.said},
        )
        if self._job.floor is not None:
            # Nobody's voice was to blame for this silence.
            self._job.floor.begin_anew()
