"""Closing a job: one step after another, each in its own budget, and none left out."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

from states import Event, Outcome, Reason, State
from states.transition import IllegalTransition, LifecycleStopped
from worker import faults
from worker.application import succession_of
from worker.bounded import bounded

if TYPE_CHECKING:
    from worker.application import Succession
    from worker.job_handle import RunnerJob
    from worker.resources.base import LoadReport
    from worker.speech.clip import Clip

#: Seconds that a step has even where the budget of CLOSING is spent.
LEAST_STEP_S = 0.2
#: Seconds that last words have beyond their length: until the line is free, and until played.
AROUND_WORDS_S = 0.5
#: Seconds for whoever speaks to come to a pause, and for the record of it.
_FINISH_SENTENCE_S = 5.0
#: Seconds for the closers of all resources together.
_CLOSE_RESOURCES_S = 3.0


async def close(job: RunnerJob, work: asyncio.Task[None]) -> None:
    """From CLOSING to CLOSED. What hangs or raises is named in the journal and passed over."""
    closing = _Closing(job)
    asked = job.life.reason is Reason.WORKER_LOST
    if job.life.outcome is Outcome.FAILED and closing.succession is not None and not asked:
        # The last words depend on it.
        looking = closing.succession.expects_successor(job.life.reason)
        await closing.step("look_for_successor", 0.6, looking)
    words = closing.last_words()
    # However little time there is and whatever hangs: there is enough for the last words.
    keep_s = words.duration_s + AROUND_WORDS_S if words is not None else 0.0
    try:
        await closing.step("stop_work", 2.0, closing.stop_work(work), keep_s=keep_s)
        if (succession := closing.successor) is not None:
            sentence = succession.finish_sentence(at_once=job.orphaned)
            await closing.step("finish_sentence", _FINISH_SENTENCE_S, sentence, keep_s=keep_s)
        await closing.step("stop_session", 3.0, closing.stop_session(), keep_s=keep_s)
        await closing.step("last_records", 1.0, closing.write_last_records(), keep_s=keep_s)
        await closing.step("last_words", 8.0, closing.say(words))
        await closing.step("sync_journal", 2.0, job.life.journal.commit())
        await closing.release()
        await closing.leave()
        await closing.step("close_resources", _CLOSE_RESOURCES_S, closing.close_resources())
    finally:
        if job.life.state is State.CLOSING:
            with contextlib.suppress(IllegalTransition, LifecycleStopped):
                await job.life.fire(Event.CLOSED)
        await job.life.stop()
        job.life.journal.close()


class _Closing:
    """The steps."""

    def __init__(self, job: RunnerJob) -> None:
        self._job = job
        #: How the work is left, where another job can take it up.
        self.succession = succession_of(job.app)

    @property
    def successor(self) -> Succession | None:
        """The same, where the job is handed over."""
        return self.succession if self._job.life.outcome is Outcome.HANDED_OVER else None

    async def step(
        self,
        name: str,
        budget_s: float,
        step: Coroutine[Any, Any, object],
        *,
        keep_s: float = 0.0,
    ) -> None:
        """Do one step in at most `budget_s` seconds, keeping `keep_s` for those after it."""
        work = bounded(faults.at("close", step, name), self._within(budget_s, keep_s))
        with contextlib.suppress(Exception):
            await self._job.book.timed(name, work)

    def _within(self, budget_s: float, keep_s: float = 0.0) -> float:
        """So many of these seconds are there, in what is left of CLOSING."""
        remaining = self._job.life.remaining or 0.0  # CLOSED has none: that of CLOSING is spent
        return min(budget_s, max(LEAST_STEP_S, remaining - keep_s - LEAST_STEP_S))

    async def stop_work(self, work: asyncio.Task[None]) -> None:
        """Cancel what the job was doing."""
        tasks = {task for task in (work, self._job.loading) if task is not None}
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)

    async def stop_session(self) -> None:
        """End the session; what it was saying is cut off."""
        if self._job.session is not None:
            await self._job.session.aclose()

    async def write_last_records(self) -> None:
        """Let the application write down what the session has left."""
        for write in self._job.last_records:
            await write()

    def last_words(self) -> Clip | None:
        """What there is to say for the reason that the job ends for."""
        reason = self._job.life.reason
        try:
            return self._job.app.last_words(reason) if reason is not None else None
        except Exception as error:
            self._job.book.fault("last_words", error)
            return None

    async def say(self, words: Clip | None) -> None:
        """Say it, if somebody is there to hear it."""
        stage = self._job.stage
        if words is not None and stage.candidate_is_here and self._job.opening is not None:
            # Where it cannot be opened nothing can be said, and this step is over at once.
            await asyncio.shield(self._job.opening)
            # A session that hung may have left an utterance without an end on the line.
            stage.line.clear_buffer()
            await stage.line.play(words)

    async def release(self) -> None:
        """Have everything where a successor reads it, and let go of the lease."""
        life, succession = self._job.life, self.succession
        # Whoever was superseded has none any more.
        if succession is None or life.outcome in (None, Outcome.SUPERSEDED) or not life.reason:
            return
        await self.step("ship", 1.2, succession.ship())
        release = succession.release_lease(life.outcome, life.reason)
        await self.step("release_lease", 1.2, release)

    async def leave(self) -> None:
        """Leave, while somebody else is on the way already where the job is handed over."""
        leaving = [self.step("leave_room", 2.0, self.leave_room())]
        if (succession := self.successor) is not None:
            sending = self.step("send_successor", 2.0, succession.send_successor())
            leaving.append(sending)
        await asyncio.gather(*leaving)

    async def leave_room(self) -> None:
        """Close the line and leave."""
        if self._job.opening is not None:
            self._job.opening.cancel()
        await self._job.stage.leave()

    async def close_resources(self) -> None:
        """Free what was loaded."""
        budget_s = 0.9 * self._within(_CLOSE_RESOURCES_S)
        await self._job.held.aclose(self._on_closed, budget_s=budget_s)

    async def _on_closed(self, report: LoadReport) -> None:
        self._job.book.loader(f"close {report.name}", report)
