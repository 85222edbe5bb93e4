"""An interview's transcript in its readable form."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from worker.operations.transcript import as_markdown

SHOWN: dict[str, Any] = {
    "interview_id": "iv-1",
    "status": "running",
    "outcome": None,
    "reason": None,
    "room": "room-1",
    "jobs": ["AJ_1"],
}


def test_a_partial_answer_shows_its_interim_text_in_brackets() -> None:
    half = {
        "speaker": "candidate",
        "text": "I led a team of fi",
        "interim": "of fi",
        "interrupted": True,
    }
    whole = {"speaker": "candidate", "text": "Yes.", "interim": "", "interrupted": False}

    lines = as_markdown({**SHOWN, "turns": [half, whole]}).splitlines()

    assert "**Candidate:** I led a team [of fi] *(cut off)*" in lines
    assert "**Candidate:** Yes." in lines


def test_the_head_has_the_facts_that_are_known() -> None:
    began = datetime(2026, 3, 1, 9, 30, 15, tzinfo=UTC)
    shown = {
        **SHOWN,
        "status": "ended",
        "outcome": "completed",
        "reason": "InterviewCompleted",
        "candidate_name": "Ada",
        "candidate_identity": "candidate-iv-1",
        "plan_title": "A talk",
        "created_at": began,
        "dispatched_at": None,
        "started_at": began + timedelta(minutes=1),
        "ended_at": began + timedelta(minutes=12),
        "turns": [],
    }

    assert as_markdown(shown).splitlines() == [
        "# Interview iv-1",
        "",
        "- Status: ended",
        "- Outcome: completed (InterviewCompleted)",
        "- Candidate: Ada (candidate-iv-1)",
        "- Plan: A talk",
        "- Room: room-1",
        "- Created: 2026-03-01 09:30:15 UTC",
        "- Started: 2026-03-01 09:31:15 UTC",
        "- Ended: 2026-03-01 09:42:15 UTC",
        "- Jobs: AJ_1",
    ]


def test_an_interview_that_runs_has_no_outcome() -> None:
    lines = as_markdown({**SHOWN, "turns": []}).splitlines()

    assert "- Status: running" in lines
    assert not any(line.startswith("- Outcome") for line in lines)


def test_a_typed_answer_is_marked() -> None:
    answer = {"speaker": "candidate", "text": "Yes.", "interim": "", "interrupted": False}

    spoken, typed = {**answer, "typed": False}, {**answer, "typed": True}
    lines = as_markdown({**SHOWN, "turns": [spoken, typed]}).splitlines()

    assert "**Candidate:** Yes." in lines
    assert "**Candidate:** Yes. *(typed)*" in lines


def test_the_head_has_the_window_and_why_an_interview_waits() -> None:
    shown = {
        **SHOWN,
        "status": "waiting",
        "reason": "CandidateLeft",
        "opens_at": datetime(2026, 3, 1, 9, tzinfo=UTC),
        "closes_at": datetime(2026, 3, 8, 9, tzinfo=UTC),
        "turns": [],
    }

    lines = as_markdown(shown).splitlines()

    assert lines[2:4] == ["- Status: waiting", "- Reason: CandidateLeft"]
    assert "- Opens: 2026-03-01 09:00:00 UTC" in lines
    assert "- Closes: 2026-03-08 09:00:00 UTC" in lines
