"""The alert rules, checked with promtool: each fires when it must, and only then.

A test is a time in minutes, and series in promtool's notation
(https://prometheus.io/docs/prometheus/latest/configuration/unit_testing_rules/#series): `0+1x9` is
0, 1, … 9, one a minute.
"""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.debian_programs import debian_program
from tests.support.paths import REPOSITORY
from worker.telemetry.alerts import ALERTS, rules_file
from worker.telemetry.catalog import FIGURES

STARTED = {"interview_jobs_started_total": "0+10x40"}
UP = {"interview_worker_ready": "1x40"}


@dataclass(frozen=True, kw_only=True)
class Case:
    """An alert and series for which it must, or must not, fire after `minutes`."""

    alert: str
    fires: bool
    series: dict[str, str]
    minutes: int = 30


def fires(alert: str, **options: Any) -> Case:
    return Case(alert=alert, fires=True, **options)


def quiet(alert: str, **options: Any) -> Case:
    return Case(alert=alert, fires=False, **options)


def start_s(average: float) -> dict[str, str]:
    """Return series of ten starts a minute with this average duration in seconds."""
    name = "interview_start_seconds"
    return {
        f'{name}_sum{{milestone="init_done"}}': f"0+{10 * average:g}x40",
        f'{name}_count{{milestone="init_done"}}': "0+10x40",
    }


def timeouts(each: str) -> dict[str, str]:
    return {'interview_state_timeouts_total{state="BOOTSTRAPPING"}': each, **STARTED}


def vad(failed: str, lost: str = "0x40") -> dict[str, str]:
    return {
        'interview_loads_total{resource="vad",result="ok"}': "0+10x40",
        'interview_loads_total{resource="vad",result="failed"}': failed,
        'interview_resource_losses_total{resource="vad",reason="StreamEnded"}': lost,
        **STARTED,
    }


def worker(used: str, *, born: str, drains: str = "0x40") -> dict[str, str]:
    """Return a worker's series: slots in use, draining, and start of its process in seconds."""
    return {
        "interview_slots_used": used,
        "interview_worker_draining": drains,
        "process_start_time_seconds": born,
    }


def ended(outcome: str, reason: str) -> str:
    return f'interview_jobs_ended_total{{outcome="{outcome}",reason="{reason}"}}'


def sent_again(reason: str, values: str) -> dict[str, str]:
    return {f'interview_interviewers_sent_again_total{{reason="{reason}"}}': values}


def slots(there: str, used: str) -> dict[str, str]:
    return {"interview_slots": there, "interview_slots_used": used}


CASES = (
    quiet("InterviewsNotServed", series=UP),
    fires("InterviewsNotServed", series={"interview_worker_ready": "1x10 0x30"}),
    fires("InterviewsNotServed", series={"up": "1x40"}),
    quiet("InterviewsNotServed", series={"interview_worker_ready": "1x29 0x10"}),
    fires("InterviewWorkerDied", series=worker("2x40", born="1x28 5x11")),
    fires("InterviewWorkerDied", series=worker("2x28 stale", born="1x28 stale")),
    quiet("InterviewWorkerDied", series=worker("2x40", born="1x40")),
    quiet("InterviewWorkerDied", series=worker("0x40", born="1x28 5x11")),
    quiet("InterviewWorkerDied", series=worker("2x28 0x11", born="1x28 5x11", drains="0x25 1x4")),
    quiet("InterviewJobFailed", series={'interview_job_exits_total{code="0"}': "0+5x40"}),
    fires("InterviewJobFailed", series={'interview_job_exits_total{code="1"}': "0x25 1x20"}),
    fires("InterviewJobFailed", series={'interview_job_exits_total{code="137"}': "_x25 1x20"}),
    quiet("InterviewJobFailed", series={'interview_job_exits_total{code="1"}': "7x40"}),
    # One scrape failed 15 minutes ago.
    quiet("InterviewJobFailed", series={'interview_job_exits_total{code="1"}': "7x14 stale 7x24"}),
    quiet("InterviewLeftAlone", series={ended("completed", "InterviewCompleted"): "0+5x40"}),
    quiet("InterviewLeftAlone", series={ended("failed", "MetadataInvalid"): "0+5x40"}),
    quiet("InterviewLeftAlone", series={ended("abandoned", "CandidateLeft"): "_x25 1x20"}),
    fires("InterviewLeftAlone", series={ended("failed", "ProcessKilled"): "_x25 1x20"}),
    quiet("InterviewStartTimeouts", series=timeouts("0+0.05x40")),
    fires("InterviewStartTimeouts", series=timeouts("0+0.5x40")),
    quiet("InterviewSlowStart", series=start_s(0.6)),
    fires("InterviewSlowStart", series=start_s(0.9)),
    quiet("InterviewVADFailures", series=vad("0+0.5x40")),
    fires("InterviewVADFailures", series=vad("0+2x40")),
    fires("InterviewVADFailures", series=vad("0+0.6x40", "0+0.6x40")),
    fires(
        "InterviewResourceLeaks",
        series={'interview_resource_leaks_total{resource="tts"}': "_x28 1"},
        minutes=29,
    ),
    quiet(
        "InterviewResourceLeaks", series={'interview_resource_leaks_total{resource="tts"}': "3x40"}
    ),
    quiet("InterviewJobUnresponsive", series={"interview_jobs_unresponsive": "0x30 1"}),
    fires("InterviewJobUnresponsive", series={"interview_jobs_unresponsive": "0x20 1x20"}),
    quiet(
        "InterviewWorkerDisconnected", series={'interview_worker_waiting_on{what="disk"}': "1x40"}
    ),
    fires(
        "InterviewWorkerDisconnected",
        series={'interview_worker_waiting_on{what="livekit"}': "_x20 1x20"},
    ),
    fires(  # the worker has not given up yet
        "InterviewWorkerDisconnected",
        series={'interview_worker_waiting_on{what="livekit"}': "_x20 1 1 stale"},
        minutes=21,
    ),
    quiet("InterviewDispatchesNotTaken", series=sent_again("LeaseExpired", "0+1x40")),
    quiet("InterviewDispatchesNotTaken", series=sent_again("NotTaken", "0x25 3x20")),
    fires("InterviewDispatchesNotTaken", series=sent_again("NotTaken", "0+1x40")),
    quiet(
        "InterviewsTurnedDown", series={'interview_jobs_refused_total{cause="Stopping"}': "0+1x40"}
    ),
    fires(
        "InterviewsTurnedDown", series={'interview_jobs_refused_total{cause="NoSlot"}': "0+1x40"}
    ),
    quiet("InterviewSlotsFull", series=slots("4x40", "3x40")),
    fires("InterviewSlotsFull", series=slots("4x40", "4x40")),
    quiet("InterviewSlotsFull", series=slots("4x40", "4x20 0x20")),
    quiet(
        "InterviewsDegraded",
        series={
            'interview_jobs_degraded{resource="llm"}': "1x40",
            'interview_jobs_running{state="RUNNING"}': "4x40",
        },
    ),
    fires(
        "InterviewsDegraded",
        series={
            'interview_jobs_degraded{resource="llm"}': "3x40",
            'interview_jobs_running{state="RUNNING"}': "4x40",
        },
    ),
    quiet("InterviewShippingLag", series={"interview_shipping_lag_seconds": "100x40"}),
    fires("InterviewShippingLag", series={"interview_shipping_lag_seconds": "0+60x40"}),
    quiet("InterviewDiskFull", series={"interview_disk_free_bytes": "5e9x40"}),
    fires("InterviewDiskFull", series={"interview_disk_free_bytes": "5e8x40"}),
)


def promtool_test(case: Case) -> dict[str, Any]:
    """Return a promtool test that expects the case's alert to fire or stay quiet."""
    series = case.series if case.alert == "InterviewsNotServed" else {**UP, **case.series}
    samples = [{"labels": "{}", "value": 1}] if case.fires else []
    return {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "promql_expr_test": [
            {
                "expr": f'count(ALERTS{{alertname="{case.alert}",alertstate="firing"}})',
                "eval_time": f"{case.minutes}m",
                "exp_samples": samples,
            }
        ],
    }


@pytest.mark.row("S12")
def test_promtool_accepts_the_rules(tmp_path: Path) -> None:
    tool = debian_program("promtool", package="prometheus")
    rules = tmp_path / "rules.yml"
    rules.write_text(rules_file())
    checked = subprocess.run([tool, "check", "rules", rules], capture_output=True, text=True)
    assert checked.returncode == 0, checked.stderr
    assert f"{len(ALERTS)} rules found" in checked.stdout


@pytest.mark.row("S12", "B12")
@pytest.mark.parametrize("case", CASES, ids=lambda c: f"{c.alert}-{'fires' if c.fires else 'not'}")
def test_an_alert_fires_exactly_when_it_must(tmp_path: Path, case: Case) -> None:
    tool = debian_program("promtool", package="prometheus")
    (tmp_path / "rules.yml").write_text(rules_file())
    tests = {
        "rule_files": ["rules.yml"],
        "evaluation_interval": "1m",
        "tests": [promtool_test(case)],
    }
    (tmp_path / "test.yml").write_text(json.dumps(tests))  # JSON is YAML
    done = subprocess.run(
        [tool, "test", "rules", "test.yml"], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.row("S12")
def test_every_alert_is_tested_firing_and_not_firing() -> None:
    assert {case.alert for case in CASES if case.fires} == {alert.name for alert in ALERTS}
    assert {case.alert for case in CASES if not case.fires} == {alert.name for alert in ALERTS}


@pytest.mark.row("S12", "B12")
def test_every_alert_reads_only_existing_metrics() -> None:
    shown = {each.shown_as for each in FIGURES}
    shown |= {f"{each.name}_{part}" for each in FIGURES for part in ("sum", "count", "bucket")}
    for alert in ALERTS:
        assert set(re.findall(r"interview_\w+", alert.expr)) <= shown


@pytest.mark.row("B12")
def test_every_alert_has_its_section_in_the_runbook() -> None:
    runbook = (REPOSITORY / "docs/runbook.md").read_text(encoding="utf-8")
    sections = re.findall(r"^## (\w+)$", runbook, re.MULTILINE)
    assert sections == [alert.name for alert in ALERTS]
    for section in runbook.split("\n## ")[1:]:
        for part in ("**Candidates:**", "**Look:**", "**Do:**"):
            assert part in section
