"""Variables that begin as a setting's and are no setting."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from worker.config.settings import Settings, variable_of
from worker.config.unknown import unknown_variables

if TYPE_CHECKING:
    from pathlib import Path


def found() -> dict[str, str | None]:
    return {each.name: each.nearest for each in unknown_variables()}


def test_no_setting_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.setenv(variable_of(name), "x")
    monkeypatch.setenv("interview_slots", "3")
    monkeypatch.setenv("INTERVIEW_HTTP_TOKEN_FILE", "/run/secrets/token")
    assert found() == {}


def test_a_misspelt_variable_is_found_with_the_nearest_setting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INTERVIEW_SLOT", "3")
    monkeypatch.setenv("INTERVIEW_HTP_PORT", "8081")
    monkeypatch.setenv("INTERVIEW_ENV_FILE", ".env")
    (tmp_path / ".env").write_text("INTERVIEW_AGENTNAME=ada\nINTERVIEW_QQQ=1\nOTHER=1\n")
    assert found() == {
        "INTERVIEW_SLOT": "INTERVIEW_SLOTS",
        "INTERVIEW_HTP_PORT": "INTERVIEW_HTTP_PORT",
        "INTERVIEW_AGENTNAME": "INTERVIEW_AGENT_NAME",
        "INTERVIEW_QQQ": None,
    }


def test_the_text_quotes_no_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTERVIEW_QQQ", "hunter2")
    (variable,) = unknown_variables()
    assert str(variable) == (
        "INTERVIEW_QQQ is not a setting and has no effect: "
        "`interview-worker config` lists the settings"
    )


def test_variables_of_a_service_with_the_prefix_are_left_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in {
        "INTERVIEW_WORKER_SERVICE_HOST": "10.0.0.11",
        "INTERVIEW_WORKER_SERVICE_PORT": "8081",
        "INTERVIEW_WORKER_SERVICE_PORT_HTTP": "8081",
        "INTERVIEW_WORKER_PORT": "tcp://10.0.0.11:8081",
        "INTERVIEW_WORKER_PORT_8081_TCP": "tcp://10.0.0.11:8081",
        "INTERVIEW_WORKER_PORT_8081_TCP_ADDR": "10.0.0.11",
        "INTERVIEW_SERVICE_HOST": "10.0.0.12",
    }.items():
        monkeypatch.setenv(name, value)
    assert found() == {}
