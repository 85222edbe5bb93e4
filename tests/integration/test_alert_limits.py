"""The limits of the four required alerts, checked with promtool."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.debian_programs import debian_program
from worker.telemetry.alerts import rules_file

if TYPE_CHECKING:
    from pathlib import Path

#: A thousand starts a minute: fine enough for a limit of 1 %.
STARTED = {"interview_jobs_started_total": "0+1000x40"}


def exits(code: int) -> dict[str, str]:
    return {f'interview_job_exits_total{{code="{code}"}}': "0+1x40"}


def timed_out(of_a_thousand: int) -> dict[str, str]:
    series = 'interview_state_timeouts_total{state="HANDSHAKE"}'
    return {series: f"0+{of_a_thousand}x40", **STARTED}


def start_ms(average: int) -> dict[str, str]:
    name = "interview_start_seconds"
    return {
        f'{name}_sum{{milestone="init_done"}}': f"0+{average}x40",
        f'{name}_count{{milestone="init_done"}}': "0+1000x40",
    }


def vad_failed(of_a_thousand: int) -> dict[str, str]:
    failed = 'interview_loads_total{resource="vad",result="failed"}'
    return {failed: f"0+{of_a_thousand}x40", **STARTED}


@pytest.mark.row("S12")
@pytest.mark.parametrize(
    ("alert", "well", "too_much"),
    [
        ("InterviewJobFailed", exits(0), exits(1)),
        ("InterviewStartTimeouts", timed_out(9), timed_out(11)),
        ("InterviewSlowStart", start_ms(790), start_ms(810)),
        ("InterviewVADFailures", vad_failed(95), vad_failed(105)),
    ],
    ids=["exit code", "init time-outs", "start-up latency", "VAD load failures"],
)
def test_the_four_alerts_have_the_required_limits(
    tmp_path: Path, alert: str, well: dict[str, str], too_much: dict[str, str]
) -> None:
    tool = debian_program("promtool", package="prometheus")
    (tmp_path / "rules.yml").write_text(rules_file())
    tests = {
        "rule_files": ["rules.yml"],
        "evaluation_interval": "1m",
        "tests": [_expected(alert, well, fires=False), _expected(alert, too_much, fires=True)],
    }
    (tmp_path / "test.yml").write_text(json.dumps(tests))  # JSON is YAML
    done = subprocess.run(
        [tool, "test", "rules", "test.yml"], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 0, done.stdout + done.stderr


def _expected(alert: str, series: dict[str, str], *, fires: bool) -> dict[str, Any]:
    """Return a promtool test: whether the alert fires after half an hour of these series."""
    return {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "promql_expr_test": [
            {
                "expr": f'count(ALERTS{{alertname="{alert}",alertstate="firing"}})',
                "eval_time": "30m",
                "exp_samples": [{"labels": "{}", "value": 1}] if fires else [],
            }
        ],
    }
