"""Dialogue records in the journal of a job."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from states import FileJournal, MemoryJournal
from states._place_path import parts_of
from states.journal import read_records
from states.testing import assert_dialogue
from tests.support.dialogues import HEARD, TODAY, Driven, begun, say
from worker.interview.dialogue.acts import Act
from worker.interview.dialogue.fold import fold
from worker.interview.dialogue.journal_record import (
    append,
    data_of,
    fields_of,
    from_journal,
    records_in,
)
from worker.interview.dialogue.phases import KINDS, Kind, Outcome, Phase, Place
from worker.interview.dialogue.records import to_json

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def driven() -> Driven:
    """Return a dialogue in which the candidate asked for time, and then answered."""
    driven = begun(TODAY)
    driven.give(say(Act.WAIT), HEARD, say(Act.READY), HEARD, say(Act.ANSWER))
    return driven


def test_the_records_of_a_journal_give_the_state_of_the_dialogue_again(
    driven: Driven, tmp_path: Path
) -> None:
    journal = FileJournal(tmp_path / "job.jsonl")
    for t, record in enumerate(driven.records):
        append(journal, float(t), record)
        journal.append("fault", float(t), where="stt", error="TimeoutError")
    journal.close()
    read = records_in(read_records(tmp_path / "job.jsonl").records)
    assert [replace(each, more={}) for each in read] == driven.records
    assert fold(read) == driven.state


def test_a_journal_record_has_the_numbers_of_the_journal_and_those_of_the_dialogue(
    driven: Driven,
) -> None:
    journal = MemoryJournal(next_seq=40)
    entry = append(journal, 31.2, driven.records[0])
    assert (entry["v"], entry["seq"], entry["t"], entry["kind"]) == (1, 40, 31.2, "dialogue")
    assert (entry["number"], entry["input"]) == (driven.records[0].seq, "event")
    assert "replaced" not in entry


def test_the_data_of_a_journal_record_is_the_record_with_its_time(driven: Driven) -> None:
    entry = append(MemoryJournal(), 31.2, driven.records[0])
    time = {"at": entry["at"], "t": 31.2}
    assert data_of(entry) == to_json(driven.records[0]) | time
    assert from_journal(entry).more == time


def test_further_fields_are_kept_unless_the_journal_has_fields_of_their_names(
    driven: Driven,
) -> None:
    more = {"channel": "spoken", "at": "noon", "t": 7.0, "number": 7, "format": 7, "replaced": []}
    record = replace(driven.records[0], more=more)
    fields = fields_of(record)
    assert fields["channel"] == "spoken"
    assert (fields["number"], fields["format"]) == (record.seq, 1)
    assert not {"at", "t", "replaced", "v", "seq", "kind"} & fields.keys()


def test_a_record_of_the_kind_without_the_fields_of_a_dialogue_is_refused() -> None:
    with pytest.raises((KeyError, TypeError, ValueError)):
        records_in([{"v": 1, "seq": 0, "t": 0.0, "kind": "dialogue", "to": "GREETING"}])


def test_the_path_of_the_records_is_asserted_in_each_form(driven: Driven) -> None:
    journal = MemoryJournal()
    for t, record in enumerate(driven.records):
        append(journal, float(t), record)
    shown = {"dialogue": [data_of(entry) for entry in journal.records]}
    for subject in (driven.records, journal.records, shown):
        assert_dialogue(
            subject, "ARRIVING", ..., "LISTENING:q1", "WAITING:q1(think)", "LISTENING", "ASKING:q2"
        )


def test_the_notation_of_places_is_that_of_the_assertion() -> None:
    places = [
        Place(phase, question, kind)
        for phase in Phase
        for question in ("", "q1", "why-us?")
        for kind in ("", *KINDS.get(phase, ()), *(Outcome if phase is Phase.ENDED else ()))
    ]
    assert len(places) > len(Phase) * 3 + len(Kind)
    for place in places:
        assert parts_of(str(place)) == (place.phase, place.question, place.kind)
