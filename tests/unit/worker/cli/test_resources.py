"""`interview-worker resources`: what the resources of an interview declare."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from typer.testing import CliRunner

from worker.cli.app import app
from worker.cli.resources import resource_rows
from worker.config.settings import Settings
from worker.interview import resources as interview
from worker.resources.resource import Resource

if TYPE_CHECKING:
    import pytest


def with_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """Add a resource to the interview that declares a loss, and no consequence for a candidate."""

    async def load(_: object) -> object:
        return object()

    another = Resource(name="weather", loss="It is not mentioned.", load=load)
    of_interview = interview.interview_resources
    monkeypatch.setattr(
        interview, "interview_resources", lambda *given: (*of_interview(*given), another)
    )


def test_a_resource_without_a_consequence_is_listed_like_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with_another(monkeypatch)
    rows: dict[str, dict[str, Any]] = {
        row["name"]: row for row in resource_rows(Settings.model_construct())
    }
    assert rows["weather"] == {
        "name": "weather",
        "required": False,
        "budget_s": 5.0,
        "needs": [],
        "loss": "It is not mentioned.",
        "noticed": "",
        "told": None,
    }
    assert {tuple(row) for row in rows.values()} == {tuple(rows["weather"])}


def test_nothing_is_printed_about_a_candidate_for_whom_a_loss_means_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with_another(monkeypatch)
    shown = CliRunner().invoke(app, ["resources"], env={"COLUMNS": "200"})
    assert shown.exit_code == 0
    _, _, printed = shown.output.partition("weather")
    block, _, _ = printed.partition("journal")
    assert "without it" in block
    assert "candidate notices" not in block
