"""The drawing of the dialogue's table."""

from __future__ import annotations

from dataclasses import replace
from html import unescape
from typing import Final

from tests.support.dialogues import HEARD, TODAY, begun, say
from tests.support.paths import REPOSITORY
from worker.interview.dialogue.acts import Act
from worker.interview.dialogue.drawing import WIDTH, scene, svg
from worker.interview.dialogue.drawing_text import dot, mermaid
from worker.interview.dialogue.drawing_view import view
from worker.interview.dialogue.phases import Outcome, Phase, Place

ENDED: Final = Place(Phase.ENDED, kind=Outcome.COMPLETED)


def test_the_committed_drawing_is_that_of_the_table() -> None:
    committed = (REPOSITORY / "diagrams" / "dialogue.svg").read_text(encoding="utf-8")
    assert committed == svg(), "run `make diagrams`"


def test_the_drawing_has_each_phase_and_the_width_of_a_readme() -> None:
    drawn = svg()
    assert all(f">{phase}<" in drawn for phase in Phase)
    assert scene().width == WIDTH <= 880


def test_a_drawing_of_a_job_counts_visits_and_taken_arrows() -> None:
    driven = begun(TODAY)
    driven.give(say(Act.WAIT), HEARD, say(Act.READY), HEARD, say(Act.ANSWER), HEARD)
    shown = view(driven.records, job="AJ_1")
    visits = {box.name: box.visits for box in shown.boxes}
    assert visits["ASKING"] == visits["LISTENING"] - 1 == 2
    assert (visits["ARRIVING"], visits["WAITING"], visits["FAREWELL"]) == (1, 1, 0)
    taken = {(box.name, arrow.target): arrow.taken for box in shown.boxes for arrow in box.arrows}
    assert taken["LISTENING", "WAITING"] == 1
    assert taken["LISTENING", "the next question"] == 1
    assert taken["LISTENING", "FAREWELL"] == 0


def test_what_is_not_on_the_path_of_a_job_is_dimmed_and_the_rest_is_not() -> None:
    driven = begun(TODAY)
    parts = scene(view(driven.records, job="AJ_1")).parts
    dim = {row: part.dim for part in parts for row in part.rows}
    assert not dim["arrives"]
    assert dim["wait"]
    assert not any(part.dim for part in scene().parts)


def test_a_change_by_a_row_of_another_version_is_listed() -> None:
    driven = begun(TODAY)
    other = replace(driven.records[-1], rows=("sung_to",), phase="LISTENING:q1", to=ENDED)
    shown = view([*driven.records, other], job="AJ_1")
    assert shown.strays == ("LISTENING:q1 → ENDED(completed) (sung_to)",)
    for drawn in (svg(shown), mermaid(shown), dot(shown)):
        assert "Taken, but not in this version's table" in unescape(drawn)


def test_a_late_record_is_not_on_the_path() -> None:
    driven = begun(TODAY)
    late = replace(driven.records[-1], to=ENDED, late=True)
    shown = view([*driven.records, late], job="AJ_1")
    assert next(box for box in shown.boxes if box.phase is Phase.ENDED).visits == 0


def test_each_arrow_of_the_drawing_is_in_the_text_formats() -> None:
    arrows = [arrow for box in view().boxes for arrow in box.arrows]
    assert mermaid().count("->|") == dot().count(" -> ") == len(arrows)
