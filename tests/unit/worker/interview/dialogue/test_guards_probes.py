"""A point is probed only if it is missing, and if its own probe was not asked yet."""

from __future__ import annotations

from tests.support.dialogues import happens
from tests.support.spoken_dialogues import Speaking, plan_with
from worker.interview.dialogue.acts import Act
from worker.interview.dialogue.events import Event

SIZE, END = "How large was it?", "How did it end?"
QUESTIONS = [
    {
        "id": "q1",
        "text": "What have you built?",
        "points": [
            {"id": "size", "text": "says how large it was", "probe": SIZE},
            {"id": "own", "text": "says the own part"},
            {"id": "end", "text": "says how it ended", "probe": END},
        ],
    },
    {"id": "q2", "text": "What would you like to learn?"},
]


def asked() -> Speaking:
    """Return a dialogue in which a question with three points was asked; two have probes."""
    dialogue = Speaking(plan_with(questions=QUESTIONS))
    dialogue.until_asked("q1")
    return dialogue


def test_a_missing_point_without_a_probe_is_not_asked_for() -> None:
    dialogue = asked()
    dialogue.says(Act.ANSWER, "A large tool that is still in use.", points=("size", "end"))
    assert dialogue.place == "ASKING:q2"


def test_a_point_that_is_missing_again_after_its_probe_is_not_asked_for_again() -> None:
    dialogue = asked()
    assert dialogue.says(Act.ANSWER, "It is still in use.", points=("end",)).text == SIZE
    dialogue.says(Act.ANSWER, "I wrote the parser.", points=("own",))
    assert dialogue.place == "ASKING:q2"


def test_each_missing_point_is_asked_for_once() -> None:
    dialogue = asked()
    said = [dialogue.says(Act.ANSWER, "A tool.").text for _ in range(2)]
    assert said == [SIZE, END]
    dialogue.says(Act.ANSWER, "A tool.")
    assert dialogue.place == "ASKING:q2"


def test_a_probe_that_was_withdrawn_was_not_asked() -> None:
    dialogue = asked()
    assert dialogue.says(Act.ANSWER, "It is still in use.", points=("end",)).text == SIZE
    dialogue.hear(happens(Event.WITHDRAWN))
    assert dialogue.says(Act.ANSWER, "I wrote the parser.", points=("own",)).text == SIZE


def test_after_a_withdrawn_probe_the_next_missing_point_is_asked_for() -> None:
    dialogue = asked()
    assert dialogue.says(Act.ANSWER, "A tool.").text == SIZE
    dialogue.hear(happens(Event.WITHDRAWN))
    assert dialogue.says(Act.ANSWER, "It was large.", points=("size",)).text == END
    dialogue.says(Act.ANSWER, "I wrote the parser.", points=("own",))
    assert dialogue.place == "ASKING:q2"
