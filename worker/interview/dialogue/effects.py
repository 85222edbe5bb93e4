"""The effects of the table: changes of statuses, counters and facts when a row is taken."""

from __future__ import annotations

from worker.interview.dialogue.guards import named_question, point_to_probe
from worker.interview.dialogue.inputs import Turn
from worker.interview.dialogue.moment import Moment
from worker.interview.dialogue.moves import Move
from worker.interview.dialogue.phases import (
    CONFIRMED,
    REOPENED,
    Kind,
    Outcome,
    Phase,
    Standing,
    Status,
)
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
    """Open the question whose prompt was heard, so that later words count as its answer."""
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
    """Mark the question as partly answered: the candidate may continue the answer."""
    question = moment.place.question
    if moment.at_question and moment.was_heard(question):
        moment.set_standing(question, Status.PARTLY)


def points_met(moment: Moment) -> None:
    """Record which expected points of the question the candidate's words cover."""
    points = moment.given.points if isinstance(moment.given, Turn) else ()
    for point in points:
        moment.set_count(f"point.{point}@{moment.place.question}", 1)


def probe_asked(moment: Moment) -> None:
    """Count the probe; if it is about a point, note its number for this point."""
    point = point_to_probe(moment)
    moment.add("probe")
    if point:
        moment.set_count(f"probed.{point}", moment.count("probe"))


def follow_up_asked(moment: Moment) -> None:
    """Return to the question that was answered last, for a follow-up by a language model."""
    question = str(moment.fact(Fact.HEARD_QUESTION))
    moment.target = question
    moment.add(f"probe@{question}#{moment.before.visit(question)}")
    moment.set_fact(Fact.OUTCOME, False)
    moment.set_fact(Fact.QUESTIONS_OFFERED, False)


def answered(moment: Moment) -> None:
    """Close the question as answered."""
    close(moment, Status.ANSWERED)


def answered_cut_by_time(moment: Moment) -> None:
    """Close the question as answered, because its time is used up."""
    close(moment, Status.ANSWERED, "time")


def closes(status: Status, reason: str = "", *, undoable: bool = False) -> Effect:
    """Return an effect that closes the question; if `undoable`, the next turn can reopen it."""

    def effect(moment: Moment) -> None:
        question = moment.place.question
        before = moment.standing(question)
        close(moment, status, reason)
        if undoable and moment.was_heard(question):
            moment.set_fact(Fact.UNDO, f"{question}|{before.status}|{before.reason}")

    return effect


def close(moment: Moment, status: Status, reason: str = "") -> None:
    """Close the current question. A question that was never heard gets the status `not_heard`."""
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
    """Close the question, because its prompt was cut off too often; keep what was said."""
    if not moment.was_heard(moment.place.question):
        moment.add("not_heard")
    close(moment, Status.ANSWERED if moment.said_something else Status.UNANSWERED, "not_heard")


def failed_unheard(moment: Moment) -> None:
    """End the interview as failed, because too many questions were not heard."""
    prompt_given_up(moment)
    moment.set_fact(Fact.OUTCOME, Outcome.FAILED)
    end_open(moment, "not_heard")


def stalled(moment: Moment) -> None:
    """Defer the question; on a second visit, close the question without an answer."""
    first = moment.before.visit(moment.place.question) == 1
    close(moment, Status.DEFERRED if first else Status.UNANSWERED, "stalled")


def undone(moment: Moment) -> None:
    """Reopen the question that the previous turn closed, with its status before that turn."""
    question, status, reason = str(moment.fact(Fact.UNDO)).split("|", 2)
    moment.standings[question] = Standing(Status(status), reason)
    moment.add(f"undo@{question}")
    moment.set_fact(Fact.UNDO, False)
    moment.target = question


def gone_back(moment: Moment) -> None:
    """Reopen an earlier question for additions; the current question is asked again afterwards."""
    moment.target = named_question(moment)
    moment.add("go_back")
    moment.add(f"visit@{moment.target}")
    if moment.place.question and not moment.fact(Fact.BACK_TO):
        moment.set_fact(Fact.BACK_TO, moment.place.question)


def withdrawn(moment: Moment) -> None:
    """Withdraw the prompt, because the candidate is still answering the previous question."""
    prompt, before = moment.place.question, str(moment.fact(Fact.HEARD_QUESTION))
    probe = prompt == before and Move.PROBE in moment.before.said
    if probe:
        moment.add("probe", -1)
    moment.set_fact(Fact.WITHDRAWN, f"{prompt}|probe" if probe else prompt)
    moment.target = before


def withdrawn_again(moment: Moment) -> None:
    """Let the withdrawn prompt be said after all, because the candidate said nothing more."""
    prompt, _, probe = str(moment.fact(Fact.WITHDRAWN)).partition("|")
    moment.set_fact(Fact.WITHDRAWN, False)
    moment.target = prompt
    if probe:
        moment.add("probe")


def confirmed(moment: Moment) -> None:
    """End the interview, because the candidate confirmed the end; its kind sets the outcome."""
    moment.set_fact(Fact.OUTCOME, CONFIRMED[Kind(moment.place.kind)])
    end_open(moment, "stopped")


def ends_as(outcome: Outcome, reason: str) -> Effect:
    """Return an effect that ends the interview with `outcome`, and open questions with `reason`."""

    def effect(moment: Moment) -> None:
        moment.set_fact(Fact.OUTCOME, outcome)
        end_open(moment, reason)

    return effect


def end_open(moment: Moment, reason: str) -> None:
    """Close every open or deferred question with `reason`, and keep what was said."""
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
    """Close all questions with the reason `time`, because the interview's time is used up."""
    end_open(moment, "time")


def optional_dropped(moment: Moment) -> None:
    """Drop the optional questions that have not been asked."""
    moment.set_fact(Fact.DROPPED, True)
    for question in moment.plan.questions:
        fresh = moment.standing(question.id).status is Status.NOT_REACHED
        if fresh and not question.mandatory and question.id != moment.place.question:
            moment.set_standing(question.id, Status.NOT_REACHED, "time")


def disclosed(moment: Moment) -> None:
    """Record that the disclosure was heard, or was delivered in writing."""
    moment.set_fact(Fact.DISCLOSED, True)
    moment.set_fact(Fact.LINE_HEARD, True)


def reopened(moment: Moment) -> None:
    """The interview continues: reopen the questions that its end or an absence has closed."""
    moment.set_fact(Fact.ABSENT, False)
    moment.set_count("silence", 0)
    moment.set_count("cut", 0)
    if moment.place.phase is not Phase.ENDED:
        return
    reasons = REOPENED.get(Outcome(str(moment.fact(Fact.OUTCOME))), ())
    moment.set_fact(Fact.OUTCOME, False)
    moment.set_count("not_heard", 0)
    for question, now in list(moment.before.standings.items()):
        if now.reason not in reasons:
            continue
        heard = {Status.UNANSWERED: Status.OPEN, Status.NOT_HEARD: Status.NOT_REACHED}
        moment.standings[question] = Standing(heard.get(now.status, now.status))
