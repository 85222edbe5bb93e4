"""`decide`: selects a row of the table for an input, and computes what the row says and changes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from worker.interview.dialogue.acts import Act
from worker.interview.dialogue.events import Event
from worker.interview.dialogue.inputs import Input, Turn
from worker.interview.dialogue.moment import Moment
from worker.interview.dialogue.moves import PROMPT_HEARD, Move
from worker.interview.dialogue.phases import Phase, Place, Standing
from worker.interview.dialogue.plan_view import PlanView
from worker.interview.dialogue.row import Row, Way
from worker.interview.dialogue.rows_end import FIRST
from worker.interview.dialogue.rows_limits import SIDE_LIMITS, UNHEARD_LIMITS
from worker.interview.dialogue.state import Dialogue, Fact, Scalar
from worker.interview.dialogue.table import candidates, listening_rows
from worker.interview.dialogue.targets import place_after, spoken


@dataclass(frozen=True, kw_only=True)
class Step:
    """The decision of the dialogue table for one turn or event: what is said, and what changes.

    The rows of the table are in `table`. A record stores the step, and `fold` applies it.
    """

    #: Names of the rows: the last one was taken, those before led to it. Empty: no row.
    rows: tuple[str, ...] = ()
    moves: tuple[Move, ...] = ()
    to: Place
    standings: Mapping[str, Standing]
    counters: Mapping[str, int]
    facts: Mapping[str, Scalar]
    #: The question whose answer the words belong to; empty if they belong to none.
    words_of: str = ""


def decide(state: Dialogue, given: Input, plan: PlanView) -> Step:
    """Return the step for the input. The function is pure: equal arguments give equal steps."""
    on = given.act if isinstance(given, Turn) else given.event
    moment = Moment(before=state, given=given, plan=plan, on=on)
    words_of = _words_of(moment)
    rows = _rows(moment, words_of)
    if not rows:
        return Step(to=state.place, standings={}, counters={}, facts={})
    taken = _limited(moment, rows[-1])
    if taken is not rows[-1]:
        rows.append(taken)
    if on is not moment.on and moment.on is Act.ANSWER:
        words_of = _words_of(moment)  # a yes that is the answer
    if isinstance(given, Turn):
        _a_turn_came(moment, words_of)
    elif on is Event.RETURNED:
        moment.set_fact(Fact.ABSENT, False)
    _count(moment, rows)
    for row in rows:
        for effect in row.effects:
            effect(moment)
    to = place_after(moment, taken)
    moves = spoken(moment, taken, to)
    _cut_again(moment, taken, to)
    if moves:
        moment.set_fact(Fact.LINE_HEARD, False)
    elif taken.name in ("line_heard", "goodbye_heard"):
        moment.set_fact(Fact.LINE_HEARD, True)
    return Step(
        rows=tuple(row.name for row in rows),
        moves=moves,
        to=to,
        standings=moment.standings,
        counters=moment.counters,
        facts=moment.facts,
        words_of=words_of,
    )


def _rows(moment: Moment, words_of: str) -> list[Row]:
    """Return the rows found for the input, with the row to take last; empty if no row fits.

    Each earlier row only starts another look-up.
    """
    rows: list[Row] = []
    found = _first(moment, _all(moment))
    while found is not None:
        rows.append(found)
        if found.as_act is not None:
            moment.on = found.as_act
        elif found.as_request:
            assert isinstance(moment.given, Turn)  # noqa: S101  # only its guard lets it be taken
            moment.on = moment.given.also or Act.ANSWER
            _a_turn_came(moment, words_of)
        elif not found.listened:
            return rows
        moment.heard_now = any(row.listened for row in rows)
        more = listening_rows(moment.on) if moment.heard_now else _all(moment)
        found = _first(moment, more, rows)
    return []


def _all(moment: Moment) -> Iterable[Row]:
    rows = list(candidates(moment.before, moment.on))
    if rows:
        yield from (row for row in FIRST if moment.on in row.on)
    yield from rows


def _first(moment: Moment, rows: Iterable[Row], used: Iterable[Row] = ()) -> Row | None:
    fits = (row for row in rows if row.guard is None or row.guard(moment))
    return next((row for row in fits if row not in used), None)


def _limited(moment: Moment, row: Row) -> Row:
    """Return the row that replaces `row` if `row` would exceed a limit, else `row`."""
    if row.side:
        found = _first(moment, SIDE_LIMITS)
        if found is not None:
            return found
    unheard = moment.place.phase is Phase.ASKING and not moment.heard_now
    if unheard and row.to is Way.STAY and (isinstance(moment.given, Turn) or row.counter == "cut"):
        return _first(moment, UNHEARD_LIMITS) or row
    return row


def _count(moment: Moment, rows: list[Row]) -> None:
    """Increment the counters of the chosen row, even if a limit's row replaced the chosen row."""
    chosen = next(row for row in reversed(rows) if row not in _LIMIT_ROWS)
    counter = chosen.counter or ("" if moment.on in _NOT_COUNTED else str(moment.on))
    if counter:
        moment.add(counter)
    if chosen.side:
        moment.add("side")
        moment.add("side_run")


#: Events whose number decides nothing.
_NOT_COUNTED = (
    Event.PRESENT,
    Event.PROMPT_DONE,
    Event.OVERLAP,
    Event.GRAB,
    Event.LEFT,
    Event.QUIET,
    Event.SECOND_PERSON,
    Event.PLAN_ENDED,
    Event.FOLLOW_UP,
)
_LIMIT_ROWS = (*SIDE_LIMITS, *UNHEARD_LIMITS)


def _a_turn_came(moment: Moment, words_of: str) -> None:
    """Make the changes that every turn of the candidate causes, once for each turn."""
    given = moment.given
    if not isinstance(given, Turn) or moment.turn_noted:
        return
    moment.turn_noted = True
    moment.set_count("silence", 0)
    moment.set_fact(Fact.WITHDRAWN, False)
    moment.set_fact(Fact.ABSENT, False)
    if Act.ANSWER not in (given.act, moment.on):
        return
    moment.set_count("side_run", 0)
    if words_of:
        moment.add(f"said@{words_of}", given.words)
    if words_of == moment.place.question:
        moment.add("words", given.words)


def _words_of(moment: Moment) -> str:
    """Return the question to which the words of an answer belong: the question heard last."""
    given, place = moment.given, moment.place
    if not isinstance(given, Turn) or given.words == 0:
        return ""
    if Act.ANSWER not in (given.act, moment.on):
        return ""
    if place.phase in (Phase.CANDIDATE_QUESTIONS, Phase.FAREWELL):
        return ""
    if place.phase is Phase.ASKING and given.share >= PROMPT_HEARD:
        return place.question
    return str(moment.fact(Fact.HEARD_QUESTION) or "")


def _cut_again(moment: Moment, row: Row, to: Place) -> None:
    """If the turn leaves the prompt unheard, count that the prompt was cut off once more."""
    stays = moment.place.phase is Phase.ASKING and to == moment.place
    if stays and isinstance(moment.given, Turn) and row.counter != "cut":
        moment.add("cut")
