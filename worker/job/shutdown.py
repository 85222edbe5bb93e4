"""Closing sequence of a job: each step has its own budget, and a failed step stops no other."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

from states import Event, Outcome, Phase, Reason
from states.transition import IllegalTransition, LifecycleStopped
from worker import faults
from worker.aio.timeouts import run_with_timeout
from worker.job.application import handover_of

if TYPE_CHECKING:
    from worker.audio.clip import Clip
    from worker.job.application import HandoverHooks
    from worker.job.runner_job import RunnerJob
    from worker.resources.resource import LoadReport

#: Minimum seconds that each closing step gets, even if the time budget of CLOSING is spent.
LEAST_STEP_S = 0.2
#: Seconds that the closing message needs beyond its length, for the audio output to become free and
#: for playback to finish.
AROUND_WORDS_S = 0.5
#: Maximum seconds until the current speaker has paused and the turn is recorded.
_FINISH_SENTENCE_S = 5.0
#: Maximum seconds for closing all resources together.
_CLOSE_RESOURCES_S = 3.0


async def shut_down(job: RunnerJob, work: asyncio.Task[None]) -> None:
    """Take a job from CLOSING to CLOSED. A step that hangs or raises is recorded and skipped."""
    closing = _Closing(job)
    asked = job.life.reason is Reason.WORKER_LOST
    if job.life.outcome is Outcome.FAILED and closing.succession is not None and not asked:
        # The closing message depends on whether a successor is expected.
        looking = closing.succession.expects_successor(job.life.reason)
        await closing.step("look_for_successor", 0.6, looking)
    words = closing.last_words()
    # Reserve time for the closing message, even if earlier steps hang.
    keep_s = words.duration_s + AROUND_WORDS_S if words is not None else 0.0
    try:
        await closing.step("stop_work", 2.0, closing.stop_work(work), keep_s=keep_s)
        if (talk := closing.finishes_sentence) is not None:
            sentence = talk.finish_sentence(at_once=job.orphaned)
            await closing.step("finish_sentence", _FINISH_SENTENCE_S, sentence, keep_s=keep_s)
        await closing.step("stop_session", 3.0, closing.stop_session(), keep_s=keep_s)
        await closing.step("last_records", 1.0, closing.write_last_records(), keep_s=keep_s)
        await closing.step("last_words", 8.0, closing.say(words))
        await closing.step("sync_journal", 2.0, job.life.journal.commit())
        await closing.release()
        await closing.leave()
        await closing.step("close_resources", _CLOSE_RESOURCES_S, closing.close_resources())
    finally:
        if job.life.state.phase is Phase.CLOSING:
            with contextlib.suppress(IllegalTransition, LifecycleStopped):
                await job.life.fire(Event.CLOSED)
        await job.life.stop()
        job.life.journal.close()


class _Closing:
    """The steps of the closing sequence."""

    def __init__(self, job: RunnerJob) -> None:
        self._job = job
        #: Handover steps; None if no other job can continue the work.
        self.succession = handover_of(job.app)

    @property
    def successor(self) -> HandoverHooks | None:
        """The handover steps if the job is handed over, else None."""
        return self.succession if self._job.life.outcome is Outcome.HANDED_OVER else None

    @property
    def finishes_sentence(self) -> HandoverHooks | None:
        """The handover steps if the current speaker may finish the sentence, else None.

        The speaker may finish in a handover, when the time limit is reached, and after a
        cancellation, because these ends are not urgent.
        """
        unhurried = self._job.life.reason in (Reason.TIME_LIMIT_REACHED, Reason.CANCEL_REQUESTED)
        return self.succession if unhurried else self.successor

    async def step(
        self,
        name: str,
        budget_s: float,
        step: Coroutine[Any, Any, object],
        *,
        keep_s: float = 0.0,
    ) -> None:
        """Run one step in at most `budget_s` seconds, and keep `keep_s` seconds for later steps."""
        work = run_with_timeout(faults.at("close", step, name), self._within(budget_s, keep_s))
        with contextlib.suppress(Exception):
            await self._job.recorder.timed(name, work)

    def _within(self, budget_s: float, keep_s: float = 0.0) -> float:
        """Limit `budget_s` to CLOSING's remaining time minus `keep_s`; at least LEAST_STEP_S."""
        # None if the budget of CLOSING is spent and the state is CLOSED.
        remaining = self._job.life.remaining or 0.0
        return min(budget_s, max(LEAST_STEP_S, remaining - keep_s - LEAST_STEP_S))

    async def stop_work(self, work: asyncio.Task[None]) -> None:
        """Cancel the job's work and the loading of its resources; wait for the cancelled tasks."""
        tasks = {task for task in (work, self._job.loading) if task is not None}
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)

    async def stop_session(self) -> None:
        """Close the session, and cut off its current speech."""
        if self._job.session is not None:
            await self._job.session.aclose()

    async def write_last_records(self) -> None:
        """Let the application write the records that remain after the session."""
        for write in self._job.last_records:
            await write()

    def last_words(self) -> Clip | None:
        """Return the application's closing message for the reason of the job's end."""
        reason = self._job.life.reason
        try:
            return self._job.app.last_words(reason) if reason is not None else None
        except Exception as error:
            self._job.recorder.fault("last_words", error)
            return None

    async def say(self, words: Clip | None) -> None:
        """Play the closing message, if the candidate is present."""
        transport = self._job.transport
        if words is not None and transport.candidate_is_here and self._job.opening is not None:
            # If the audio output failed to open, this await raises, and the step ends immediately.
            await asyncio.shield(self._job.opening)
            # A hung session may have left an unfinished utterance in the audio output.
            transport.line.clear_buffer()
            await transport.line.play(words)

    async def release(self) -> None:
        """Ingest all records, so that a successor can read them, and release the lease."""
        life, succession = self._job.life, self.succession
        # A superseded job no longer holds the lease.
        if succession is None or life.outcome in (None, Outcome.SUPERSEDED) or not life.reason:
            return
        await self.step("ship", 1.2, succession.ship())
        release = succession.release_lease(life.outcome, life.reason)
        await self.step("release_lease", 1.2, release)

    async def leave(self) -> None:
        """Leave the room; in a handover, dispatch the successor at the same time."""
        leaving = [self.step("leave_room", 2.0, self.leave_room())]
        if (succession := self.successor) is not None:
            sending = self.step("send_successor", 2.0, succession.send_successor())
            leaving.append(sending)
        await asyncio.gather(*leaving)

    async def leave_room(self) -> None:
        """Close the audio output and leave the room."""
        if self._job.opening is not None:
            self._job.opening.cancel()
        await self._job.transport.leave()

    async def close_resources(self) -> None:
        """Close the loaded resources."""
        budget_s = 0.9 * self._within(_CLOSE_RESOURCES_S)
        await self._job.resources.aclose(self._on_closed, budget_s=budget_s)

    async def _on_closed(self, report: LoadReport) -> None:
        self._job.recorder.loader(f"close {report.name}", report)
