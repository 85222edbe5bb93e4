"""The parts of a question that are spoken, and which probe comes next."""

from __future__ import annotations

import pytest

from tests.support.spoken_dialogues import plan_with
from worker.interview.dialogue.wording.questions import (
    next_probe,
    open_sentence,
    probes_of,
    unheard_part,
)
from worker.interview.plan.question import Question


def question(**keys: object) -> Question:
    """Return a checked question with these keys."""
    return plan_with(questions=[{"id": "q", "text": "Why?", **keys}]).questions[0]


POINTS = question(
    points=[
        {"id": "size", "text": "says how large it was", "probe": "How large was it?"},
        {"id": "own", "text": "says the own part"},
        {"id": "end", "text": "says how it ended", "probe": "How did it end?"},
    ]
)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("Tell me about a bug. How did you find it?", "How did you find it?"),
        ("How did you find it? Please give an example.", "How did you find it?"),
        ("Tell me about a bug.", "Tell me about a bug."),
        ("Please wait. Tell me about a bug.", "Tell me about a bug."),
        ("Which tools do you use, e.g. for tests?", "Which tools do you use, e.g. for tests?"),
        ("Did you work with Dr. Smith?", "Did you work with Dr. Smith?"),
        ("One question. Who asked: 'Why not?'", "Who asked: 'Why not?'"),
        ("No mark at the end", "No mark at the end"),
    ],
)
def test_the_open_sentence_is_the_last_one_that_asks(text: str, sentence: str) -> None:
    assert open_sentence(text) == sentence


@pytest.mark.parametrize(
    ("share", "part"),
    [
        (0.0, "Think of a project, a large one. What was your part in it?"),
        (0.5, "a large one. What was your part in it?"),
        (0.6, "What was your part in it?"),
        (0.79, "What was your part in it?"),
        (1.0, "What was your part in it?"),
    ],
)
def test_what_was_not_heard_is_said_from_the_phrase_on_in_which_it_was_cut(
    share: float, part: str
) -> None:
    text = "Think of a project, a large one. What was your part in it?"
    assert unheard_part(text, share) == part


def test_one_or_two_words_are_not_said_alone() -> None:
    assert unheard_part("What was hard about it, and why?", 0.95) == (
        "What was hard about it, and why?"
    )


def test_a_question_without_a_comma_is_said_from_its_beginning() -> None:
    assert unheard_part("What was your part in it?", 0.7) == "What was your part in it?"


def test_the_probes_of_points_replace_the_follow_ups() -> None:
    assert list(probes_of(POINTS)) == ["probe:q/size", "probe:q/end"]
    assert probes_of(question(follow_ups=["And then?", "Why? "])) == {
        "probe:q/1": "And then?",
        "probe:q/2": "Why?",
    }


@pytest.mark.parametrize(
    ("asked", "met", "probe"),
    [
        ([], [], "probe:q/size"),
        ([], ["size"], "probe:q/end"),
        (["probe:q/size"], [], "probe:q/end"),
        (["probe:q/size"], ["own"], "probe:q/end"),
        ([], ["size", "end"], "probe:q/size"),
        (["probe:q/size", "probe:q/end"], [], "probe:q/end"),
    ],
)
def test_the_next_probe_is_the_first_one_of_a_missing_point(
    asked: list[str], met: list[str], probe: str
) -> None:
    assert next_probe(POINTS, asked, met) == probe


def test_follow_ups_come_in_the_order_of_the_plan() -> None:
    two = question(follow_ups=["And then?", "Why?"])
    assert next_probe(two, [], []) == "probe:q/1"
    assert next_probe(two, ["probe:q/1"], []) == "probe:q/2"
    assert next_probe(question(), [], []) == ""
