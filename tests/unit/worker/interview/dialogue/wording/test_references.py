"""What a turn refers to: a question that it names, and the points that it covers."""

from __future__ import annotations

import pytest

from worker.interview.dialogue.wording.lines import lines_of
from worker.interview.dialogue.wording.references import points_covered, question_named
from worker.interview.plan.question import Point, Question

LINES = lines_of("en")


def asks(number: int, text: str) -> Question:
    return Question(id=f"q{number}", text=text, follow_ups_allowed=0)


QUESTIONS = (
    asks(1, "Why did you apply for this position?"),
    asks(2, "Tell me about a project that you led from the start."),
    asks(3, "How do you deal with a customer who complains?"),
)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("Can I add something to the first question?", "q1"),
        ("I would like to correct my very first answer.", "q1"),
        ("Can we go back to the second one?", "q2"),
        ("May I add something to the project question?", "q2"),
        ("I forgot to mention something about the customers.", "q3"),
        ("Can I go back to the previous question?", ""),
        ("Can I add something to my last answer?", ""),
        ("Let me go back to the seventh question.", ""),
        ("Can I add something to the question about the project for the customer?", ""),
    ],
)
def test_a_turn_names_a_question_by_its_number_or_by_words_that_only_one_question_has(
    text: str, named: str
) -> None:
    assert question_named(text, QUESTIONS, LINES) == named


TOPIC = Question(
    id="q1",
    text="Tell me about a project.",
    follow_ups_allowed=0,
    points=(
        Point(id="team", text="The size of the team", probe="How large was the team?"),
        Point(id="result", text="A result with a number", probe="What was the result?"),
    ),
)


@pytest.mark.parametrize(
    ("text", "covered"),
    [
        ("The team had a size of five people.", ("team",)),
        ("We were a good team.", ()),
        ("We delivered it.", ()),
        ("The team's size was five, and the results had a good number.", ("team", "result")),
    ],
)
def test_an_answer_covers_a_point_if_it_has_half_of_its_content_words_and_two_at_least(
    text: str, covered: tuple[str, ...]
) -> None:
    assert points_covered(text, TOPIC, LINES) == covered


def test_the_words_of_a_point_are_found_at_the_beginning_of_a_long_answer() -> None:
    text = "The size of the team was five. " + "Then we talked about it for a long time. " * 40
    assert points_covered(text, TOPIC, LINES) == ("team",)
