"""Dispatch metadata that another program has written, or that is damaged."""

from __future__ import annotations

import json

import pytest

from worker.continuity.dispatch_metadata import (
    MetadataInvalid,
    read_follows,
    read_metadata,
    read_spent_s,
    read_turns,
)


@pytest.mark.parametrize("metadata", ["", "[]", "null", "[" * 100_000, '{"follows": [1]}'])
def test_metadata_that_is_no_object_says_nothing_about_earlier_jobs(metadata: str) -> None:
    assert read_turns(metadata) == []
    assert read_spent_s(metadata) == 0.0
    assert read_follows(metadata) == {}


@pytest.mark.parametrize("turns", [[{}, 5], ["turn"], [None], {"0": {}}])
def test_turns_of_which_one_is_no_object_are_left_out(turns: object) -> None:
    assert read_turns(json.dumps({"follows": {"turns": turns}})) == []


@pytest.mark.parametrize("word", ["AJ\x1b[2J", "AJ\n1", "x" * 101, "AJ_é", 7])
def test_an_earlier_job_and_a_reason_are_short_printable_words(word: object) -> None:
    """Both are written to the journal's header, and shown by commands."""
    assert read_follows(json.dumps({"follows": {"job_id": word, "why": word}})) == {}


def test_the_error_about_a_later_protocol_is_short() -> None:
    metadata = f'{{"interview_id": "iv-1", "protocol": {"9" * 4000}}}'
    with pytest.raises(MetadataInvalid) as refused:
        read_metadata(metadata)
    assert len(str(refused.value)) < 150
