"""`interview-worker interviews`: create, dispatch, list, read and export interviews."""

from __future__ import annotations

import json
import secrets
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from worker import rooms
from worker.cli.common import (
    DEFAULT_LIMIT,
    CommandError,
    ExitCode,
    Limit,
    check_names,
    cut_to,
    database,
    one_line_errors,
    print_json,
    require_livekit,
    run,
    write_out,
)
from worker.cli.tables import add_row
from worker.cli.transcript import as_markdown
from worker.dispatch_metadata import MAX_METADATA_BYTES, dispatch_metadata, without_plan
from worker.interview.plan import SAMPLE_PLAN, load_plan
from worker.settings import Settings
from worker.store.interviews import (
    Interview,
    create_interview,
    get_interview,
    list_interviews,
    turns_of,
)
from worker.store.jobs import list_jobs
from worker.store.pool import Database
from worker.store.progress import set_dispatched

app = typer.Typer(
    no_args_is_help=True,
    help="Create, dispatch, list, read, export interviews. They are in the database of "
    "DATABASE_URL, or else in the embedded one in INTERVIEW_DATA_DIR.",
)

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
InterviewId = Annotated[str, typer.Argument(help="The interview's id.")]

#: The room outlives a candidate who drops out for longer than the grace, and an interviewer
#: that has to be sent again.
_ROOM_EMPTY_S = 3600
_ROOM_DEPARTURE_S = 120


class ExportFormat(StrEnum):
    """How an interview is exported."""

    MD = "md"
    JSON = "json"


@app.command("create")
def create(
    candidate: Annotated[str, typer.Option(help="The candidate's name, as shown in the room.")],
    plan: Annotated[Path, typer.Option(help="The plan, YAML; default: the sample.")] = SAMPLE_PLAN,
    room: Annotated[str | None, typer.Option(help="The room's name.")] = None,
    dispatch: Annotated[bool, typer.Option("--dispatch", help="Send an interviewer now.")] = False,
    as_json: Json = False,
) -> None:
    """Store an interview, create its room, and with --dispatch send an interviewer there."""
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
    require_livekit(settings)
    async with database(settings) as db:
        interview = await create_interview(
            db,
            interview_id=secrets.token_hex(6),
            plan=plan,
            room=room,
            candidate_name=candidate,
        )
        await _open_room(settings, interview)
        if send:
            await send_interviewer(db, settings, interview)
        return await interview_as_data(db, interview.interview_id)


@app.command("dispatch")
def dispatch(interview: InterviewId, as_json: Json = False) -> None:
    """Send an interviewer, who goes on where the interview was left.

    For an interview whose job failed, or whose worker went away, or that was never begun. The
    room is made anew where it is gone. Refused: an interview that is over, and one whose
    interviewer is in the room.
    """
    sent = run(_dispatch(interview))
    if as_json:
        print_json(sent)
        return
    typer.echo(f"an interviewer was sent to room {sent['room']} (dispatch {sent['dispatch_id']})")


async def _dispatch(interview_id: str) -> dict[str, Any]:
    settings = Settings.load()
    livekit = require_livekit(settings)
    async with database(settings) as db:
        interview = await _known(db, interview_id)
        if interview.is_over:
            raise _over(interview)
        for identity in await rooms.list_participants(*livekit, interview.room):
            if identity.startswith(rooms.INTERVIEWER_PREFIX):
                raise CommandError(
                    f"{identity} is in room {interview.room}; one whose process died leaves it "
                    "within half a minute",
                    ExitCode.TAKEN,
                )
        await _open_room(settings, interview)
        dispatch_id = await send_interviewer(db, settings, interview)
    return {"interview_id": interview_id, "room": interview.room, "dispatch_id": dispatch_id}


def _over(interview: Interview) -> CommandError:
    end = f" ({interview.outcome}, {interview.reason})" if interview.outcome else ""
    return CommandError(f"interview {interview.interview_id} is over{end}: create another")


async def _open_room(settings: Settings, interview: Interview) -> None:
    await rooms.create_room(
        *require_livekit(settings),
        interview.room,
        empty_timeout_s=_ROOM_EMPTY_S,
        departure_timeout_s=_ROOM_DEPARTURE_S,
    )


async def send_interviewer(db: Database, settings: Settings, interview: Interview) -> str:
    """Dispatch an interviewer with the plan's snapshot; returns the dispatch's id.

    A snapshot that is too large stays behind, with a line on standard error.

    Raises LiveKitError, and CommandError for an interview that is over by now (the interviewer
    who was sent finds that out as well, and leaves).
    """
    metadata = dispatch_metadata(interview)
    if metadata == without_plan(interview):
        typer.echo(
            f"the plan is too large for a dispatch ({MAX_METADATA_BYTES // 1024} KiB) and stays "
            "in the database: without it there, the interviewer cannot hold the interview",
            err=True,
        )
    dispatch_id = await rooms.dispatch(
        *require_livekit(settings),
        agent_name=settings.agent_name,
        room=interview.room,
        metadata=metadata,
    )
    if not await set_dispatched(db, interview.interview_id, dispatch_id=dispatch_id):
        raise _over(interview)
    return dispatch_id


async def _known(db: Database, interview_id: str) -> Interview:
    interview = await get_interview(db, interview_id)
    if interview is None:
        raise CommandError(
            f"there is no interview {interview_id!r}; "
            "`interview-worker interviews list` shows those there are",
            ExitCode.NOT_FOUND,
        )
    return interview


async def interview_as_data(db: Database, interview_id: str) -> dict[str, Any]:
    """One interview with its jobs and turns. Raises CommandError (NOT_FOUND)."""
    interview = await _known(db, interview_id)
    jobs = await list_jobs(db, interview_id)
    turns = await turns_of(db, interview_id)
    fields = ("seq", "at", "speaker", "text", "interim", "heard", "interrupted", "question_id")
    return {
        "interview_id": interview.interview_id,
        "room": interview.room,
        "candidate_identity": interview.candidate_identity,
        "status": interview.status,
        "outcome": interview.outcome,
        "reason": interview.reason,
        "created_at": interview.created_at,
        "jobs": [job.job_id for job in jobs],
        "turns": [{name: getattr(turn, name) for name in fields} for turn in turns],
    }


@app.command("list")
def list_(limit: Limit = DEFAULT_LIMIT, as_json: Json = False) -> None:
    """List interviews, the newest first."""
    rows = run(_list(limit))
    if as_json:
        print_json(rows)
        return
    table = Table("interview", "room", "status", "outcome", "reason", "created", box=None)
    for row in rows:
        add_row(table, *(str(value if value is not None else "") for value in row.values()))
    Console().print(table)


async def _list(limit: int) -> list[dict[str, Any]]:
    fields = ("interview_id", "room", "status", "outcome", "reason", "created_at")
    async with database(Settings.load()) as db:
        found = cut_to(await list_interviews(db, limit=limit + 1), limit)
    return [{name: getattr(interview, name) for name in fields} for interview in found]


@app.command("show")
def show(interview: InterviewId, as_json: Json = False) -> None:
    """Show one interview: status, outcome, jobs, and every turn."""
    shown = run(_show(interview))
    if as_json:
        print_json(shown)
        return
    typer.echo(as_markdown(shown))


async def _show(interview_id: str) -> dict[str, Any]:
    async with database(Settings.load()) as db:
        return await interview_as_data(db, interview_id)


@app.command("token")
def token(interview: InterviewId, as_json: Json = False) -> None:
    """Print what the candidate's client needs to join: the server's URL and a token."""
    pair = run(_token(interview))
    if as_json:
        print_json(pair)
    else:
        typer.echo(pair["token"])


async def _token(interview_id: str) -> dict[str, str]:
    settings = Settings.load()
    url, key, secret = require_livekit(settings)
    async with database(settings) as db:
        interview = await _known(db, interview_id)
    return {
        "url": url,
        "token": rooms.candidate_token(
            key,
            secret,
            room=interview.room,
            identity=interview.candidate_identity,
            name=interview.candidate_name or "",
        ),
    }


@app.command("export")
def export(
    interview: InterviewId,
    form: Annotated[ExportFormat, typer.Option("--format", help="md or json.")] = ExportFormat.MD,
    output: Annotated[Path | None, typer.Option("-o", help="The file; default: print.")] = None,
) -> None:
    """Export one interview's transcript."""
    shown = run(_show(interview))
    if form is ExportFormat.JSON:
        text = json.dumps(shown, indent=2, ensure_ascii=False, default=str) + "\n"
    else:
        text = as_markdown(shown)
    with one_line_errors():
        write_out(text.encode(), output)
