"""What the tracker finds in a turn and gives to the table of the dialogue."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from tests.support.virtual.interview_parts import LONG, START
from worker.interview.dialogue.acts import Act
from worker.interview.dialogue.events import Detail
from worker.interview.plan.facts import Facts
from worker.interview.plan.lines import CandidateQuestions, Consent
from worker.interview.plan.plan import Plan, Question
from worker.interview.plan.question import Expects, Point
from worker.interview.tracker import DialogueTracker
from worker.interview.turn import CommittedTurn

POINTS = (
    Point(id="team", text="The size of the team", probe="How large was the team?"),
    Point(id="result", text="A result with a number", probe="What was the result?"),
)


def plan(*, language: str = "en", points: tuple[Point, ...] = ()) -> Plan:
    texts = ("Why did you apply?", "Tell me about a project.", "What about customers?")
    return Plan(
        title="A plan",
        opening="Hello.",
        questions=tuple(
            Question(id=f"q{n}", text=text, follow_ups_allowed=0, points=points)
            for n, text in enumerate(texts, 1)
        ),
        closing="Goodbye.",
        language=language,
    )


class Driver:
    """A dialogue whose utterances are all heard to their ends."""

    def __init__(self, plan: Plan) -> None:
        self.tracker = DialogueTracker(plan)
        self._at = START

    def asked(self) -> str:
        move = self.tracker.next_move()
        self._at += timedelta(seconds=1)
        said = CommittedTurn(
            speaker="interviewer", text=move.text, at=self._at, role=move.role, generated=move.text
        )
        self.tracker.apply(self.tracker.heard(move, 1.0), said)
        return move.text

    def says(self, text: str) -> None:
        self._at += timedelta(seconds=1)
        said = CommittedTurn(speaker="candidate", text=text, at=self._at)
        self.tracker.apply(self.tracker.answered(said), said)


def test_a_candidate_returns_to_the_question_that_the_turn_names() -> None:
    for words, named in (("first question", "q1"), ("project question", "q2")):
        driver = Driver(plan())
        for _ in range(2):
            driver.asked()
            driver.says(LONG)
        driver.asked()
        driver.says(f"Can I add something to the {words}?")
        record = driver.tracker.records[-1]
        assert (record.name, record.about) == (Act.GO_BACK, named)
        assert driver.tracker.state.place.question == named


def test_only_a_point_that_an_answer_lacks_is_probed() -> None:
    driver = Driver(plan(points=POINTS))
    driver.asked()
    driver.says("The team had a size of five people.")
    assert driver.tracker.records[-1].points == ("team",)
    assert driver.asked() == "What was the result?"
    driver.says("The result was good in number.")
    assert driver.asked() == "Tell me about a project."


def test_a_long_answer_gets_one_probe_although_it_covers_no_point() -> None:
    driver = Driver(plan(points=POINTS))
    driver.asked()
    driver.says("we made it in some other way " * 7)
    assert driver.asked() == "How large was the team?"
    driver.says("We were five.")
    assert driver.asked() == "Tell me about a project."
    driver.says("We made it.")
    assert driver.asked() == "How large was the team?"
    driver.says("We were five.")
    assert driver.asked() == "What was the result?"


def test_a_successor_resumes_after_a_crash_and_the_same_job_after_an_outage() -> None:
    driver = Driver(plan())
    driver.asked()
    driver.asked()
    assert [(r.name, r.detail) for r in driver.tracker.records if r.name == "resumed"] == [
        ("resumed", "outage")
    ]
    driver.tracker.resumes_after = Detail.ABSENCE
    driver.asked()
    driver.asked()
    resumed = [each.detail for each in driver.tracker.records if each.name == "resumed"]
    assert resumed == ["outage", "absence", "outage"]


def test_a_question_during_the_sound_check_is_answered_before_the_first_question() -> None:
    driver = Driver(replace(plan(), sound_check="Is the sound good for you?"))
    driver.asked()
    driver.asked()
    driver.says("What happens with my data?")
    assert driver.tracker.records[-1].row == "sound_question"
    said = driver.asked()
    assert said.endswith("Why did you apply?")
    assert len(said) > len("Why did you apply?")


def test_a_question_about_the_result_gets_the_fact_of_the_plan() -> None:
    told = "You get a letter within a week."
    driver = Driver(replace(plan(), facts=Facts(next_step=told)))
    driver.asked()
    driver.says("When will I get the result?")
    assert driver.tracker.records[-1].name == Act.ABOUT_RESULT
    assert driver.asked().startswith(told)


def test_a_plan_in_a_language_without_lines_comes_to_its_end() -> None:
    foreign = replace(
        plan(language="de"),
        consent=Consent(ask="Einverstanden?"),
        candidate_questions=CandidateQuestions(),
    )
    kinds: tuple[Expects, ...] = ("email", "story", "yes_no")
    questions = [
        replace(each, expects=kind) for each, kind in zip(foreign.questions, kinds, strict=True)
    ]
    driver = Driver(replace(foreign, questions=tuple(questions)))
    said: list[str] = []
    while not driver.tracker.is_over and len(said) < 10:
        if said:
            driver.says("Ja.")
        said.append(driver.asked())
    assert [text.removeprefix("Hello. ") for text in said] == [
        *(each.text for each in questions),
        "Goodbye.",
    ]
