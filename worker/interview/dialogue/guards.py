"""The guards of the table: conditions on an input and the state of the dialogue."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from worker.interview.dialogue.acts import Act
from worker.interview.dialogue.events import Detail
from worker.interview.dialogue.inputs import Turn
from worker.interview.dialogue.moment import Moment
from worker.interview.dialogue.moves import PROMPT_HEARD, share_needed
from worker.interview.dialogue.phases import REOPENED, Kind, Phase, Status
from worker.interview.dialogue.plan_view import Expects
from worker.interview.dialogue.state import Fact

Guard: TypeAlias = Callable[[Moment], bool]

#: Share of a prompt after which a long answer is kept, although the prompt was cut off.
PROMPT_HALF = 0.5
#: Minimum number of words of a long answer.
LONG_ANSWER_WORDS = 8
#: How often in a row a prompt is cut off: at the first number the interviewer says "Let me finish",
#: at the second it goes on to the next question.
CUT_SAYS_SO, CUT_GOES_ON = 3, 5
#: Number of unheard questions at which the interview ends as failed.
MOST_NOT_HEARD = 3
#: Number of side moves in one visit: at the first the interviewer offers to skip the question, at
#: the second it goes on to the next one.
SIDE_OFFERS, SIDE_GOES_ON = 8, 10
#: Number of side moves since the last answer at which another time is offered, and the maximum
#: number of such offers.
RUN_OFFERS, MOST_OFFERS = 12, 2
#: Maximum number of times that the closing of one question can be undone.
MOST_UNDONE = 2
#: Maximum number of withdrawn utterances in one visit; a further one counts as cut off.
MOST_WITHDRAWN = 6
#: Minimum number of words with which a turn in a side sequence answers the question of the plan.
CONTENT_WORDS = 4
#: Number of returns to the room at which the interview ends as missed.
MOST_RETURNS = 20
#: Maximum number of times that a candidate may go back to an earlier question in one interview.
MOST_GONE_BACK = 2
#: Maximum number of turns of the candidate after the last question.
MOST_CANDIDATE_TURNS = 8


def up_to(most: int, name: str = "") -> Guard:
    """Return a guard that holds for the first `most` occurrences of the input.

    `name` is the counter to use instead of the input's own counter.
    """
    return lambda moment: moment.n(name) <= most


def exactly(number: int, name: str = "") -> Guard:
    """Return a guard that holds only for occurrence `number` of the input.

    `name` is the counter to use instead of the input's own counter.
    """
    return lambda moment: moment.n(name) == number


def since(number: int, name: str = "") -> Guard:
    """Return a guard that holds from occurrence `number` of the input on.

    `name` is the counter to use instead of the input's own counter.
    """
    return lambda moment: moment.n(name) >= number


def both(*guards: Guard) -> Guard:
    """Return a guard that holds if all of `guards` hold."""
    return lambda moment: all(guard(moment) for guard in guards)


def no(guard: Guard) -> Guard:
    """Return a guard that holds if `guard` does not hold."""
    return lambda moment: not guard(moment)


def detail_is(detail: Detail) -> Guard:
    """Return a guard that holds if the event has this detail."""
    return lambda moment: moment.detail is detail


def fact(name: Fact) -> Guard:
    """Return a guard that holds if this fact is set in the state."""
    return lambda moment: bool(moment.fact(name))


def asked_for(*acts: Act, times: int) -> Guard:
    """Return a guard that holds from the `times`-th turn with one of these acts on."""
    return lambda moment: sum(moment.count(act) for act in acts) + 1 >= times


def line_heard(moment: Moment) -> bool:
    """Return whether the last utterance was heard, so that a yes or no answers it."""
    return bool(moment.before.facts.get(Fact.LINE_HEARD, True))


def utterance_heard(moment: Moment) -> bool:
    """Return whether enough of the finished utterance was heard, or its text was delivered."""
    return moment.detail is Detail.WRITTEN or moment.share >= share_needed(moment.before.said)


def prompt_heard(moment: Moment) -> bool:
    """Return whether the prompt was heard."""
    return moment.detail is Detail.WRITTEN or moment.share >= PROMPT_HEARD


def heard_until_the_turn(moment: Moment) -> bool:
    """Return whether enough of the prompt was heard before the candidate's turn cut it off."""
    return moment.place.phase is Phase.ASKING and moment.share >= PROMPT_HEARD


def heard_before(moment: Moment) -> bool:
    """Return whether the question has been heard in an earlier prompt."""
    return moment.was_heard(moment.place.question)


def long_answer_over_half(moment: Moment) -> bool:
    """Return whether the turn is a long answer that began after half of the prompt."""
    given = moment.given
    long = isinstance(given, Turn) and given.words >= LONG_ANSWER_WORDS
    return long and given.share >= PROMPT_HALF


def has_request(moment: Moment) -> bool:
    """Return whether the turn has a request besides its answer."""
    return isinstance(moment.given, Turn) and moment.given.also is not None


def at_question(moment: Moment) -> bool:
    """Return whether the dialogue is at a question of the plan."""
    return moment.at_question


def said_something(moment: Moment) -> bool:
    """Return whether the candidate has already said a part of an answer to the question."""
    return moment.said_something


def undo_possible(moment: Moment) -> bool:
    """Return whether the previous turn closed a question that may still be reopened."""
    question = str(moment.fact(Fact.UNDO) or "").partition("|")[0]
    return bool(question) and moment.n(f"undo@{question}") <= MOST_UNDONE


def turn_was_cut(moment: Moment) -> bool:
    """Return whether the turn was cut off, so that more of the answer may follow."""
    return isinstance(moment.given, Turn) and moment.given.cut


def begins_at_once(moment: Moment) -> bool:
    """Return whether the plan has nothing to say or to ask before the first question."""
    return moment.plan.begins_at_once


def may_follow_up(moment: Moment) -> bool:
    """Return whether a model may ask a follow-up to the answer that was given just now."""
    question = moment.plan.by_id.get(str(moment.fact(Fact.HEARD_QUESTION) or ""))
    if question is None or moment.before.said_by != "answered" or line_heard(moment):
        return False
    visit = moment.before.visit(question.id)
    return moment.count(f"probe@{question.id}#{visit}") < question.follow_ups_allowed


def may_skip(moment: Moment) -> bool:
    """Return whether the plan allows the question to be skipped on the first request."""
    return moment.question is not None and moment.question.may_skip


def may_defer(moment: Moment) -> bool:
    """Return whether the candidate may postpone the answer to the current question."""
    question = moment.question
    first = moment.before.visit(moment.place.question) == 1
    return question is not None and question.may_come_back and first


def has_rephrasing(moment: Moment) -> bool:
    """Return whether the plan has a rephrasing that was not used in this visit of the question."""
    question = moment.question
    return question is not None and moment.n("rephrased") <= len(question.rephrased)


def has_clarification(moment: Moment) -> bool:
    """Return whether the plan has a clarification of the question."""
    return moment.question is not None and bool(moment.question.clarify)


def expects_yes_or_no(moment: Moment) -> bool:
    """Return whether the expected answer to the question is yes or no."""
    return moment.question is not None and moment.question.expects is Expects.YES_NO


def reads_back(moment: Moment) -> bool:
    """Return whether the answer must be read back, and was read back less than twice."""
    question = moment.question
    return question is not None and question.reads_back and moment.n("readback") <= 2


def very_short_story(moment: Moment) -> bool:
    """Return whether the question expects a story, and the answer has at most two words."""
    question = moment.question
    few = isinstance(moment.given, Turn) and moment.given.words <= 2
    story = question is not None and question.expects is Expects.STORY
    return story and few and moment.n("encourage") == 1 and not moment.said_something


def probe_due(moment: Moment) -> bool:
    """Return whether the answer is insufficient, and a probe for it and time are left."""
    question, given = moment.question, moment.given
    if question is None or not isinstance(given, Turn) or moment.fact(Fact.SOFT):
        return False
    if moment.n("probe") > question.probes_allowed or moment.count("closed") > 0:
        return False
    if given.time_over:
        return False
    if question.points:
        return bool(point_to_probe(moment))
    return moment.count("words") + given.words < moment.plan.short_answer_words


def point_to_probe(moment: Moment) -> str:
    """Return the first missing point whose probe was not asked in this visit; empty for none."""
    question, given = moment.question, moment.given
    if question is None:
        return ""
    met = given.points if isinstance(given, Turn) else ()
    for point in question.probed_points:
        missing = point not in met and not moment.count(f"point.{point}@{question.id}")
        # A probe with a number above that of the last probe was withdrawn.
        asked = 0 < moment.count(f"probed.{point}") <= moment.count("probe")
        if missing and not asked:
            return point
    return ""


def goes_back(moment: Moment) -> bool:
    """Return whether there is an earlier question, and the candidate may still return to it."""
    return bool(named_question(moment)) and moment.n("go_back") <= MOST_GONE_BACK


def named_question(moment: Moment) -> str:
    """Return the question to which GO_BACK leads: a named question, else the previous one."""
    heard = [q.id for q in moment.plan.questions if moment.was_heard(q.id)]
    about = moment.given.about if isinstance(moment.given, Turn) else ""
    if about in heard and about != moment.place.question:
        return about
    here = moment.place.question
    order = [q.id for q in moment.plan.questions]
    earlier = order[: order.index(here)] if here in order else order
    return next((q for q in reversed(earlier) if q in heard), "")


def optional_left(moment: Moment) -> bool:
    """Return whether there are optional questions that were neither asked nor dropped."""
    return not moment.fact(Fact.DROPPED) and any(
        not q.mandatory and moment.standing(q.id).status is Status.NOT_REACHED
        for q in moment.plan.questions
        if q.id != moment.place.question
    )


def too_many_unheard(moment: Moment) -> bool:
    """Return whether the interview fails if this question stays unheard too."""
    return moment.n("not_heard") >= MOST_NOT_HEARD


def can_withdraw(moment: Moment) -> bool:
    """Return whether the prompt may be withdrawn in favour of the answer that was given before.

    A withdrawn prompt is silenced, and the dialogue returns to the question that was heard last, so
    that the candidate's words continue its answer. A prompt cannot be withdrawn if no question was
    heard yet, if the time of that question was used up, or if `MOST_WITHDRAWN` withdrawals were
    counted in this visit of the current question.
    """
    before = str(moment.fact(Fact.HEARD_QUESTION) or "")
    standing = moment.standing(before)
    return bool(before) and standing.reason != "time" and moment.n() <= MOST_WITHDRAWN


def cut_to_the_end(moment: Moment) -> bool:
    """Return whether the prompt has been cut off the maximum number of times."""
    return moment.n("cut") >= CUT_GOES_ON


def short_answer(moment: Moment) -> bool:
    """Return whether the turn has too few words to be an answer to the question of the plan."""
    return not isinstance(moment.given, Turn) or moment.given.words < CONTENT_WORDS


def may_reopen(moment: Moment) -> bool:
    """Return whether the interview has ended in a way that lets another job continue it."""
    return moment.fact(Fact.OUTCOME) in REOPENED


def affirms_again(moment: Moment) -> bool:
    """Return whether the candidate, asked to confirm the end, repeats the wish to end."""
    wishes = {
        Kind.STOP: (Act.STOP,),
        Kind.POSTPONE: (Act.STOP, Act.POSTPONE),
        Kind.CONSENT: (Act.STOP, Act.WITHDRAW_CONSENT),
        Kind.HUMAN: (Act.STOP, Act.HUMAN),
        Kind.WITHDRAWN: (Act.STOP, Act.WITHDRAW_CONSENT),
    }
    return moment.on in wishes.get(Kind(moment.place.kind), ())
