"""The parts that a capture runs on: a LiveKit server, a PostgreSQL, workers, candidates."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from states import History, JournalError, State
from states.journal import read_records
from tests.support.environment import environment
from tests.support.live.waiting import eventually
from tests.support.paths import REPOSITORY
from worker.continuity.dispatch_metadata import dispatch_metadata
from worker.continuity.metadata_cipher import WorkerKeys
from worker.simulation.child_process import start_child
from worker.simulation.room_candidate import Candidate
from worker.store.interviews import Interview, create_interview

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence

    from worker.interview.plan.plan import Plan
    from worker.simulation.livekit_server import LiveKitServer
    from worker.store.database import Database


T = TypeVar("T")

#: Seconds after which something that must happen is given up.
PATIENCE_S = 180.0
#: The name that no worker takes dispatches for.
UNSERVED = "no-worker-has-this-name"
#: The data folder of most workers. It is a relative path, so that no absolute one is printed.
DATA = "data"


async def until(probe: Callable[[], T | None], awaited: str) -> T:
    """Call `probe` until it returns something true. Raises AssertionError after `PATIENCE_S`."""
    return await eventually(probe, awaited, timeout_s=PATIENCE_S, poll_s=0.1)


class World:
    """One folder, one LiveKit server, and one database for everything that is captured."""

    def __init__(
        self, folder: Path, server: LiveKitServer, database: Database, database_url: str
    ) -> None:
        self.folder = folder
        self.server = server
        self.database = database
        self.database_url = database_url
        #: Decrypted dispatch metadata, by the name of its form.
        self.metadata: dict[str, str] = {}

    def environment(self, settings: Mapping[str, str]) -> dict[str, str]:
        """This process's environment with these settings of the worker, and no others."""
        ours = {
            "PYTHONPATH": f"{REPOSITORY}:{Path(__file__).parent}",
            "LIVEKIT_URL": self.server.url,
            "LIVEKIT_API_KEY": self.server.api_key,
            "LIVEKIT_API_SECRET": self.server.api_secret,
            "INTERVIEW_EMBEDDED": "1",
            "INTERVIEW_DATA_DIR": DATA,
            "INTERVIEW_HTTP_PORT": "0",
            "INTERVIEW_LOG_FORMAT": "json",
            "INTERVIEW_SLOTS": "8",
            "INTERVIEW_IDLE_PROCESSES": "1",
            "INTERVIEW_DRAIN_S": "0",
            "INTERVIEW_REDISPATCH_TRIES": "0",
            **settings,
        }
        return environment(ours)

    def command(
        self, *arguments: str, settings: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run one of the worker's commands to its end."""
        return subprocess.run(
            [sys.executable, "-m", "worker", *arguments],
            env=self.environment(settings or {}),
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )

    async def create(self, plan: Plan) -> Interview:
        """A new interview and its room."""
        interview = await create_interview(
            self.database,
            interview_id=secrets.token_hex(6),
            plan=plan.to_json(),
            candidate_name="Ada",
        )
        await self.server.client.create_room(interview.room)
        return interview

    async def dispatch(self, room: str, metadata: str, *, agent_name: str = "interviewer") -> None:
        """Dispatch an interviewer to a room."""
        await self.server.client.dispatch(agent_name=agent_name, room=room, metadata=metadata)

    async def send(self, interview: Interview) -> None:
        """Dispatch an interviewer with the plan's snapshot."""
        seal = self.keys.seal(interview)
        await self.dispatch(interview.room, dispatch_metadata(interview, seal=seal))

    @property
    def keys(self) -> WorkerKeys:
        """The keys with which the workers encrypt and decrypt dispatches."""
        return WorkerKeys(self.server.api_secret)

    @asynccontextmanager
    async def candidate(self, room: str, identity: str) -> AsyncIterator[Candidate]:
        """A candidate who is in the room until the block ends."""
        token = self.server.client.candidate_token(room=room, identity=identity, name="Ada")
        async with Candidate(self.server.url, token) as candidate:
            yield candidate

    async def note_metadata(self, room: str, name: str, *, follows: bool) -> None:
        """Keep the metadata of a dispatch of this room, decrypted."""
        async with self.server.client.calling("list_dispatch") as client:
            found = await client.agent_dispatch.list_dispatch(room)
        # LiveKit adds one of its own to every room, which has none.
        keys = self.keys
        texts = [keys.decrypt(each.metadata, room=room) for each in found if each.metadata]
        self.metadata[name] = next(text for text in texts if ('"follows"' in text) is follows)

    def histories(self, room: str) -> list[History]:
        """What the journals tell of the jobs in a room, in whichever data folder."""
        found = []
        for path in sorted(self.folder.glob("*/journals/**/*.jsonl")):
            try:
                history = History.read(path)
            except (JournalError, FileNotFoundError):
                continue  # moved or begun at this moment
            if history.header.get("room") == room:
                found.append(history)
        return found

    async def job(self, room: str, *, but: Sequence[str] = ()) -> History:
        """A job of the room, once it is RUNNING."""

        def running() -> History | None:
            jobs = [j for j in self.histories(room) if j.header["job_id"] not in but]
            return next((j for j in jobs if State.RUNNING in j.path), None)

        return await until(running, f"a running job in {room}")

    async def over(self, room: str, *, jobs: int = 1) -> None:
        """Wait until the room has this number of jobs, and the process of each has ended."""

        def ended() -> bool:
            found = self.histories(room)
            return len(found) >= jobs and all(job.exited for job in found)

        await until(ended, f"the end of {jobs} jobs in {room}")

    async def asked(self, room: str, question: str, *, but: Sequence[str] = ()) -> History:
        """A job of the room that runs, once its interviewer has asked a question to its end."""

        def has_asked() -> History | None:
            for job in self.histories(room):
                said = [t for t in job.turns if t.speaker == "interviewer" and not t.interrupted]
                if job.header["job_id"] not in but and question in [t.question_id for t in said]:
                    return job
            return None

        return await until(has_asked, f"the question {question} in {room}")

    async def calm(self) -> None:
        """Restart the LiveKit server, so that no earlier dispatch is left."""
        await self.server.restart()

    async def hears(self, job: History) -> None:
        """Wait until a job has written down what it hears of an answer."""

        def heard() -> bool:
            (path,) = self.folder.glob(f"*/journals/**/{job.header['job_id']}.jsonl")
            return any(
                record["kind"] == "hearing" and (record["final"] or record["interim"])
                for record in read_records(path).records
            )

        await until(heard, "the beginning of an answer")

    async def one_over(self, room: str) -> None:
        """Wait until one job of the room is closed and its process has ended."""

        def ended() -> bool:
            return any(job.exited and job.outcome for job in self.histories(room))

        await until(ended, f"the end of a job in {room}")


class Worker:
    """A worker process."""

    def __init__(self, world: World, settings: Mapping[str, str]) -> None:
        self._world = world
        self._settings = dict(settings)
        self._log = world.folder / f"worker-{secrets.token_hex(3)}.log"
        self.process: subprocess.Popen[bytes] | None = None

    async def __aenter__(self) -> Worker:
        with self._log.open("wb") as log:
            self.process = start_child(
                [sys.executable, "-m", "worker", "start"],
                output=log,
                env=self._world.environment(self._settings),
                cwd=self._world.folder,
            )
        await self.logged("registered worker")
        return self

    async def __aexit__(self, *_: object) -> None:
        process = self._running
        if process.poll() is None:
            process.terminate()
        try:
            await until(lambda: process.poll() is not None, "the end of a worker")
        finally:
            if process.poll() is None:
                process.kill()

    async def logged(self, message: str) -> dict[str, Any]:
        """Wait for a message in the worker's log; returns its first line."""

        def line() -> dict[str, Any] | None:
            if self._running.poll() is not None:
                raise RuntimeError(f"the worker ended: see {self._log}")
            lines = [part for part in self._log.read_text().splitlines() if part.startswith("{")]
            return next((r for r in map(json.loads, lines) if r.get("message") == message), None)

        return await until(line, f"{message!r} in {self._log}")

    def terminate(self) -> None:
        """SIGTERM."""
        self._running.terminate()

    async def killed(self, *jobs: History) -> None:
        """SIGKILL the worker and these jobs: as when a machine loses its power."""
        pids = [self._running.pid, *(int(job.header["pid"]) for job in jobs)]
        for number in (signal.SIGSTOP, signal.SIGKILL):  # none of them sees another one end
            for pid in pids:
                os.kill(pid, number)
        await until(lambda: self._running.poll() is not None, "the end of a killed worker")

    @property
    def _running(self) -> subprocess.Popen[bytes]:
        assert self.process is not None
        return self.process
