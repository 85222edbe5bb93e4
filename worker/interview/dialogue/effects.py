"""The effects of the table: changes of statuses, counters and facts when a row is taken."""

from __future__ import annotations

from worker.interview.dialogue.guards import named_question
from worker.interview.dialogue.inputs import Turn
from worker.interview.dialogue.moment import Moment
from worker.interview.dialogue.moves import Move
from worker.interview.dialogue.phases import CONFIRMED, Kind, Outcome, Phase, Standing, Status
from worker.interview.dialogue.row import Effect
from worker.interview.dialogue.state import Fact


def sets(name: Fact, value: str | int | bool = True) -> Effect:
    """Return an effect that sets a fact."""
    return lambda moment: moment.set_fact(name, value)


def clears(*names: str) -> Effect:
    """Return an effect that sets counters to 0."""

    def effect(moment: Moment) -> None:
        for name in names:
            moment.set_count(name, 0)

    return effect


def adds(name: str) -> Effect:
    """Return an effect that adds 1 to a counter."""
    return lambda moment: moment.add(name)


def prompt_was_heard(moment: Moment) -> None:
    """The question is open, and from now on words belong to it."""
    question = moment.place.question
    now = moment.standing(question).status
    if now in (Status.NOT_REACHED, Status.DEFERRED):
        kept = moment.count(f"said@{question}") > 0
        moment.set_standing(question, Status.PARTLY if kept else Status.OPEN)
    if Move.PROBE in moment.before.said:
        moment.set_count("words", 0)  # the words count since the last prompt
    moment.set_count("cut", 0)
    moment.set_fact(Fact.UNDO, False)
    moment.set_fact(Fact.HEARD_QUESTION, question)
    moment.set_fact(Fact.LINE_HEARD, True)


def partly(moment: Moment) -> None:
    """Something was said, and the answer may go on."""
    question = moment.place.question
    if moment.at_question and moment.was_heard(question):
        moment.set_standing(question, Status.PARTLY)


def points_met(moment: Moment) -> None:
    """Note the points that the words cover, once for each question."""
    points = moment.given.points if isinstance(moment.given, Turn) else ()
    for point in points:
        moment.set_count(f"point.{point}@{moment.place.question}", 1)


def answered(moment: Moment) -> None:
    """The question is answered."""
    close(moment, Status.ANSWERED)


def answered_cut_by_time(moment: Moment) -> None:
    """The question is answered, as far as its time allowed."""
    close(moment, Status.ANSWERED, "time")


def closes(status: Status, reason: str = "", *, undoable: bool = False) -> Effect:
    """Return an effect that closes the question; if `undoable`, the next turn can undo this."""

    def effect(moment: Moment) -> None:
        question = moment.place.question
        before = moment.standing(question)
        close(moment, status, reason)
        if undoable and moment.was_heard(question):
            moment.set_fact(Fact.UNDO, f"{question}|{before.status}|{before.reason}")

    return effect


def close(moment: Moment, status: Status, reason: str = "") -> None:
    """Close the question of the place. A question that nobody heard is `not_heard`."""
    question = moment.place.question
    if not question:
        return
    now = moment.standing(question).status
    if (
        now in (Status.DECLINED, Status.UNUSABLE, Status.UNANSWERED)
        and status is not Status.ANSWERED
    ):
        return  # a question that was gone back to keeps what it was
    if status is Status.DECLINED and moment.said_something:
        status, reason = Status.ANSWERED, ""
    moment.set_count("closed", 1)
    moment.set_fact(Fact.UNDO, False)
    moment.set_fact(Fact.SOFT, False)
    if not moment.was_heard(question):
        moment.set_standing(question, Status.NOT_HEARD, reason)
    elif status is Status.UNANSWERED and moment.said_something:
        moment.set_standing(question, Status.PARTLY, reason)
    else:
        moment.set_standing(question, status, reason)


def prompt_given_up(moment: Moment) -> None:
    """The prompt was cut off too often: close the question with what was said."""
    if not moment.was_heard(moment.place.question):
        moment.add("not_heard")
    close(moment, Status.ANSWERED if moment.said_something else Status.UNANSWERED, "not_heard")


def failed_unheard(moment: Moment) -> None:
    """The interview ends as failed, because too many questions were not heard."""
    prompt_given_up(moment)
    moment.set_fact(Fact.OUTCOME, Outcome.FAILED)
    end_open(moment, "not_heard")


def stalled(moment: Moment) -> None:
    """The question comes later; in the second round it ends without an answer."""
    first = moment.before.visit(moment.place.question) == 1
    close(moment, Status.DEFERRED if first else Status.UNANSWERED, "stalled")


def undone(moment: Moment) -> None:
    """The question that the turn before closed is open again, with its status before."""
    question, status, reason = str(moment.fact(Fact.UNDO)).split("|", 2)
    moment.standings[question] = Standing(Status(status), reason)
    moment.add(f"undo@{question}")
    moment.set_fact(Fact.UNDO, False)
    moment.target = question


def gone_back(moment: Moment) -> None:
    """An earlier question is open for additions; the present one is asked again after it."""
    moment.target = named_question(moment)
    moment.add("go_back")
    moment.add(f"visit@{moment.target}")
    if moment.place.question and not moment.fact(Fact.BACK_TO):
        moment.set_fact(Fact.BACK_TO, moment.place.question)


def withdrawn(moment: Moment) -> None:
    """The candidate goes on: the prompt counts as not said, and the question before is open."""
    prompt, before = moment.place.question, str(moment.fact(Fact.HEARD_QUESTION))
    probe = prompt == before and Move.PROBE in moment.before.said
    if probe:
        moment.add("probe", -1)
    moment.set_fact(Fact.WITHDRAWN, f"{prompt}|probe" if probe else prompt)
    moment.target = before


def withdrawn_again(moment: Moment) -> None:
    """No words came: the withdrawn prompt is said."""
    prompt, _, probe = str(moment.fact(Fact.WITHDRAWN)).partition("|")
    moment.set_fact(Fact.WITHDRAWN, False)
    moment.target = prompt
    if probe:
        moment.add("probe")


def confirmed(moment: Moment) -> None:
    """The candidate has confirmed the end; its kind is the outcome."""
    moment.set_fact(Fact.OUTCOME, CONFIRMED[Kind(moment.place.kind)])
    end_open(moment, "stopped")


def ends_as(outcome: Outcome, reason: str) -> Effect:
    """Return an effect: the interview ends with an outcome, open questions with a reason."""

    def effect(moment: Moment) -> None:
        moment.set_fact(Fact.OUTCOME, outcome)
        end_open(moment, reason)

    return effect


def end_open(moment: Moment, reason: str) -> None:
    """Close every question that is open or deferred, with what was said."""
    moment.set_fact(Fact.UNDO, False)
    moment.set_fact(Fact.BACK_TO, False)
    for question in moment.plan.questions:
        now = moment.standing(question.id)
        if now.status in (Status.OPEN, Status.DEFERRED):
            kept = moment.count(f"said@{question.id}") > 0
            moment.set_standing(question.id, Status.PARTLY if kept else Status.UNANSWERED, reason)
        elif now.status is Status.PARTLY and not now.reason:
            moment.set_standing(question.id, Status.PARTLY, reason)
        elif now.status is Status.NOT_REACHED and not now.reason:
            moment.set_standing(question.id, Status.NOT_REACHED, reason)


def time_ends(moment: Moment) -> None:
    """The time of the interview is used up: what is said is kept, the rest was not reached."""
    end_open(moment, "time")


def optional_dropped(moment: Moment) -> None:
    """The optional questions that were not asked are dropped."""
    moment.set_fact(Fact.DROPPED, True)
    for question in moment.plan.questions:
        fresh = moment.standing(question.id).status is Status.NOT_REACHED
        if fresh and not question.mandatory and question.id != moment.place.question:
            moment.set_standing(question.id, Status.NOT_REACHED, "time")


def disclosed(moment: Moment) -> None:
    """The disclosure counts as heard, or was delivered in writing."""
    moment.set_fact(Fact.DISCLOSED, True)
    moment.set_fact(Fact.LINE_HEARD, True)


def reopened(moment: Moment) -> None:
    """The candidate is here again: questions that ended for their absence are open again."""
    moment.set_fact(Fact.ABSENT, False)
    moment.set_count("silence", 0)
    moment.set_count("cut", 0)
    if moment.place.phase is not Phase.ENDED:
        return
    moment.set_fact(Fact.OUTCOME, False)
    for question, now in list(moment.before.standings.items()):
        if now.reason not in ("silent", "left"):
            continue
        heard = {Status.UNANSWERED: Status.OPEN}
        moment.standings[question] = Standing(heard.get(now.status, now.status))
