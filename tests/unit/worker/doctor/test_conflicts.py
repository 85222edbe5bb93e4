"""Settings that contradict each other, and variables that are no setting."""

from __future__ import annotations

from typing import TYPE_CHECKING

from worker.doctor.conflicts import misspelt

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_a_misspelt_variable_is_a_finding_with_advice_and_without_its_value(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("INTERVIEW_SLOT", "hunter2")
    assert list(misspelt()) == [
        ("INTERVIEW_SLOT is not a setting and has no effect", "did you mean INTERVIEW_SLOTS?")
    ]
