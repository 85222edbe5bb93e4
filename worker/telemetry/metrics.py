"""Metrics of one worker, counted from its jobs' journals and exposed in Prometheus format.

The metrics are in a separate registry of prometheus_client. The metrics of livekit-agents are in
the default registry of prometheus_client, separately in each process, and do not cover a job that
was killed.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Any, Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)

from states import Event, Phase, State, Status
from states.table import phase_of
from worker.telemetry import catalog
from worker.telemetry.catalog import FIGURES, MetricDefinition
from worker.telemetry.job_view import MALFORMED, JobView, finite

logger = logging.getLogger(__name__)

#: Maximum number of values per label; further values become `Other`. The limit is needed because a
#: reason may be the name of any foreign exception, or a reason that an application declares.
_MOST_VALUES: Final = 60
_OTHER: Final = "Other"
_LONGEST_VALUE: Final = 60
#: Parts of the names of journal steps: the prefix of a step that loads a resource, the prefix of a
#: step that closes a resource, and the suffix of a load that ended after its time budget.
_LOAD, _CLOSE, _LATE = "load ", "close ", " (late)"
_RESOURCES: Final = ("stt", "tts", "llm")


class Metrics:
    """Counts journal records. Every method is cheap, and no record can make a method raise."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._made: dict[str, Any] = {each.name: self._make(each) for each in FIGURES}
        self._values: dict[tuple[str, str], set[str]] = {}
        for figure in FIGURES:
            for value in figure.known:
                self._of(figure, (value,))

    def _make(self, figure: MetricDefinition) -> Counter | Gauge | Histogram:
        if figure.kind == "histogram":
            return Histogram(
                figure.name,
                figure.means,
                figure.labels,
                buckets=figure.buckets,
                registry=self.registry,
            )
        kind = Counter if figure.kind == "counter" else Gauge
        return kind(figure.name, figure.means, figure.labels, registry=self.registry)

    def page(self) -> bytes:
        """Return all metrics in Prometheus text format."""
        return generate_latest(self.registry)

    # --- counting ---------------------------------------------------------------------------------

    def count(self, figure: MetricDefinition, *labels: str, by: float = 1.0) -> None:
        """Add `by` to a counter."""
        if by > 0:
            self._of(figure, labels).inc(by)

    def observe(self, figure: MetricDefinition, seconds: float, *labels: str) -> None:
        """Add a value to a histogram."""
        self._of(figure, labels).observe(max(0.0, seconds))

    def show(self, figure: MetricDefinition, value: float, *labels: str) -> None:
        """Set a gauge."""
        self._of(figure, labels).set(value)

    def show_each(self, figure: MetricDefinition, values: Mapping[str, float]) -> None:
        """Set a gauge that has one label, and remove the label values that are not in `values`."""
        self._made[figure.name].clear()
        for label, value in values.items():
            self.show(figure, value, label)

    def _of(self, figure: MetricDefinition, labels: tuple[str, ...]) -> Any:
        made = self._made[figure.name]
        if not figure.labels:
            return made
        return made.labels(*map(self._bounded, figure.labels, labels, [figure.name] * len(labels)))

    def _bounded(self, label: str, value: str, figure: str) -> str:
        known = self._values.setdefault((figure, label), set())
        # A label value with half a surrogate pair could not be encoded, and would make every later
        # page of metrics fail.
        value = value[:_LONGEST_VALUE].encode(errors="replace").decode()
        if value not in known:
            if len(known) >= _MOST_VALUES:
                return _OTHER
            known.add(value)
        return value

    # --- records ----------------------------------------------------------------------------------

    def take(self, view: JobView, record: Mapping[str, Any]) -> None:
        """Count a journal record; `view` is the state of the record's job before the record."""
        try:
            self._degraded_until(view, finite(record["t"]))
            handler = _HANDLERS.get(record["kind"])
            if handler is not None:
                handler(self, view, record)
        except MALFORMED:
            logger.debug(
                "a malformed journal record of kind %s was ignored",
                str(record.get("kind"))[:_LONGEST_VALUE],
                extra={"event": "journal_record_malformed"},
            )

    def _degraded_until(self, view: JobView, t: float) -> None:
        if view.degraded and view.outcome is None:
            for resource in view.missing:
                self.count(catalog.DEGRADED_SECONDS, resource, by=t - view.last_t)

    def _transition(self, view: JobView, record: Mapping[str, Any]) -> None:
        source, t = record.get("from"), finite(record["t"])
        if source is not None:
            self.observe(catalog.STATE_SECONDS, t - view.since_t, str(source))
        if record.get("event") == Event.BUDGET_SPENT:
            self.count(catalog.TIMEOUTS, str(source))
        before, after = phase_of(source), phase_of(record["to"])
        if record["to"] == State.CONNECTED:
            self.observe(catalog.START_SECONDS, t, "ctx_connected")
        if after is Phase.SESSION and before is not Phase.SESSION:
            self.observe(catalog.START_SECONDS, t, "init_done")
        if after is Phase.OVER:
            outcome = view.outcome or str(record.get("outcome"))
            self.count(catalog.JOBS_ENDED, outcome, view.reason or str(record.get("reason")))

    def _step(self, view: JobView, record: Mapping[str, Any]) -> None:
        name, ok = str(record["name"]), bool(record["ok"])
        if name.startswith(_LOAD):
            self._load(name.removeprefix(_LOAD).removesuffix(_LATE), record)
        elif name.startswith(_CLOSE):
            if not ok:
                self.count(catalog.LEAKS, name.removeprefix(_CLOSE))
        elif not ok and view.outcome is not None:
            self.count(catalog.CLOSING_FAILURES, name)

    def _load(self, resource: str, record: Mapping[str, Any]) -> None:
        late = record["reason"] == "LoadTimeout"
        result = "ok" if record["ok"] else "late" if late else "failed"
        self.count(catalog.LOADS, resource, result)
        self.count(catalog.LOAD_ATTEMPTS, resource, by=finite(record["attempts"]))
        if not late:
            self.observe(catalog.LOAD_SECONDS, finite(record["elapsed_ms"]) / 1000, resource)

    def _condition(self, view: JobView, record: Mapping[str, Any]) -> None:
        resource, status = str(record["resource"]), str(record["status"])
        before, _ = view.conditions.get(resource, (None, ""))
        if status == Status.LOST and before == Status.READY:
            self.count(catalog.LOSSES, resource, str(record["reason"]))
        if status == Status.READY and before == Status.LOST:
            self.count(catalog.RECOVERIES, resource)
        if record["reason"] == "Fallback":
            self.count(catalog.FALLBACKS, resource)

    def _turn(self, view: JobView, record: Mapping[str, Any]) -> None:
        interrupted = "yes" if record.get("interrupted") else "no"
        self.count(catalog.TURNS, str(record["speaker"]), interrupted)
        for part, seconds in (record.get("latency") or {}).items():
            self.observe(catalog.TURN_SECONDS, finite(seconds), str(part))

    def _fault(self, view: JobView, record: Mapping[str, Any]) -> None:
        where, error = str(record["where"]), str(record["error"])
        resource, _, provider = where.partition(".")
        if "rung" in record:
            self.count(catalog.RUNGS, str(record["rung"]))
            self.observe(catalog.SILENCE_SECONDS, finite(record["silent_s"]))
        elif error == "LoopStalled":
            self.count(catalog.LOOP_STALLS)
            self.count(catalog.LOOP_STALL_SECONDS, by=finite(record["stalled_s"]))
        elif provider and resource in _RESOURCES:
            self.count(catalog.PROVIDER_FAILURES, resource, provider, error)
        else:
            self.count(catalog.FAULTS, where, error)

    # --- all jobs ---------------------------------------------------------------------------------

    def show_jobs(self, views: Iterable[JobView], unresponsive: int) -> None:
        """Set the gauges that describe the running jobs."""
        states = dict.fromkeys((str(state) for state in State), 0.0)
        missing: dict[str, float] = {}
        for view in views:
            if view.state in states:
                states[view.state] += 1
            for resource in view.missing if view.degraded else ():
                missing[resource] = missing.get(resource, 0.0) + 1
        self.show_each(catalog.JOBS_RUNNING, states)
        self.show_each(catalog.JOBS_DEGRADED, missing)
        self.show(catalog.JOBS_UNRESPONSIVE, unresponsive)


_HANDLERS = {
    "transition": Metrics._transition,
    "step": Metrics._step,
    "condition": Metrics._condition,
    "turn": Metrics._turn,
    "fault": Metrics._fault,
}
