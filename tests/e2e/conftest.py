"""The real LiveKit server that these tests share."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

import pytest

from worker.demo.livekit_server import LiveKitServer, LiveKitServerUnavailable, find_or_build

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def livekit_server(pytestconfig: pytest.Config) -> Iterator[LiveKitServer]:
    """One server for the whole run, found or built; rooms keep the tests apart.

    Synchronous, and with event loops of its own, so that each test keeps its own loop.
    """
    reporter = pytestconfig.pluginmanager.get_plugin("terminalreporter")
    capture = pytestconfig.pluginmanager.get_plugin("capturemanager")

    def progress(line: str) -> None:
        if reporter is not None and capture is not None:
            with capture.global_and_fixture_disabled():
                reporter.write_line(line)

    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        try:
            server = LiveKitServer(runner.run(find_or_build(progress)))
            runner.run(server.start())
        except LiveKitServerUnavailable as error:
            if os.environ.get("CI") == "true":
                pytest.fail(str(error))
            pytest.skip(str(error))
        try:
            yield server
        finally:
            runner.run(server.stop())
