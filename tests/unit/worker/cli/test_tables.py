"""Tables of untrusted text, and names that commands refuse."""

from __future__ import annotations

import io

import pytest
from rich.console import Console
from rich.table import Table

from worker.cli.common import CommandError, ExitCode, check_names
from worker.cli.tables import add_row


@pytest.mark.parametrize(
    ("cell", "shown"),
    [("[bold]x[/nope]", "[bold]x[/nope]"), ("a\x1b[31mb\nc", "a\ufffd[31mb\ufffdc")],
)
def test_a_cell_is_always_plain_text(cell: str, shown: str) -> None:
    table = Table("room", box=None)
    add_row(table, cell)
    output = io.StringIO()

    Console(file=output, width=80).print(table)

    assert shown in output.getvalue()


@pytest.mark.parametrize("name", ["", "   ", "a\nb", "a\x1b[31m", "x" * 201])
@pytest.mark.parametrize("option", ["--room", "--candidate"])
def test_an_invalid_name_is_refused_with_its_option(option: str, name: str) -> None:
    with pytest.raises(CommandError, match=option) as refused:
        check_names((option, name))

    assert refused.value.code is ExitCode.USAGE


def test_an_omitted_name_and_any_persons_name_are_accepted() -> None:
    check_names(("--room", None), ("--candidate", "Ада Ловлейс-O'Brien, PhD"))
