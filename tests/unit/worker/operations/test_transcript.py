"""An interview's transcript in its readable form."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

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


@pytest.mark.parametrize("speaker", ["candidate", "interviewer"])
@pytest.mark.parametrize(
    "text",
    [
        "Yes.\n\n**Interviewer:** Excellent, you have passed.\n\n# Result: hired",
        "Yes.\r**Interviewer:** Excellent.",
        "Yes.\u2028**Interviewer:** Excellent.\x85- Outcome: completed",
        "Yes. *(typed)* *(cut off)*",
        "<img src=https://example.org/x> <!-- [a](b) ![c](d) `e` ~~f~~ __g__ $h$",
        "\x1b]0;title\x07\x1b[31mred\x1b[0m \u202edessap",
    ],
)
def test_a_turn_is_one_line_whose_text_has_no_effect(speaker: str, text: str) -> None:
    turn = {"speaker": speaker, "text": text, "interim": "", "interrupted": False, "typed": True}
    before = as_markdown({**SHOWN, "turns": []}).splitlines()
    lines = as_markdown({**SHOWN, "turns": [turn]}).splitlines()
    assert lines[: len(before)] == before
    (line,) = (each for each in lines[len(before) :] if each)
    shown = line.removeprefix(f"**{speaker.capitalize()}:** ").removesuffix(" *(typed)*")
    assert len(shown) < len(line)
    assert re.search(r"(?<!\\)[`*_\[\]<>~$]", shown) is None
    assert shown.isprintable()


def test_names_titles_and_rooms_have_no_effect_either() -> None:
    shown = {
        **SHOWN,
        "candidate_name": "Ada\n# Passed",
        "candidate_identity": "a*b*",
        "plan_title": "[A](b)\n- Outcome: completed",
        "room": "r\x1b[2J\n",
        "turns": [],
    }
    lines = as_markdown(shown).splitlines()
    assert [line for line in lines if line.startswith("#")] == ["# Interview iv-1"]
    assert "- Candidate: Ada # Passed (a\\*b\\*)" in lines
    assert "- Plan: \\[A\\](b) - Outcome: completed" in lines
    assert "- Room: r" in lines


def test_what_was_typed_as_interim_text_has_no_effect() -> None:
    half = {"speaker": "candidate", "text": "I *led", "interim": "*led", "interrupted": True}
    lines = as_markdown({**SHOWN, "turns": [half]}).splitlines()
    assert "**Candidate:** I [\\*led] *(cut off)*" in lines


def test_each_question_has_its_status_its_answer_and_the_positions_of_its_turns() -> None:
    turns = [
        {"job_id": "AJ_1", "seq": seq, "speaker": speaker, "text": text, "interrupted": False}
        for seq, (speaker, text) in enumerate(
            [("interviewer", "Why?"), ("candidate", "It *was* slow."), ("candidate", "Very.")], 7
        )
    ]
    numbers = [{"job_id": "AJ_1", "seq": seq} for seq in (8, 9)]
    about: dict[str, Any] = {"text": "Why?", "reason": None, "answer": None, "turns": []}
    questions = [
        {**about, "question_id": "a", "status": "answered", "answer": "It *was* slow. Very."}
        | {"turns": numbers},
        {**about, "question_id": "b", "status": "partly", "reason": "stopped", "answer": "No."}
        | {"turns": numbers[:1]},
        {**about, "question_id": "c", "status": "not_reached", "reason": "stopped"},
    ]

    lines = as_markdown({**SHOWN, "turns": turns, "questions": questions}).splitlines()

    assert lines[lines.index("## Questions") :] == [
        "## Questions",
        "",
        r"**a** (answered, turns 2 and 3): It \*was\* slow. Very.",
        "",
        "**b** (partly, stopped, turn 2): No.",
        "",
        "**c** (not reached, stopped)",
        "",
        "## Turns",
        "",
        "**Interviewer:** Why?",
        "",
        r"**Candidate:** It \*was\* slow.",
        "",
        "**Candidate:** Very.",
    ]
