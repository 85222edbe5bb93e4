"""Prometheus alert rules of deploy/prometheus/, generated from the metrics.

An alert means that candidates are not served now, or soon will not be served. Problems that resolve
without an operator raise no alert. docs/runbook.md has one section for each alert, named after the
alert.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from states import Phase, Reason, State
from worker.telemetry import catalog
from worker.telemetry.catalog import MetricDefinition
from worker.telemetry.job_observer import UNRESPONSIVE_S

#: Target duration of a job's start, in seconds (row S7 of docs/reference/rows.md).
START_TARGET_S: Final = 0.8
#: The alert InterviewShippingLag fires if a journal of an ended job has waited for its ingestion
#: longer than this number of seconds.
_SHIPPING_S: Final = 300
#: Free bytes below which the alert InterviewDiskFull fires. This space holds the journals of a few
#: thousand long interviews, of some 300 kB each.
_LEAST_DISK: Final = 1_000_000_000
_WINDOW: Final = "15m"
#: Duration, in Prometheus notation, for which a series must have been absent to count as new. A
#: shorter absence does not count, because one failed scrape makes a series stale.
_MEMORY: Final = "1h"
#: States of a job before its session starts.
_STARTING: Final = tuple(state for state in State if state.phase < Phase.SESSION)
#: States of a job while its session runs.
_RUNNING: Final = tuple(state for state in State if state.phase is Phase.SESSION)
#: End reasons that leave the candidate without an interviewer in the middle of an interview.
_ALONE: Final = (
    Reason.PROCESS_KILLED,
    Reason.PROCESS_EXITED,
    Reason.JOB_CRASHED,
    Reason.SESSION_FAILED,
    Reason.TURN_STUCK,
    Reason.ROOM_LOST,
    Reason.WORKER_LOST,
)


@dataclass(frozen=True, kw_only=True)
class Alert:
    """One alert rule. `summary` and `description` may use Prometheus templates."""

    name: str
    expr: str
    #: Duration for which `expr` must be true before the alert fires, in Prometheus notation. If the
    #: duration is empty, the alert fires immediately.
    wait: str = ""
    severity: Literal["page", "ticket"]
    summary: str
    description: str

    @property
    def runbook(self) -> str:
        """The section of the runbook for this alert."""
        return f"docs/runbook.md#{self.name.lower()}"


def _grew(figure: MetricDefinition, where: str = "", *, by: str = "", window: str = _WINDOW) -> str:
    """Return the PromQL expression for the growth of a counter.

    The expression counts new series separately, because `increase` misses the first event of a new
    series.
    """
    series = f"{figure.shown_as}{{{where}}}" if where else figure.shown_as
    summed = f"sum by ({by})" if by else "sum"
    new = f"{series} unless last_over_time({series}[{_MEMORY}] offset {window})"
    return f"{summed} (({new}) or increase({series}[{window}]))"


def _any(names: tuple[str, ...]) -> str:
    return "|".join(names)


_BAD_EXITS: Final = _grew(catalog.JOB_EXITS, 'code!="0"', by="code")
_BROKEN_OFF: Final = _grew(
    catalog.JOBS_ENDED, f'outcome="failed",reason=~"{_any(_ALONE)}"', by="reason"
)
_TIMEOUTS: Final = _grew(catalog.TIMEOUTS, f'state=~"{_any(_STARTING)}"')
_STARTED: Final = _grew(catalog.JOBS_STARTED)
_VAD_NOT_LOADED: Final = _grew(catalog.LOADS, 'resource="vad",result!="ok"')
_VAD_LOST: Final = _grew(catalog.LOSSES, 'resource="vad"')
_NOT_TAKEN: Final = _grew(catalog.SENT_AGAIN, 'reason="NotTaken"')
_NO_SLOT: Final = _grew(catalog.JOBS_REFUSED, 'cause="NoSlot"')
#: Metric of prometheus_client's ProcessCollector: the time at which the process started.
_STARTED_AT: Final = "process_start_time_seconds"
_READY: Final = catalog.READY.name
_FREE: Final = f"sum (({catalog.SLOTS.name} - {catalog.SLOTS_USED.name}) * {_READY})"

ALERTS: Final = (
    Alert(
        name="InterviewsNotServed",
        expr=f"sum({catalog.READY.name}) < 1 or absent({catalog.READY.name})",
        wait="2m",
        severity="page",
        summary="No worker takes interviews.",
        description="No worker is ready for dispatches: new candidates wait in an empty room.",
    ),
    Alert(
        # The metrics of a dead worker disappear with the worker, so no other alert would report the
        # worker's death.
        name="InterviewWorkerDied",
        expr=f"(max_over_time({catalog.SLOTS_USED.name}[5m]) > 0"
        f" unless max_over_time({catalog.DRAINING.name}[5m]) > 0)"
        f" and (changes({_STARTED_AT}[5m]) > 0"
        f" or (last_over_time({_STARTED_AT}[5m]) unless {_STARTED_AT}))",
        severity="page",
        summary="{{ $labels.instance }} died during {{ $value }} interviews.",
        description="It was not asked to stop. Another worker dispatches new interviewers to "
        "candidates who are still in their rooms.",
    ),
    Alert(
        name="InterviewJobFailed",
        expr=f"{_BAD_EXITS} > 0",
        severity="page",
        summary="Jobs exit with {{ $labels.code }} instead of 0.",
        description="{{ $value | humanize }} in the last 15 minutes. Each is a failed interview: "
        "its candidate heard an apology or nothing.",
    ),
    Alert(
        name="InterviewLeftAlone",
        expr=f"{_BROKEN_OFF} > 0",
        severity="page",
        summary="Interviews broke off: {{ $labels.reason }}.",
        description="{{ $value | humanize }} in the last 15 minutes. The candidate may still be "
        "in the room. The turns until then are stored.",
    ),
    Alert(
        name="InterviewStartTimeouts",
        expr=f"{_TIMEOUTS} / {_STARTED} > 0.01",
        wait="5m",
        severity="page",
        summary="{{ $value | humanizePercentage }} of the starts exceed the budget of a state.",
        description="Above 1 % over 15 minutes. interview_state_timeouts_total shows which state.",
    ),
    Alert(
        name="InterviewSlowStart",
        expr=f'sum (rate({catalog.START_SECONDS.name}_sum{{milestone="init_done"}}[{_WINDOW}]))'
        f' / sum (rate({catalog.START_SECONDS.name}_count{{milestone="init_done"}}[{_WINDOW}]))'
        f" > {START_TARGET_S:g}",
        wait="5m",
        severity="ticket",
        summary="A job start takes {{ $value | humanizeDuration }} on average.",
        description="Above 0.8 s over 15 minutes, from receipt to RUNNING. "
        "`interview-worker plot --last 100` names the slowest step.",
    ),
    Alert(
        name="InterviewVADFailures",
        expr=f"(({_VAD_NOT_LOADED} or vector(0)) + ({_VAD_LOST} or vector(0))) / {_STARTED} > 0.1",
        wait="5m",
        severity="ticket",
        summary="{{ $value | humanizePercentage }} of the jobs have no voice activity detection.",
        description="Above 10 % over 15 minutes. Turns end by the endpointing of speech to text.",
    ),
    Alert(
        name="InterviewResourceLeaks",
        expr=f"{_grew(catalog.LEAKS, by='resource')} > 0",
        severity="ticket",
        summary="{{ $labels.resource }} was not closed.",
        description="{{ $value | humanize }} in the last 15 minutes, found when jobs ended. They "
        "were freed when the job processes exited.",
    ),
    Alert(
        name="InterviewJobUnresponsive",
        expr=f"{catalog.JOBS_UNRESPONSIVE.name} > 0",
        wait="1m",
        severity="page",
        summary="{{ $value }} jobs of {{ $labels.instance }} are unresponsive.",
        description=f"No heartbeat for longer than {UNRESPONSIVE_S:g} s: their event loops are "
        "blocked or their processes are stopped. Their candidates hear nothing new.",
    ),
    Alert(
        name="InterviewWorkerDisconnected",
        expr=f'{catalog.NOT_READY.name}{{what="livekit"}} == 1',
        # A worker exits after 16 failed connections (about 130 s), which ends its metrics.
        wait="1m",
        severity="page",
        summary="{{ $labels.instance }} is not connected to LiveKit.",
        description="It takes no interviews until it reconnects. Running interviews continue if "
        "only the worker's own connection is lost.",
    ),
    Alert(
        # One stopped worker or one restart of LiveKit causes a few dispatches that no worker takes.
        name="InterviewDispatchesNotTaken",
        expr=f"{_NOT_TAKEN} > 10",
        severity="page",
        summary="Candidates wait: no worker accepts their dispatches.",
        description="{{ $value | humanize }} dispatches were repeated in the last 15 minutes.",
    ),
    Alert(
        name="InterviewsTurnedDown",
        expr=f"{_NO_SLOT} > 0",
        wait="5m",
        severity="ticket",
        summary="Workers refused interviews because all their slots were taken.",
        description="{{ $value | humanize }} in the last 15 minutes: add workers or slots.",
    ),
    Alert(
        # LiveKit offers no jobs to a worker at its target load. Therefore a full worker refuses no
        # jobs, and the alert InterviewsTurnedDown does not fire.
        name="InterviewSlotsFull",
        expr=f"{_FREE} < 1 and sum ({_READY}) > 0",
        wait="1m",
        severity="ticket",
        summary="Every slot of every worker is taken.",
        description="New interviews wait until a slot is free.",
    ),
    Alert(
        name="InterviewsDegraded",
        expr=f"sum by (resource) ({catalog.JOBS_DEGRADED.name})"
        f" / on () group_left () sum ({catalog.JOBS_RUNNING.name}"
        f'{{state=~"{_any(_RUNNING)}"}}) > 0.5',
        wait="10m",
        severity="ticket",
        summary="More than half of the interviews run without {{ $labels.resource }}.",
        description="`interview-worker resources` says what each loss means for candidates.",
    ),
    Alert(
        name="InterviewShippingLag",
        expr=f"{catalog.SHIPPING_LAG.name} > {_SHIPPING_S}",
        wait="5m",
        severity="ticket",
        summary="Journals of {{ $labels.instance }} wait to be stored in the database.",
        description="The oldest has waited for {{ $value | humanizeDuration }}. They exist only on "
        "the worker's disk.",
    ),
    Alert(
        name="InterviewDiskFull",
        expr=f"{catalog.DISK_FREE.name} < {_LEAST_DISK}",
        wait="5m",
        severity="page",
        summary="{{ $labels.instance }} has {{ $value | humanize1024 }}B free for journals.",
        description="A worker without space for a journal takes no interviews.",
    ),
)


def rules_file() -> str:
    """Return the rules as a Prometheus rules file."""
    lines = [
        "# Made from worker/telemetry/alerts.py by `make diagrams`; tested by promtool.",
        "groups:",
        "  - name: interview-worker",
        "    rules:",
    ]
    for alert in ALERTS:
        lines += [
            f"      - alert: {alert.name}",
            f"        expr: {_quoted(alert.expr)}",
            *([f"        for: {alert.wait}"] if alert.wait else []),
            "        labels:",
            f"          severity: {alert.severity}",
            "        annotations:",
            f"          summary: {_quoted(alert.summary)}",
            f"          description: {_quoted(alert.description)}",
            f"          runbook_url: {_quoted(alert.runbook)}",
        ]
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    """Return the text in YAML quotes (https://yaml.org/spec/1.2.2/#732-single-quoted-style)."""
    return "'" + text.replace("'", "''") + "'"
