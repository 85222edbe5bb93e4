"""JSON for a terminal: the same value, and no character that a terminal obeys."""

from __future__ import annotations

import json

import pytest

from worker.cli.common import print_json
from worker.cli.control_characters import json_for_terminals

TEXT = 'a\x1b[31m\x9b2J\x7f\x85 \u2028 \u202edessap\u2066 Zoë 面接 \U0001f600 \\ " \n'


def test_the_value_stays_and_no_character_acts() -> None:
    shown = json_for_terminals(json.dumps({"text": TEXT}, ensure_ascii=False))
    assert json.loads(shown) == {"text": TEXT}
    assert shown.isprintable()
    assert "Zoë 面接 \U0001f600" in shown


def test_commands_print_json_in_this_form(capsys: pytest.CaptureFixture[str]) -> None:
    print_json([TEXT])
    printed = capsys.readouterr().out
    assert json.loads(printed) == [TEXT]
    assert all(line.isprintable() for line in printed.split("\n"))
