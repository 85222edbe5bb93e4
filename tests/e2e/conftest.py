"""The real LiveKit server that these tests share."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import AsyncExitStack, contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.support.live.coming_back import COMES_BACK
from tests.support.live.one_question import IMPATIENCE
from tests.support.live.running_worker import RunningWorker
from worker.demo.livekit_server import LiveKitServer, LiveKitServerUnavailable, find_or_build
from worker.speech import local_models

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping
    from pathlib import Path

    from tests.support.live.running_worker import StartWorker


@pytest.fixture(scope="session")
def runner() -> Iterator[asyncio.Runner]:
    """An event loop for what outlives a test, so that each test keeps a loop of its own."""
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        yield runner


@pytest.fixture(scope="session")
def voices() -> None:
    """The models of the candidate's own voice and ear: loading one holds up who speaks."""
    local_models.preload(stt=True, tts=True)


@pytest.fixture(scope="session")
def livekit_binary(runner: asyncio.Runner, pytestconfig: pytest.Config) -> Path:
    """The `livekit-server` program, found or built (minutes, the first time on a machine).

    Where it cannot be had the tests that need it are skipped; with CI=true they fail.
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
def livekit_server(livekit_binary: Path, runner: asyncio.Runner) -> Iterator[LiveKitServer]:
    """One server for the whole run, never killed or restarted; rooms keep the tests apart."""
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
    """A worker that waits seconds for candidates, and is shared: whatever breaks, it goes on."""
    with _shared(RunningWorker(livekit_server, IMPATIENCE), runner) as worker:
        yield worker


@pytest.fixture(scope="session")
def returning_worker(
    livekit_server: LiveKitServer, runner: asyncio.Runner, voices: None
) -> Iterator[RunningWorker]:
    """A worker that replaces interviewers that die, shared by the tests that kill them."""
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
    """Starts workers with settings of the test's own, and ends them with it."""
    async with AsyncExitStack() as stack:

        async def start(settings: Mapping[str, str]) -> RunningWorker:
            worker = RunningWorker(livekit_server, settings)
            stack.push_async_callback(worker.discard)
            await worker.start()
            return worker

        yield start


@pytest.fixture
def signals_heeded() -> Iterator[None]:
    """What a test starts heeds a terminal's signals.

    A run in the background, or under nohup, has them ignored, and so has whatever it starts.
    """
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGHUP)}
    for number, handler in before.items():
        if handler is signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)
