from __future__ import annotations

import json
import math
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from worker.interview.plan.plan import (
    MAX_FILE_BYTES,
    MAX_PROBLEMS,
    SAMPLE_PLAN,
    Plan,
    PlanError,
    load_plan,
)

if TYPE_CHECKING:
    from pathlib import Path

GOOD = """\
title: A plan
opening: Hello.
questions:
  - id: first
    text: What did you build?
  - id: second
    text: Why?
    good_answer: [a reason, an example]
    follow_ups: [And then?, "Who else?"]
    longest_time_s: 60
    thinking_pause_s: 1.2
closing: Goodbye.
"""

#: A name that is longer than any message may be.
LONG = "x" * 50_000


@pytest.fixture
def plan_file(tmp_path: Path) -> Path:
    return tmp_path / "plan.yaml"


def problems_of(path: Path, text: str | bytes) -> list[str]:
    """Return the problems reported for a file with this content, without the folder's name."""
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(PlanError) as caught:
        load_plan(path)
    return str(caught.value).replace(str(path), path.name).splitlines()


def json_problems_of(data: object) -> list[str]:
    with pytest.raises(PlanError) as caught:
        Plan.from_json(data)
    return str(caught.value).splitlines()


def test_a_plan_file_becomes_a_plan_with_its_defaults(plan_file: Path) -> None:
    plan_file.write_text(GOOD)
    plan = load_plan(plan_file)
    first, second = plan.questions
    assert (plan.title, plan.language, plan.short_answer_words) == ("A plan", "en", 8)
    assert (first.follow_ups, first.follow_ups_allowed, first.good_answer) == ((), 0, ())
    assert (first.longest_time_s, first.thinking_pause_s) == (180.0, 1.8)
    assert (second.follow_ups, second.follow_ups_allowed) == (("And then?", "Who else?"), 2)
    assert (second.longest_time_s, second.thinking_pause_s) == (60.0, 1.2)


def test_the_sample_plan_is_valid_and_short() -> None:
    plan = load_plan(SAMPLE_PLAN)
    assert len(plan.questions) == 3
    assert [bool(question.follow_ups) for question in plan.questions].count(True) == 1


def test_a_plan_survives_a_round_trip_through_json(plan_file: Path) -> None:
    plan_file.write_text(GOOD)
    plan = load_plan(plan_file)
    assert Plan.from_json(json.loads(json.dumps(plan.to_json()))) == plan


def test_line_breaks_and_indents_in_a_text_become_single_spaces(plan_file: Path) -> None:
    plan_file.write_text(GOOD.replace("opening: Hello.", "opening: |\n  Hello\n     there.\n"))
    assert load_plan(plan_file).opening == "Hello there."


def test_all_problems_are_reported_together_in_line_order(plan_file: Path) -> None:
    text = (
        "titel: A plan\nopening: 5\nquestions:\n  - id: Not a slug\n    text: Why?\n"
        "    longest_time_s: ten\n    folow_ups: []\n    follow_ups_allowed: 1.5\n"
    )
    assert problems_of(plan_file, text) == [
        "plan.yaml:1: titel is unknown: did you mean title?",
        "plan.yaml:1: title is missing",
        "plan.yaml:1: closing is missing",
        "plan.yaml:2: opening must be text (got 5)",
        "plan.yaml:4: questions[0].id must be 1 to 64 lowercase letters, digits, - or _, "
        'and not begin with - or _ (got "Not a slug")',
        "plan.yaml:6: questions[0].longest_time_s must be a number of seconds between 10 and 1800 "
        '(got "ten")',
        "plan.yaml:7: questions[0].folow_ups is unknown: did you mean follow_ups?",
        "plan.yaml:8: questions[0].follow_ups_allowed must be a whole number of follow-ups, "
        "0 to 5 (got 1.5)",
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: [1", "plan.yaml:1: "),
        ("title: x\n\tbad: y", "plan.yaml:2: "),
        ("title: &t x\nopening: *t", "plan.yaml:2: aliases (*t) are not supported"),
        ("a: !!python/object:os.system x", "plan.yaml:1: tags ("),
        ("title: x\n---\ntitle: y", "plan.yaml:2: a second document begins here (---)"),
        ("[" * 5000, "plan.yaml:1: is nested more than 16 levels deep"),
        ("? [a]\n: b", "plan.yaml:1: a key must be text"),
        ("title: x\nopening: \x01", "plan.yaml:2: the character U+0001 is not allowed"),
        ('opening: "\\UFFFFFFFF"', "plan.yaml: an escaped character (\\U...) does not exist"),
        ('opening: "\\U00110000"', "plan.yaml: an escaped character (\\U...) does not exist"),
        ("", "plan.yaml: the plan must be a mapping with the keys title"),
        ("- a", "plan.yaml:1: the plan must be a mapping with the keys title"),
        (b"title: x\nopening: \xff", "plan.yaml:2: is not UTF-8 text"),
        (b"#" * (MAX_FILE_BYTES + 1), "plan.yaml: is larger than 512 KiB"),
    ],
)
def test_an_unsupported_file_is_refused_with_its_line(
    plan_file: Path, text: str | bytes, problem: str
) -> None:
    reported = problems_of(plan_file, text)
    assert len(reported) == 1
    assert reported[0].startswith(problem)


def test_an_alias_bomb_is_refused_before_it_is_expanded(plan_file: Path) -> None:
    bomb = "a0: &a0 [x, x]\n" + "".join(
        f"a{level}: &a{level} [*a{level - 1}, *a{level - 1}]\n" for level in range(1, 60)
    )
    assert problems_of(plan_file, bomb) == ["plan.yaml:2: aliases (*a0) are not supported"]


def test_a_missing_file_and_a_folder_get_different_messages(tmp_path: Path) -> None:
    with pytest.raises(PlanError, match=r"there is no such file$"):
        load_plan(tmp_path / "none.yaml")
    with pytest.raises(PlanError, match=r"is not a file$"):
        load_plan(tmp_path)


def test_a_file_with_a_byte_order_mark_is_read(plan_file: Path) -> None:
    plan_file.write_text(GOOD, encoding="utf-8-sig")
    assert load_plan(plan_file).title == "A plan"


def test_a_key_given_twice_is_a_problem(plan_file: Path) -> None:
    text = GOOD + "title: Another\n"
    assert problems_of(plan_file, text) == ["plan.yaml:13: title is given twice"]


def test_two_questions_with_the_same_id_are_a_problem(plan_file: Path) -> None:
    text = GOOD.replace("id: second", "id: first")
    assert problems_of(plan_file, text) == [
        "plan.yaml:6: questions[1].id must be unique: questions[0] has the same id"
    ]


def sample() -> dict[str, Any]:
    return load_plan(SAMPLE_PLAN).to_json()


@pytest.mark.parametrize(
    ("key", "value", "problem"),
    [
        ("opening", "a\0b", "opening must not contain a NUL character"),
        ("opening", "\ud800", "opening must not contain a lone surrogate (half a character)"),
        ("opening", "x" * 2001, "opening must be at most 2000 characters (has 2001)"),
        ("opening", " \n", "opening must not be empty"),
        ("closing", None, "closing is missing"),
        ("questions", [], "questions must have 1 to 500 entries (has 0)"),
        ("questions", "all", 'questions must be a list (got "all")'),
        ("language", "English!", "language must be a language tag such as en or en-GB"),
        (
            "short_answer_words",
            True,
            "short_answer_words must be a whole number of words, 0 to 100",
        ),
    ],
)
def test_json_is_checked_by_the_same_rules_as_a_file(key: str, value: object, problem: str) -> None:
    reported = json_problems_of(sample() | {key: value})
    assert len(reported) == 1
    assert reported[0].startswith(f"plan: {problem}")


@pytest.mark.parametrize("value", [math.nan, math.inf, -1, 9.9, 1801, True, "60", [60]])
def test_a_time_out_of_range_is_refused(value: object) -> None:
    data = sample()
    data["questions"][0]["longest_time_s"] = value
    assert "questions[0].longest_time_s must be a number of seconds" in json_problems_of(data)[0]


def test_more_than_500_questions_are_refused() -> None:
    questions = [{"id": f"q{number}", "text": "Why?"} for number in range(501)]
    assert json_problems_of(sample() | {"questions": questions}) == [
        "plan: questions must have 1 to 500 entries (has 501)"
    ]


@pytest.mark.parametrize(
    ("number", "text", "problems"),
    [
        (500, "How was it there? " * 20, []),
        (501, "Why?", ["plan.yaml:3: questions must have 1 to 500 entries (has 501)"]),
    ],
)
def test_a_file_with_500_questions_is_read_and_a_longer_one_is_refused(
    plan_file: Path, number: int, text: str, problems: list[str]
) -> None:
    questions = "".join(
        f"  - id: q{n}\n    text: {text}\n    follow_ups: [Why so?]\n" for n in range(number)
    )
    plan = f"title: A plan\nopening: Hello.\nquestions:\n{questions}closing: Goodbye.\n"
    if problems:
        assert problems_of(plan_file, plan) == problems
    else:
        plan_file.write_text(plan)
        assert len(load_plan(plan_file).questions) == number


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ('title: !x%0Ay "a"', "tags (!x\\ny) are not supported"),
        ('"a\\Nb": 1', "a\\x85b is unknown"),
        ('"a\\Lb": 1', "a\\u2028b is unknown"),
        ('language: "\\u202Ede"', '(got "\\u202ede")'),
    ],
)
def test_a_problem_stays_on_one_line_whatever_the_plan_contains(
    plan_file: Path, line: str, shown: str
) -> None:
    plan_file.write_text(f"{line}\n")
    with pytest.raises(PlanError) as refused:
        load_plan(plan_file)
    lines = str(refused.value).splitlines()
    assert len(lines) == len(refused.value.problems)
    assert [shown in each for each in lines].count(True) == 1


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (f"? {LONG}\n: 1\n? {LONG}\n: 2\n", 1),
        (f"title: &{LONG} x\nopening: *{LONG}\n", 2),
        (f"title: !{LONG} x\n", 1),
        (f"%TAG !{LONG}! tag:x,2000:\n%TAG !{LONG}! tag:x,2000:\n---\na: 1\n", 2),
        (f"title: !{LONG}!y x\n", 1),
        (f'title: "\\{LONG}"\n', 1),
    ],
    ids=["key", "alias", "tag", "tag directive", "tag handle", "escape"],
)
def test_a_problem_is_short_however_long_the_names_of_a_plan_are(
    plan_file: Path, text: str, line: int
) -> None:
    plan_file.write_text(text)
    with pytest.raises(PlanError) as refused:
        load_plan(plan_file)
    assert any(problem.line == line for problem in refused.value.problems)
    assert all(len(each) < len(str(plan_file)) + 400 for each in str(refused.value).splitlines())


def test_a_plan_with_very_many_problems_reports_the_first_and_the_number_of_the_others(
    plan_file: Path,
) -> None:
    keys = "".join(f"k{number}: 1\n" for number in range(3 * MAX_PROBLEMS))
    plan_file.write_text(keys * 2)
    with pytest.raises(PlanError) as refused:
        load_plan(plan_file)
    *listed, last = refused.value.problems
    assert len(listed) == MAX_PROBLEMS
    # Each key is unknown and given twice, and four keys are missing.
    left_out = 2 * 3 * MAX_PROBLEMS + 4 - MAX_PROBLEMS
    assert last.message == f"has {left_out} further problems, which are not listed"


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["title", "opening", "questions", "closing", "id", "text", "x\n"]),
                inner,
                max_size=5,
            )
        ),
        max_leaves=12,
    )
)
@example({"title": None, "questions": "\x85"})
def test_any_json_is_either_a_plan_or_a_list_of_problems(data: object) -> None:
    try:
        plan = Plan.from_json(data)
    except PlanError as error:
        lines, problems = str(error).splitlines(), error.problems
    else:
        lines, problems = [], ()
        assert Plan.from_json(plan.to_json()) == plan
    assert len(lines) == len(problems)


#: The keys that plans and questions have in protocol 1.
_OF_A_PLAN = ("title", "opening", "questions", "closing", "language", "short_answer_words")
_OF_A_QUESTION = (
    *("id", "text", "good_answer", "follow_ups", "follow_ups_allowed"),
    *("longest_time_s", "thinking_pause_s"),
)
_TEXTS = st.text(min_size=1, max_size=8).map(lambda text: f"a {text}".replace("\0", ""))
_QUESTIONS = st.fixed_dictionaries(
    {"text": _TEXTS},
    optional={
        "good_answer": st.lists(_TEXTS, max_size=20),
        "follow_ups": st.lists(_TEXTS, max_size=5),
        "follow_ups_allowed": st.none() | st.integers(0, 5),
        "longest_time_s": st.integers(10, 1800) | st.floats(10, 1800),
        "thinking_pause_s": st.integers(1, 6) | st.floats(0.3, 6),
    },
)


@given(
    st.fixed_dictionaries(
        {
            "title": _TEXTS,
            "opening": _TEXTS,
            "closing": _TEXTS,
            "questions": st.lists(_QUESTIONS, min_size=1, max_size=4),
        },
        optional={
            "language": st.sampled_from([None, "de", "en-GB"]),
            "short_answer_words": st.integers(0, 100),
        },
    )
)
def test_the_json_form_has_all_fields_of_protocol_1_in_their_order_and_seconds_as_fractions(
    data: dict[str, Any],
) -> None:
    """Databases and dispatches hold this form."""
    for number, question in enumerate(data["questions"]):
        question["id"] = f"q{number}"
    plan = Plan.from_json(data)
    expected = {key: asdict(plan)[key] for key in _OF_A_PLAN}
    expected["questions"] = [
        {key: asdict(question)[key] for key in _OF_A_QUESTION} for question in plan.questions
    ]
    assert json.dumps(plan.to_json()) == json.dumps(expected)
    assert all(isinstance(question.longest_time_s, float) for question in plan.questions)
