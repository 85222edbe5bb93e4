"""The drawing of the dialogue's table."""

from __future__ import annotations

from tests.support.paths import REPOSITORY
from worker.interview.dialogue.drawing import WIDTH, scene, svg
from worker.interview.dialogue.phases import Phase


def test_the_committed_drawing_is_that_of_the_table() -> None:
    committed = (REPOSITORY / "diagrams" / "dialogue.svg").read_text(encoding="utf-8")
    assert committed == svg(), "run `make diagrams`"


def test_the_drawing_has_each_phase_and_the_width_of_a_readme() -> None:
    drawn = svg()
    assert all(f">{phase}<" in drawn for phase in Phase)
    assert scene().width == WIDTH <= 880
