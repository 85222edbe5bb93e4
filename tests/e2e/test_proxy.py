"""A worker that reaches LiveKit's signalling, its API and its rooms only through an HTTP proxy.

The worker runs in a network namespace without a route to LiveKit's port. Sound goes directly. The
proxy is tinyproxy.
"""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from states import Outcome, Reason
from states.testing import assert_outcome, assert_path
from tests.support.environment import environment
from tests.support.live.far_machine import FarMachine
from tests.support.live.forward_proxy import ForwardProxy, TlsFront
from tests.support.live.one_question import ALL_THE_WAY, IMPATIENCE, PLAN, SCRIPT
from tests.support.live.running_worker import RunningWorker
from worker.simulation.conversation import hold_conversation
from worker.simulation.livekit_config import Ports
from worker.simulation.livekit_server import LiveKitServer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

#: Alone: see test_cut_off.py.
pytestmark = [
    pytest.mark.usefixtures("voices"),
    pytest.mark.alone,
    pytest.mark.rotates,
]


@dataclass(frozen=True, kw_only=True)
class Parts:
    """A LiveKit server, a proxy, and a worker on the far machine, which is not started."""

    machine: FarMachine
    proxy: ForwardProxy
    worker: RunningWorker
    #: LIVEKIT_URL without TLS.
    unencrypted: str

    async def doctor(self, **settings: str) -> dict[str, dict[str, Any]]:
        """Run `doctor` on the far machine; return its findings by the name of the check."""
        process = await asyncio.create_subprocess_exec(
            *self.machine.inside,
            *(sys.executable, "-m", "worker", "doctor", "--json"),
            env=environment({**self.worker.settings, **settings}),
            cwd=self.worker.folder,
            stdout=asyncio.subprocess.PIPE,
        )
        out, _ = await process.communicate()
        return {row["check"]: row for row in json.loads(out)["checks"]}


@pytest.fixture
async def parts(livekit_binary: Path, tmp_path: Path) -> AsyncIterator[Parts]:
    """Start all parts but the worker."""
    async with AsyncExitStack() as stack:
        machine = stack.enter_context(FarMachine())
        server = await stack.enter_async_context(
            LiveKitServer(livekit_binary, extra_config=machine.livekit_config_beyond)
        )
        front = await stack.enter_async_context(
            TlsFront(tmp_path, machine.beyond, server.ports.signal)
        )
        proxy = await stack.enter_async_context(
            ForwardProxy(tmp_path, machine.here, Ports.free().signal)
        )
        settings = {
            "LIVEKIT_URL": f"wss://{machine.beyond}:{front.port}",
            "HTTPS_PROXY": proxy.url,
            "HTTP_PROXY": proxy.url,
            "https_proxy": proxy.url,
            "http_proxy": proxy.url,
            "NO_PROXY": "",
            "no_proxy": "",
            "SSL_CERT_FILE": str(front.authority),
        }
        worker = RunningWorker(server, {**IMPATIENCE, **settings}, inside=machine.inside)
        stack.push_async_callback(worker.discard)
        yield Parts(
            machine=machine,
            proxy=proxy,
            worker=worker,
            unencrypted=f"ws://{machine.beyond}:{server.ports.signal}",
        )


async def test_a_worker_behind_a_proxy_registers_and_holds_an_interview(parts: Parts) -> None:
    await parts.worker.start()
    interview = await parts.worker.create(PLAN)
    async with parts.worker.candidate_of(interview) as candidate:
        await parts.worker.send_interviewer(interview)
        await hold_conversation(candidate, SCRIPT)
    job = await parts.worker.ended_job(interview.room)
    assert_path(job, *ALL_THE_WAY)
    assert_outcome(job, Outcome.COMPLETED, Reason.INTERVIEW_COMPLETED)
    assert set(parts.proxy.requests) == {
        f"CONNECT {parts.worker.settings['LIVEKIT_URL'].removeprefix('wss://')} HTTP/1.1"
    }
    assert not parts.worker.log(event="proxy_insufficient")
    assert parts.proxy.password not in parts.worker.log_path.read_text()


async def test_the_doctor_says_what_the_proxy_carries(parts: Parts) -> None:
    found = await parts.doctor()
    names = ("network.proxy", "livekit.url", "livekit.key", "livekit.worker", "livekit.media")
    assert {name: found[name]["verdict"] for name in names} == dict.fromkeys(names, "ok")
    found = await parts.doctor(LIVEKIT_URL=parts.unencrypted)
    assert found["network.proxy"]["verdict"] == "warning"
    assert "unencrypted WebSocket" in found["network.proxy"]["found"]
    # tinyproxy forwards requests, and no upgrade to a WebSocket.
    assert found["livekit.key"]["verdict"] == "ok"
    assert found["livekit.worker"]["verdict"] == "wrong"
    assert "wss://" in found["livekit.worker"]["advice"]
