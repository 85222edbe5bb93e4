"""The table as a whole: each pair of a phase and an act or event has rows, or a reason for none."""

from __future__ import annotations

import pytest

from worker.interview.dialogue.acts import Act, act_of
from worker.interview.dialogue.events import Event, event_of
from worker.interview.dialogue.phases import BASES, Phase, Place
from worker.interview.dialogue.row import Row
from worker.interview.dialogue.state import Dialogue
from worker.interview.dialogue.table import NO_ROW, ROWS, candidates

TRIGGERS = (*Act, *Event)


def rows_for(phase: Phase, on: Act | Event) -> list[Row]:
    """Return the rows for a pair; a side sequence returns to a question."""
    base = Place(phase if phase in BASES else Phase.LISTENING, "q1")
    return list(candidates(Dialogue(place=Place(phase, "q1"), base=base), on))


@pytest.mark.parametrize("phase", Phase)
def test_each_act_and_event_has_a_row_that_always_holds_or_a_reason_for_none(phase: Phase) -> None:
    for on in TRIGGERS:
        rows = rows_for(phase, on)
        assert bool(rows) is not ((phase, on) in NO_ROW), (phase, on)
        assert not rows or any(row.guard is None for row in rows), (phase, on)


def test_no_row_stands_behind_one_that_always_holds() -> None:
    seen: set[tuple[object, object]] = set()
    hidden = []
    for row in ROWS:
        free = [on for on in row.on if (row.at, on) not in seen]
        if not free:
            hidden.append(row.name)
        if row.guard is None:
            seen.update((row.at, on) for on in row.on)
    assert hidden == []


def test_each_pair_without_a_row_has_a_reason() -> None:
    assert all(NO_ROW.values())


def test_the_names_of_the_rows_are_unique() -> None:
    assert len({row.name for row in ROWS}) == len(ROWS)


def test_places_are_read_back_from_their_text() -> None:
    for text in ("ARRIVING", "ASKING:q1", "CLARIFYING:q-2(skip)", "CONFIRMING_END(stop)"):
        assert str(Place.parse(text)) == text
    with pytest.raises(ValueError, match="not a position"):
        Place.parse("asking q1")


def test_an_unknown_act_is_an_answer_and_an_unknown_event_is_none() -> None:
    assert act_of("SING") is Act.ANSWER
    assert event_of("thunder") is None
