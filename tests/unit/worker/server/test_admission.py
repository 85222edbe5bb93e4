"""The acceptance of jobs: by a worker's free slots, never by the CPU's load."""

from __future__ import annotations

import asyncio
import os
import re
import signal
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
import typer
from livekit.protocol import agent

from tests.support.virtual.job_parts import settings_in
from worker.cli.common import ExitCode, one_line_errors
from worker.continuity.metadata_cipher import WorkerKeys
from worker.job.signals import SHUTDOWN_SIGNAL
from worker.livekit_api.errors import LiveKitLost
from worker.server.admission import SERVER_TARGET_LOAD
from worker.server.agent_server import JobServer
from worker.server.drain_state import DrainState
from worker.server.observability import PortTaken
from worker.server.start import install_signals
from worker.server.worker import Worker
from worker.store.scope import PROTOCOL

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from livekit.agents import JobRequest

SECRET = "a-secret-of-at-least-thirty-two-characters"


class FakeRequest:
    """A job request."""

    def __init__(self, name: str) -> None:
        self.id = name
        room = SimpleNamespace(name="room-1")
        self.job = SimpleNamespace(metadata="", attributes={}, room=room)
        self.accepted: dict[str, Any] | None = None
        self.rejected: dict[str, Any] | None = None
        self.handed_over = asyncio.Event()
        self.failure: Exception | None = None

    async def accept(self, **arguments: Any) -> None:
        self.accepted = arguments
        await self.handed_over.wait()
        if self.failure is not None:
            raise self.failure

    async def reject(self, **arguments: Any) -> None:
        self.rejected = arguments


class Slots:
    """A worker with a list as its running jobs."""

    def __init__(self, folder: Path, slots: int, **variables: Any) -> None:
        self.running: list[Any] = []
        settings = settings_in(
            folder,
            LIVEKIT_URL="ws://127.0.0.1:1",
            LIVEKIT_API_KEY="key",
            LIVEKIT_API_SECRET=SECRET,
            INTERVIEW_SLOTS=slots,
            **variables,
        )
        self.worker = Worker(settings)
        self.server = self.worker.server
        self.worker.server = cast(Any, SimpleNamespace(active_jobs=self.running))

    def run(self, name: str) -> None:
        self.running.append(SimpleNamespace(job=SimpleNamespace(id=name)))

    async def offer(self, request: FakeRequest) -> None:
        await self.worker.slots.on_request(cast("JobRequest", request))


@pytest.fixture(autouse=True)
def unchanged_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Restore the environment: a worker configures its job processes through it."""
    monkeypatch.setattr(os, "environ", os.environ.copy())


# --- the load -----------------------------------------------------------------------------------


@pytest.mark.row("S13")
@pytest.mark.parametrize(("jobs", "share"), [(0, 0.0), (1, 0.25), (2, 0.5), (4, 1.0), (9, 1.0)])
def test_the_load_is_the_share_of_slots_in_use(tmp_path: Path, jobs: int, share: float) -> None:
    slots = Slots(tmp_path, 4)
    for number in range(jobs):
        slots.run(f"AJ_{number}")
    assert slots.worker.slots.load() == pytest.approx(SERVER_TARGET_LOAD * share)


@pytest.mark.parametrize("slots", [1, 3, 7, 1000])
def test_one_free_slot_keeps_the_load_below_the_servers_target_load(
    tmp_path: Path, slots: int
) -> None:
    """LiveKit's server silently drops a dispatch to a worker at its target load."""
    taken = Slots(tmp_path, slots)
    for number in range(slots - 1):
        taken.run(f"AJ_{number}")
    assert taken.worker.slots.load() < SERVER_TARGET_LOAD
    taken.run("AJ_last")
    assert taken.worker.slots.load() == SERVER_TARGET_LOAD


async def test_a_job_being_accepted_counts_as_exactly_one_slot(tmp_path: Path) -> None:
    slots = Slots(tmp_path, 2)
    request = FakeRequest("AJ_1")
    accepting = asyncio.create_task(slots.offer(request))
    await asyncio.sleep(0)
    assert slots.worker.slots.load() == pytest.approx(SERVER_TARGET_LOAD / 2)
    slots.run("AJ_1")
    assert slots.worker.slots.load() == pytest.approx(SERVER_TARGET_LOAD / 2)
    request.handed_over.set()
    await accepting
    assert slots.worker.slots.load() == pytest.approx(SERVER_TARGET_LOAD / 2)


@pytest.mark.row("S13")
async def test_a_worker_without_a_free_slot_tells_livekit_that_it_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """LiveKit's server may choose a worker for its load although another one has a free slot."""
    slots = Slots(tmp_path, 1)
    told: list[Any] = []

    async def note(message: Any) -> None:
        told.append(message.update_worker.status)

    monkeypatch.setattr(slots.server, "_queue_msg", note)
    monkeypatch.setattr(JobServer, "active_jobs", property(lambda _: slots.running))
    monkeypatch.setattr(slots.server, "_worker_load", 0.0, raising=False)
    monkeypatch.setattr(slots.server, "_reserved_slots", 0, raising=False)
    monkeypatch.setattr(slots.server, "_devmode", False, raising=False)
    available, full = agent.WorkerStatus.WS_AVAILABLE, agent.WorkerStatus.WS_FULL
    monkeypatch.setattr(slots.server, "_previous_status", available, raising=False)

    await slots.server.tell_status()
    slots.run("AJ_1")
    await slots.server.tell_status()
    slots.running.clear()
    await slots.server.tell_status()

    assert told == [available, full, available]


async def test_an_accepted_job_is_told_to_livekit_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slots = Slots(tmp_path, 1)
    seats: list[int | None] = []

    async def tell_status() -> None:
        seats.append(slots.worker.slots.seats)

    slots.worker.server.tell_status = tell_status  # type: ignore[method-assign]
    slots.worker.registered.set()
    request = FakeRequest("AJ_1")
    accepting = asyncio.create_task(slots.offer(request))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert seats == [0]
    request.handed_over.set()
    await accepting


# --- requests -----------------------------------------------------------------------------------


async def test_a_job_is_accepted_under_its_own_identity(tmp_path: Path) -> None:
    request = FakeRequest("AJ_1")
    request.handed_over.set()
    await Slots(tmp_path, 1).offer(request)
    assert request.accepted is not None
    assert request.accepted == {"identity": "interviewer-AJ_1", "name": "Interviewer"}
    assert request.rejected is None


async def test_a_job_of_an_own_application_is_accepted_under_a_neutral_identity(
    tmp_path: Path,
) -> None:
    slots = Slots(tmp_path, 1, INTERVIEW_APPLICATION="examples.receptionist:Receptionist")
    request = FakeRequest("AJ_1")
    request.handed_over.set()
    await slots.offer(request)
    assert request.accepted == {"identity": "agent-AJ_1", "name": "Agent"}


async def test_without_a_free_slot_a_job_is_refused_so_that_another_worker_is_asked(
    tmp_path: Path,
) -> None:
    """A plain rejection would end the job for the server."""
    slots = Slots(tmp_path, 1)
    slots.run("AJ_1")
    request = FakeRequest("AJ_2")
    await slots.offer(request)
    assert request.accepted is None
    assert request.rejected == {"terminate": False}


@pytest.mark.parametrize("drain_s", [0, 60])
async def test_a_stopping_worker_refuses_jobs(tmp_path: Path, drain_s: int) -> None:
    slots = Slots(tmp_path, 1, INTERVIEW_DRAIN_S=drain_s)
    slots.worker.stop()
    request = FakeRequest("AJ_1")
    await slots.offer(request)
    assert request.accepted is None
    assert request.rejected == {"terminate": False}


@pytest.mark.row("S8")
async def test_simultaneous_offers_do_not_share_a_slot(tmp_path: Path) -> None:
    slots = Slots(tmp_path, 2)
    requests = [FakeRequest(f"AJ_{number}") for number in range(5)]
    offers = [asyncio.create_task(slots.offer(request)) for request in requests]
    await asyncio.sleep(0)
    assert [request.accepted is not None for request in requests] == [True] * 2 + [False] * 3
    for request in requests:
        request.handed_over.set()
    await asyncio.gather(*offers)


INTERVIEW = '{"interview_id": "one"}'


@pytest.mark.parametrize(
    ("is_late", "has_database", "metadata", "accepted"),
    [
        pytest.param(True, True, INTERVIEW, False, id="late: another worker or dispatch is sooner"),
        pytest.param(True, False, INTERVIEW, True, id="without a database no dispatch is repeated"),
        pytest.param(True, True, "", True, id="without an interview no dispatch is repeated"),
        pytest.param(False, True, "", True, id="not late"),
    ],
)
async def test_a_job_that_would_begin_late_is_refused_if_it_is_dispatched_again(
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    is_late: bool,
    has_database: bool,
    metadata: str,
    accepted: bool,
) -> None:
    slots = Slots(tmp_path, 2)
    database = object() if has_database else None
    slots.worker._books = cast(Any, SimpleNamespace(database=database))
    slots.worker._set_ups = cast(Any, SimpleNamespace(is_late=is_late))
    request = FakeRequest("AJ_1")
    request.job.metadata = metadata
    request.handed_over.set()
    await slots.offer(request)
    assert (request.accepted is not None) is accepted
    assert request.rejected == (None if accepted else {"terminate": False})
    assert ("no process is warm" in caplog.text) is not accepted


@pytest.mark.parametrize(
    ("metadata", "accepted"),
    [
        (f'{{"interview_id": "one", "protocol": {PROTOCOL + 1}}}', False),
        (f'{{"interview_id": "one", "protocol": {PROTOCOL}}}', True),
        ('{"interview_id": "one", "protocol": 1}', True),
        ('{"interview_id": "one"}', True),
        (f'{{"protocol": {PROTOCOL + 1}}}', True),
    ],
    ids=["newer", "own", "older", "version 0.1.0", "no interview"],
)
async def test_an_interview_of_a_later_version_is_left_to_another_worker(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, metadata: str, accepted: bool
) -> None:
    slots = Slots(tmp_path, 2)
    refused: list[str] = []
    taken: list[tuple[str, ...]] = []
    slots.worker.slots._on_refused = refused.append
    slots.worker.slots._on_taken = lambda *job: taken.append(job)
    request = FakeRequest("AJ_1")
    request.job.metadata = metadata
    request.handed_over.set()
    await slots.offer(request)
    assert request.rejected == (None if accepted else {"terminate": False})
    assert refused == ([] if accepted else ["NewerProtocol"])
    assert taken == ([("AJ_1", "room-1", metadata)] if accepted else [])
    assert ("a later version of the worker" in caplog.text) is not accepted


@pytest.mark.parametrize("known", [True, False], ids=["own key", "another key"])
async def test_a_job_whose_metadata_no_key_decrypts_is_left_to_another_worker(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, known: bool
) -> None:
    slots = Slots(tmp_path, 2)
    refused: list[str] = []
    taken: list[tuple[str, ...]] = []
    slots.worker.slots._on_refused = refused.append
    slots.worker.slots._on_taken = lambda *job: taken.append(job)
    plain = '{"interview_id": "one", "protocol": 1, "plan": {}}'
    keys = WorkerKeys(SECRET if known else "x" * 32)
    request = FakeRequest("AJ_1")
    request.job.metadata = keys.for_interview("room-1", "one").encrypt(plain)
    request.handed_over.set()
    await slots.offer(request)
    if known:
        assert (request.rejected, refused) == (None, [])
        assert request.job.metadata == plain
        assert taken == [("AJ_1", "room-1", plain)]
    else:
        assert (request.rejected, refused) == ({"terminate": False}, ["MetadataLocked"])
        assert (request.accepted, taken, request.job.attributes) == (None, [], {})
        (line,) = [each for each in caplog.messages if "refused a job" in each]
        assert "INTERVIEW_METADATA_KEY" in line
        assert "\n" not in line


async def test_a_job_whose_assignment_times_out_frees_its_slot(tmp_path: Path) -> None:
    slots = Slots(tmp_path, 1)
    request = FakeRequest("AJ_1")
    request.failure = TimeoutError("assignment timed out")
    request.handed_over.set()
    with pytest.raises(TimeoutError):
        await slots.offer(request)
    assert slots.worker.slots.load() == 0


# --- stopping -----------------------------------------------------------------------------------


@pytest.mark.row("C5")
def test_the_first_stop_drains_the_second_hands_over_and_the_third_ends(tmp_path: Path) -> None:
    worker = Slots(tmp_path, 1).worker
    hurried: list[str] = []
    worker._departure.hurry = lambda: hurried.append("hurry")  # type: ignore[method-assign]
    worker.stop()
    assert worker._stopping.is_set()
    assert hurried == []
    worker.stop()
    worker.stop()
    assert hurried == ["hurry", "hurry"]


def test_a_stopping_worker_reports_no_free_slots(tmp_path: Path) -> None:
    worker = Slots(tmp_path, 2).worker
    assert worker.slots.seats == 2
    worker.stop()
    assert worker.slots.seats is None


class LostServer:
    """A server that loses LiveKit permanently while one job runs."""

    def __init__(self) -> None:
        self.closed = False
        self.active_jobs: list[Any] = []
        running = SimpleNamespace(job=SimpleNamespace(id="AJ_1"))
        job = SimpleNamespace(running_job=running, pid=4711, join=self.join)
        self._proc_pool = SimpleNamespace(processes=[job])
        self.joined = False

    end_jobs, tell_jobs, job_pids = JobServer.end_jobs, JobServer.tell_jobs, JobServer.job_pids

    def on(self, *_: object) -> None: ...

    async def join(self) -> None:
        self.joined = True

    async def run(self) -> None:
        raise RuntimeError("failed to connect to livekit after 16 attempts")

    async def aclose(self) -> None:
        self.closed = True


async def test_permanently_losing_livekit_ends_the_jobs_and_the_worker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def reached() -> None: ...

    told: list[tuple[int, int]] = []
    worker = Slots(tmp_path, 1).worker
    worker.server = server = cast(Any, LostServer())
    must_end: list[float] = []
    worker._on_stop = must_end.append
    monkeypatch.setattr(worker, "_reach_livekit", reached)
    monkeypatch.setattr(os, "kill", lambda *word: told.append(word))
    with pytest.raises(LiveKitLost, match=re.escape("ws://127.0.0.1:1")):
        await worker.run()
    assert told == [(4711, SHUTDOWN_SIGNAL)]
    assert (server.joined, server.closed) == (True, True)
    assert must_end == [2 * worker._settings.cleanup_s + 35.0]


def test_a_lost_livekit_exits_with_the_code_for_unavailable() -> None:
    with pytest.raises(typer.Exit) as left, one_line_errors():
        raise LiveKitLost("wss://key:secret@example.com/path")
    assert left.value.exit_code == ExitCode.UNAVAILABLE


async def test_a_closed_terminal_drains_and_does_not_hurry_the_jobs(tmp_path: Path) -> None:
    worker = Slots(tmp_path, 1).worker
    install_signals(stop=worker.stop, on_hangup=worker._begin_to_stop)
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGHUP):
        os.kill(os.getpid(), number)
    await worker._stopping.wait()
    await asyncio.sleep(0)
    assert worker._departure.state is DrainState.ACCEPTING


@pytest.fixture
def hang_up() -> Iterator[None]:
    """Let SIGHUP have an effect in this process, which nohup(1) may have started."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


async def test_a_worker_whose_terminal_was_closed_reports_draining(
    tmp_path: Path, hang_up: None
) -> None:
    worker = Slots(tmp_path, 1).worker
    install_signals(stop=worker.stop, on_hangup=worker._begin_to_stop)
    os.kill(os.getpid(), signal.SIGHUP)
    await worker._stopping.wait()
    assert worker.observation.draining


def test_the_error_for_a_port_in_use_names_the_setting() -> None:
    assert "INTERVIEW_HTTP_PORT" in str(PortTaken("127.0.0.1", 8081))
