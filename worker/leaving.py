"""A job that has to make room before its work is done: it is handed over, or ended."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from states import Event
from worker.application import succession_of
from worker.bounded import bounded

if TYPE_CHECKING:
    from worker.job_handle import RunnerJob

logger = logging.getLogger(__name__)

#: Seconds to find out whether somebody will come; the candidate hears nothing meanwhile.
_ASK_S: Final = 0.6


def hand_over(job: RunnerJob) -> None:
    """On the worker's word that another worker takes interviews: leave this one to it."""
    succession = succession_of(job.app)
    if succession is None:
        job.life.post(Event.SHUTDOWN_REQUESTED)
    elif not succession.almost_done:
        job.life.post(Event.HANDOVER_REQUESTED)


async def lose_worker(job: RunnerJob) -> None:
    """Once the main process is gone: hand over, unless it is known that nobody could follow.

    A worker that takes its place, if there is one, sends somebody after such an end as well.
    """
    job.orphaned = True
    succession = succession_of(job.app)
    followed = None if succession is not None else False
    if succession is not None:
        try:
            followed = await bounded(succession.expects_successor(None), _ASK_S)
        except Exception as error:  # whatever it is, the candidate waits for a word
            job.book.fault("lose_worker", error)
    alone = followed is False
    logger.warning("the worker is gone: the job %s", "ends" if alone else "is handed over")
    job.life.post(Event.WORKER_LOST if alone else Event.HANDOVER_REQUESTED)
