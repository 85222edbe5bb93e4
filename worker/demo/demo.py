"""The demo: a LiveKit server, a database, a worker, and an interview with a candidate."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, TextIO

from rich.console import Console
from rich.markup import escape

from states import History, render
from worker.config.settings import Settings
from worker.demo.script import CandidateScript
from worker.demo.worker_process import running_worker
from worker.env.proxies import tell_sdk
from worker.env.secret_files import SUFFIX
from worker.interview.plan.plan import SAMPLE_PLAN, load_plan
from worker.interview.resources import interview_meanings
from worker.livekit_api.client import LiveKitClient
from worker.livekit_api.errors import shown_url
from worker.operations.interviews import interview_as_data, send_interviewer
from worker.operations.jobs import journal_path
from worker.operations.transcript import as_markdown
from worker.simulation.conversation import Exchange, hold_conversation
from worker.simulation.livekit_server import LiveKitServer, find_or_build
from worker.simulation.room_candidate import Candidate
from worker.store.database import Database
from worker.store.embedded.client import EmbeddedPostgres
from worker.store.interviews import Interview, create_interview
from worker.store.jobs import list_jobs
from worker.store.migrate import migrate

#: Maximum seconds from the end of the conversation until the interview has ended and the exit codes
#: of its jobs are in the database.
_JOB_END_S = 30.0

Say = Callable[[str], None]


class DemoFailed(Exception):
    """Raised when the demo cannot continue. The message gives the reason."""


async def run_demo(console: Console, folder: Path) -> History:
    """Hold the interview, and write recording, transcript, journal and diagram to `folder`.

    Raises LiveKitServerUnavailable if no LiveKit server is found, built or started,
    WorkerDidNotStart if the worker does not start, CandidateTimeout if the interviewer does
    not speak or leave in time, DemoFailed if the interview does not end in time or has no journal,
    LiveKitError if the server at LIVEKIT_URL fails, and EmbeddedPostgresError if PostgreSQL does
    not start. All processes that the demo started have ended on return, also after an error.
    """
    began = time.monotonic()

    def say(line: str) -> None:
        console.print(f"[dim]{time.monotonic() - began:6.1f} s[/dim]  {line}", soft_wrap=True)

    async with AsyncExitStack() as stack:
        data_dir = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="interview-demo-")))
        livekit = await stack.enter_async_context(_livekit(say))
        say("starting PostgreSQL")
        postgres = await stack.enter_async_context(await EmbeddedPostgres.start(data_dir))
        settings = _settings(livekit, postgres.url, data_dir)
        db = await Database.open(postgres.url)
        stack.push_async_callback(db.aclose)
        await migrate(db, budget_s=30.0)
        plan = load_plan(SAMPLE_PLAN)
        interview = await create_interview(
            db,
            interview_id=secrets.token_hex(6),
            plan=plan.to_json(),
            protocol=plan.protocol(),
        )
        say("starting the worker (it loads the speech models once for all jobs)")
        meeting = _in_room(settings, db, interview, folder / "worker.log", say)
        candidate = await stack.enter_async_context(meeting)
        await _converse(candidate, folder, say, console)
        say("the interviewer has left")
        return await _write_down(settings, db, interview.interview_id, folder)


@asynccontextmanager
async def _livekit(say: Say) -> AsyncIterator[LiveKitClient]:
    given = Settings.load()
    if given.livekit_url:
        say(f"using the LiveKit server at {escape(shown_url(given.livekit_url))}")
        yield LiveKitClient.of(given)
        return
    binary = await find_or_build(say)
    say("starting a local LiveKit server")
    async with LiveKitServer(binary) as server:
        yield server.client


def _settings(livekit: LiveKitClient, database_url: str, data_dir: Path) -> Settings:
    """Return the settings of the demo, which replace the settings in the environment."""
    return Settings.load(
        LIVEKIT_URL=livekit.url,
        LIVEKIT_API_KEY=livekit.key,
        LIVEKIT_API_SECRET=livekit.secret,
        DATABASE_URL=database_url,
        INTERVIEW_DATA_DIR=data_dir,
        # The name is unique, so that no other worker on this server takes the demo's interview.
        INTERVIEW_AGENT_NAME=f"demo-{secrets.token_hex(3)}",
        INTERVIEW_HTTP_PORT=0,
        INTERVIEW_IDLE_PROCESSES=1,
        INTERVIEW_LOG_FORMAT="json",
    )


def _environment(settings: Settings) -> dict[str, str]:
    given = ("LIVEKIT_API_KEY", "LIVEKIT_API_SECRET", "DATABASE_URL")
    return {
        **os.environ,
        # The settings below replace settings that name files of the user.
        **{variable + SUFFIX: "" for variable in given},
        "LIVEKIT_URL": settings.livekit_url,
        "LIVEKIT_API_KEY": settings.livekit_api_key,
        "LIVEKIT_API_SECRET": settings.livekit_api_secret.get_secret_value(),
        "DATABASE_URL": settings.database_url.get_secret_value(),
        "INTERVIEW_DATA_DIR": str(settings.data_dir),
        "INTERVIEW_AGENT_NAME": settings.agent_name,
        "INTERVIEW_HTTP_PORT": str(settings.http_port),
        "INTERVIEW_IDLE_PROCESSES": str(settings.idle_processes),
        "INTERVIEW_LOG_FORMAT": settings.log_format,
    }


@asynccontextmanager
async def _in_room(
    settings: Settings, db: Database, interview: Interview, log: Path, say: Say
) -> AsyncIterator[Candidate]:
    """Start a worker, dispatch an interviewer to a room, and yield the candidate in the room."""
    livekit = LiveKitClient.of(settings)
    tell_sdk(livekit.url)
    async with running_worker(_environment(settings), log):
        await livekit.create_room(interview.room)
        await send_interviewer(db, settings, interview)
        say(f"interview {interview.interview_id} created and dispatched; the candidate is joining")
        identity = interview.candidate_identity
        token = livekit.candidate_token(room=interview.room, identity=identity, name="Candidate")
        async with Candidate(livekit.url, token) as candidate:
            yield candidate


async def _converse(candidate: Candidate, folder: Path, say: Say, console: Console) -> None:
    """Hold the interview, and save the recording even if the interview fails."""
    try:
        await hold_conversation(
            candidate,
            CandidateScript.for_sample_plan(),
            on_exchange=lambda exchange: _print_exchange(console, exchange),
        )
    finally:
        candidate.save_recording(folder / "recording.wav", own_voice=True)
    if candidate.late_frames:
        say(
            f"[yellow]this machine was busy: {candidate.late_frames} frames of the candidate's "
            "microphone were late, so some words may be misheard[/yellow]"
        )


def _print_exchange(console: Console, exchange: Exchange) -> None:
    console.print(f"   [cyan]interviewer[/cyan]  {exchange.heard}", highlight=False)
    if exchange.answered:
        console.print(f"     [green]candidate[/green]  {exchange.answered}", highlight=False)


async def _write_down(settings: Settings, db: Database, interview_id: str, folder: Path) -> History:
    """Wait until the job has exited, then write transcript, journal and diagram to `folder`."""
    shown = await _ended(db, interview_id)
    job_id = shown["jobs"][0]
    journal = journal_path(settings, job_id)
    if journal is None:
        raise DemoFailed(f"the journal of job {job_id} is missing")
    history = History.read(journal)
    (folder / "journal.jsonl").write_bytes(journal.read_bytes())
    (folder / "transcript.md").write_text(as_markdown(shown), encoding="utf-8")
    (folder / "interview.json").write_text(json.dumps(shown, indent=2, default=str) + "\n")
    (folder / "path.svg").write_text(
        render.svg(history, losses=interview_meanings()), encoding="utf-8"
    )
    return history


async def _ended(db: Database, interview_id: str) -> dict[str, Any]:
    """Wait until the interview has ended and its job's exit code is in the database.

    Return the interview. Raises DemoFailed if the wait takes longer than 30 s (`_JOB_END_S`).
    """
    try:
        async with asyncio.timeout(_JOB_END_S):
            while True:
                shown = await interview_as_data(db, interview_id)
                if shown["status"] == "ended" and await _all_exited(db, interview_id):
                    return shown
                await asyncio.sleep(0.2)
    except TimeoutError:
        raise DemoFailed(f"the interview did not end within {_JOB_END_S:g} s") from None


async def _all_exited(db: Database, interview_id: str) -> bool:
    jobs = await list_jobs(db, interview_id)
    return bool(jobs) and all(job.exit_code is not None for job in jobs)


def log_to(stream: TextIO) -> Console:
    """Return a console that writes to `stream`, as plain text if `stream` is not a terminal."""
    return Console(file=stream, highlight=False)
