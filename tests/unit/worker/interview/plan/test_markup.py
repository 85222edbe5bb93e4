"""Markup in the spoken texts of a plan, which a voice would read aloud."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from worker.interview.plan.markup import markup_in
from worker.interview.plan.plan import SAMPLE_PLAN, Plan, PlanError, load_plan
from worker.interview.plan.validation import MAX_TEXT

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("text", "kind", "found"),
    [
        ('Take a moment. <break time="1s"/> Go on.', "a tag", '<break time="1s"/>'),
        ("<speak>Hello.", "a tag", "<speak>"),
        ("Hello</emphasis> there.", "a tag", "</emphasis>"),
        ("Hello. <!-- later -->", "a tag", "<!--"),
        ("Research &amp; development", "a character reference", "&amp;"),
        ("Five &#8364; please", "a character reference", "&#8364;"),
        ("Read [the page](https://example.org).", "a link", "[the page](https://example.org)"),
        ("See https://example.org/a?b=c now.", "a URL", "https://example.org/a?b=c"),
        ("See www.example.org now.", "a URL", "www.example.org"),
        ("Write to mailto:ada@example.org", "a URL", "mailto:ada@example.org"),
        ("What does `ls -l` do?", "code", "`ls -l`"),
        ("```python\nprint()\n```", "code", "```python\nprint()\n```"),
        ("Hello {{ name }}.", "a placeholder", "{{ name }}"),
        ("Hello ${NAME}.", "a placeholder", "${NAME}"),
        ("Hello {name}.", "a placeholder", "{name}"),
        ("Hello %NAME%.", "a placeholder", "%NAME%"),
        ("This is **important**.", "Markdown", "**"),
        ("This is *important*.", "Markdown", "*important*"),
        ("This is _important_.", "Markdown", "_important_"),
        ("What does __init__ do?", "Markdown", "__"),
        ("This is ~~wrong~~.", "Markdown", "~~"),
        ("# Welcome\nHello.", "Markdown", "# Welcome"),
        ("> Ada said this.", "Markdown", "> Ada"),
        ("| a | b |", "Markdown", "| a | b |"),
        ("Choose:\n- this\n- that", "a list", "- this\n- t"),
        ("Welcome \U0001f600!", "an emoji", "\U0001f600"),
        ("Thank you \u2764\ufe0f", "an emoji", "\u2764\ufe0f"),
    ],
)
def test_what_a_voice_would_read_aloud_is_found(text: str, kind: str, found: str) -> None:
    (markup,) = markup_in(text)
    assert (markup.kind, markup.found) == (kind, found)


@pytest.mark.parametrize(
    "text",
    [
        "Which languages do you use: C, C#, C++, or something else?",
        "Is 3 < 4, and is 4 > 3? What about a < b and b > c?",
        "How do you work in R&D? And in Q&A; is that all?",
        "What is 2 * 3 * 4, or 2*3*4?",
        "What does snake_case_naming mean to you?",
        "You have 100% of the time (about 5 minutes) - take it.",
        "We build tools\n- and more.",
        "What is your experience with e-mail, TCP/IP, and I/O?",
        "Have you used asp.net or node.js?",
        "He said: \u201cHello\u201d \u2013 and left\u2026",
        "Gr\u00fc\u00df Gott! \u00bfQu\u00e9 tal? \u4f60\u597d, \u05e9\u05dc\u05d5\u05dd.",
        "What did you earn: 5 \u20ac, 5 \u00a3 or 5 $? It is \u00a9 2026, 20 \u00b0C.",
        "#1 on the list, and question #2.",
        "Array[0] and f(x) are names.",
    ],
)
def test_plain_words_are_not_markup(text: str) -> None:
    assert markup_in(text) == []


def test_the_first_finding_of_each_kind_is_reported_in_the_order_of_the_text() -> None:
    text = "Hello **there** `now` and `then`, \U0001f600 <break/> <break/>"
    assert [each.kind for each in markup_in(text)] == ["Markdown", "code", "an emoji", "a tag"]


def test_a_long_finding_is_cut_in_the_message() -> None:
    (markup,) = markup_in(f"Hello <break {'x' * 200}/>")
    assert len(markup.message) < 120


@pytest.mark.parametrize("piece", ["<a ", "[a](", "*a ", "_a ", "`", "{", "- a\n", "&a", "| a "])
def test_a_text_of_many_marks_is_searched_quickly(piece: str) -> None:
    text = (piece * MAX_TEXT)[:MAX_TEXT]
    began = time.process_time()
    markup_in(text)
    assert time.process_time() - began < 1.0


PLAN = """\
title: "A title with **marks** is not spoken"
opening: >
  Hello, and welcome.
  Take a moment. <break
  time="1s"/> Then begin.
questions:
  - id: first
    text: What does `ls` do?
    good_answer: ["uses `ls`"]
    follow_ups:
      - And then?
      - |
        Look at this:
        https://example.org
  - id: second
    text: "Why \\U0001f600?"
closing: Goodbye.
"""


def test_markup_in_a_plan_file_is_refused_with_its_own_line(tmp_path: Path) -> None:
    path = tmp_path / "plan.yaml"
    path.write_text(PLAN)
    with pytest.raises(PlanError) as refused:
        load_plan(path)
    problems = [(each.line, each.message) for each in refused.value.problems]
    without = "must be words to speak, without"
    assert problems == [
        (4, f'opening {without} a tag (<break time="1s"/>)'),
        (8, f"questions[0].text {without} code (`ls`)"),
        (14, f"questions[0].follow_ups[1] {without} a URL (https://example.org)"),
        (16, f"questions[1].text {without} an emoji (\U0001f600)"),
    ]


def test_markup_is_reported_together_with_other_mistakes(tmp_path: Path) -> None:
    path = tmp_path / "plan.yaml"
    path.write_text("titel: x\nopening: '**Hello**'\nquestions: [5, {text: '{name}'}]\n")
    with pytest.raises(PlanError) as refused:
        load_plan(path)
    lines = [each.located("plan.yaml") for each in refused.value.problems]
    assert "plan.yaml:2: opening must be words to speak, without Markdown (**)" in lines
    assert any("titel is unknown" in line for line in lines)
    assert any("questions[1].text must be words to speak" in line for line in lines)


def test_a_plan_that_was_stored_with_markup_stays_valid() -> None:
    data = load_plan(SAMPLE_PLAN).to_json() | {"opening": "Hello <break/> **you**."}
    assert Plan.from_json(data).opening == "Hello <break/> **you**."
