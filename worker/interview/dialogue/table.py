"""The table of the dialogue: all rows, their order of look-up, and the inputs without a row.

The rows are in the modules `rows_*`, one for each group of phases. Among the rows for one phase and
one act or event, the first row whose guard holds is taken. Rows are searched in this order: rows of
a kind, such as CLARIFYING(skip); rows of the phase; rows of the phase to which a side sequence
returns; rows that hold in every phase. The rows of `rows_limits` replace a row that would exceed a
limit.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from worker.interview.dialogue.acts import Act
from worker.interview.dialogue.events import Event
from worker.interview.dialogue.phases import AT_QUESTION, KINDS, Kind, Phase
from worker.interview.dialogue.row import Row, Scope
from worker.interview.dialogue.rows_asking import ASKING
from worker.interview.dialogue.rows_beginning import BEGINNING
from worker.interview.dialogue.rows_disturbed import DISTURBED
from worker.interview.dialogue.rows_end import (
    ANYWHERE,
    CANDIDATE_QUESTIONS,
    ENDED,
    FAREWELL,
    FIRST,
)
from worker.interview.dialogue.rows_limits import SIDE_LIMITS, UNHEARD_LIMITS
from worker.interview.dialogue.rows_listening import LISTENING
from worker.interview.dialogue.rows_side import CLARIFYING, CONFIRMING_END, WAITING
from worker.interview.dialogue.state import Dialogue

#: Version of the table. Each record carries it.
VERSION: Final = 1

#: All rows in table order.
ROWS: Final[tuple[Row, ...]] = (
    *FIRST,
    *BEGINNING,
    *ASKING,
    *LISTENING,
    *DISTURBED,
    *WAITING,
    *CLARIFYING,
    *CONFIRMING_END,
    *CANDIDATE_QUESTIONS,
    *FAREWELL,
    *ENDED,
    *ANYWHERE,
    *SIDE_LIMITS,
    *UNHEARD_LIMITS,
)

_SPEAKING = "the interviewer is speaking, so neither silence nor the question's time counts"
_NO_QUESTION = "no question is open, so no time of a question runs, and noise disturbs nothing"
_NOBODY = "nobody listens yet; text counts as `present`"
_OVER = "the interview is over"
_HERE = "only before the interview has begun"

#: Events in ARRIVING that have rows.
_ARRIVING: Final = (Event.PRESENT, Event.RETURNED, Event.NOAUDIO, Event.WINDOW_OVER, Event.RESUMED)
_E, _P = Event, Phase

#: The pairs of a phase and an act or event that have no row, each with its reason. Such an input is
#: recorded as noted and changes nothing.
NO_ROW: Final[Mapping[tuple[Phase, Act | Event], str]] = {
    **{(_P.ARRIVING, act): _NOBODY for act in Act},
    **{(_P.ARRIVING, event): _NOBODY for event in Event if event not in _ARRIVING},
    **{(_P.ENDED, act): _OVER for act in Act},
    **{(_P.ENDED, event): _OVER for event in Event if event is not _E.RESUMED},
    **{
        (phase, event): _HERE
        for phase in Phase
        if phase not in (_P.ARRIVING, _P.ENDED)
        for event in (_E.PRESENT, _E.WINDOW_OVER)
    },
    **{
        (phase, _E.QUIET): "only the goodbye is followed by an agreed silence"
        for phase in Phase
        if phase not in (_P.ARRIVING, _P.ENDED, _P.FAREWELL)
    },
    **{
        (_P.GREETING, event): _SPEAKING
        for event in (_E.NOINPUT, _E.NOMATCH, _E.BABBLE, _E.SOFT, _E.HARD)
    },
    (_P.ASKING, _E.NOINPUT): _SPEAKING,
    **{
        (phase, event): _NO_QUESTION
        for phase in (_P.SOUND_CHECK, _P.CONSENT, _P.CONFIRMING_END, _P.FAREWELL)
        for event in (_E.BABBLE, _E.SOFT, _E.HARD)
    },
    (_P.CANDIDATE_QUESTIONS, _E.BABBLE): _NO_QUESTION,
    (_P.FAREWELL, _E.NOINPUT): "silence after the goodbye is `quiet`",
    (_P.FAREWELL, _E.NOMATCH): "nothing is asked any more",
    **{
        (phase, _E.WITHDRAWN_IN_VAIN): "only a question that was withdrawn is said again"
        for phase in (
            _P.GREETING,
            _P.SOUND_CHECK,
            _P.CONSENT,
            _P.ASKING,
            _P.CONFIRMING_END,
            _P.CANDIDATE_QUESTIONS,
            _P.FAREWELL,
        )
    },
}

#: Events that a side sequence leaves to the phase to which it returns.
_OF_THE_BASE: Final = (
    _E.NOINPUT,
    _E.NOMATCH,
    _E.BABBLE,
    _E.SOFT,
    _E.HARD,
    _E.WITHDRAWN_IN_VAIN,
)

_LIMITS: Final = (*SIDE_LIMITS, *UNHEARD_LIMITS, *FIRST)
_BY: Final[dict[tuple[Scope, Act | Event], list[Row]]] = {}
for _row in ROWS:
    if _row not in _LIMITS:
        for _on in _row.on:
            _BY.setdefault((_row.at, _on), []).append(_row)


def phases_of(state: Dialogue, on: Act | Event) -> Iterator[Phase]:
    """Yield the phases whose rows are searched for an act or event, the current phase first."""
    here, base = state.place.phase, state.base.phase
    yield here
    if here is Phase.ASKING:
        yield Phase.LISTENING
    if here not in (Phase.WAITING, Phase.CLARIFYING):
        return
    if isinstance(on, Act):
        yield base
        if base is Phase.ASKING:
            yield Phase.LISTENING
    elif on in _OF_THE_BASE:
        yield Phase.LISTENING if base in AT_QUESTION else base


def candidates(state: Dialogue, on: Act | Event) -> Iterable[Row]:
    """Yield the rows for an act or event in the order of look-up.

    The rows end at a phase for which `NO_ROW` excludes the act or event.
    """
    for phase in phases_of(state, on):
        if (phase, on) in NO_ROW:
            return
        if phase is state.place.phase and phase in KINDS and state.place.kind:
            yield from _BY.get(((phase, Kind(state.place.kind)), on), ())
        yield from _BY.get((phase, on), ())
    yield from _BY.get((None, on), ())


def listening_rows(on: Act | Event) -> Iterable[Row]:
    """Yield the rows of LISTENING for an act or event, then the rows that hold in every phase."""
    yield from _BY.get((Phase.LISTENING, on), ())
    yield from _BY.get((None, on), ())
