"""The prepared lines: which there are, and in which languages."""

from __future__ import annotations

import tomllib
from dataclasses import fields
from pathlib import Path

import pytest

from tests.support.spoken_dialogues import plan_with
from worker.interview.dialogue import wording
from worker.interview.dialogue.moves import Move
from worker.interview.dialogue.phases import KINDS, Phase
from worker.interview.dialogue.wording.facts import UNKNOWN
from worker.interview.dialogue.wording.lines import NoLines, lines_of, require_lines
from worker.interview.dialogue.wording.words_by_move import PREPARED, SILENT, WORDS
from worker.interview.plan.facts import Facts
from worker.interview.plan.markup import markup_in
from worker.interview.plan.plan import PlanError

#: The folder of the files with lines.
PACKAGE = Path(wording.__file__).parent

LINES = lines_of("en")
FILES = sorted(each.name for each in PACKAGE.glob("lines_*.toml"))
#: The lines that no move has its name from.
VARIANTS = {
    "at_the_end",
    "deferred",
    "goodbye_failed",
    "goodbye_human",
    "goodbye_time",
    "goodbye_withdrawn",
    "no_judgement",
    "objection_noted",
    "once_more",
    "question_noted",
    "read_back",
    "read_back_question",
    "read_back_unclear",
    "skip_it",
    "skip_or_later",
}


def keys_of(file: str) -> dict[str, set[str]]:
    """Return the keys of each table of a file."""
    tables = tomllib.loads((PACKAGE / file).read_text("utf-8"))
    return {name: set(table) for name, table in tables.items() if isinstance(table, dict)}


def all_lines() -> list[str]:
    """Return every line."""
    return [*LINES.lines.values(), *LINES.acknowledgements, *LINES.social.values()]


@pytest.mark.parametrize("move", Move)
def test_each_move_either_has_words_or_is_silent_for_a_reason(move: Move) -> None:
    assert (move in WORDS) is not (move in SILENT)
    assert SILENT.get(move, "has words")


def test_each_line_is_used_and_none_is_missing() -> None:
    ends = {f"confirm_{kind}" for kind in KINDS[Phase.CONFIRMING_END]}
    assert set(LINES.lines) == {str(move) for move in PREPARED} | VARIANTS | ends


@pytest.mark.parametrize("file", FILES)
def test_each_language_has_the_keys_of_english(file: str) -> None:
    assert keys_of(file) == keys_of("lines_en.toml")


def test_each_fact_of_a_plan_has_words_by_which_it_is_found() -> None:
    names = {each.name for each in fields(Facts)}
    assert {keywords.name for keywords in LINES.facts} == names | {UNKNOWN}


def test_each_answer_to_a_greeting_has_words_by_which_it_is_found() -> None:
    assert {*LINES.social} == {*(each.name for each in LINES.social_words), "other"}


@pytest.mark.parametrize("line", all_lines())
def test_each_line_is_short_and_has_no_markup(line: str) -> None:
    assert markup_in(line) == []
    assert line == " ".join(line.split())
    assert line.endswith((".", "?", ":"))
    assert len(line.split()) <= 22


@pytest.mark.parametrize("move", PREPARED)
def test_a_move_that_quotes_its_line_quotes_it_correctly(move: Move) -> None:
    if move.text.endswith((".", "?")):
        assert LINES.lines[str(move)] == move.text


def test_there_are_several_acknowledgements() -> None:
    assert len(set(LINES.acknowledgements)) >= 3


@pytest.mark.parametrize("tag", ["en", "en-GB", "EN-us"])
def test_a_region_has_the_lines_of_its_language(tag: str) -> None:
    assert lines_of(tag) is LINES


@pytest.mark.parametrize("tag", ["de", "xx-YY", "..", ""])
def test_a_language_without_lines_is_refused(tag: str) -> None:
    with pytest.raises(NoLines, match="no prepared lines"):
        lines_of(tag)


def test_a_plan_in_a_language_without_lines_is_refused_with_its_line() -> None:
    with pytest.raises(PlanError, match=r"plan\.yaml:3: has the language de, .*no prepared lines"):
        require_lines(plan_with(language="de"), "plan.yaml", 3)


def test_a_plan_in_english_is_not_refused() -> None:
    require_lines(plan_with(language="en-GB"))
