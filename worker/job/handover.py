"""Early end of a job: the job is handed over to another worker, or closed."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from states import Event
from worker.aio.timeouts import run_with_timeout
from worker.job.application import handover_of

if TYPE_CHECKING:
    from worker.job.runner_job import RunnerJob

logger = logging.getLogger(__name__)

#: Maximum seconds to find out whether another job will continue the work. The candidate hears
#: nothing during this time.
_ASK_S: Final = 0.6


def hand_over(job: RunnerJob) -> None:
    """Handle the worker's handover signal: leave the interview to another worker.

    A job whose work no other job can continue ends instead. A job that is almost done ignores the
    signal.
    """
    succession = handover_of(job.app)
    if succession is None:
        job.life.post(Event.SHUTDOWN_REQUESTED)
    elif not succession.almost_done:
        job.life.post(Event.HANDOVER_REQUESTED)


async def on_worker_lost(job: RunnerJob) -> None:
    """Handle the loss of the main process: hand the job over, or end it if no job can follow.

    If this job ends without a handover, another worker dispatches the next interviewer later. The
    job is also handed over if it is not known whether another job can follow.
    """
    job.orphaned = True
    succession = handover_of(job.app)
    followed = None if succession is not None else False
    if succession is not None:
        try:
            followed = await run_with_timeout(succession.expects_successor(None), _ASK_S)
        except Exception as error:  # any error, because the candidate waits
            job.recorder.fault("lose_worker", error)
    alone = followed is False
    logger.warning(
        "the worker's main process is gone, so the job %s",
        "ends" if alone else "is handed over",
        extra={"event": "main_process_gone"},
    )
    job.life.post(Event.WORKER_LOST if alone else Event.HANDOVER_REQUESTED)
