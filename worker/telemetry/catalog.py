"""Declaration of every metric of the worker: name, kind, labels, buckets and meaning.

Names and units follow https://prometheus.io/docs/practices/naming/. docs/metrics.md is generated
from this table, and the alert rules use only metrics from it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from states import BUDGETS

#: Seconds, around the targets of a start (0.4 to connect, 0.8 until the session runs).
START_BUCKETS: Final = (0.05, 0.1, 0.2, 0.3, 0.4, 0.6, 0.8, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 15.0)
#: Seconds, from a fast start to the longest interview.
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
#: Seconds, around natural response times and the silence targets (2 and 5).
TURN_BUCKETS: Final = (0.1, 0.2, 0.3, 0.5, 0.8, 1.0, 1.5, 2.0, 3.0, 5.0, 8.0, 12.0, 20.0)
#: Seconds of a loader, whose budget is 2 to 5.
LOAD_BUCKETS: Final = (0.001, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0)


@dataclass(frozen=True, kw_only=True)
class MetricDefinition:
    """One metric. `name` excludes the `_total` suffix that a counter is exposed with."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    means: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()
    #: Values of its single label that are exposed from the start: for Prometheus, a counter that
    #: appears with its first event has not grown.
    known: tuple[str, ...] = ()

    @property
    def shown_as(self) -> str:
        """The name in the exposition; for a histogram, the name of the family."""
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


JOBS_STARTED: Final = _counter("jobs_started", "Jobs that this worker was given.")
JOBS_ENDED: Final = _counter("jobs_ended", "Jobs that ended, by how and why.", "outcome", "reason")
JOB_EXITS: Final = _counter(
    "job_exits",
    "Processes of jobs that are gone: exit code, or the signal's name.",
    "code",
    known=("0", "1", "SIGKILL", "SIGTERM", "SIGSEGV", "SIGABRT", "unknown"),
)
JOBS_REFUSED: Final = _counter(
    "jobs_refused", "Requests passed back to LiveKit.", "cause", known=("NoSlot",)
)
SENT_AGAIN: Final = _counter(
    "interviewers_sent_again",
    "Interviewers that were sent to candidates who were without one, by why.",
    "reason",
    known=("LeaseExpired", "NotTaken", "ProcessKilled"),
)
WEBHOOKS: Final = _counter(
    "livekit_webhooks",
    "Webhooks that LiveKit sent: those after which a room is looked at, other ones, and what was"
    " refused.",
    "event",
    known=("participant_joined", "participant_left", "other", "refused"),
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
    "state_timeouts", "States whose budget was spent.", "state", known=tuple(BUDGETS)
)
LOADS: Final = _counter(
    "loads", "Loaders that are done, or late: ok, failed, late.", "resource", "result"
)
LOAD_ATTEMPTS: Final = _counter("load_attempts", "Attempts that loaders made.", "resource")
LOAD_SECONDS: Final = _histogram(
    "load_seconds", "Seconds that loaders took, all attempts together.", LOAD_BUCKETS, "resource"
)
LOSSES: Final = _counter(
    "resource_losses", "Resources lost after they had loaded.", "resource", "reason"
)
RECOVERIES: Final = _counter("resource_recoveries", "Lost resources that came back.", "resource")
DEGRADED_SECONDS: Final = _counter(
    "degraded_seconds", "Seconds that sessions ran without a resource.", "resource"
)
LEAKS: Final = _counter(
    "resource_leaks", "Resources that were not closed, or not in their budget.", "resource"
)
CLOSING_FAILURES: Final = _counter("closing_failures", "Steps of closing that failed.", "step")
TURNS: Final = _counter("turns", "Turns that were kept.", "speaker", "interrupted")
TURN_SECONDS: Final = _histogram(
    "turn_seconds",
    "Seconds of a turn by part: end_of_turn (speech to decision), transcript, commit, words"
    " (a model's first), voice (first audio), answer (end of speech to first audio).",
    TURN_BUCKETS,
    "part",
)
SILENCE_SECONDS: Final = _histogram(
    "silence_seconds",
    "Seconds of silence in the interviewer's turn after which something was done about it.",
    TURN_BUCKETS,
)
RUNGS: Final = _counter("ladder_rungs", "Steps taken against silence.", "rung")
PROVIDER_FAILURES: Final = _counter(
    "provider_failures", "Failures of providers.", "resource", "provider", "reason"
)
FALLBACKS: Final = _counter(
    "fallbacks", "Times that another than the first choice began to serve.", "resource"
)
FAULTS: Final = _counter("faults", "Other faults that jobs recorded.", "where", "error")
LOOP_STALLS: Final = _counter("loop_stalls", "Times that a job's event loop was blocked.")
LOOP_STALL_SECONDS: Final = _counter("loop_stall_seconds", "Seconds of these.")

WORKER: Final = _gauge("worker_info", "1, with the version of this worker.", "version")
READY: Final = _gauge("worker_ready", "1 while jobs are taken.")
NOT_READY: Final = _gauge("worker_waiting_on", "1 for each thing that is waited for.", "what")
DRAINING: Final = _gauge("worker_draining", "1 once the worker was told to stop.")
DRAIN_LEFT: Final = _gauge(
    "worker_drain_left_seconds", "Seconds that a draining worker lets interviews go on."
)
SLOTS: Final = _gauge("slots", "Interviews that may be held at the same time.")
SLOTS_USED: Final = _gauge("slots_used", "Interviews that are held, or were accepted.")
LOAD: Final = _gauge("worker_load", "The load that is reported to LiveKit, 0 to 1.")
PROCESSES: Final = _gauge("processes", "Processes for jobs: warm, or running one.", "state")
JOBS_RUNNING: Final = _gauge("jobs_running", "Jobs that are there now, by state.", "state")
JOBS_DEGRADED: Final = _gauge("jobs_degraded", "Jobs that go on without a resource.", "resource")
JOBS_UNRESPONSIVE: Final = _gauge(
    "jobs_unresponsive", "Jobs without a sign of life for longer than 10 s."
)
SHIPPING_LAG: Final = _gauge(
    "shipping_lag_seconds", "Age of the oldest journal of a job that is gone and not shipped."
)
JOURNALS_WAITING: Final = _gauge("journals_waiting", "Such journals.")
POOL: Final = _gauge(
    "database_pool_connections", "The main process's connections: idle or used.", "state"
)
DISK_FREE: Final = _gauge("disk_free_bytes", "Bytes left where the journals are.")

#: All metrics, in the order of docs/metrics.md.
FIGURES: Final = tuple(
    value for value in list(globals().values()) if isinstance(value, MetricDefinition)
)
