"""`interview-worker interviews list`, `show` and `export`: the commands that read interviews."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from worker.cli.common import (
    DEFAULT_LIMIT,
    CommandError,
    ExitCode,
    Limit,
    check_names,
    cut_to,
    one_line_errors,
    print_json,
    run,
    write_out,
)
from worker.cli.control_characters import json_for_terminals
from worker.cli.databases import database
from worker.cli.moments import FORMS, moment
from worker.cli.tables import print_list, without_controls
from worker.config.settings import Settings
from worker.operations import interviews as operations
from worker.operations.transcript import as_markdown
from worker.store.interviews import Interview, InterviewStatus, list_interviews

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
InterviewId = Annotated[str, typer.Argument(help="The interview's id.")]


class ListedStatus(StrEnum):
    """Statuses to which a list of interviews can be limited: all of `InterviewStatus` but OTHER."""

    CREATED = InterviewStatus.CREATED
    DISPATCHED = InterviewStatus.DISPATCHED
    RUNNING = InterviewStatus.RUNNING
    WAITING = InterviewStatus.WAITING
    ENDED = InterviewStatus.ENDED


class ExportFormat(StrEnum):
    """Formats of an exported interview."""

    MD = "md"
    JSON = "json"


def list_(
    status: Annotated[
        ListedStatus | None, typer.Option(help="Only interviews with this status.")
    ] = None,
    candidate: Annotated[
        str | None,
        typer.Option(help="Only of candidates whose name contains this, or with this identity."),
    ] = None,
    since: Annotated[
        str | None, typer.Option(metavar="TIME", help=f"Created at this time or later: {FORMS}.")
    ] = None,
    until: Annotated[
        str | None,
        typer.Option(
            metavar="TIME", help="Created before this time; a date includes the whole day."
        ),
    ] = None,
    limit: Limit = DEFAULT_LIMIT,
    as_json: Json = False,
) -> None:
    """List interviews, newest first."""
    wanted = None if status is None else InterviewStatus(status)
    rows = run(_list(wanted, candidate, since, until, limit))
    if as_json:
        print_json(rows)
        return
    keys = ("interview_id", "candidate_name", "room", "status", "outcome", "reason")
    print_list(
        ("interview", "candidate", "room", "status", "outcome", "reason", "created (UTC)"),
        [(*(row[key] for key in keys), _time(row["created_at"])) for row in rows],
    )


async def _list(
    status: InterviewStatus | None,
    candidate: str | None,
    since: str | None,
    until: str | None,
    limit: int,
) -> list[dict[str, Any]]:
    check_names(("--candidate", candidate))
    now = datetime.now(UTC)
    first = None if since is None else moment("--since", since, now=now)
    end = None if until is None else moment("--until", until, now=now, end_of_day=True)
    if first is not None and end is not None and first >= end:
        raise CommandError("--since is not before --until", ExitCode.USAGE)
    async with database(Settings.load()) as db:
        found = await list_interviews(
            db, status=status, candidate=candidate, since=first, until=end, limit=limit + 1
        )
    return [_row(interview) for interview in cut_to(found, limit)]


def _row(interview: Interview) -> dict[str, Any]:
    fields = ("interview_id", "room", "status", "outcome", "reason", "created_at", "candidate_name")
    row = {name: getattr(interview, name) for name in fields}
    return row | {"plan_title": operations.title_of(interview)}


def _time(created: datetime) -> str:
    return f"{created.astimezone(UTC):%Y-%m-%d %H:%M:%S}"


def show(interview: InterviewId, as_json: Json = False) -> None:
    """Show one interview: status, outcome, candidate, plan, times, jobs and every turn."""
    shown = run(_show(interview))
    if as_json:
        print_json(shown)
        return
    typer.echo(without_controls(as_markdown(shown)))


async def _show(interview_id: str) -> dict[str, Any]:
    async with database(Settings.load()) as db:
        return await operations.interview_as_data(db, interview_id)


def export(
    interview: InterviewId,
    form: Annotated[ExportFormat, typer.Option("--format", help="md or json.")] = ExportFormat.MD,
    output: Annotated[Path | None, typer.Option("-o", help="Output file; default: print.")] = None,
) -> None:
    """Export one interview's transcript."""
    shown = run(_show(interview))
    # The records have thinking times and interruptions, which say nothing about the answers.
    shown.pop("dialogue", None)
    if form is ExportFormat.JSON:
        text = json_for_terminals(json.dumps(shown, indent=2, ensure_ascii=False, default=str))
        text += "\n"
    else:
        text = as_markdown(shown)
    with one_line_errors():
        write_out(text.encode(), output)
