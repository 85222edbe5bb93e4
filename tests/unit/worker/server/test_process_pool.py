"""Processes whose set-up fails, in the framework's own pool on virtual time."""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import os
import signal
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
from livekit.agents.ipc import job_thread_executor
from livekit.agents.ipc.proc_pool import ProcPool
from livekit.agents.job import JobExecutorType
from livekit.agents.utils.aio import duplex_unix

from worker import faults
from worker.faults import FaultInjected
from worker.job import entrypoint
from worker.job.entrypoint import SetUpFailed, set_up
from worker.server import process_pool
from worker.server.process_pool import (
    RETRY,
    SLOW_S,
    ProcessPoolSupervisor,
    start_without_waiting,
)
from worker.speech import local_models

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from livekit.agents import JobContext, JobProcess


class Told:
    """The worker's notifications, with an event for each."""

    def __init__(self) -> None:
        self.failed: list[str] = []
        self.is_down, self.works = asyncio.Event(), asyncio.Event()

    def set_up_failed(self, why: str) -> None:
        self.failed.append(why)
        self.is_down.set()

    def set_up_works(self) -> None:
        self.works.set()


class Breaking:
    """A set-up that fails until it is repaired, and counts its calls."""

    def __init__(self) -> None:
        self.tries = 0
        self.broken = True

    def __call__(self, _: JobProcess) -> None:
        self.tries += 1
        if self.broken:
            raise SetUpFailed("the plugin is damaged")


class FakeProcess:
    """The parts of a process that a pool uses."""

    running_job = None

    def __init__(self, *, initialize_process_fnc: Callable[[Any], None], **_: object) -> None:
        self._set_up = initialize_process_fnc
        self._initialize_fut: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._over = asyncio.Event()

    async def start(self) -> None: ...

    async def initialize(self) -> None:
        """Run the set-up; as in the framework, only the text of its error is passed on."""
        try:
            self._set_up(None)
        except Exception as error:
            failure = RuntimeError(f"process initialization failed: {error}")
            self._initialize_fut.set_exception(failure)
            raise failure from None
        self._initialize_fut.set_result(None)

    async def join(self) -> None:
        await self._over.wait()

    async def aclose(self) -> None:
        self._over.set()

    def logging_extra(self) -> dict[str, Any]:
        return {}


async def no_job(_: JobContext) -> None: ...


@pytest.fixture
async def pool_of(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Callable[..., ProcPool]]:
    """Yield a function that makes pools, which are closed after the test."""
    monkeypatch.setattr(job_thread_executor, "ThreadJobExecutor", FakeProcess)
    pools: list[ProcPool] = []

    def make(set_up: Callable[[JobProcess], None], idle: int = 2) -> ProcPool:
        pool = ProcPool(
            initialize_process_fnc=set_up,
            job_entrypoint_fnc=no_job,
            session_end_fnc=None,
            simulation_end_fnc=None,
            num_idle_processes=idle,
            initialize_timeout=30,
            close_timeout=5,
            session_end_timeout=5,
            inference_executor=None,
            job_executor_type=JobExecutorType.THREAD,
            mp_ctx=cast(Any, multiprocessing.get_context("forkserver")),
            memory_warn_mb=0,
            memory_limit_mb=0,
            http_proxy=None,
            loop=asyncio.get_running_loop(),
        )
        pools.append(pool)
        return pool

    yield make
    for pool in pools:
        await pool.aclose()


@pytest.mark.row("B3")
@pytest.mark.looptime
async def test_a_failed_set_up_is_reported_and_retried_with_back_off(
    pool_of: Callable[..., ProcPool], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process_pool, "RETRY", replace(RETRY, jitter=0.0))
    told, breaking = Told(), Breaking()
    watching, pool = ProcessPoolSupervisor(told), pool_of(breaking)
    watching.watch(pool)
    starting = asyncio.create_task(pool.start())
    await asyncio.sleep(1.9)
    # The framework alone would have made forty processes.
    assert breaking.tries == 2
    assert set(told.failed) == {"the plugin is damaged"}
    await asyncio.sleep(600)
    assert breaking.tries == pytest.approx(2 + 4 + 600 / RETRY.longest_s, abs=2)
    await starting
    watching.stop()


@pytest.mark.row("B3")
@pytest.mark.looptime
@pytest.mark.parametrize("idle", [0, 1, 2])
async def test_a_repaired_set_up_is_detected_without_a_job(
    pool_of: Callable[..., ProcPool], idle: int
) -> None:
    told, breaking = Told(), Breaking()
    watching, pool = ProcessPoolSupervisor(told), pool_of(breaking, idle)
    watching.watch(pool)
    await pool.start()
    if idle == 0:
        # No process is made before a job needs one.
        with pytest.raises(RuntimeError, match="no process became available"):
            await pool.launch_job(cast(Any, SimpleNamespace(job=SimpleNamespace(id="AJ_1"))))
    assert told.is_down.is_set()
    breaking.broken = False
    await asyncio.wait_for(told.works.wait(), RETRY.longest_s + 1)
    assert pool.target_idle_processes == idle
    watching.stop()


@pytest.mark.looptime
@pytest.mark.parametrize("idle", [0, 1, 2])
async def test_the_first_process_is_awaited_also_if_none_is_kept_idle(
    pool_of: Callable[..., ProcPool], idle: int
) -> None:
    breaking = Breaking()
    breaking.broken = False
    watching, pool = ProcessPoolSupervisor(Told()), pool_of(breaking, idle)
    watching.watch(pool)
    await pool.start()
    async with asyncio.timeout(1):
        await watching.first_process()
    # A pool without idle processes has prepared one: the first job finds the forkserver running.
    assert len(pool.processes) == max(idle, 1)
    watching.stop()


@pytest.mark.looptime
@pytest.mark.parametrize("idle", [0, 2])
async def test_the_worker_waits_until_a_failed_set_up_is_repaired(
    pool_of: Callable[..., ProcPool], idle: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    told, breaking = Told(), Breaking()
    watching, pool = ProcessPoolSupervisor(told), pool_of(breaking, idle)
    watching.watch(pool)
    start_without_waiting(pool)
    await pool.start()
    waiting = asyncio.create_task(watching.first_process())
    await asyncio.sleep(600)
    assert not waiting.done()
    assert set(told.failed) == {"the plugin is damaged"}

    breaking.broken = False
    async with asyncio.timeout(RETRY.longest_s + 1):
        await waiting
    assert told.works.is_set()
    events = [getattr(record, "event", "") for record in caplog.records]
    ours = [event for event in events if event.startswith("first_process")]
    # The failure itself is logged by the readiness.
    assert ours == ["first_process_prepared"]
    watching.stop()


@pytest.mark.looptime
async def test_a_slow_first_process_is_logged_without_a_failure(
    pool_of: Callable[..., ProcPool],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def slow(process: FakeProcess) -> None:
        await asyncio.sleep(SLOW_S + 8)

    monkeypatch.setattr(FakeProcess, "start", slow)
    told, breaking = Told(), Breaking()
    breaking.broken = False
    watching, pool = ProcessPoolSupervisor(told), pool_of(breaking)
    watching.watch(pool)
    start_without_waiting(pool)
    began = asyncio.get_running_loop().time()
    await pool.start()
    await watching.first_process()
    assert asyncio.get_running_loop().time() - began == pytest.approx(SLOW_S + 8, abs=0.2)
    assert told.failed == []
    assert "no process for a job is prepared yet" in caplog.text
    watching.stop()


@pytest.mark.looptime
async def test_the_start_of_the_pool_does_not_wait_for_its_processes(
    pool_of: Callable[..., ProcPool],
) -> None:
    """The framework starts the pool under a lock, for which a stop request would wait."""
    watching, pool = ProcessPoolSupervisor(Told()), pool_of(Breaking())
    watching.watch(pool)
    start_without_waiting(pool)
    began = asyncio.get_running_loop().time()
    await pool.start()
    assert asyncio.get_running_loop().time() == pytest.approx(began, abs=0.05)
    watching.stop()


@pytest.mark.row("S13")
@pytest.mark.looptime
async def test_jobs_are_accepted_while_a_prepared_process_is_left(
    pool_of: Callable[..., ProcPool],
) -> None:
    told, breaking = Told(), Breaking()
    breaking.broken = False
    watching, pool = ProcessPoolSupervisor(told), pool_of(breaking)
    watching.watch(pool)
    await pool.start()
    breaking.broken = True
    pool._remove_from_warmed_queue(await pool._acquire_proc("AJ_1"))  # one is taken
    await asyncio.sleep(1)
    assert told.failed == []
    pool.emit("process_job_launched", await pool._acquire_proc("AJ_2"))
    assert told.failed == ["the plugin is damaged"]
    watching.stop()


@pytest.mark.looptime
async def test_a_preparation_is_late_only_after_seconds_and_only_if_no_process_is_warm(
    pool_of: Callable[..., ProcPool], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def slow(process: FakeProcess) -> None:
        await asyncio.sleep(10)

    breaking = Breaking()
    breaking.broken = False
    watching, pool = ProcessPoolSupervisor(Told()), pool_of(breaking)
    watching.watch(pool)
    await pool.start()
    monkeypatch.setattr(FakeProcess, "start", slow)
    await pool._acquire_proc("AJ_1")
    await asyncio.sleep(5)
    assert not watching.is_late, "one process is warm"
    await pool._acquire_proc("AJ_2")
    assert watching.is_late
    await asyncio.sleep(6)
    assert not watching.is_late, "the process is prepared"
    watching.stop()


@pytest.mark.looptime
async def test_a_burst_that_uses_all_warm_processes_is_not_late_while_preparations_are_quick(
    pool_of: Callable[..., ProcPool], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def quick(process: FakeProcess) -> None:
        await asyncio.sleep(1)

    breaking = Breaking()
    breaking.broken = False
    watching, pool = ProcessPoolSupervisor(Told()), pool_of(breaking)
    watching.watch(pool)
    await pool.start()
    monkeypatch.setattr(FakeProcess, "start", quick)
    late = []
    for number in range(6):
        await asyncio.sleep(0.2)  # until the pool prepares the next process
        await pool._acquire_proc(f"AJ_{number}")
        late.append(watching.is_late)
    assert late == [False] * 6
    watching.stop()


@pytest.mark.looptime
async def test_a_closing_pool_reports_no_failure(pool_of: Callable[..., ProcPool]) -> None:
    told, breaking = Told(), Breaking()
    breaking.broken = False
    watching, pool = ProcessPoolSupervisor(told), pool_of(breaking)
    watching.watch(pool)
    await pool.start()
    watching.stop()
    await pool.aclose()
    assert told.failed == []


@pytest.mark.parametrize(
    ("ended", "says"),
    [
        (None, "no process could be started"),
        (TimeoutError(), "preparing a process took too long"),
        (duplex_unix.DuplexClosed(), "a process died during its preparation"),
        (RuntimeError("process initialization failed: OSError"), "OSError"),
    ],
)
async def test_the_reported_reason_is_as_precise_as_the_process_allows(
    ended: Exception | None, says: str
) -> None:
    told = Told()
    proc = FakeProcess(initialize_process_fnc=lambda _: None)
    if ended is not None:
        proc._initialize_fut.set_exception(ended)
    queue: asyncio.Queue[object] = asyncio.Queue()
    pool = SimpleNamespace(
        target_idle_processes=1,
        on=lambda *_: None,
        set_target_idle_processes=lambda _: None,
        _warmed_proc_queue=queue,
    )
    watching = ProcessPoolSupervisor(told)
    watching.watch(cast("ProcPool", pool))
    watching._on_closed(proc)
    assert told.failed == [says]
    watching.stop()


# --- messages of a process ------------------------------------------------------------------------


@pytest.fixture
def in_a_process(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Set up as in a job's process, except for its signals and its logs."""
    monkeypatch.setattr(entrypoint, "ignore_signals", lambda: None)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    monkeypatch.setattr(entrypoint, "redact_job_logs", lambda: None)
    for name in [name for name in os.environ if name.startswith("INTERVIEW_")]:
        monkeypatch.delenv(name)
    return monkeypatch


def prepare() -> None:
    set_up(cast("JobProcess", None))


def unavailable(*, stt: bool, tts: bool) -> None:
    """Simulate local models that do not load."""
    raise local_models.LocalSpeechUnavailable(f"{'moonshine' if stt else 'hibari'} did not load")


def deaf(*, stt: bool, tts: bool) -> None:
    """Simulate a local STT that does not load."""
    if stt:
        unavailable(stt=stt, tts=tts)


def test_an_application_that_cannot_be_imported_fails_the_set_up(
    in_a_process: pytest.MonkeyPatch,
) -> None:
    in_a_process.setenv("INTERVIEW_APPLICATION", "nowhere.at_all:Agent")
    with pytest.raises(SetUpFailed, match=r"INTERVIEW_APPLICATION: nowhere\.at_all:Agent"):
        prepare()


def test_the_set_up_fails_if_neither_stt_nor_tts_loads(in_a_process: pytest.MonkeyPatch) -> None:
    in_a_process.setattr(local_models, "preload", unavailable)
    with pytest.raises(SetUpFailed, match="is available: moonshine did not load; hibari did not"):
        prepare()


def test_the_set_up_succeeds_with_one_direction_of_speech(
    in_a_process: pytest.MonkeyPatch,
) -> None:
    in_a_process.setattr(local_models, "preload", deaf)
    prepare()


def test_the_set_up_succeeds_with_a_provider_that_has_a_key(
    in_a_process: pytest.MonkeyPatch,
) -> None:
    in_a_process.setattr(local_models, "preload", unavailable)
    in_a_process.setenv("INTERVIEW_STT", "deepgram,local")
    in_a_process.setenv("DEEPGRAM_API_KEY", "key")
    prepare()


def test_an_injected_set_up_fault_is_named_in_the_error(in_a_process: pytest.MonkeyPatch) -> None:
    in_a_process.setenv("INTERVIEW_FAULTS", "set_up=raise")
    in_a_process.setenv("INTERVIEW_ALLOW_FAULTS", "1")
    try:
        with pytest.raises(SetUpFailed, match="set_up=raise is set") as failed:
            prepare()
    finally:
        faults.arm(())
    assert isinstance(failed.value.__cause__, FaultInjected)


def test_the_message_of_a_foreign_error_is_left_out(in_a_process: pytest.MonkeyPatch) -> None:
    def break_in(*, stt: bool, tts: bool) -> None:
        raise ValueError("Ada Lovelace said: hello")

    in_a_process.setattr(local_models, "preload", break_in)
    with pytest.raises(SetUpFailed) as failed:
        prepare()
    assert str(failed.value) == "ValueError"
