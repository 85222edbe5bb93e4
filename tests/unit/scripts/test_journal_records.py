"""The table of record kinds: the docstring of states/journal.py lists what the code writes."""

from __future__ import annotations

from scripts.journal_records import record_kinds, records_table, written_kinds
from tests.support.paths import REPOSITORY


def test_every_kind_that_the_code_writes_is_described_and_no_other() -> None:
    assert set(record_kinds(REPOSITORY)) == written_kinds(REPOSITORY)


def test_the_fields_of_a_kind_are_read_over_several_lines() -> None:
    kinds = record_kinds(REPOSITORY)
    assert kinds["transition"] == "from, event, to, outcome, reason"
    assert kinds["step"].endswith("waited for) and budget_s")


def test_the_table_has_a_row_for_each_kind() -> None:
    assert len(records_table(REPOSITORY).splitlines()) == len(record_kinds(REPOSITORY)) + 2
