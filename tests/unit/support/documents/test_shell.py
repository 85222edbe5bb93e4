"""How the shell text of documents is split into commands."""

from __future__ import annotations

import pytest

from tests.support.documents.shell import commands_of, simple_commands


@pytest.mark.parametrize(
    ("line", "commands"),
    [
        ("make demo   # the candidate's interview", ["make demo"]),
        ("A=1 B='x y' run --name \"Ada L\"", ["run --name Ada L"]),
        ("run a | head -1 && run b; env C=1 run c", ["run a", "head -1", "run b", "run c"]),
        ("run --all > out.txt 2>&1", ["run --all"]),
        ("id=$(run new | jq -r .id)", ["run new", "jq -r .id"]),
        ('show "$(run last --json)" --all', ["show $(run last --json) --all", "run last --json"]),
        ("open docs/x.md#part", ["open docs/x.md#part"]),
        ("# nothing", []),
        ("", []),
    ],
)
def test_a_line_is_split_at_its_operators(line: str, commands: list[str]) -> None:
    assert [" ".join(words) for words in simple_commands(line)] == commands


def test_continued_lines_are_one_command_and_here_documents_are_none() -> None:
    text = "run \\\n  --all\ncat > plan.yaml <<'EOF'\nmake: nothing\nEOF\nlast\n"
    found = [(command.line, command.words) for command in commands_of(text, first=10)]
    assert found == [(10, ("run", "--all")), (12, ("cat",)), (15, ("last",))]
