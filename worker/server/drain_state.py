"""States of a drain, of its jobs, and of its search for free slots, with the transition tables."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum, auto
from types import MappingProxyType
from typing import Final


class DrainState(StrEnum):
    """Progress of the drain of a worker. The first value is ACCEPTING."""

    #: The drain has not begun.
    ACCEPTING = auto()
    #: The worker takes no jobs, and its jobs continue until the drain time is over.
    DRAINING = auto()
    #: The drain time is over. The jobs are handed over to other workers.
    HANDING_OVER = auto()
    #: The jobs are handed over to other workers, because of a stop request. The next stop request
    #: ends the jobs.
    HANDING_OVER_ON_REQUEST = auto()
    #: The jobs are ended, including those that are being handed over.
    ENDING = auto()


class DrainEvent(StrEnum):
    """What can change the state of the drain."""

    STARTED = auto()
    TIME_OVER = auto()
    #: The worker got a further stop request after the drain had begun.
    STOP_REPEATED = auto()


_D, _E = DrainState, DrainEvent

#: The next state for each state and event. An event without a row changes nothing. The second stop
#: request to a worker starts the handover, unless it has already begun. The third stop request ends
#: the jobs.
DRAIN_TRANSITIONS: Final[Mapping[tuple[DrainState, DrainEvent], DrainState]] = MappingProxyType(
    {
        (_D.ACCEPTING, _E.STARTED): _D.DRAINING,
        (_D.DRAINING, _E.TIME_OVER): _D.HANDING_OVER,
        (_D.ACCEPTING, _E.STOP_REPEATED): _D.HANDING_OVER_ON_REQUEST,
        (_D.DRAINING, _E.STOP_REPEATED): _D.HANDING_OVER_ON_REQUEST,
        (_D.HANDING_OVER, _E.STOP_REPEATED): _D.HANDING_OVER_ON_REQUEST,
        (_D.HANDING_OVER_ON_REQUEST, _E.STOP_REPEATED): _D.ENDING,
    }
)


class JobState(StrEnum):
    """The last signal that the drain has sent to a job. RUNNING means that no signal was sent."""

    #: The job has got no signal.
    RUNNING = auto()
    #: The job has got the signal to hand over its interview to another worker.
    HANDING_OVER = auto()
    #: The job has got the signal to end its interview.
    ENDING = auto()


class JobEvent(StrEnum):
    """The signals that the drain sends to a job."""

    HANDOVER = auto()
    END = auto()


#: The next state for each state and signal. A signal without a row is not sent.
JOB_TRANSITIONS: Final[Mapping[tuple[JobState, JobEvent], JobState]] = MappingProxyType(
    {
        (JobState.RUNNING, JobEvent.HANDOVER): JobState.HANDING_OVER,
        (JobState.RUNNING, JobEvent.END): JobState.ENDING,
        (JobState.HANDING_OVER, JobEvent.END): JobState.ENDING,
    }
)


@dataclass(kw_only=True)
class DrainedJob:
    """One job of the drain. Times are those of the event loop."""

    state: JobState = JobState.RUNNING
    #: Loop time by which the job must have ended; infinity while the job has got no signal.
    must_end_at: float = math.inf

    def may_get(self, event: JobEvent) -> bool:
        """Return whether the drain may send the signal `event` to the job now."""
        return (self.state, event) in JOB_TRANSITIONS

    def tell(self, event: JobEvent, *, must_end_at: float) -> None:
        """Record that the job was sent `event`. Raises ValueError if `may_get(event)` is False."""
        if not self.may_get(event):
            raise ValueError(f"{event} must not be sent to a job in the state {self.state}")
        self.state, self.must_end_at = JOB_TRANSITIONS[self.state, event], must_end_at


class SearchState(StrEnum):
    """Progress of the search for free slots. A change to WAITING or KEEPING is logged."""

    #: No job has needed a slot of another worker.
    NOT_BEGUN = auto()
    #: The drain is looking for free slots of other workers.
    SEARCHING = auto()
    #: The drain waits a limited time for a free slot, because no free slot was known.
    WAITING = auto()
    #: No free slot was found, so the jobs continue on this worker until a slot is found.
    KEEPING = auto()


class SearchEvent(StrEnum):
    """What can change the state of the search."""

    LOOKED = auto()
    #: No other worker has a free slot now, but the drain waits for one.
    NO_SLOT_YET = auto()
    #: No other worker has a free slot, and the jobs are to continue on this worker.
    NO_SLOT_BUT_KEPT = auto()


#: The next state for each state and event. An event without a row changes nothing.
SEARCH_TRANSITIONS: Final[Mapping[tuple[SearchState, SearchEvent], SearchState]] = MappingProxyType(
    {
        (SearchState.NOT_BEGUN, SearchEvent.LOOKED): SearchState.SEARCHING,
        (SearchState.SEARCHING, SearchEvent.NO_SLOT_YET): SearchState.WAITING,
        (SearchState.SEARCHING, SearchEvent.NO_SLOT_BUT_KEPT): SearchState.KEEPING,
    }
)
