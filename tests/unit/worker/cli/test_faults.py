"""`interview-worker faults`: the fault points and kinds, and how to set them."""

from __future__ import annotations

import json

from typer.testing import CliRunner

from worker.cli.app import app
from worker.faults.points import POINTS, Kind

#: Wide enough to keep every line unwrapped.
WIDE = {"COLUMNS": "200"}


def test_every_point_and_kind_is_listed_with_the_syntax() -> None:
    shown = CliRunner().invoke(app, ["faults"], env=WIDE)
    assert shown.exit_code == 0
    for point in POINTS:
        assert point.what in shown.output
        assert all(name in shown.output for name in point.members)
    for kind in Kind:
        assert kind.text in shown.output
    assert "INTERVIEW_ALLOW_FAULTS=1" in shown.output
    assert "point=kind[:argument][@n | @state]" in shown.output


def test_json_output_has_the_same_points() -> None:
    shown = CliRunner().invoke(app, ["faults", "--json"])
    rows = json.loads(shown.output)
    assert [row["point"] for row in rows] == [point.point for point in POINTS]
    by_point = {row["point"]: row for row in rows}
    assert "hang" in by_point["load"]["kinds"]
    assert by_point["database"]["raises"].startswith("an SQLSTATE")
