"""A worker as an operator runs it: a separate process with its log, journals and commands."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias
from uuid import uuid4

import psutil
from filelock import AsyncFileLock

from states import History
from tests.support.environment import environment
from tests.support.folders import new_folder
from tests.support.live.priority import without_priority
from tests.support.live.waiting import PATIENCE_S, eventually
from tests.support.live.worker_files import WorkerJournals, WorkerLog
from worker.continuity.dispatch_metadata import dispatch_metadata
from worker.continuity.metadata_cipher import WorkerKeys
from worker.simulation.child_process import start_child
from worker.simulation.room_candidate import Candidate
from worker.store.database import Database
from worker.store.embedded.client import EmbeddedPostgres
from worker.store.interviews import Interview, create_interview

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence

    from worker.interview.plan.plan import Plan
    from worker.simulation.livekit_server import LiveKitServer

#: Starts a worker with the test's own settings; the worker ends with the test.
StartWorker: TypeAlias = "Callable[[Mapping[str, str]], Awaitable[RunningWorker]]"

#: Lock that is held while a worker starts. Loading the models takes a whole processor; two starts
#: at once would make the candidates of parallel tests stutter.
_STARTING = Path(tempfile.gettempdir()) / "interview-worker-tests-starting.lock"
#: Variable with a folder in which the log and the journals of every worker are kept, to find out
#: why a scenario failed.
_KEEP_LOGS = "KEEP_LOGS"
#: Number of log lines to show for a worker that does not end.
_LAST_LINES = 20


def command(
    *arguments: str, settings: Mapping[str, str], cwd: Path
) -> subprocess.CompletedProcess[str]:
    """Run one of the worker's commands to its end, in a folder without the checkout's `.env`."""
    return subprocess.run(
        [sys.executable, "-m", "worker", *arguments],
        env=environment(settings),
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


def left_behind(folder: Path) -> list[str]:
    """Return the living processes that were started with this data folder."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.status() == psutil.STATUS_ZOMBIE:
                continue
            words = [*process.cmdline(), process.environ().get("INTERVIEW_DATA_DIR", "")]
            if any(word.startswith(str(folder)) for word in words):
                found.append(f"{process.pid} {process.name()}")
        except psutil.Error:
            continue
    return found


@asynccontextmanager
async def database_elsewhere() -> AsyncIterator[str]:
    """Yield the URL of a database that belongs to no worker and outlives the workers."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        async with await EmbeddedPostgres.start(folder) as database:
            yield database.url


class RunningWorker:
    """A worker process with its own data folder, embedded database and agent name.

    Args:
        server: The LiveKit server whose jobs the worker takes.
        settings: Environment variables that override the settings shared by all tests.
        inside: Command prefix that starts the worker elsewhere, for example in a namespace.
    """

    def __init__(
        self,
        server: LiveKitServer,
        settings: Mapping[str, str] | None = None,
        *,
        inside: Sequence[str] = (),
    ) -> None:
        self.server = server
        self._inside = inside
        # Not pytest's folder: under root, PostgreSQL runs as a user without access to it.
        self.folder = new_folder("interview-worker-")
        self.data_dir = self.folder / "data"
        self.log_path = self.folder / "log"
        self.agent_name = f"interviewer-{uuid4().hex[:8]}"
        self.settings = {
            "LIVEKIT_URL": server.url,
            "LIVEKIT_API_KEY": server.api_key,
            "LIVEKIT_API_SECRET": server.api_secret,
            "INTERVIEW_EMBEDDED": "1",
            "INTERVIEW_DATA_DIR": str(self.data_dir),
            "INTERVIEW_AGENT_NAME": self.agent_name,
            "INTERVIEW_HTTP_PORT": "0",
            "INTERVIEW_LOG_FORMAT": "json",
            # The most verbose level, so that tests search all log output for private data.
            "INTERVIEW_LOG_LEVEL": "DEBUG",
            "INTERVIEW_SLOTS": "4",
            "INTERVIEW_DRAIN_S": "0",
            # No redispatch: a failed job stays the only job of its room, unless a test changes it.
            "INTERVIEW_REDISPATCH_TRIES": "0",
            **(settings or {}),
        }
        self.process: subprocess.Popen[bytes] | None = None
        self._log = WorkerLog(self.log_path)
        self._journals = WorkerJournals(self.data_dir / "journals")

    # --- start and end ----------------------------------------------------------------------------

    async def start(self, *, registers: bool = True) -> None:
        """Start the worker and wait until LiveKit has registered it.

        If it cannot register, because no process can be prepared, wait for its HTTP server instead.
        """
        async with AsyncFileLock(_STARTING):
            self._log.begin()
            # Append: when a scenario fails, the log of the worker before a restart is kept as well.
            with self.log_path.open("ab") as log:
                self.process = start_child(
                    [*self._inside, *without_priority(), sys.executable, "-m", "worker", "start"],
                    output=log,
                    env=environment(self.settings),
                    cwd=self.folder,
                )
            if registers:
                await self.logged(message="registered worker")
            else:
                await self.logged("http_server_started")

    async def exited(self) -> int:
        """Wait for the worker's end; return its exit code."""
        assert self.process is not None
        process = self.process
        try:
            await eventually(lambda: process.poll() is not None, "the worker's end")
        except AssertionError as error:
            # The log is deleted with the folder, so its last lines go into the error.
            last = "\n".join(self.log_path.read_text().splitlines()[-_LAST_LINES:])
            raise AssertionError(f"{error}; its log ends with\n{last}") from None
        return process.returncode

    def terminate(self) -> None:
        """Send SIGTERM."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)

    async def stop(self) -> int:
        """Send SIGTERM and wait; return the exit code."""
        assert self.process is not None
        if self.process.poll() is None:
            self.terminate()
        return await self.exited()

    async def nothing_left(self) -> None:
        """Wait until all processes of the worker have ended, also the database's keeper (2 s)."""
        # Each check reads the environment of every process on the machine.
        await eventually(
            lambda: not left_behind(self.data_dir),
            "the end of every process",
            timeout_s=30,
            poll_s=0.5,
        )

    async def discard(self) -> None:
        """End the worker in any state, and remove its folder."""
        try:
            if self.process is not None:
                await self.stop()
                await self.nothing_left()
        finally:
            if self.process is not None and self.process.poll() is None:
                self.process.kill()
                self.process.wait()
            self._keep_files()
            shutil.rmtree(self.folder, ignore_errors=True)

    def _keep_files(self) -> None:
        """Copy the log and the journals to the folder of `_KEEP_LOGS`, if it is set."""
        if folder := os.environ.get(_KEEP_LOGS):
            # Workers of one agent name have folders of their own.
            kept = Path(folder) / f"{self.agent_name}-{self.folder.name}"
            kept.mkdir(parents=True, exist_ok=True)
            for path in (self.log_path, *(self.data_dir / "journals").rglob("*.jsonl")):
                with suppress(OSError):
                    shutil.copy2(path, kept)

    # --- log and commands -------------------------------------------------------------------------

    def log(self, **fields: Any) -> list[dict[str, Any]]:
        """Return the log lines with these fields. Raises ValueError for a line that is not JSON."""
        return self._log.lines(**fields)

    async def logged(self, event: str | None = None, **fields: Any) -> dict[str, Any]:
        """Wait for a log line with this key and these fields; return the first match.

        A library's line has no key of its own: search for its `message`.
        """
        sought = fields if event is None else {"event": event, **fields}
        assert self.process is not None
        process = self.process

        def line() -> dict[str, Any] | None:
            if process.poll() is not None:
                raise AssertionError(f"the worker exited with {process.returncode}")
            return next(iter(self.log(**sought)), None)

        return await eventually(line, f"a log line with {sought}")

    async def command_text(self, *arguments: str) -> str:
        """Run a command with this worker's settings; return its output."""
        done = await asyncio.to_thread(command, *arguments, settings=self.settings, cwd=self.folder)
        assert done.returncode == 0, done.stderr
        return done.stdout

    async def command_json(self, *arguments: str) -> Any:
        """Run a command with --json; return its parsed output."""
        return json.loads(await self.command_text(*arguments, "--json"))

    # --- interviews -------------------------------------------------------------------------------

    @asynccontextmanager
    async def database(self) -> AsyncIterator[Database]:
        """Open the worker's database with connections of the test's own."""
        async with AsyncExitStack() as stack:
            url = self.settings.get("DATABASE_URL")
            if url is None:
                embedded = await EmbeddedPostgres.start(self.data_dir)
                url = (await stack.enter_async_context(embedded)).url
            database = await Database.open(url)
            stack.push_async_callback(database.aclose)
            yield database

    async def create(self, plan: Plan, *, identity: str | None = None) -> Interview:
        """Create an interview and its room, without a dispatch."""
        async with self.database() as database:
            interview = await create_interview(
                database,
                interview_id=uuid4().hex[:12],
                plan=plan.to_json(),
                candidate_name="Ada",
                candidate_identity=identity,
            )
        await self.server.client.create_room(interview.room)
        return interview

    async def send_interviewer(self, interview: Interview) -> None:
        """Dispatch an interviewer, as `interviews create --dispatch` does."""
        seal = self.keys.seal(interview)
        await self.dispatch(interview.room, dispatch_metadata(interview, seal=seal))

    @property
    def keys(self) -> WorkerKeys:
        """The keys with which this worker encrypts and decrypts dispatches."""
        secret = self.settings["LIVEKIT_API_SECRET"]
        return WorkerKeys(self.settings.get("INTERVIEW_METADATA_KEY") or secret)

    async def dispatch(self, room: str, metadata: str) -> None:
        """Dispatch this worker to a room with any metadata."""
        await self.server.client.dispatch(agent_name=self.agent_name, room=room, metadata=metadata)

    def candidate(self, room: str, identity: str = "candidate") -> Candidate:
        """Return a candidate that can join a room."""
        token = self.server.client.candidate_token(room=room, identity=identity)
        return Candidate(self.server.url, token)

    def candidate_of(self, interview: Interview) -> Candidate:
        """Return the candidate of an interview."""
        return self.candidate(interview.room, interview.candidate_identity)

    async def participants(self, room: str) -> list[str]:
        """Return the identities in a room, as the server lists them."""
        return await self.server.client.list_participants(room)

    async def delete_room(self, room: str) -> None:
        """Delete a room through the server's API."""
        await self.server.client.delete_room(room)

    # --- jobs -------------------------------------------------------------------------------------

    def histories(self, room: str) -> list[History]:
        """Return the histories of a room's jobs from the journals on disk, ingested or not."""
        return self._journals.in_room(room)

    async def job(self, room: str, *, until: Callable[[History], bool] = bool) -> History:
        """Wait for a job in the room for which `until` is true; return its history."""

        def found() -> History | None:
            return next(filter(until, self.histories(room)), None)

        return await eventually(found, f"a job in {room}, so far")

    async def ended_job(self, room: str) -> History:
        """Wait until the room's only job has ended and its journal is completely ingested."""

        def shipped() -> History | None:
            (history,) = self.histories(room) or (None,)
            if history is None:
                return None
            path = self.data_dir / "journals/shipped" / f"{history.header['job_id']}.jsonl"
            # Read the journal again: its last record may be newer than the first read.
            return History.read(path) if path.exists() else None

        return await eventually(shipped, f"the end of the job in {room}")
