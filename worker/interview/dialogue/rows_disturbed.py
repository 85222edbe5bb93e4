"""Rows of LISTENING for events other than a turn: silence, unusable sound, and time limits."""

from __future__ import annotations

from worker.interview.dialogue.effects import (
    answered_cut_by_time,
    closes,
    ends_as,
    sets,
    withdrawn_again,
)
from worker.interview.dialogue.events import Detail, Event
from worker.interview.dialogue.guards import (
    at_question,
    both,
    detail_is,
    exactly,
    fact,
    said_something,
)
from worker.interview.dialogue.moves import Move
from worker.interview.dialogue.phases import Kind, Outcome, Phase, Status
from worker.interview.dialogue.row import Row, Target, Way, listening, side_move
from worker.interview.dialogue.state import Fact

_E, _M = Event, Move
_SKIP = (Phase.CLARIFYING, Kind.SKIP)


def _silence(name: str, level: int, *moves: Move, to: Target = Way.STAY) -> Row:
    guard = both(at_question, exactly(level, "silence"))
    return side_move(name, _E.NOINPUT, *moves, guard=guard, to=to, counter="silence")


_SILENCE = (
    _silence("silence_1", 1, _M.TAKE_YOUR_TIME),
    _silence("silence_2", 2, _M.REPEAT_IT, to=(Phase.CLARIFYING, Kind.REPEAT)),
    _silence("silence_3", 3, _M.SKIP_OR_TYPE, to=_SKIP),
    _silence("silence_4", 4, _M.ARE_YOU_THERE, to=(Phase.CLARIFYING, Kind.THERE)),
    listening(
        "silence_5",
        _E.NOINPUT,
        _M.GOODBYE,
        to=Phase.FAREWELL,
        effects=(ends_as(Outcome.MISSED, "silent"),),
    ),
)

_SOUND = (
    side_move(
        "another_language",
        _E.NOMATCH,
        _M.OTHER_LANGUAGE,
        guard=both(detail_is(Detail.LANGUAGE), exactly(1, "language")),
        to=(Phase.CLARIFYING, Kind.LANGUAGE),
        counter="language",
    ),
    side_move("nomatch_1", _E.NOMATCH, _M.NOT_CAUGHT, guard=exactly(1)),
    side_move("nomatch_2", _E.NOMATCH, _M.NOT_CAUGHT, _M.LAST, guard=exactly(2)),
    side_move("nomatch_3", _E.NOMATCH, _M.TYPING, guard=exactly(3)),
    listening(
        "nomatch_4",
        _E.NOMATCH,
        _M.NEXT,
        to=Way.NEXT,
        effects=(closes(Status.UNUSABLE, "not_understood"),),
    ),
    side_move("babble_1", _E.BABBLE, _M.BACKGROUND, guard=exactly(1)),
    side_move("babble_2", _E.BABBLE, _M.TYPING, guard=exactly(2)),
    listening("babble_goes_on", _E.BABBLE),
    listening(
        "said_again_after_a_false_withdrawal",
        _E.WITHDRAWN_IN_VAIN,
        _M.FULL,
        guard=fact(Fact.WITHDRAWN),
        to=Way.TARGET,
        effects=(withdrawn_again,),
    ),
    listening("nothing_was_withdrawn", _E.WITHDRAWN_IN_VAIN),
    *(
        listening(
            f"{event}_time",
            event,
            _M.TIME_IS_UP,
            _M.NEXT,
            guard=said_something,
            to=Way.NEXT,
            effects=(answered_cut_by_time,),
        )
        for event in (_E.SOFT, _E.HARD)
    ),
    listening("soft_without_words", _E.SOFT, effects=(sets(Fact.SOFT),)),
    listening(
        "hard_without_words",
        _E.HARD,
        _M.TIME_IS_UP,
        _M.NEXT,
        to=Way.NEXT,
        effects=(closes(Status.UNANSWERED, "time"),),
    ),
)

DISTURBED = (*_SILENCE, *_SOUND)
