"""The classifier reads the phrasings that its patterns are tuned on."""

from __future__ import annotations

import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from worker.interview.dialogue.acts import Act
from worker.interview.dialogue.classify.classifier import Classifier, prepare
from worker.interview.dialogue.classify.reading import (
    BY_DEFAULT,
    BY_MODEL,
    LOSING,
    MODEL_MAY_PROPOSE,
    Context,
    Reading,
    accept_proposal,
)

HERE = Path(__file__).parent
TUNED_ON = HERE.parents[4] / "conversation" / "phrasings" / "tuned_on.yaml"


@cache
def classifier() -> Classifier:
    """Return the classifier of English, made once."""
    return prepare("en")


def loaded(path: Path) -> dict[str, list[str]]:
    """Return the phrasings of a file by act."""
    read = YAML(typ="safe").load(path)
    return {str(act): [str(text) for text in texts] for act, texts in read.items()}


def share_read_as(phrasings: dict[str, list[str]]) -> float:
    """Return the share of phrasings that are read as their act, alone or after an answer."""
    right = total = 0
    for act, texts in phrasings.items():
        for text in texts:
            reading = classifier().read(text)
            total += 1
            right += (reading.also or reading.act) == act
    return right / total


def is_lost(reading: Reading) -> bool:
    """Return whether the reading may lose a question or end something."""
    return reading.act in LOSING or reading.also in LOSING


def test_the_phrasings_of_the_design_are_read_as_their_acts() -> None:
    read = YAML(typ="safe").load(TUNED_ON)
    wrong = [
        text
        for act, entry in read.items()
        for text in entry["says"]
        if classifier().read(text).act != act
    ]
    assert wrong == []


def test_the_answers_of_the_design_are_read_as_answers_alone() -> None:
    read = YAML(typ="safe").load(TUNED_ON)
    answers = [text for entry in read.values() for text in entry["answers"]]
    readings = {text: classifier().read(text) for text in answers}
    assert {t for t, r in readings.items() if r.act is not Act.ANSWER or r.also} == set()


@pytest.mark.parametrize(
    ("name", "least"),
    [
        ("phrasings.yaml", 0.98),
        ("phrasings_2.yaml", 0.95),
        ("phrasings_3.yaml", 0.85),
        ("phrasings_4.yaml", 0.95),
        ("phrasings_5.yaml", 0.95),
        ("phrasings_6.yaml", 0.95),
    ],
)
def test_phrasings_are_read_as_their_acts(name: str, least: float) -> None:
    assert share_read_as(loaded(HERE / name)) >= least


def test_a_request_after_an_answer_is_found_with_the_place_where_it_begins() -> None:
    wrong = []
    for act, texts in loaded(HERE / "after_answers.yaml").items():
        for text in texts:
            answer, request = text.split("|")
            reading = classifier().read(answer + request.strip())
            begins = reading.also_from is not None and reading.also_from <= len(answer) + 2
            if reading.act is not Act.ANSWER or reading.also != act or not begins:
                wrong.append(text)
    assert wrong == []


def test_no_answer_is_taken_for_an_act_that_loses_something() -> None:
    answers = [str(text) for text in YAML(typ="safe").load(HERE / "answers.yaml")]
    assert len(answers) >= 300
    assert [text for text in answers if is_lost(classifier().read(text))] == []


def test_nearly_all_answers_are_read_as_answers_alone() -> None:
    answers = [str(text) for text in YAML(typ="safe").load(HERE / "answers.yaml")]
    readings = [classifier().read(text) for text in answers]
    alone = sum(r.act is Act.ANSWER and r.also is None for r in readings)
    assert alone / len(answers) >= 0.97


def test_a_phase_changes_what_words_mean() -> None:
    wrong = []
    for place, phrasings in YAML(typ="safe").load(HERE / "phases.yaml").items():
        found = re.fullmatch(r"(\w+)(?:\((\w+)\))?", place)
        assert found is not None
        phase, kind = found.groups("")
        for acts, says in phrasings:
            reading = classifier().read(says, Context(phase=phase, kind=kind))
            if (reading.also or reading.act) not in acts.split("/"):
                wrong.append(says)
    assert wrong == []


def test_nothing_said_is_an_answer() -> None:
    assert classifier().read("") == Reading(act=Act.ANSWER)
    assert classifier().read(" ... !").act is Act.ANSWER


def test_a_quotation_is_an_answer() -> None:
    assert classifier().read('"I want to stop here"').act is Act.ANSWER


def test_never_having_done_something_answers_a_question_for_yes_or_no() -> None:
    says = "I have never done that"
    asked = Context(asked="Have you ever led a team?")
    assert classifier().read(says).act is Act.NO_ANSWER
    assert classifier().read(says, asked).act is Act.ANSWER


def test_words_for_a_customer_are_an_answer() -> None:
    asked = Context(asked="What would you say to a customer who shouts at you?")
    assert not is_lost(classifier().read("I would like to end the call here", asked))


def test_a_question_that_begins_with_tell_me_can_be_skipped() -> None:
    asked = Context(asked="Tell me about a project that you are proud of.")
    assert classifier().read("can we skip this one", asked).act is Act.SKIP


@pytest.mark.parametrize("text", ["can you " * 5000, "so I " * 8000, "?!" * 20000, "a" * 40000])
def test_a_very_long_turn_is_read_from_its_end(text: str) -> None:
    assert len(text) <= 40_000
    classifier().read(text)


def test_the_end_of_a_very_long_answer_is_read() -> None:
    text = "We moved the service to another host. " * 1000 + "Could you repeat the question?"
    reading = classifier().read(text)
    assert (reading.act, reading.also) == (Act.ANSWER, Act.REPEAT)
    assert text[reading.also_from :] == "Could you repeat the question?"


def test_a_reading_names_the_pattern_that_found_it() -> None:
    assert classifier().read("could you repeat the question").act_by == "REPEAT.again"
    assert classifier().read("we built a compiler").act_by == BY_DEFAULT


def test_a_label_of_a_model_counts_only_where_no_pattern_fits() -> None:
    answer = Reading(act=Act.ANSWER)
    proposed = accept_proposal(answer, "CLARIFY")
    assert (proposed.act, proposed.also, proposed.act_by) == (Act.ANSWER, Act.CLARIFY, BY_MODEL)
    found = Reading(act=Act.STOP, act_by="STOP.stop")
    assert accept_proposal(found, "CLARIFY") == found


def test_a_label_that_loses_something_or_is_unknown_does_not_count() -> None:
    answer = Reading(act=Act.ANSWER)
    assert LOSING.isdisjoint(MODEL_MAY_PROPOSE)
    for label in (*(str(act) for act in LOSING), "DONE", "ANSWER", "LAUGH", ""):
        assert accept_proposal(answer, label) == answer


def test_the_table_is_read_at_prepare_and_not_at_import() -> None:
    code = (
        "import sys, worker.interview.dialogue.classify.classifier as c; "
        "from worker.interview.dialogue.classify.language import language; "
        "print(language.cache_info().currsize, 'livekit' in sys.modules, 'asyncpg' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["0", "False", "False"]


def test_a_language_without_a_table_is_refused() -> None:
    with pytest.raises(KeyError):
        prepare("xx")
