"""Declaration of every metric of the worker: name, kind, labels, buckets and meaning.

Names and units follow https://prometheus.io/docs/practices/naming/. docs/reference/metrics.md is
generated from this table, and the alert rules use only metrics from this table.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from states import BUDGETS

#: Buckets in seconds around the targets of a job's start (row S7 of docs/reference/rows.md).
START_BUCKETS: Final = (0.05, 0.1, 0.2, 0.3, 0.4, 0.6, 0.8, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 15.0)
#: Histogram buckets in seconds for the time that a job spends in a state, up to the longest
#: interview.
STATE_BUCKETS: Final = (
    0.05,
    0.1,
    0.4,
    0.8,
    2.0,
    5.0,
    10.0,
    15.0,
    60.0,
    300.0,
    900.0,
    1800.0,
    3600.0,
)
#: Buckets in seconds around natural response times and the silence targets (2 s and 5 s).
TURN_BUCKETS: Final = (0.1, 0.2, 0.3, 0.5, 0.8, 1.0, 1.5, 2.0, 3.0, 5.0, 8.0, 12.0, 20.0)
#: Buckets in seconds for loading a resource, whose time budget is 2 to 5 s (`Resource.budget_s`).
LOAD_BUCKETS: Final = (0.001, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0)


@dataclass(frozen=True, kw_only=True)
class MetricDefinition:
    """One metric. `name` does not contain the suffix `_total` that Prometheus adds to a counter."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    means: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()
    #: Values of the metric's only label that are exposed from the start. Otherwise a counter would
    #: first appear with its first event, and Prometheus would not count this event.
    known: tuple[str, ...] = ()

    @property
    def shown_as(self) -> str:
        """The metric's name in the exposition; for a histogram, the name of the metric family."""
        return f"{self.name}_total" if self.kind == "counter" else self.name


def _counter(name: str, means: str, *labels: str, known: tuple[str, ...] = ()) -> MetricDefinition:
    return MetricDefinition(
        name=f"interview_{name}", kind="counter", means=means, labels=labels, known=known
    )


def _gauge(name: str, means: str, *labels: str) -> MetricDefinition:
    return MetricDefinition(name=f"interview_{name}", kind="gauge", means=means, labels=labels)


def _histogram(name: str, means: str, buckets: tuple[float, ...], *labels: str) -> MetricDefinition:
    return MetricDefinition(
        name=f"interview_{name}", kind="histogram", means=means, labels=labels, buckets=buckets
    )


JOBS_STARTED: Final = _counter("jobs_started", "Jobs assigned to this worker.")
JOBS_ENDED: Final = _counter(
    "jobs_ended", "Jobs that ended, by outcome and reason.", "outcome", "reason"
)
JOB_EXITS: Final = _counter(
    "job_exits",
    "Job processes that exited, by exit code or signal name.",
    "code",
    known=("0", "1", "SIGKILL", "SIGTERM", "SIGSEGV", "SIGABRT", "unknown"),
)
JOBS_REFUSED: Final = _counter(
    "jobs_refused", "Job requests that this worker refused.", "cause", known=("NoSlot",)
)
SENT_AGAIN: Final = _counter(
    "interviewers_sent_again",
    "Interviewers dispatched again to candidates who had none, by reason.",
    "reason",
    known=("LeaseExpired", "NotTaken", "ProcessKilled"),
)
WEBHOOKS: Final = _counter(
    "livekit_webhooks",
    "Webhooks received from LiveKit: those that trigger a check of a room, other events, and"
    " refused requests.",
    "event",
    known=("participant_joined", "participant_left", "other", "refused"),
)
RENEWAL_FAILURES: Final = _counter(
    "lease_renewal_failures", "Attempts of the worker to renew the leases of its jobs that failed."
)
STATE_SECONDS: Final = _histogram(
    "state_seconds", "Seconds that jobs spent in a state.", STATE_BUCKETS, "state"
)
START_SECONDS: Final = _histogram(
    "start_seconds",
    "Seconds from a job's receipt to a milestone: ctx_connected, init_done (entry into RUNNING).",
    START_BUCKETS,
    "milestone",
)
TIMEOUTS: Final = _counter(
    "state_timeouts", "States whose time budget was exceeded.", "state", known=tuple(BUDGETS)
)
LOADS: Final = _counter(
    "loads", "Loads of a resource, by result: ok, failed, late.", "resource", "result"
)
LOAD_ATTEMPTS: Final = _counter("load_attempts", "Attempts to load a resource.", "resource")
LOAD_SECONDS: Final = _histogram(
    "load_seconds", "Seconds to load a resource, all attempts together.", LOAD_BUCKETS, "resource"
)
LOSSES: Final = _counter(
    "resource_losses",
    "Resources that became unavailable after they had loaded.",
    "resource",
    "reason",
)
RECOVERIES: Final = _counter(
    "resource_recoveries", "Resources that became available again.", "resource"
)
DEGRADED_SECONDS: Final = _counter(
    "degraded_seconds", "Seconds that sessions ran without a resource.", "resource"
)
LEAKS: Final = _counter(
    "resource_leaks", "Resources that were not closed within their time budget.", "resource"
)
CLOSING_FAILURES: Final = _counter("closing_failures", "Closing steps that failed.", "step")
TURNS: Final = _counter("turns", "Turns that were recorded.", "speaker", "interrupted")
TURN_SECONDS: Final = _histogram(
    "turn_seconds",
    "Seconds of a turn by part: end_of_turn (speech to decision), transcript, commit, words"
    " (the model's first words), voice (first audio), answer (end of speech to first audio).",
    TURN_BUCKETS,
    "part",
)
SILENCE_SECONDS: Final = _histogram(
    "silence_seconds",
    "Seconds of silence in the interviewer's turn before a recovery step.",
    TURN_BUCKETS,
)
RUNGS: Final = _counter(
    "ladder_rungs", "Recovery steps against silence in the interviewer's turn.", "rung"
)
PROVIDER_FAILURES: Final = _counter(
    "provider_failures", "Failures of providers.", "resource", "provider", "reason"
)
FALLBACKS: Final = _counter(
    "fallbacks", "Times that a provider other than the first choice took over.", "resource"
)
FAULTS: Final = _counter("faults", "Other faults that jobs recorded.", "where", "error")
LOOP_STALLS: Final = _counter("loop_stalls", "Times that a job's event loop was blocked.")
LOOP_STALL_SECONDS: Final = _counter(
    "loop_stall_seconds", "Seconds that a job's event loop was blocked."
)

WORKER: Final = _gauge(
    "worker_info", "Always 1; the label is the version of this worker.", "version"
)
READY: Final = _gauge("worker_ready", "1 while the worker accepts jobs.")
NOT_READY: Final = _gauge(
    "worker_waiting_on", "1 for each condition that keeps the worker from being ready.", "what"
)
DRAINING: Final = _gauge("worker_draining", "1 after the worker was asked to stop.")
DRAIN_LEFT: Final = _gauge(
    "worker_drain_left_seconds", "Seconds until a draining worker ends its remaining interviews."
)
SLOTS: Final = _gauge("slots", "Interviews that the worker can run at the same time.")
SLOTS_USED: Final = _gauge("slots_used", "Interviews that run or were accepted.")
LOAD: Final = _gauge("worker_load", "Load reported to LiveKit, 0 to 1.")
PROCESSES: Final = _gauge("processes", "Job processes: warm, or running a job.", "state")
JOBS_RUNNING: Final = _gauge("jobs_running", "Running jobs, by state.", "state")
JOBS_DEGRADED: Final = _gauge("jobs_degraded", "Running jobs without a resource.", "resource")
JOBS_UNRESPONSIVE: Final = _gauge(
    "jobs_unresponsive", "Jobs without a heartbeat for longer than 10 s."
)
SHIPPING_LAG: Final = _gauge(
    "shipping_lag_seconds",
    "Age of the oldest journal of an ended job that is not yet stored in the database.",
)
JOURNALS_WAITING: Final = _gauge(
    "journals_waiting", "Journals of ended jobs that are not yet stored in the database."
)
POOL: Final = _gauge(
    "database_pool_connections", "Database connections of the main process: idle or used.", "state"
)
RENEWAL_AGE: Final = _gauge(
    "lease_renewal_age_seconds",
    "Seconds since the worker last renewed the leases of its jobs; 0 without a database.",
)
DISK_FREE: Final = _gauge("disk_free_bytes", "Free bytes on the disk of the journals.")

#: All metrics, in the order of docs/reference/metrics.md.
FIGURES: Final = tuple(
    value for value in list(globals().values()) if isinstance(value, MetricDefinition)
)
