"""Shared fixtures of the end-to-end tests: a real LiveKit server and workers on it."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import AsyncExitStack, contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.support.live.coming_back import COMES_BACK
from tests.support.live.one_question import IMPATIENCE
from tests.support.live.priority import prefer_this_process
from tests.support.live.running_worker import RunningWorker
from worker.simulation.livekit_server import LiveKitServer, LiveKitServerUnavailable, find_or_build
from worker.speech import local_models

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping
    from pathlib import Path

    from tests.support.live.running_worker import StartWorker


def pytest_configure() -> None:
    """Give candidates, the LiveKit server and the providers priority over the workers."""
    prefer_this_process()


@pytest.fixture(scope="session")
def runner() -> Iterator[asyncio.Runner]:
    """Yield an event loop for fixtures that outlive a test; each test keeps its own loop."""
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        yield runner


@pytest.fixture(scope="session")
def voices() -> None:
    """Preload the candidates' local STT and TTS models: loading one blocks candidates who speak."""
    local_models.preload(stt=True, tts=True)


@pytest.fixture(scope="session")
def livekit_binary(runner: asyncio.Runner, pytestconfig: pytest.Config) -> Path:
    """Find or build the `livekit-server` program; the first build on a machine takes minutes.

    If the program is unavailable, dependent tests are skipped; with CI=true they fail.
    """
    reporter = pytestconfig.pluginmanager.get_plugin("terminalreporter")
    capture = pytestconfig.pluginmanager.get_plugin("capturemanager")

    def progress(line: str) -> None:
        if reporter is not None and capture is not None:
            with capture.global_and_fixture_disabled():
                reporter.write_line(line)

    try:
        return runner.run(find_or_build(progress))
    except LiveKitServerUnavailable as error:
        if os.environ.get("CI") == "true":
            pytest.fail(str(error))
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def livekit_server(
    livekit_binary: Path, runner: asyncio.Runner, voices: None
) -> Iterator[LiveKitServer]:
    """Yield one server for the whole run, never killed or restarted; each test has its own room."""
    server = LiveKitServer(livekit_binary)
    runner.run(server.start())
    try:
        yield server
    finally:
        runner.run(server.stop())


@pytest.fixture(scope="session")
def impatient_worker(
    livekit_server: LiveKitServer, runner: asyncio.Runner, voices: None
) -> Iterator[RunningWorker]:
    """Yield a shared worker that waits only seconds for candidates and survives every failure."""
    with _shared(RunningWorker(livekit_server, IMPATIENCE), runner) as worker:
        yield worker


@pytest.fixture(scope="session")
def returning_worker(
    livekit_server: LiveKitServer, runner: asyncio.Runner, voices: None
) -> Iterator[RunningWorker]:
    """Yield a shared worker that replaces killed interviewers."""
    with _shared(RunningWorker(livekit_server, COMES_BACK), runner) as worker:
        yield worker


@contextmanager
def _shared(worker: RunningWorker, runner: asyncio.Runner) -> Iterator[RunningWorker]:
    try:
        runner.run(worker.start())
        yield worker
        assert runner.run(worker.stop()) == 0
    finally:
        runner.run(worker.discard())


@pytest.fixture
async def start_worker(livekit_server: LiveKitServer) -> AsyncIterator[StartWorker]:
    """Yield a function that starts workers with given settings; stop them after the test."""
    async with AsyncExitStack() as stack:

        async def start(settings: Mapping[str, str]) -> RunningWorker:
            worker = RunningWorker(livekit_server, settings)
            stack.push_async_callback(worker.discard)
            await worker.start()
            return worker

        yield start


@pytest.fixture
def signals_heeded() -> Iterator[None]:
    """Restore the default SIGINT and SIGHUP handling for the processes that a test starts.

    A run in the background or under nohup ignores these signals, and its child processes inherit
    that.
    """
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGHUP)}
    for number, handler in before.items():
        if handler is signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)
