"""`fold`: computes the state of a dialogue from its records, without a clock or the plan."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from worker.interview.dialogue.phases import BASES
from worker.interview.dialogue.records import Record
from worker.interview.dialogue.state import Dialogue, Fact


def fold(records: Iterable[Record], state: Dialogue | None = None) -> Dialogue:
    """Apply the records in their order to `state`, or to a new dialogue; return the new state."""
    state = state or Dialogue()
    for each in records:
        state = _after(state, each)
    return state


def fold_stored(records: Iterable[Record]) -> Dialogue:
    """Return the state after the records, sorted by fencing token and sequence number."""
    return fold(sorted(records, key=lambda each: (each.token, each.seq)))


def _after(state: Dialogue, record: Record) -> Dialogue:
    state = _with_words(state, record)
    if record.late:
        return state
    to = record.to or state.place
    if record.moves:
        state = replace(state, said=record.moves, said_by=record.row)
    return replace(
        state,
        place=to,
        base=to if to.phase in BASES else state.base,
        standings={**state.standings, **record.standings},
        counters={**state.counters, **record.counters},
        facts={**state.facts, **{Fact(k): v for k, v in record.facts.items() if k in _FACTS}},
    )


_FACTS = frozenset(Fact)


def _with_words(state: Dialogue, record: Record) -> Dialogue:
    """Return the state with the sequence number of a record that has words.

    The number is added to the answers of the record's question, or to `others` if the record has no
    question.
    """
    if not record.words:
        return state
    number = (record.seq,)
    if not record.question:
        return replace(state, others=state.others + number)
    before = state.answers.get(record.question, ())
    return replace(state, answers={**state.answers, record.question: before + number})
