"""livekit's AgentServer as the worker uses it: status reports to LiveKit, and the end of jobs."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
from livekit.agents import AgentServer
from livekit.agents.utils.http_server import HttpServer
from livekit.protocol import agent

from tests.support.virtual.async_steps import end
from worker.server.agent_server import CLOSED_LOAD, JobServer

if TYPE_CHECKING:
    from collections.abc import Callable

    from livekit.agents.ipc.proc_pool import ProcPool


class TalkingServer(JobServer):
    """A server that records its status reports to LiveKit."""

    def __init__(self, before_process: Callable[[], None] = lambda: None) -> None:
        self.takes = True
        self.pools: list[Any] = []
        self.told: list[Any] = []
        #: Set once a process for a job is prepared.
        self.prepared = asyncio.Event()
        super().__init__(
            takes_jobs=lambda: self.takes,
            on_pool=self.pools.append,
            first_process=self._prepares,
            before_process=before_process,
            load_threshold=float("inf"),
            load_fnc=lambda: 0.1 if self.takes else CLOSED_LOAD,
            ws_url="ws://127.0.0.1:1",
            api_key="key",
            api_secret="secret",
        )
        self._job_lifecycle_tasks = set[asyncio.Task[Any]]()
        self._worker_load, self._reserved_slots, self._devmode = 0.0, 0, False
        self._previous_status = agent.WorkerStatus.WS_AVAILABLE
        self._proc_pool = cast("ProcPool", SimpleNamespace(processes=[]))

    async def _prepares(self) -> None:
        await self.prepared.wait()

    async def _queue_msg(self, msg: Any) -> None:
        self.told.append(msg.update_worker)


@pytest.fixture
def connecting(monkeypatch: pytest.MonkeyPatch) -> list[AgentServer]:
    """Return the servers that connect to LiveKit; the framework's own task is replaced."""
    found: list[AgentServer] = []

    async def load(server: TalkingServer) -> float:
        return 0.1 if server.takes else CLOSED_LOAD  # without the framework's thread

    async def connect(server: AgentServer) -> None:
        found.append(server)
        server._connecting = False
        server.emit("worker_registered", "AW_1", None)
        await asyncio.Event().wait()

    monkeypatch.setattr(AgentServer, "_connection_task", connect)
    monkeypatch.setattr(TalkingServer, "_invoke_load_fnc", load)
    return found


@pytest.mark.looptime
async def test_the_worker_registers_only_once_its_first_process_is_prepared(
    connecting: list[AgentServer],
) -> None:
    talking = TalkingServer()
    assert not talking.awaits_process
    running = asyncio.create_task(talking._connection_task())
    await asyncio.sleep(3600)
    assert connecting == []
    assert (talking.awaits_process, talking.connected) == (True, False)

    talking.prepared.set()
    await asyncio.sleep(0.1)
    assert connecting == [talking]
    assert (talking.awaits_process, talking.connected) == (False, True)
    await end(running)


@pytest.mark.looptime
async def test_the_first_report_to_livekit_has_the_load_after_the_preparation(
    connecting: list[AgentServer],
) -> None:
    """LiveKit offers no job to a worker that reports the load of one that cannot run jobs."""
    talking = TalkingServer()
    talking.takes, talking._worker_load = False, CLOSED_LOAD
    running = asyncio.create_task(talking._connection_task())
    await asyncio.sleep(1)
    talking.takes = True
    talking.prepared.set()
    await asyncio.sleep(0.1)
    assert connecting == [talking]
    assert talking._worker_load == pytest.approx(0.1)
    await end(running)


@pytest.mark.looptime
async def test_a_server_that_closes_while_it_waits_for_a_process_never_registers(
    connecting: list[AgentServer],
) -> None:
    talking = TalkingServer()
    running = asyncio.create_task(talking._connection_task())
    await asyncio.sleep(1)
    running.cancel()  # as the framework does in `aclose`
    await asyncio.wait({running}, timeout=1)
    assert running.cancelled()
    talking.prepared.set()
    await asyncio.sleep(1)
    assert (connecting, talking.connected) == ([], False)


@pytest.mark.row("B3")
async def test_the_status_for_livekit_follows_whether_the_worker_takes_jobs() -> None:
    talking = TalkingServer()
    for takes in (True, False, True):
        talking.takes = takes
        await talking.tell_status()
    available, full, again = talking.told
    assert available.status == again.status == agent.WorkerStatus.WS_AVAILABLE
    assert full.status == agent.WorkerStatus.WS_FULL
    assert full.load == CLOSED_LOAD
    # An outdated load would keep LiveKit from offering jobs until the next report.
    assert again.load == available.load == pytest.approx(0.1)


async def test_a_draining_worker_reports_full_even_if_it_is_not_ready() -> None:
    talking = TalkingServer()
    talking.takes, talking._draining = False, True
    await talking.tell_status()
    assert [told.status for told in talking.told] == [agent.WorkerStatus.WS_FULL]


def test_the_process_pool_is_exposed_as_soon_as_it_is_created() -> None:
    assert len(TalkingServer().pools) == 1


class EndingProcess:
    """A job's process as in the framework's pool: still listed for a loop turn after its end."""

    def __init__(self, pool: list[EndingProcess]) -> None:
        self.running_job: object | None = object()
        self.ended = asyncio.get_running_loop().create_future()
        pool.append(self)
        self.monitor = asyncio.create_task(self._monitor(pool))

    async def join(self) -> None:
        await asyncio.shield(self.ended)

    async def _monitor(self, pool: list[EndingProcess]) -> None:
        await self.join()
        pool.remove(self)


@pytest.mark.row("S8")
@pytest.mark.parametrize("turns", range(4))
async def test_jobs_whose_processes_end_almost_together_are_all_waited_for(turns: int) -> None:
    talking = TalkingServer()
    pool = cast("list[EndingProcess]", talking._proc_pool.processes)
    idle, *busy = [EndingProcess(pool) for _ in range(4)]
    idle.running_job = None
    finished = asyncio.create_task(talking.finish_jobs())
    await asyncio.sleep(0)
    assert talking.draining
    assert [told.status for told in talking.told] == [agent.WorkerStatus.WS_FULL]
    for each in busy:
        each.ended.set_result(None)
        for _ in range(turns):
            await asyncio.sleep(0)
    await finished
    assert pool == [idle]
    idle.ended.set_result(None)
    await idle.monitor


@pytest.mark.row("S8")
async def test_a_job_being_assigned_to_a_process_is_waited_for_and_not_cancelled() -> None:
    talking = TalkingServer()
    pool = cast("list[EndingProcess]", talking._proc_pool.processes)
    ready = asyncio.Event()

    async def give() -> EndingProcess:
        await ready.wait()
        return EndingProcess(pool)

    giving = asyncio.create_task(give())
    talking._job_lifecycle_tasks.add(giving)
    given_up = asyncio.create_task(talking.finish_jobs())
    await asyncio.sleep(0)
    given_up.cancel()
    finished = asyncio.create_task(talking.finish_jobs())
    await asyncio.sleep(0)
    assert given_up.cancelled()
    ready.set()
    process = await giving
    await asyncio.sleep(0)
    assert not finished.done()
    process.ended.set_result(None)
    await finished
    assert pool == []


def test_a_function_is_called_before_each_process_is_made() -> None:
    """The forkserver, which all job processes are forked from, starts with the first process."""
    calls: list[str] = []
    talking = TalkingServer(before_process=lambda: calls.append("called"))
    for number in (1, 2):
        process = cast(Any, talking._mp_ctx).Process(target=print, name="job_proc")
        assert process.name == "job_proc"
        assert calls == ["called"] * number
    assert talking._mp_ctx.get_start_method() in ("forkserver", "spawn")


async def test_a_job_gets_the_token_that_the_worker_makes_of_livekits() -> None:
    talking = TalkingServer()
    talking._job_token = lambda token: f"{token} with options"
    assigned = asyncio.get_running_loop().create_future()
    talking._pending_assignments = {"AJ_1": assigned}
    talking._handle_assignment(agent.JobAssignment(job=agent.Job(id="AJ_1"), token="a token"))
    assert (await assigned).token == "a token with options"


def test_the_next_connection_to_livekit_is_signed_with_the_new_key() -> None:
    talking = TalkingServer()
    talking.use_key("new-key", "new-secret")
    assert (talking._api_key, talking._api_secret) == ("new-key", "new-secret")


async def test_the_frameworks_http_server_never_listens() -> None:
    """It has no limits, and its pages need no token."""
    talking = TalkingServer()
    talking._http_server = HttpServer("127.0.0.1", 0)
    assert talking._http_server is not None
    await talking._http_server.start()
    assert talking._http_server.port == 0
    await talking._http_server.aclose()


def test_the_framework_does_not_log_that_its_http_server_listens() -> None:
    talking = TalkingServer()
    talking._http_server = HttpServer("127.0.0.1", 0)
    talking._conn_task = None
    assert talking._http_server is None
