"""Tables of untrusted text, and names that commands refuse."""

from __future__ import annotations

import io

import pytest
from rich.console import Console
from rich.table import Table

from worker.cli.common import CommandError, ExitCode, check_names
from worker.cli.tables import add_row, print_list, without_controls

HEADS = ("interview", "room", "outcome")


def rows_of(number: int) -> list[tuple[object, ...]]:
    """Return rows with wide, missing, unprintable and long cells."""
    room = "x" * 100
    return [(f"id-{n}", ("Zoë 面接", "[b]a\tb", room)[n % 3], None) for n in range(number)]


def shown_by_rich(rows: list[tuple[object, ...]], width: int) -> str:
    table = Table(*HEADS, box=None)
    for row in rows:
        add_row(table, *("" if cell is None else cell for cell in row))
    output = io.StringIO()
    Console(file=output, width=width).print(table)
    return output.getvalue()


@pytest.mark.parametrize("number", [0, 1, 200])
def test_a_short_list_is_wrapped_to_the_width_of_the_terminal(
    number: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    print_list(HEADS, rows_of(number))
    assert capsys.readouterr().out == shown_by_rich(rows_of(number), 60)


def test_a_long_list_looks_like_a_short_one_in_a_wide_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    print_list(HEADS, rows_of(201))
    assert capsys.readouterr().out == shown_by_rich(rows_of(201), 1000)


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


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x1b[31mb\x07\x9b\x7f", "a\ufffd[31mb\ufffd\ufffd\ufffd"),
        ("over\rwritten", "over\ufffdwritten"),
        ("two\r\nlines\n\tof text\n", "two\r\nlines\n\tof text\n"),
        ("\u0646\u200c\u0645 \xe0\xa0!", "\u0646\u200c\u0645 \xe0\xa0!"),
        ("a\u202eb\u2066c\u2028d", "a\ufffdb\ufffdc\ufffdd"),
    ],
)
def test_text_keeps_its_lines_and_its_letters_and_loses_control_characters(
    text: str, shown: str
) -> None:
    assert without_controls(text) == shown


@pytest.mark.parametrize("name", ["", "   ", "a\nb", "a\x1b[31m", "x" * 201])
@pytest.mark.parametrize("option", ["--room", "--candidate"])
def test_an_invalid_name_is_refused_with_its_option(option: str, name: str) -> None:
    with pytest.raises(CommandError, match=option) as refused:
        check_names((option, name))

    assert refused.value.code is ExitCode.USAGE


def test_an_omitted_name_and_any_persons_name_are_accepted() -> None:
    check_names(("--room", None), ("--candidate", "Ада Ловлейс-O'Brien, PhD"))
