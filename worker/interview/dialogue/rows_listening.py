"""Rows of LISTENING: the candidate's words answer a question or its probe.

An act for which WAITING, CLARIFYING or ASKING has no row is looked up in these rows.
"""

from __future__ import annotations

from worker.interview.dialogue.acts import FACT_ACTS, Act
from worker.interview.dialogue.effects import (
    adds,
    answered,
    closes,
    gone_back,
    partly,
    points_met,
    probe_asked,
    sets,
)
from worker.interview.dialogue.events import Event
from worker.interview.dialogue.guards import (
    Guard,
    both,
    exactly,
    expects_yes_or_no,
    goes_back,
    has_clarification,
    has_rephrasing,
    may_defer,
    may_skip,
    probe_due,
    reads_back,
    said_something,
    since,
    turn_was_cut,
    up_to,
    very_short_story,
)
from worker.interview.dialogue.moves import Move
from worker.interview.dialogue.phases import Kind, Phase, Status
from worker.interview.dialogue.row import Row, Way, listening, side_move
from worker.interview.dialogue.state import Fact

_A, _E, _M, _AT = Act, Event, Move, Phase.LISTENING
_SKIP = (Phase.CLARIFYING, Kind.SKIP)


def _as(name: str, on: Act, act: Act, guard: Guard | None = None) -> Row:
    """Return a row that treats a turn with the act `on` as a turn with the act `act`."""
    return Row(name=name, at=_AT, on=(on,), guard=guard, as_act=act)


_ANSWERS = (
    listening("answer_cut", _A.ANSWER, _M.FULL, guard=turn_was_cut, effects=(partly, points_met)),
    listening(
        "encourage",
        _A.ANSWER,
        _M.GO_ON,
        guard=very_short_story,
        effects=(partly, points_met, adds("encourage")),
    ),
    listening(
        "probe",
        _A.ANSWER,
        _M.PROBE,
        guard=probe_due,
        to=Phase.ASKING,
        effects=(partly, points_met, probe_asked),
    ),
    listening(
        "read_back",
        _A.ANSWER,
        _M.READ_BACK,
        guard=reads_back,
        to=(Phase.CLARIFYING, Kind.READBACK),
        effects=(partly, points_met, adds("readback")),
    ),
    listening(
        "answered",
        _A.ANSWER,
        _M.ACKNOWLEDGE,
        _M.NEXT,
        to=Way.NEXT,
        effects=(points_met, answered),
    ),
    listening("done", _A.DONE, _M.NEXT, guard=said_something, to=Way.NEXT, effects=(answered,)),
    _as("done_without_words", _A.DONE, _A.NO_ANSWER),
    _as("yes_is_the_answer", _A.AFFIRM, _A.ANSWER, expects_yes_or_no),
    _as("no_is_the_answer", _A.DENY, _A.ANSWER, expects_yes_or_no),
    side_move("yes", _A.AFFIRM, _M.GO_AHEAD),
    _as("no_more", _A.DENY, _A.DONE, said_something),
    _as("no_as_no_answer", _A.DENY, _A.NO_ANSWER),
    _as("no_more_to_say", _A.NO_ANSWER, _A.DONE, said_something),
    side_move("no_answer", _A.NO_ANSWER, _M.SIMILAR_CASE, guard=exactly(1)),
    listening(
        "no_answer_again",
        _A.NO_ANSWER,
        _M.THAT_IS_FINE,
        _M.NEXT,
        to=Way.NEXT,
        effects=(closes(Status.DECLINED, "cannot", undoable=True),),
    ),
)

_TIME = (
    listening("stall", _A.STALL),
    listening("ready", _A.READY),
    side_move("wait", _A.WAIT, _M.TAKE_YOUR_TIME, guard=up_to(3), to=(Phase.WAITING, Kind.THINK)),
    side_move("wait_too_often", _A.WAIT, _M.SKIP_OR_LATER, to=_SKIP),
)

_REPAIR = (
    side_move("repeat", _A.REPEAT, _M.FULL, guard=exactly(1)),
    side_move("repeat_slower", _A.REPEAT, _M.SLOWER, _M.IN_WRITING, guard=exactly(2)),
    side_move(
        "repeat_rephrased",
        _A.REPEAT,
        _M.REPHRASED,
        guard=both(exactly(3), has_rephrasing),
        effects=(adds("rephrased"),),
    ),
    side_move("repeat_again", _A.REPEAT, _M.FULL, guard=exactly(3)),
    side_move("repeat_too_often", _A.REPEAT, _M.SKIP_OR_LATER, to=_SKIP),
    *(
        row
        for act, name in ((_A.NOT_UNDERSTOOD, "not_understood"), (_A.REPHRASE, "rephrase"))
        for row in (
            side_move(
                f"{name}_rephrased",
                act,
                _M.REPHRASED,
                guard=both(has_rephrasing, up_to(3, "repair")),
                effects=(adds("rephrased"),),
                counter="repair",
            ),
            side_move(name, act, _M.SLOWER, guard=up_to(3, "repair"), counter="repair"),
            side_move(f"{name}_too_often", act, _M.AS_YOU_UNDERSTAND, counter="repair"),
        )
    ),
    side_move(
        "clarify",
        _A.CLARIFY,
        _M.CLARIFICATION,
        _M.LAST,
        guard=both(has_clarification, up_to(3)),
    ),
    side_move("clarify_unplanned", _A.CLARIFY, _M.AS_YOU_UNDERSTAND, _M.LAST, guard=up_to(3)),
    side_move("clarify_too_often", _A.CLARIFY, _M.AS_YOU_UNDERSTAND),
)

_STRUCTURE = (
    _as("skip_after_words", _A.SKIP, _A.DONE, said_something),
    *(
        listening(
            name,
            _A.SKIP,
            _M.LEAVE_OUT,
            _M.NEXT,
            guard=guard,
            to=Way.NEXT,
            effects=(closes(Status.DECLINED, "skipped", undoable=True),),
        )
        for name, guard in (("skip", may_skip), ("skip_again", since(2)))
    ),
    side_move("skip_mandatory", _A.SKIP, _M.SKIP_ANYWAY, to=_SKIP),
    listening(
        "later",
        _A.LATER,
        _M.COME_BACK,
        _M.NEXT,
        guard=may_defer,
        to=Way.NEXT,
        effects=(closes(Status.DEFERRED, undoable=True),),
    ),
    _as("later_as_skip", _A.LATER, _A.SKIP),
    listening(
        "go_back", _A.GO_BACK, _M.GO_AHEAD, guard=goes_back, to=Way.TARGET, effects=(gone_back,)
    ),
    side_move("go_back_impossible", _A.GO_BACK, _M.PASS_ON, _M.LAST),
)

_ABOUT = (
    side_move("distress", _A.DISTRESS, _M.OFFER_BREAK, to=(Phase.CLARIFYING, Kind.PAUSE)),
    side_move("cannot_hear", _A.CANNOT_HEAR, _M.HEARING_HELP, _M.FULL, guard=exactly(1)),
    side_move(
        "cannot_hear_written",
        _A.CANNOT_HEAR,
        _M.FULL,
        _M.IN_WRITING,
        guard=exactly(2),
    ),
    side_move(
        "cannot_hear_again",
        _A.CANNOT_HEAR,
        _M.TYPING,
        _M.FULL,
        _M.IN_WRITING,
        effects=(sets(Fact.WRITTEN),),
    ),
    side_move("pace", _A.PACE, _M.FULL, guard=up_to(3)),
    side_move("pace_at_its_limit", _A.PACE, _M.LAST, _M.IN_WRITING),
    *(
        row
        for act in FACT_ACTS
        for row in (
            side_move(f"fact_{act.lower()}", act, _M.FACT, _M.LAST, guard=up_to(3)),
            side_move(f"no_more_{act.lower()}", act, _M.NO_MORE_FACTS, _M.LAST),
        )
    ),
    side_move("about_job", _A.ABOUT_JOB, _M.AT_THE_END, _M.LAST),
    side_move("about_result", _A.ABOUT_RESULT, _M.NO_JUDGEMENT, _M.LAST),
    side_move("small_talk", _A.SMALL_TALK, _M.SOCIAL, guard=up_to(2)),
    side_move("small_talk_again", _A.SMALL_TALK, _M.LAST),
)


LISTENING = (*_ANSWERS, *_TIME, *_REPAIR, *_STRUCTURE, *_ABOUT)
