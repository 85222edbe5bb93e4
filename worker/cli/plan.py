"""`interview-worker plan`: check plan files, without LiveKit, a database or any setting."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from worker.cli.common import print_json
from worker.cli.errors import ExitCode, report
from worker.cli.help_texts import examples
from worker.cli.tables import printable
from worker.operations.plans import CheckedPlan, check_plan

app = typer.Typer(no_args_is_help=True, help="Check the plans of interviews.")


@app.command("check", epilog=examples("plan check"))
def check(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="The plans (YAML).")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check plan files, and print every problem with its file and line.

    The command needs no LiveKit server, no database and no settings. A plan is refused if the
    configured providers cannot transcribe or speak its language. The default providers support only
    English. The exit code is 0 if all plans are valid, and 2 otherwise.
    """
    checked = _with_languages([check_plan(path) for path in files])
    if as_json:
        print_json([_as_data(each) for each in checked])
    else:
        for each in checked:
            if each.plan is not None and not each.problems:
                typer.echo(_valid(each.path, each.plan.title, len(each.plan.questions)))
        if lines := [line for each in checked for line in (*each.warning_lines, *each.lines)]:
            report("\n".join(lines))
    if any(each.problems for each in checked):
        raise typer.Exit(int(ExitCode.USAGE))


def _with_languages(checked: list[CheckedPlan]) -> list[CheckedPlan]:
    """Return the plans, each checked for whether the configured providers serve its language."""
    # Import here and not at the top, because these imports take most of the command's time.
    from worker.config.settings import Settings
    from worker.env.group import SettingsInvalid
    from worker.operations.languages import check_language, language_problems

    try:
        settings = Settings.load()
    except SettingsInvalid:
        report("the languages of plans are not checked, because settings are invalid")
        return checked
    found = []
    for each in checked:
        if each.plan is not None:
            language = check_language(each.plan.language, settings)
            each = replace(
                each,
                problems=language_problems(language, each.language_line),
                warnings=language.warnings,
            )
        found.append(each)
    return found


def _valid(path: str, title: str, questions: int) -> str:
    noun = "question" if questions == 1 else "questions"
    return printable(f"{path}: valid: {title} ({questions} {noun})")


def _as_data(checked: CheckedPlan) -> dict[str, object]:
    return {
        "path": checked.path,
        "valid": not checked.problems,
        "title": checked.plan.title if checked.plan is not None else None,
        "questions": len(checked.plan.questions) if checked.plan is not None else None,
        "problems": [
            {"line": problem.line, "message": problem.message} for problem in checked.problems
        ],
        "warnings": list(checked.warnings),
    }
