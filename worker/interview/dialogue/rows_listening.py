"""Rows of LISTENING: the candidate's words answer a question or its probe.

WAITING, CLARIFYING and ASKING use these rows for every act that they do not name.
"""

from __future__ import annotations

from worker.interview.dialogue.acts import FACT_ACTS, Act
from worker.interview.dialogue.effects import (
    adds,
    answered,
    answered_cut_by_time,
    clears,
    closes,
    ends_as,
    gone_back,
    partly,
    points_met,
    sets,
    stalled,
    withdrawn_again,
)
from worker.interview.dialogue.events import Detail, Event
from worker.interview.dialogue.guards import (
    MOST_OFFERS,
    RUN_OFFERS,
    SIDE_GOES_ON,
    SIDE_OFFERS,
    at_question,
    both,
    detail_is,
    exactly,
    expects_yes_or_no,
    fact,
    goes_back,
    has_clarification,
    has_rephrasing,
    may_defer,
    may_skip,
    no,
    probe_due,
    reads_back,
    said_something,
    since,
    up_to,
    very_short_story,
)
from worker.interview.dialogue.moves import Move
from worker.interview.dialogue.phases import Kind, Outcome, Phase, Status
from worker.interview.dialogue.row import Effect, Guard, Row, Target, Way
from worker.interview.dialogue.state import Fact

_A, _E, _M, _AT = Act, Event, Move, Phase.LISTENING
_SKIP = (Phase.CLARIFYING, Kind.SKIP)


def _row(
    name: str,
    on: Act | Event,
    *moves: Move,
    guard: Guard | None = None,
    to: Target = Way.STAY,
    effects: tuple[Effect, ...] = (),
    counter: str = "",
) -> Row:
    return Row(
        name=name,
        at=_AT,
        on=(on,),
        guard=guard,
        moves=moves,
        to=to,
        effects=effects,
        counter=counter,
    )


def _side(
    name: str,
    on: Act | Event,
    *moves: Move,
    guard: Guard | None = None,
    to: Target = Way.STAY,
    effects: tuple[Effect, ...] = (),
    counter: str = "",
) -> Row:
    """Return a row that counts for the limits of side moves."""
    return Row(
        name=name,
        at=_AT,
        on=(on,),
        guard=guard,
        moves=moves,
        to=to,
        effects=effects,
        counter=counter,
        side=True,
    )


def _as(name: str, on: Act, act: Act, guard: Guard | None = None) -> Row:
    """Return a row that has the turn looked up as another act."""
    return Row(name=name, at=_AT, on=(on,), guard=guard, as_act=act)


_ANSWERS = (
    _row(
        "encourage",
        _A.ANSWER,
        _M.GO_ON,
        guard=very_short_story,
        effects=(partly, points_met, adds("encourage")),
    ),
    _row(
        "probe",
        _A.ANSWER,
        _M.PROBE,
        guard=probe_due,
        to=Phase.ASKING,
        effects=(partly, points_met, adds("probe")),
    ),
    _row(
        "read_back",
        _A.ANSWER,
        _M.READ_BACK,
        guard=reads_back,
        to=(Phase.CLARIFYING, Kind.READBACK),
        effects=(partly, points_met, adds("readback")),
    ),
    _row(
        "answered",
        _A.ANSWER,
        _M.ACKNOWLEDGE,
        _M.NEXT,
        to=Way.NEXT,
        effects=(points_met, answered),
    ),
    _row("done", _A.DONE, _M.NEXT, guard=said_something, to=Way.NEXT, effects=(answered,)),
    _as("done_without_words", _A.DONE, _A.NO_ANSWER),
    _as("yes_is_the_answer", _A.AFFIRM, _A.ANSWER, expects_yes_or_no),
    _as("no_is_the_answer", _A.DENY, _A.ANSWER, expects_yes_or_no),
    _side("yes", _A.AFFIRM, _M.GO_AHEAD),
    _as("no_more", _A.DENY, _A.DONE, said_something),
    _as("no_as_no_answer", _A.DENY, _A.NO_ANSWER),
    _as("no_more_to_say", _A.NO_ANSWER, _A.DONE, said_something),
    _side("no_answer", _A.NO_ANSWER, _M.SIMILAR_CASE, guard=exactly(1)),
    _row(
        "no_answer_again",
        _A.NO_ANSWER,
        _M.THAT_IS_FINE,
        _M.NEXT,
        to=Way.NEXT,
        effects=(closes(Status.DECLINED, "cannot", undoable=True),),
    ),
)

_TIME = (
    _row("stall", _A.STALL),
    _row("ready", _A.READY),
    _side("wait", _A.WAIT, _M.TAKE_YOUR_TIME, guard=up_to(3), to=(Phase.WAITING, Kind.THINK)),
    _side("wait_too_often", _A.WAIT, _M.SKIP_OR_LATER, to=_SKIP),
)

_REPAIR = (
    _side("repeat", _A.REPEAT, _M.FULL, guard=exactly(1)),
    _side("repeat_slower", _A.REPEAT, _M.SLOWER, _M.IN_WRITING, guard=exactly(2)),
    _side(
        "repeat_rephrased",
        _A.REPEAT,
        _M.REPHRASED,
        guard=both(exactly(3), has_rephrasing),
        effects=(adds("rephrased"),),
    ),
    _side("repeat_again", _A.REPEAT, _M.FULL, guard=exactly(3)),
    _side("repeat_too_often", _A.REPEAT, _M.SKIP_OR_LATER, to=_SKIP),
    *(
        row
        for act, name in ((_A.NOT_UNDERSTOOD, "not_understood"), (_A.REPHRASE, "rephrase"))
        for row in (
            _side(
                f"{name}_rephrased",
                act,
                _M.REPHRASED,
                guard=both(has_rephrasing, up_to(3, "repair")),
                effects=(adds("rephrased"),),
                counter="repair",
            ),
            _side(name, act, _M.SLOWER, guard=up_to(3, "repair"), counter="repair"),
            _side(f"{name}_too_often", act, _M.AS_YOU_UNDERSTAND, counter="repair"),
        )
    ),
    _side(
        "clarify",
        _A.CLARIFY,
        _M.CLARIFICATION,
        _M.LAST,
        guard=both(has_clarification, up_to(3)),
    ),
    _side("clarify_unplanned", _A.CLARIFY, _M.AS_YOU_UNDERSTAND, _M.LAST, guard=up_to(3)),
    _side("clarify_too_often", _A.CLARIFY, _M.AS_YOU_UNDERSTAND),
)

_STRUCTURE = (
    _as("skip_after_words", _A.SKIP, _A.DONE, said_something),
    *(
        _row(
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
    _side("skip_mandatory", _A.SKIP, _M.SKIP_ANYWAY, to=_SKIP),
    _row(
        "later",
        _A.LATER,
        _M.COME_BACK,
        _M.NEXT,
        guard=may_defer,
        to=Way.NEXT,
        effects=(closes(Status.DEFERRED, undoable=True),),
    ),
    _as("later_as_skip", _A.LATER, _A.SKIP),
    _row("go_back", _A.GO_BACK, _M.GO_AHEAD, guard=goes_back, to=Way.TARGET, effects=(gone_back,)),
    _side("go_back_impossible", _A.GO_BACK, _M.PASS_ON, _M.LAST),
)

_ABOUT = (
    _side("distress", _A.DISTRESS, _M.OFFER_BREAK, to=(Phase.CLARIFYING, Kind.PAUSE)),
    _side("cannot_hear", _A.CANNOT_HEAR, _M.HEARING_HELP, _M.FULL, guard=exactly(1)),
    _side(
        "cannot_hear_written",
        _A.CANNOT_HEAR,
        _M.FULL,
        _M.IN_WRITING,
        guard=exactly(2),
    ),
    _side(
        "cannot_hear_again",
        _A.CANNOT_HEAR,
        _M.TYPING,
        _M.FULL,
        _M.IN_WRITING,
        effects=(sets(Fact.WRITTEN),),
    ),
    _side("pace", _A.PACE, _M.FULL, guard=up_to(3)),
    _side("pace_at_its_limit", _A.PACE, _M.LAST, _M.IN_WRITING),
    *(
        row
        for act in FACT_ACTS
        for row in (
            _side(f"fact_{act.lower()}", act, _M.FACT, _M.LAST, guard=up_to(3)),
            _side(f"no_more_{act.lower()}", act, _M.NO_MORE_FACTS, _M.LAST),
        )
    ),
    _side("about_job", _A.ABOUT_JOB, _M.AT_THE_END, _M.LAST),
    _side("about_result", _A.ABOUT_RESULT, _M.NO_JUDGEMENT, _M.LAST),
    _side("small_talk", _A.SMALL_TALK, _M.SOCIAL, guard=up_to(2)),
    _side("small_talk_again", _A.SMALL_TALK, _M.LAST),
)


def _silence(name: str, level: int, *moves: Move, to: Target = Way.STAY) -> Row:
    guard = both(at_question, exactly(level, "silence"))
    return _side(name, _E.NOINPUT, *moves, guard=guard, to=to, counter="silence")


_SILENCE = (
    _silence("silence_1", 1, _M.TAKE_YOUR_TIME),
    _silence("silence_2", 2, _M.REPEAT_IT, to=(Phase.CLARIFYING, Kind.REPEAT)),
    _silence("silence_3", 3, _M.SKIP_OR_TYPE, to=_SKIP),
    _silence("silence_4", 4, _M.ARE_YOU_THERE, to=(Phase.CLARIFYING, Kind.THERE)),
    _row(
        "silence_5",
        _E.NOINPUT,
        _M.GOODBYE,
        to=Phase.FAREWELL,
        effects=(ends_as(Outcome.MISSED, "silent"),),
    ),
)

_SOUND = (
    _side(
        "another_language",
        _E.NOMATCH,
        _M.OTHER_LANGUAGE,
        guard=both(detail_is(Detail.LANGUAGE), exactly(1, "language")),
        to=(Phase.CLARIFYING, Kind.LANGUAGE),
        counter="language",
    ),
    _side("nomatch_1", _E.NOMATCH, _M.NOT_CAUGHT, guard=exactly(1)),
    _side("nomatch_2", _E.NOMATCH, _M.NOT_CAUGHT, _M.LAST, guard=exactly(2)),
    _side("nomatch_3", _E.NOMATCH, _M.TYPING, guard=exactly(3)),
    _row(
        "nomatch_4",
        _E.NOMATCH,
        _M.NEXT,
        to=Way.NEXT,
        effects=(closes(Status.UNUSABLE, "not_understood"),),
    ),
    _side("babble_1", _E.BABBLE, _M.BACKGROUND, guard=exactly(1)),
    _side("babble_2", _E.BABBLE, _M.TYPING, guard=exactly(2)),
    _row("babble_goes_on", _E.BABBLE),
    _row(
        "said_again_after_a_false_withdrawal",
        _E.WITHDRAWN_IN_VAIN,
        _M.FULL,
        guard=fact(Fact.WITHDRAWN),
        to=Way.TARGET,
        effects=(withdrawn_again,),
    ),
    _row("nothing_was_withdrawn", _E.WITHDRAWN_IN_VAIN),
    *(
        _row(
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
    _row("soft_without_words", _E.SOFT, effects=(sets(Fact.SOFT),)),
    _row(
        "hard_without_words",
        _E.HARD,
        _M.TIME_IS_UP,
        _M.NEXT,
        to=Way.NEXT,
        effects=(closes(Status.UNANSWERED, "time"),),
    ),
)

LISTENING = (*_ANSWERS, *_TIME, *_REPAIR, *_STRUCTURE, *_ABOUT, *_SILENCE, *_SOUND)

#: Rows that replace a side move once a visit, or the turns since the last answer, have too many.
SIDE_LIMITS = (
    Row(
        name="another_time",
        at=None,
        on=(*_A, *_E),
        guard=both(
            since(RUN_OFFERS, "side_run"),
            up_to(MOST_OFFERS, "offer_postpone"),
            no(fact(Fact.ABSENT)),
        ),
        moves=(_M.CONFIRM_END,),
        to=(Phase.CONFIRMING_END, Kind.POSTPONE),
        effects=(adds("offer_postpone"), clears("side_run")),
    ),
    Row(
        name="side_moves_offer_skip",
        at=None,
        on=(*_A, *_E),
        guard=both(at_question, exactly(SIDE_OFFERS, "side")),
        moves=(_M.SKIP_OR_LATER,),
        to=_SKIP,
    ),
    Row(
        name="side_moves_go_on",
        at=None,
        on=(*_A, *_E),
        guard=both(at_question, since(SIDE_GOES_ON, "side")),
        moves=(_M.NEXT,),
        to=Way.NEXT,
        effects=(stalled,),
    ),
)
