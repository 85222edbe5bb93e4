"""The command line of the fleet benchmark."""

from __future__ import annotations

import pytest

from benchmarks import fleet
from benchmarks.fleet_scenarios import SCENARIOS


def test_an_unknown_scenario_is_refused_with_the_known_ones(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as ended:
        fleet.main(["renewal"])
    assert ended.value.code == 2
    assert "unknown scenario: renewal (known: renewals-50" in capsys.readouterr().err


def test_the_help_names_every_scenario(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        fleet.main(["--help"])
    shown = "".join(capsys.readouterr().out.split())
    assert all(name in shown for name in SCENARIOS)
