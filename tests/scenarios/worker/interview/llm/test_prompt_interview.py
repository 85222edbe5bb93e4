"""The size of a language model's prompt in the longest interview."""

from __future__ import annotations

from tests.support.virtual.interview_parts import Talk
from worker.interview.earlier_turns import take_earlier, tracked
from worker.interview.llm.prompt import MAX_CHARACTERS, prompt_for
from worker.interview.orchestrator import allowance
from worker.interview.plan.plan import Plan, Question
from worker.interview.plan.validation import MAX_TEXT


def longest_plan(questions: int) -> Plan:
    """Return a plan whose texts are all as long as allowed."""
    text = "word " * (MAX_TEXT // 5 - 2)
    return Plan(
        title="A plan",
        opening=text,
        questions=tuple(
            Question(
                id=f"q{number}",
                text=f"{text}{number}",
                good_answer=(text,) * 20,
                follow_ups=tuple(f"{text}{number} {n}?" for n in range(5)),
                follow_ups_allowed=5,
                longest_time_s=1800,
            )
            for number in range(questions)
        ),
        closing=text,
        short_answer_words=100,
    )


def test_the_prompt_size_is_bounded_for_any_length_of_interview() -> None:
    """200 questions, more than 200 turns, and answers of ten minutes."""
    plan, talk = longest_plan(200), Talk()
    ten_minutes = "so then we did this and that " * 250
    assert len(ten_minutes.split()) > 1500
    tracker = tracked(plan, [])
    sizes, now = [], allowance(tracker)
    for number in range(240):
        talk.asked(now.move)
        # Five short answers, so that each follow-up is asked, and a long one.
        for _ in range(3 if number % 6 == 5 else 1):
            talk.answered(ten_minutes if number % 6 == 5 else "not much")
        for turn in talk.turns:
            take_earlier(tracker, turn)
        talk.turns.clear()
        now = allowance(tracker)
        prompt = prompt_for(plan, now)
        sizes.append(len(prompt.system) + len(prompt.user))
    assert max(sizes) <= MAX_CHARACTERS
    assert sizes[-1] <= max(sizes[:12])
