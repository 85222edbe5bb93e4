"""The words of each row of the table, and of records that no row has decided."""

from __future__ import annotations

import pytest

from tests.support.spoken_dialogues import PLAN, Speaking, speakable
from tests.unit.worker.interview.dialogue.test_table_rows import LINES as PATHS
from tests.unit.worker.interview.dialogue.test_table_rows import at, inputs
from worker.interview.dialogue.records import Record, from_json, to_json
from worker.interview.dialogue.wording.prompt import Prompt
from worker.interview.dialogue.wording.replay import prompts_of


@pytest.mark.parametrize("name", PATHS)
def test_each_row_gives_words_that_can_be_spoken(name: str) -> None:
    start, _, rest = PATHS[name].partition(" ")
    driven = at(start)
    driven.give(*inputs(rest.partition(" -> ")[0]))
    pairs = zip(driven.records, prompts_of(driven.records, PLAN), strict=True)
    for record, (prompt, _) in pairs:
        assert bool(prompt.parts) is bool(record.moves), record
        assert not prompt.parts or speakable(prompt), (record, prompt)


def test_a_late_record_and_an_unknown_event_are_followed_by_no_words() -> None:
    dialogue = Speaking()
    dialogue.until_asked("q2")
    last = to_json(dialogue.records[-1])
    late = from_json({**last, "late": True})
    unknown = from_json({**last, "kind": "event", "name": "thunder"})
    for record in (late, unknown):
        assert isinstance(record, Record)
        *_, (prompt, spoken) = prompts_of([*dialogue.records, record], PLAN)
        assert prompt == Prompt()
        assert spoken == dialogue.spoken
