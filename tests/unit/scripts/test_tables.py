"""The tables of the reference pages: each has a row for everything that the code declares."""

from __future__ import annotations

from scripts import tables
from states import Outcome, State
from worker.config.settings import Settings, variable_of
from worker.faults.points import POINTS, Kind


def test_every_setting_is_in_one_group_in_the_order_of_the_settings() -> None:
    grouped = [name for _, names in tables.settings_groups() for name in names]
    assert grouped == list(Settings.model_fields)


def test_every_group_of_settings_has_a_heading_and_a_row_for_each_setting() -> None:
    shown = tables.settings_tables()
    assert shown.count("\n## ") + 1 == len(tables.settings_groups())
    for name in Settings.model_fields:
        assert f"| `{variable_of(name)}` |" in shown


def test_each_vendor_has_a_group_of_its_own() -> None:
    shown = tables.settings_tables()
    assert "\n## Deepgram\n" in shown
    assert "\n## ElevenLabs\n" in shown


def test_every_state_and_outcome_has_a_meaning() -> None:
    for shown, expected in ((tables.states_table(), State), (tables.outcomes_table(), Outcome)):
        rows = [line.split(" | ") for line in shown.splitlines()[2:]]
        assert [row[0] for row in rows] == [f"| `{member}`" for member in expected]
        assert all(len(row[1]) > 10 for row in rows)


def test_every_fault_point_and_kind_has_a_row() -> None:
    assert len(tables.faults_table().splitlines()) == len(POINTS) + 2
    assert len(tables.kinds_table().splitlines()) == len(Kind) + 2


def test_the_grammar_of_faults_names_its_parts() -> None:
    shown = tables.fault_grammar()
    assert shown.startswith('```text\nINTERVIEW_FAULTS="load.vad=hang')
    assert shown.endswith("lifecycle\n```\n")
