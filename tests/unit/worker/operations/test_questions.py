"""What became of each question of an interview, from what its jobs have stored."""

from __future__ import annotations

from typing import Any

from tests.support.virtual.interview_parts import LONG, plan_of
from tests.support.virtual.stored_dialogue import StoredDialogue
from worker.operations.questions import questions_of

STOP = "I would like to end the interview here."
MORE = "and then I measured again on the next day to be sure"


def held() -> StoredDialogue:
    talk = StoredDialogue(plan_of())
    talk.asks()
    return talk


def told(talk: StoredDialogue) -> dict[str, dict[str, Any]]:
    found = questions_of(talk.plan.to_json(), talk.turns, talk.dialogue)
    return {each["question_id"]: each for each in found}


def outcome_of(question: dict[str, Any]) -> tuple[str, str | None, str | None]:
    return question["status"], question["reason"], question["answer"]


def words_of(talk: StoredDialogue, question: dict[str, Any]) -> list[str]:
    """Return the words of the turns whose numbers a question has."""
    numbers = [(turn["job_id"], turn["seq"]) for turn in question["turns"]]
    return [turn.text for turn in talk.turns if (turn.job_id, turn.seq) in numbers]


def test_each_question_has_its_status_its_answer_and_the_numbers_of_its_turns() -> None:
    talk = held()
    talk.answers(LONG)
    talk.answers("Could you say the question once more?")
    talk.answers("I would rather not answer that.")
    talk.answers("Yes, please.")
    talk.answers(STOP)
    talk.answers("Yes.")
    talk.ends()
    questions = told(talk)
    assert list(questions) == ["q0", "q1", "q2"]
    assert questions["q0"]["text"] == talk.plan.questions[0].text
    assert outcome_of(questions["q0"]) == ("answered", None, LONG)
    assert words_of(talk, questions["q0"]) == [LONG]
    assert outcome_of(questions["q1"]) == ("declined", "skipped", None)
    assert questions["q1"]["turns"] == []
    assert outcome_of(questions["q2"]) == ("unanswered", "stopped", None)


def test_an_answer_joins_its_turns_without_the_requests_in_them() -> None:
    talk = held()
    request = "Could you repeat the question?"
    talk.answers(f"{LONG}. {request}")
    talk.answers(MORE)
    question = told(talk)["q0"]
    assert outcome_of(question) == ("answered", None, f"{LONG}. {MORE}")
    assert words_of(talk, question) == [f"{LONG}. {request}", MORE]


def test_an_answer_that_its_job_did_not_finish_is_part_of_the_joined_answer() -> None:
    talk = held()
    talk.breaks_off("I led a team of")
    talk.next_job()
    talk.asks()
    talk.answers(LONG)
    question = told(talk)["q0"]
    assert outcome_of(question) == ("answered", None, f"I led a team of {LONG}")
    assert [turn["job_id"] for turn in question["turns"]] == ["AJ_1", "AJ_2"]


def test_a_question_that_was_not_reached_says_so() -> None:
    talk = held()
    assert outcome_of(told(talk)["q0"]) == ("open", None, None)
    assert outcome_of(told(talk)["q2"]) == ("not_reached", None, None)


def test_an_interview_without_dialogue_records_has_no_statuses() -> None:
    talk = held()
    talk.answers(LONG)
    assert questions_of(talk.plan.to_json(), talk.turns, []) == []


def test_a_record_that_cannot_be_read_hides_no_other(caplog: Any) -> None:
    talk = held()
    talk.answers(LONG)
    talk.dialogue.insert(0, ("AJ_1", {"seq": 0, "kind": "dialogue", "number": "x"}))
    assert outcome_of(told(talk)["q0"]) == ("answered", None, LONG)
    assert "a stored dialogue record cannot be read" in caplog.text


def test_a_question_has_no_times_and_no_interruptions() -> None:
    talk = held()
    talk.answers(LONG)
    keys = {"question_id", "text", "status", "reason", "answer", "turns"}
    assert all(set(each) == keys for each in told(talk).values())
    assert {key for turn in told(talk)["q0"]["turns"] for key in turn} == {"job_id", "seq"}
