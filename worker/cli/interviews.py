"""`interview-worker interviews`: create, dispatch, list, show and export interviews."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from worker.cli.common import (
    DEFAULT_LIMIT,
    Limit,
    check_names,
    cut_to,
    database,
    one_line_errors,
    print_json,
    run,
    write_out,
)
from worker.cli.tables import print_list
from worker.config.settings import Settings
from worker.continuity.dispatch_metadata import MAX_METADATA_BYTES
from worker.interview.plan.plan import SAMPLE_PLAN, load_plan
from worker.operations import interviews as operations
from worker.operations.transcript import as_markdown
from worker.store.interviews import list_interviews

app = typer.Typer(
    no_args_is_help=True,
    help="Create, dispatch, list, show and export interviews. Interviews are stored in the "
    "database of DATABASE_URL or, if it is not set, in the embedded database in "
    "INTERVIEW_DATA_DIR.",
)

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
InterviewId = Annotated[str, typer.Argument(help="The interview's id.")]


class ExportFormat(StrEnum):
    """Formats of an exported interview."""

    MD = "md"
    JSON = "json"


@app.command("create")
def create(
    candidate: Annotated[str, typer.Option(help="The candidate's name, as shown in the room.")],
    plan: Annotated[Path, typer.Option(help="The plan (YAML); default: the sample.")] = SAMPLE_PLAN,
    room: Annotated[str | None, typer.Option(help="The room's name.")] = None,
    dispatch: Annotated[bool, typer.Option("--dispatch", help="Dispatch an interviewer.")] = False,
    as_json: Json = False,
) -> None:
    """Create an interview and its room; with --dispatch, also send an interviewer."""
    interview = run(_create(candidate, plan, room, send=dispatch))
    if as_json:
        print_json(interview)
        return
    typer.echo(f"interview {interview['interview_id']} in room {interview['room']}")
    typer.echo(f"  token: interview-worker interviews token {interview['interview_id']}")


async def _create(
    candidate: str, plan_path: Path, room: str | None, *, send: bool
) -> dict[str, Any]:
    settings = Settings.load()
    plan = load_plan(plan_path)
    check_names(("--candidate", candidate), ("--room", room))
    operations.livekit_client(settings)
    async with database(settings) as db:
        interview = await operations.create(
            db, settings, plan=plan.to_json(), candidate_name=candidate, room=room
        )
        if send:
            _warn_of(await operations.send_interviewer(db, settings, interview))
        return await operations.interview_as_data(db, interview.interview_id)


@app.command("dispatch")
def dispatch(interview: InterviewId, as_json: Json = False) -> None:
    """Dispatch an interviewer that continues where the interview stopped.

    Use this command for an interview whose job failed, whose worker was lost, or that never
    started. The command creates the room again if the room no longer exists. The command refuses an
    interview that is over, or that has an interviewer in its room.
    """
    sent = run(_dispatch(interview))
    if as_json:
        print_json(sent)
        return
    typer.echo(f"an interviewer was sent to room {sent['room']} (dispatch {sent['dispatch_id']})")


async def _dispatch(interview_id: str) -> dict[str, Any]:
    settings = Settings.load()
    operations.livekit_client(settings)
    async with database(settings) as db:
        interview, sent = await operations.redispatch(db, settings, interview_id)
    _warn_of(sent)
    return {
        "interview_id": interview_id,
        "room": interview.room,
        "dispatch_id": sent.dispatch_id,
    }


def _warn_of(sent: operations.Sent) -> None:
    if not sent.carries_plan:
        typer.echo(
            f"the plan is too large for a dispatch (limit: {MAX_METADATA_BYTES // 1024} KiB): "
            "without the database, the interviewer cannot hold the interview",
            err=True,
        )


@app.command("list")
def list_(limit: Limit = DEFAULT_LIMIT, as_json: Json = False) -> None:
    """List interviews, newest first."""
    rows = run(_list(limit))
    if as_json:
        print_json(rows)
        return
    print_list(
        ("interview", "room", "status", "outcome", "reason", "created"),
        [tuple(row.values()) for row in rows],
    )


async def _list(limit: int) -> list[dict[str, Any]]:
    fields = ("interview_id", "room", "status", "outcome", "reason", "created_at")
    async with database(Settings.load()) as db:
        found = cut_to(await list_interviews(db, limit=limit + 1), limit)
    return [{name: getattr(interview, name) for name in fields} for interview in found]


@app.command("show")
def show(interview: InterviewId, as_json: Json = False) -> None:
    """Show one interview: status, outcome, jobs and every turn."""
    shown = run(_show(interview))
    if as_json:
        print_json(shown)
        return
    typer.echo(as_markdown(shown))


async def _show(interview_id: str) -> dict[str, Any]:
    async with database(Settings.load()) as db:
        return await operations.interview_as_data(db, interview_id)


@app.command("token")
def token(interview: InterviewId, as_json: Json = False) -> None:
    """Print the token with which the candidate's client joins; --json adds the server's URL."""
    pair = run(_token(interview))
    if as_json:
        print_json(pair)
    else:
        typer.echo(pair["token"])


async def _token(interview_id: str) -> dict[str, str]:
    settings = Settings.load()
    operations.livekit_client(settings)
    async with database(settings) as db:
        return await operations.candidate_token(db, settings, interview_id)


@app.command("export")
def export(
    interview: InterviewId,
    form: Annotated[ExportFormat, typer.Option("--format", help="md or json.")] = ExportFormat.MD,
    output: Annotated[Path | None, typer.Option("-o", help="Output file; default: print.")] = None,
) -> None:
    """Export one interview's transcript."""
    shown = run(_show(interview))
    if form is ExportFormat.JSON:
        text = json.dumps(shown, indent=2, ensure_ascii=False, default=str) + "\n"
    else:
        text = as_markdown(shown)
    with one_line_errors():
        write_out(text.encode(), output)
