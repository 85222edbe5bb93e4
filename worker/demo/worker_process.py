"""Runs a worker in its own process for the duration of an `async with` block."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from worker.simulation.child_process import start_child

#: Module and arguments of a worker that receives its jobs from LiveKit.
START: Final = ("worker", "start")
#: The message that livekit-agents logs when LiveKit has registered the worker.
_REGISTERED: Final = "registered worker"

_READY_S = 60.0
_LOOK_EVERY_S = 0.1

#: The signals that end a worker, in order, each with the seconds to wait for the end. The first
#: SIGTERM drains the worker. The second SIGTERM hands the running interviews over to other workers,
#: or ends these interviews if no other worker exists. SIGKILL ends a worker that hangs.
_ENDINGS = (("terminate", 2.0), ("terminate", 12.0), ("kill", 5.0))


class WorkerDidNotStart(Exception):
    """Raised when the worker ended or was not ready in time. The file `log` shows the reason."""

    def __init__(self, log: Path, what: str) -> None:
        self.log = log
        super().__init__(f"the worker {what}; its log is {log}")


@asynccontextmanager
async def running_worker(
    environment: Mapping[str, str],
    log: Path,
    *,
    module: Sequence[str] = START,
) -> AsyncIterator[subprocess.Popen[bytes]]:
    """Start a worker, wait until LiveKit has registered it, and end the worker after the block.

    Raises WorkerDidNotStart if the worker ends or is not ready within 60 s (`_READY_S`). After the
    block the process has ended, also after an error.

    Args:
        environment: The worker's complete environment.
        log: The file for the worker's log.
        module: The module to run, and its arguments.
    """
    with log.open("wb") as output:
        command = [sys.executable, "-m", *module]
        process = start_child(command, output=output, env=environment)
        try:
            await _ready(process, log)
            yield process
        finally:
            await _end(process)


async def _ready(process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(round(_READY_S / _LOOK_EVERY_S)):
        if _REGISTERED in await asyncio.to_thread(log.read_text, errors="replace"):
            return
        if process.poll() is not None:
            raise WorkerDidNotStart(log, "did not start")
        await asyncio.sleep(_LOOK_EVERY_S)
    raise WorkerDidNotStart(log, f"was not ready after {_READY_S:g} s")


async def _end(process: subprocess.Popen[bytes]) -> None:
    for signal_name, bound_s in _ENDINGS:
        if process.poll() is not None:
            return
        getattr(process, signal_name)()
        for _ in range(round(bound_s / _LOOK_EVERY_S)):
            if process.poll() is not None:
                return
            await asyncio.sleep(_LOOK_EVERY_S)
