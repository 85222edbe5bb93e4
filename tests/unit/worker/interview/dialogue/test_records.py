"""Records to and from JSON."""

from __future__ import annotations

import json

from tests.support.dialogues import begun, say
from worker.interview.dialogue.acts import Act
from worker.interview.dialogue.fold import fold
from worker.interview.dialogue.inputs import Turn
from worker.interview.dialogue.records import from_json, record, to_json


def test_a_record_is_the_same_through_json_with_the_fields_of_its_readers() -> None:
    driven = begun()
    before = driven.state
    given = say(Act.ANSWER, also=Act.ABOUT_TIME)
    step = driven.give(given)
    kept = record(before, given, step, seq=9, text="We moved it.", channel="spoken")
    assert from_json(json.loads(json.dumps(to_json(kept)))) == kept


def test_an_act_of_a_newer_version_counts_as_an_answer() -> None:
    driven = begun()
    driven.give(say(Act.SKIP))
    data = to_json(driven.records[-1]) | {"name": "SING"}
    given = from_json(data).given()
    assert isinstance(given, Turn)
    assert given.act is Act.ANSWER


def test_a_late_record_gives_its_words_and_nothing_else() -> None:
    driven = begun()
    before = driven.state
    driven.give(say(Act.ANSWER))
    late = from_json(to_json(driven.records[-1]) | {"late": True})
    after = fold([late], before)
    assert after.answers["q1"] == (late.seq,)
    assert (after.place, after.standings) == (before.place, before.standings)
