"""The assertion on the path of a dialogue."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from states import FileJournal, History, JournalError, MemoryJournal
from states.testing import PlaceElement, assert_dialogue

if TYPE_CHECKING:
    from pathlib import Path

    from states.pytest_plugin import StartLifecycle

RECORDS: tuple[dict[str, Any], ...] = (
    {"phase": "ARRIVING", "to": "GREETING", "name": "present", "row": "arrives", "t": 1.0},
    {"to": "ASKING:q1", "name": "prompt_done", "row": "disclosure_heard", "t": 9.5},
    {"to": "LISTENING:q1", "name": "prompt_done", "row": "prompt_heard", "t": 14.25},
    {"to": "WAITING:q1(think)", "name": "WAIT", "row": "wait", "t": 20.0},
)
WHOLE = ("ARRIVING", "GREETING", "ASKING:q1", "LISTENING:q1", "WAITING:q1(think)")


def message_of(subject: Any, *path: PlaceElement) -> str:
    with pytest.raises(AssertionError) as caught:
        assert_dialogue(subject, *path)
    return str(caught.value)


@pytest.mark.parametrize(
    "path",
    [
        WHOLE,
        (...,),
        (..., "ASKING:q1", ..., "WAITING"),
        (..., "ASKING", "LISTENING", ...),
        (..., "WAITING:q1"),
        (..., "WAITING(think)"),
        ("ARRIVING", ..., "GREETING", ..., "WAITING:q1(think)", ...),
    ],
)
def test_a_path_of_places_matches(path: tuple[PlaceElement, ...]) -> None:
    assert_dialogue(RECORDS, *path)


@pytest.mark.parametrize(
    "path",
    [
        (),
        ("ASKING:q1", ..., "WAITING"),
        (..., "ASKING:q1"),
        (..., "ASKING:q2", ...),
        (..., "ASKING:q1", "WAITING"),
        (..., "WAITING:q2"),
        (..., "WAITING:q1(break)"),
        (..., "ASKING:q1(think)", ...),
        (*WHOLE, "LISTENING:q1"),
    ],
)
def test_a_path_of_places_does_not_match(path: tuple[PlaceElement, ...]) -> None:
    assert "the dialogue took another path than expected" in message_of(RECORDS, *path)


@given(
    path=st.lists(st.sampled_from(["ASKING", "ASKING:q2", "LISTENING:q1", ...]), max_size=7),
    went=st.lists(st.sampled_from(["ASKING:q1", "ASKING:q2", "LISTENING:q1"]), max_size=7),
)
def test_a_path_of_places_matches_as_the_same_regular_expression_does(
    path: list[PlaceElement], went: list[str]
) -> None:
    letters = {"ASKING:q1": "a", "ASKING:q2": "b", "LISTENING:q1": "l"}
    patterns = {"ASKING": "[ab]", "ASKING:q2": "b", "LISTENING:q1": "l", ...: ".*"}
    places = [place for n, place in enumerate(went) if n == 0 or went[n - 1] != place]
    records = [{"to": place} for place in went]
    pattern = "".join(patterns[element] for element in path)
    if places and re.fullmatch(pattern, "".join(letters[place] for place in places)):
        assert_dialogue(records, *path)
    else:
        assert message_of(records, *path)


@pytest.mark.parametrize("wrong", ["asking:q1", "ASKING:", "ASKING q1", "WAITING:q1(", ""])
def test_a_text_that_is_no_place_is_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match="is not a place: write PHASE"):
        assert_dialogue(RECORDS, ..., wrong)


def test_a_mismatch_shows_both_paths_and_where_they_differ() -> None:
    message = message_of(RECORDS, ..., "ASKING:q1", "CLARIFYING", ..., "ENDED")
    assert (
        message
        == """\
the dialogue took another path than expected

  expected    actual             t         on           row
  ...         ARRIVING
  ...         GREETING            1.000 s  present      arrives
  ASKING:q1   ASKING:q1           9.500 s  prompt_done  disclosure_heard
> CLARIFYING  LISTENING:q1       14.250 s  prompt_done  prompt_heard
  ...         WAITING:q1(think)  20.000 s  WAIT         wait
  ENDED       (nothing)

ASKING:q1 was left at 14.250 s on prompt_done."""
    )


def test_a_path_that_ends_too_early_says_where_it_ends() -> None:
    message = message_of(RECORDS, *WHOLE, "LISTENING:q1")
    assert "> LISTENING:q1       (nothing)" in message
    assert message.endswith("The path ends in WAITING:q1(think), entered at 20.000 s on WAIT.")


def test_a_path_that_begins_elsewhere_says_where_it_begins() -> None:
    assert message_of(RECORDS, "GREETING", ...).endswith("The path begins in ARRIVING.")


def test_records_without_times_and_names_are_compared_too() -> None:
    message = message_of([{"to": "ASKING:q1"}, {"to": "LISTENING:q1"}], "ASKING:q1", "ENDED")
    assert message.endswith("ASKING:q1 was left.")


# --- which records are a visit -------------------------------------------------------------------


def test_records_in_a_row_that_stay_in_a_place_are_one_visit() -> None:
    stays = [{"to": "LISTENING:q1"}] * 3
    assert_dialogue([{"to": "ASKING:q1"}, *stays, {"to": "ASKING:q1"}], "ASKING", ..., "ASKING")
    assert_dialogue(stays, "LISTENING:q1")


def test_a_first_record_that_stays_in_its_place_is_one_visit() -> None:
    assert_dialogue([{"phase": "ARRIVING", "to": "ARRIVING"}], "ARRIVING")


def test_a_late_record_changes_no_place() -> None:
    late = {"phase": "FAREWELL", "to": "ENDED(completed)", "late": True}
    assert_dialogue([late, *RECORDS, late], *WHOLE)


def test_a_record_without_a_known_place_changes_no_place() -> None:
    assert_dialogue([*RECORDS, {"to": ""}], *WHOLE)


# --- subjects ------------------------------------------------------------------------------------


def journal_with_a_dialogue(journal: MemoryJournal) -> MemoryJournal:
    """Write a transition, and then records of a dialogue with other records between them."""
    started: dict[str, Any] = {"from": None, "event": None, "to": "HANDSHAKE"}
    journal.append("transition", 0.0, **started)
    for record in RECORDS:
        fields = {name: value for name, value in record.items() if name != "t"}
        journal.append("dialogue", record["t"], **fields)
        journal.append("fault", record["t"], where="stt", error="TimeoutError")
    return journal


def test_a_journal_file_a_history_and_a_list_of_its_records_are_subjects(tmp_path: Path) -> None:
    journal = FileJournal(tmp_path / "job.jsonl")
    journal_with_a_dialogue(journal)
    journal.close()
    for subject in (
        tmp_path / "job.jsonl",
        str(tmp_path / "job.jsonl"),
        History.read(tmp_path / "job.jsonl"),
        journal.records,
    ):
        assert_dialogue(subject, *WHOLE)


def test_the_json_of_interviews_show_is_a_subject(tmp_path: Path) -> None:
    shown = {"interview_id": "iv-1", "turns": [], "dialogue": list(RECORDS)}
    (tmp_path / "interview.json").write_text(json.dumps(shown), encoding="utf-8")
    for subject in (shown, json.dumps(shown), tmp_path / "interview.json"):
        assert_dialogue(subject, *WHOLE)
    assert_dialogue(json.dumps(list(RECORDS)), *WHOLE)


async def test_the_journal_of_a_running_job_is_a_subject(lifecycle: StartLifecycle) -> None:
    job = lifecycle()
    job.journal.append("dialogue", 1.0, phase="ARRIVING", to="GREETING", name="present")
    assert_dialogue(job, "ARRIVING", "GREETING")
    job.journal.append("dialogue", 2.0, phase="GREETING", to="ASKING:q1", name="prompt_done")
    assert_dialogue(job, "ARRIVING", "GREETING", "ASKING:q1")


@dataclass(frozen=True)
class Kept:
    """A record of a dialogue as an object."""

    to: object | None
    phase: str = "ARRIVING"


def test_records_may_be_objects_with_a_place() -> None:
    assert_dialogue([Kept(to="GREETING"), Kept(to=None)], "ARRIVING", "GREETING")


@pytest.mark.parametrize("subject", [[], {"dialogue": []}, History(), '{"dialogue": []}'])
def test_without_a_record_of_a_dialogue_no_path_matches(subject: Any) -> None:
    assert message_of(subject, ...) == "no dialogue is recorded"


@pytest.mark.parametrize("subject", [{"turns": []}, '{"dialogue": "ASKING:q1"}', "[", "{"])
def test_json_without_a_list_of_records_is_refused(subject: Any) -> None:
    with pytest.raises(JournalError):
        assert_dialogue(subject, ...)


def test_a_place_that_is_not_text_is_refused() -> None:
    with pytest.raises(JournalError, match="the field to of a record of a dialogue is not text"):
        assert_dialogue([{"to": 5}], ...)
    record = {"v": 1, "seq": 0, "t": 0.0, "kind": "dialogue", "to": 5}
    with pytest.raises(JournalError, match=r"record 0 \(dialogue\)"):
        History.from_records([record])
