"""An interview's transcript in its readable form."""

from __future__ import annotations

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
