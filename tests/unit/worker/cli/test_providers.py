"""`interview-worker providers`: the status of each member of each chain."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from worker.cli.app import app
from worker.fallback.shared_breaker import BreakerRecord, SharedBreaker


@pytest.fixture
def breaker(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> SharedBreaker:
    """Return the breaker of a worker with a Deepgram key and no ElevenLabs key."""
    monkeypatch.chdir(tmp_path)
    for variable, value in {
        "INTERVIEW_DATA_DIR": str(tmp_path),
        "INTERVIEW_STT": "deepgram,local",
        "INTERVIEW_TTS": "elevenlabs,local",
        "INTERVIEW_LLM": "scripted",
        "DEEPGRAM_API_KEY": "dg-secret",
        "ELEVEN_API_KEY": "",
    }.items():
        monkeypatch.setenv(variable, value)
    return SharedBreaker(tmp_path / "providers")


def rows() -> dict[tuple[str, str], dict[str, Any]]:
    result = CliRunner().invoke(app, ["providers", "--json"])
    assert result.exit_code == 0
    return {(row["chain"], row["member"]): row for row in json.loads(result.stdout)}


def test_without_failures_all_providers_with_a_key_are_ready(breaker: SharedBreaker) -> None:
    states = {member: row["state"] for member, row in rows().items()}

    assert states == {
        ("stt", "deepgram"): "ready",
        ("stt", "local"): "ready",
        ("tts", "elevenlabs"): "left out",
        ("tts", "local"): "ready",
        ("llm", "scripted"): "ready",
    }
    assert rows()["tts", "elevenlabs"]["reason"] == "ELEVEN_API_KEY is not set"


@pytest.mark.parametrize(
    ("seconds", "for_good", "state"),
    [(30, False, "resting"), (30, True, "left out"), (-30, False, "due"), (-3600, True, "ready")],
)
def test_a_failure_that_a_job_recorded_is_shown(
    breaker: SharedBreaker, seconds: float, for_good: bool, state: str
) -> None:
    now = time.time()
    record = BreakerRecord(
        reason="ProviderAway", since=now - 4000, until=now + seconds, for_good=for_good
    )
    breaker.write("stt", "deepgram", record)

    row = rows()["stt", "deepgram"]

    assert row["state"] == state
    assert (row["reason"] == "ProviderAway") is (state != "ready")
    assert (row["until"] is not None) is (seconds > 0)


def test_a_recovered_provider_is_ready_since_its_recovery(breaker: SharedBreaker) -> None:
    breaker.write("stt", "deepgram", BreakerRecord(reason="Recovered", since=1_000_000.0))

    row = rows()["stt", "deepgram"]

    assert (row["state"], row["since"]) == ("ready", "1970-01-12T13:46:40+00:00")


def test_the_table_shows_providers_and_no_secret(breaker: SharedBreaker) -> None:
    result = CliRunner().invoke(app, ["providers"])

    assert result.exit_code == 0
    assert "deepgram" in result.stdout
    assert "dg-secret" not in result.stdout
