"""Steps that a worker takes when it starts."""

from __future__ import annotations

import asyncio
import logging
import signal
from typing import TYPE_CHECKING, Any

from worker import faults
from worker.aio.tasks import cancel_and_wait

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from worker.config.settings import Settings

logger = logging.getLogger(__name__)


def arm_faults(settings: Settings) -> None:
    """Inject the faults that the settings name in this process, and log them."""
    chosen = settings.faults_to_set()
    faults.arm(chosen)
    if chosen:
        told = "; ".join(map(str, chosen))
        logger.warning(
            "fault injection is on, so interviews will break: %s",
            told,
            extra={"event": "fault_injection_on"},
        )


def install_signals(*, stop: Callable[[], None], on_hangup: Callable[[], None]) -> None:
    """Call `stop` on each SIGTERM and SIGINT, and `on_hangup` on SIGHUP.

    SIGHUP means that a terminal was closed. SIGHUP has a separate callback, because SIGHUP must
    never count as a second stop request: systemd's SendSIGHUP sends SIGHUP right after SIGTERM.
    """
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    # Under nohup, SIGHUP stays ignored.
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        loop.add_signal_handler(signal.SIGHUP, on_hangup)


async def unless_stopped(step: Coroutine[Any, Any, None], stopped: asyncio.Event) -> bool:
    """Run one step of the worker's start, and return True.

    If `stopped` is set before the step has ended, cancel the step and return False.
    """
    doing = asyncio.create_task(step, name="start")
    stopping = asyncio.create_task(stopped.wait(), name="stop-signal")
    try:
        await asyncio.wait({doing, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if doing.done():
            await doing
            return True
        await cancel_and_wait(doing)
        return False
    finally:
        stopping.cancel()
