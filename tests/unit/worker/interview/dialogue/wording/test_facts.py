"""Which fact or clarification of the plan answers the candidate's words."""

from __future__ import annotations

from typing import Final

import pytest

from tests.support.spoken_dialogues import PLAN, plan_with
from worker.interview.dialogue.acts import Act
from worker.interview.dialogue.wording.facts import clarification_for, fact_for
from worker.interview.dialogue.wording.lines import lines_of

LINES = lines_of("en")
#: `act: what the candidate says -> the fact`; "-" is none.
QUESTIONS: Final = """
ABOUT_DATA: Is this recorded? -> recorded
ABOUT_DATA: Do you keep the audio? -> recorded
ABOUT_DATA: Are you writing this down? -> recorded
ABOUT_DATA: What data do you store? -> recorded
ABOUT_DATA: Who reads this? -> who_reads
ABOUT_DATA: Who will see my answers? -> who_reads
ABOUT_DATA: Is anyone listening? -> who_reads
ABOUT_DATA: What happens with my answers? -> who_reads
ABOUT_DATA: Where does all this go? -> who_reads
ABOUT_DATA: Is that confidential? -> who_reads
ABOUT_DATA: Do people listen to this later? -> who_reads
ABOUT_DATA: Are you sharing this? -> who_reads
ABOUT_DATA: And this goes to whom? -> who_reads
ABOUT_DATA: Does an AI decide? -> how_decided
ABOUT_DATA: Who decides in the end? -> how_decided
ABOUT_DATA: Can I have it deleted? -> delete
ABOUT_DATA: Could you erase my answers later? -> delete
ABOUT_DATA: How long do you keep the recording? -> -
ABOUT_DATA: Can I get a copy? -> -
ABOUT_DATA: Hm, that thing? -> -
ABOUT_TIME: How long will this take? -> how_long
ABOUT_TIME: Are we nearly done? -> how_long
ABOUT_TIME: How many questions are left? -> how_long
ABOUT_TIME: What happens next? -> next_step
ABOUT_TIME: What happens after this? -> next_step
ABOUT_TIME: Are there more questions after this one? -> how_long
ABOUT_TIME: What comes after the interview? -> next_step
ABOUT_YOU: Are you a robot? -> about_you
ABOUT_YOU: What's your name? -> about_you
HUMAN: Can I talk to a person? -> human_instead
HUMAN: I am hard of hearing. -> human_instead
OBJECT_RECORDING: Please turn that off. -> recorded
WITHDRAW_CONSENT: I no longer agree. -> delete
ABOUT_JOB: What's the salary? -> salary
ABOUT_JOB: How much would I earn? -> salary
ABOUT_JOB: Is it remote? -> place
ABOUT_JOB: Where is the office? -> place
ABOUT_JOB: How big is the team? -> team
ABOUT_JOB: Who would I report to? -> manager
ABOUT_JOB: When would I start? -> start
ABOUT_JOB: Which stack do you use? -> tools
ABOUT_JOB: Can I work part-time? -> hours
ABOUT_JOB: What would my tasks be? -> role
ABOUT_JOB: What is the job? -> role
ABOUT_JOB: What would my day look like? -> role
ABOUT_JOB: When will I hear from you? -> next_step
ABOUT_JOB: Do you have a canteen? -> -
ABOUT_RESULT: How do you rate my answers? -> how_decided
ABOUT_RESULT: How am I doing? -> -
CLARIFY: And the salary? -> salary
CLARIFY: Will a human read it? -> who_reads
CLARIFY: Is there a dog? -> -
ANSWER: Is this recorded? -> -
"""


@pytest.mark.parametrize("line", QUESTIONS.strip().splitlines())
def test_the_candidate_gets_the_fact_that_was_asked_for(line: str) -> None:
    act, _, rest = line.partition(": ")
    words, _, fact = rest.partition(" -> ")
    assert (fact_for(Act(act), words, LINES) or "-") == fact


@pytest.mark.parametrize(
    ("words", "number"),
    [
        ("Which product?", 0),
        ("Do you mean products?", 0),
        ("At work?", 1),
        ("Is a private one okay?", 1),
        ("Does it count?", 0),  # a word of the text, not of a key
        ("Which one?", None),
        ("Sorry, what?", None),
    ],
)
def test_the_clarification_has_the_most_words_in_common_with_the_candidates(
    words: str, number: int | None
) -> None:
    assert clarification_for(PLAN.questions[1], words, LINES) == number


def test_a_key_without_content_words_is_compared_by_all_its_words() -> None:
    plan = plan_with(questions=[{"id": "q", "text": "Why?", "clarify": {"which": "All of them."}}])
    assert clarification_for(plan.questions[0], "Which one?", LINES) == 0
