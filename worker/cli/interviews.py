"""`interview-worker interviews`: create, dispatch, cancel, list, show and export interviews."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from worker.cli.common import check_names, fail, print_json, run
from worker.cli.databases import database
from worker.cli.errors import report, text_of
from worker.cli.help_texts import examples
from worker.cli.moments import INSTANTS, window
from worker.cli.requirements import has_livekit, has_valid_database_url, load_settings
from worker.cli.stored_interviews import InterviewId, Json, export, list_, show
from worker.config.settings import Settings
from worker.continuity.dispatch_metadata import MAX_METADATA_BYTES
from worker.interview.plan.plan import SAMPLE_PLAN, load_plan
from worker.operations import creation
from worker.operations import interviews as operations
from worker.operations.creation import NewInterview
from worker.operations.languages import plan_of
from worker.store.interviews import Interview, check_interview_id

T = TypeVar("T")

#: Minimum length of a secret, in bytes. PyJWT warns of a shorter secret (RFC 7518, section 3.2).
_SHORT_SECRET = 32
app = typer.Typer(
    no_args_is_help=True,
    help="Create, dispatch, cancel, list, show and export interviews. Interviews are stored in the "
    "database of DATABASE_URL or, if it is not set, in the embedded database in "
    "INTERVIEW_DATA_DIR. A worker uses the embedded database only with INTERVIEW_EMBEDDED=1.",
)


@app.command("create", epilog=examples("interviews create"))
def create(
    candidate: Annotated[str, typer.Option(help="The candidate's name, as shown in the room.")],
    plan: Annotated[
        Path, typer.Option(help="The plan (YAML); default: the sample.", show_default=False)
    ] = SAMPLE_PLAN,
    interview_id: Annotated[
        str | None,
        typer.Option(
            "--id",
            metavar="ID",
            help="The interview's id; a command with the same id and values may be repeated.",
        ),
    ] = None,
    identity: Annotated[
        str | None,
        typer.Option(help="The candidate's identity in the room; default: candidate-ID."),
    ] = None,
    room: Annotated[str | None, typer.Option(help="The room's name.")] = None,
    opens: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="TIME",
            help=f"Opens the window: {INSTANTS}; default: now.",
            show_default=False,
        ),
    ] = None,
    closes: Annotated[
        str | None,
        typer.Option(
            "--until",
            metavar="TIME",
            help="Closes the window, which ends the interview; default: 7 days later.",
            show_default=False,
        ),
    ] = None,
    dispatch: Annotated[bool, typer.Option("--dispatch", help="Dispatch an interviewer.")] = False,
    as_json: Json = False,
) -> None:
    """Create an interview and its room; with --dispatch, also send an interviewer.

    An interviewer waits INTERVIEW_CANDIDATE_JOIN_S seconds for the candidate, and then leaves. A
    candidate who comes later, within the interview's window, gets another interviewer. If LiveKit
    refuses a request, no interview is created. If LiveKit does not answer the dispatch, the
    interview stays in the database, and the error contains the interview's id.

    With --id the command may be repeated: if it has already created this interview with the same
    plan, room, candidate and window, it prints the interview again, and sends an interviewer only
    if the interview never had one. If the existing interview has another plan, room, candidate or
    window, the command fails.
    """
    work = _create(
        candidate,
        plan,
        room,
        interview_id=interview_id,
        identity=identity,
        opens=opens,
        closes=closes,
        send=dispatch,
    )
    interview = _run(work)
    try:
        _print_created(interview, dispatched=dispatch, as_json=as_json)
    except OSError as error:  # the disk is full, or the program that reads the output has ended
        created = f"interview {interview['interview_id']} in room {interview['room']} was created"
        fail(f"{created}, and standard output cannot be written: {text_of(error)}")


def _print_created(interview: dict[str, Any], *, dispatched: bool, as_json: bool) -> None:
    if as_json:
        print_json(interview)
        return
    interview_id = interview["interview_id"]
    typer.echo(f"interview {interview_id} in room {interview['room']}")
    typer.echo(f"  token: interview-worker interviews token {interview_id}")
    if not dispatched:
        typer.echo(f"  interviewer: interview-worker interviews dispatch {interview_id}")


async def _create(
    candidate: str,
    plan_path: Path,
    room: str | None,
    *,
    interview_id: str | None = None,
    identity: str | None = None,
    opens: str | None = None,
    closes: str | None = None,
    send: bool,
) -> dict[str, Any]:
    windows: list[tuple[datetime | None, datetime | None]] = []
    settings = load_settings(
        lambda _: load_plan(plan_path),
        lambda _: check_names(
            ("--candidate", candidate), ("--identity", identity), ("--room", room)
        ),
        lambda _: _check_id(interview_id),
        lambda _: windows.append(window(opens, closes, now=datetime.now(UTC))),
        has_livekit,
        has_valid_database_url,
    )
    # Skip the check of the language if the settings are invalid, because the providers are then not
    # known.
    plan, language_warnings = plan_of(plan_path, settings)
    for warning in language_warnings:
        report(f"{plan_path}: {warning}")
    opens_at, closes_at = windows[0]
    wanted = NewInterview(
        plan=plan.to_json(),
        protocol=plan.protocol(),
        candidate_name=candidate,
        interview_id=interview_id,
        candidate_identity=identity,
        room=room,
        opens_at=opens_at,
        closes_at=closes_at,
    )
    with _named_if_interrupted() as stored:
        async with database(settings) as db:
            if send:
                interview, sent = await creation.create_and_dispatch(
                    db, settings, wanted, on_stored=stored.append
                )
                if sent is not None:
                    _warn_of(sent)
                    _warn_of_wait(settings)
            else:
                interview = await creation.create(db, settings, wanted)
                stored.append(interview)
            return await operations.created_as_data(db, interview)


def _check_id(interview_id: str | None) -> None:
    if interview_id is not None:
        check_interview_id(interview_id)


@contextmanager
def _named_if_interrupted() -> Iterator[list[Interview]]:
    """Yield a list for the stored interview; on Ctrl-C, print the id of that interview."""
    stored: list[Interview] = []
    try:
        yield stored
    except asyncio.CancelledError:  # asyncio.run cancels the command on Ctrl-C
        for interview in stored:
            report(
                f"interrupted: interview {interview.interview_id} may be stored, and have an "
                f"interviewer; `interview-worker interviews show {interview.interview_id}` shows it"
            )
        raise


@app.command("dispatch", epilog=examples("interviews dispatch"))
def dispatch(interview: InterviewId, as_json: Json = False) -> None:
    """Dispatch an interviewer that continues where the interview stopped.

    Use this command for an interview whose job failed, whose worker was lost, or that never
    started. The command creates the room again if the room no longer exists. The command refuses an
    interview that is over, that has an interviewer in its room, or whose window closed while it
    waited for its candidate.
    """
    sent = _run(_dispatch(interview))
    if as_json:
        print_json(sent)
        return
    typer.echo(f"an interviewer was sent to room {sent['room']} (dispatch {sent['dispatch_id']})")


async def _dispatch(interview_id: str) -> dict[str, Any]:
    settings = load_settings(has_livekit, has_valid_database_url)
    async with database(settings) as db:
        interview, sent = await operations.redispatch(db, settings, interview_id)
    _warn_of(sent)
    return {
        "interview_id": interview_id,
        "room": interview.room,
        "dispatch_id": sent.dispatch_id,
    }


@app.command("cancel", epilog=examples("interviews cancel"))
def cancel(interview: InterviewId, as_json: Json = False) -> None:
    """Cancel an interview: it is over, and no interviewer continues it.

    An interviewer in its room finishes the sentence, says goodbye and leaves, within a few seconds
    if its job reaches the database. The interview ends as cancelled, with the reason
    CancelRequested. The command may be repeated. The command fails for an interview that ended in
    another way.
    """
    cancelled = run(_cancel(interview))
    if as_json:
        print_json(cancelled)
        return
    typer.echo(f"interview {cancelled['interview_id']} is cancelled")


async def _cancel(interview_id: str) -> dict[str, Any]:
    async with database(load_settings(has_valid_database_url)) as db:
        return await operations.cancel(db, interview_id)


def _warn_of(sent: operations.Sent) -> None:
    if not sent.carries_plan:
        report(
            f"the plan is too large for a dispatch (limit: {MAX_METADATA_BYTES // 1024} KiB): "
            "without the database, the interviewer cannot hold the interview"
        )


def _warn_of_wait(settings: Settings) -> None:
    report(
        f"the interviewer is on its way and waits {settings.candidate_join_s:g} s for the "
        "candidate (INTERVIEW_CANDIDATE_JOIN_S of the worker); a candidate who comes later, within "
        "the interview's window, gets the next interviewer"
    )


app.command("list", epilog=examples("interviews list"))(list_)
app.command("show", epilog=examples("interviews show"))(show)


@app.command("token", epilog=examples("interviews token"))
def token(interview: InterviewId, as_json: Json = False) -> None:
    """Print the token with which the candidate's client joins; --json adds the server's URL.

    The token is valid within the window of the interview, for its room and its candidate. If an
    interviewer still holds the interview after its window has closed, the token is valid for ten
    minutes. The command refuses an interview that is over, or whose window closed while it waited
    for its candidate. The URL is INTERVIEW_LIVEKIT_PUBLIC_URL or, if it is not set, LIVEKIT_URL.
    """
    pair = _run(_token(interview))
    if as_json:
        print_json(pair)
    else:
        typer.echo(pair["token"])


async def _token(interview_id: str) -> dict[str, str]:
    settings = load_settings(operations.livekit_client, has_valid_database_url)
    async with database(settings) as db:
        pair = await operations.candidate_token(db, settings, interview_id)
    if len(settings.livekit_api_secret.get_secret_value().encode()) < _SHORT_SECRET:
        report(
            f"LIVEKIT_API_SECRET has fewer than {_SHORT_SECRET} bytes, so that others may guess it "
            "and sign tokens of their own: use a longer one outside of tests"
        )
    return pair


def _run(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that signs tokens for LiveKit, and hide the warning of a short secret.

    The warning would show a file name and a line of source code. The command `token` prints its own
    warning about a short secret.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The HMAC key is")
        return run(work)


app.command("export", epilog=examples("interviews export"))(export)
