from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from states import (
    BUDGETS,
    EDGES,
    Conditions,
    Event,
    FileJournal,
    History,
    IllegalTransition,
    Lifecycle,
    MemoryJournal,
    State,
)
from states.testing import history_of, loaded, lost, pending, run_virtual
from tests.support.examples import examples

if TYPE_CHECKING:
    from pathlib import Path

    from states import Condition, EndReason, Outcome

#: test_ends.py covers the ends that an application declares.
EVENTS = [e for e in Event if e not in (Event.BUDGET_SPENT, Event.APPLICATION_ENDED)]
WORDS = st.one_of(
    st.none(),
    st.sampled_from([loaded("vad"), lost("vad"), loaded("plan", required=True)]),
    st.sampled_from([lost("plan", required=True), pending("plan", required=True)]),
)
#: Mostly events that the table allows somewhere, so that jobs get past the handshake.
LIKELY = [
    Event.ROOM_CONNECTED,
    Event.BOOTSTRAP_STARTED,
    Event.LOADERS_SETTLED,
    Event.SESSION_STARTED,
    Event.RESOURCE_LOST,
    Event.RESOURCE_RECOVERED,
]
HAPPENINGS = st.lists(
    st.tuples(st.one_of(st.sampled_from(LIKELY), st.sampled_from(EVENTS)), WORDS), max_size=25
)


class Oracle:
    """The lifecycle without clock, queue or library: the first row that matches applies."""

    def __init__(self) -> None:
        self.state, self.conditions = State.HANDSHAKE, Conditions()
        self.path = [State.HANDSHAKE]
        self.ended: tuple[Outcome | None, EndReason | None] = (None, None)

    def takes(self, event: Event, word: Condition | None) -> bool:
        after = self.conditions.updated(word) if word else self.conditions
        for edge in EDGES:
            fits = (edge.source, edge.event) == (self.state, event)
            if fits and (edge.guard is None or edge.guard(after)):
                self.conditions = after
                if edge.target is not None:
                    self.state = edge.target
                    self.path.append(self.state)
                    self.ended = (edge.outcome, edge.reason) if edge.outcome else self.ended
                return True
        return False


async def play(
    happenings: list[tuple[Event, Condition | None]], journal: MemoryJournal
) -> tuple[Oracle, Lifecycle]:
    oracle = Oracle()
    async with Lifecycle(journal=journal) as job:
        for event, word in happenings:
            try:
                await job.fire(event, *([word] if word else []))
                taken = True
            except IllegalTransition:
                taken = False
            assert taken is oracle.takes(event, word)
            assert job.state is oracle.state
            if job.state is not State.CLOSED:
                assert job.remaining is not None
                assert 0 < job.remaining <= BUDGETS[job.state]
    return oracle, job


@pytest.mark.row("C1")
@given(HAPPENINGS)
def test_after_any_events_the_job_is_in_the_state_given_by_the_table(
    happenings: list[tuple[Event, Condition | None]],
) -> None:
    oracle, job = run_virtual(play(happenings, MemoryJournal()))
    history = history_of(job)
    assert list(history.path) == oracle.path
    assert (history.outcome, history.reason) == oracle.ended == (job.outcome, job.reason)
    assert history.conditions.missing == oracle.conditions.missing
    assert history.path.count(State.CLOSING) <= 1
    assert History.from_json(history.as_json()).transitions == history.transitions


@settings(
    max_examples=examples(50),
    # Each example writes a uniquely named file into the folder.
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(happenings=HAPPENINGS, number=st.uuids(), cut=st.integers(min_value=0, max_value=400))
def test_a_journal_torn_at_any_byte_reads_back_up_to_there(
    tmp_path: Path,
    happenings: list[tuple[Event, Condition | None]],
    number: object,
    cut: int,
) -> None:
    path = tmp_path / f"{number}.jsonl"
    journal = FileJournal(path)
    _, job = run_virtual(play(happenings, journal))
    journal.close()
    assert History.read(path) == history_of(job)

    whole = path.read_bytes()
    path.write_bytes(whole[: max(0, len(whole) - cut)])
    reopened = FileJournal(path)
    reopened.close()
    assert reopened.records == journal.records[: len(reopened.records)]
    assert path.stat().st_size + reopened.torn_bytes == max(0, len(whole) - cut)
