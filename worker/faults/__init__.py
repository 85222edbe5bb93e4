"""Fault injection: INTERVIEW_FAULTS triggers faults at the injection points in the code.

Fault injection is for drills in staging and for tests, to find out what the candidate hears when a
part fails. If no fault is set, an injection point returns its input and costs one function call.

The main process and each job process call `arm` once when they start. A process has only one event
loop and only one job.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Coroutine, Sequence
from typing import Any, TypeVar, overload

from states import State
from worker.faults.effects import FaultInjected, emptied, error_of, garbled
from worker.faults.grammar import Fault
from worker.faults.points import Kind

__all__ = ["FaultInjected", "arm", "at", "entered", "header", "here", "through"]

logger = logging.getLogger(__name__)

T = TypeVar("T")

#: Seconds for which a fault of kind hang blocks synchronous code.
_HANG_S = 3600.0


class _Armed:
    """One fault of this process, and the number of passes through the fault's injection point."""

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self._passed = 0

    def strikes(self) -> bool:
        """Count one pass through the injection point; return whether the fault triggers now."""
        self._passed += 1
        if self.fault.nth is not None:
            return self._passed == self.fault.nth
        return self.fault.state is None or self.fault.state is _state


_armed: tuple[_Armed, ...] = ()
#: The last state that `entered` recorded for the job of this process; None before the first record.
_state: State | None = None


def arm(faults: Sequence[Fault]) -> None:
    """Replace the faults of this process by `faults`, and reset all counts."""
    global _armed, _state  # one process, one set of faults
    _armed = tuple(_Armed(fault) for fault in faults)
    _state = None


def header() -> dict[str, Any]:
    """Return the fields of a journal header that list the set faults; empty if no fault is set."""
    return {"faults": [str(each.fault) for each in _armed]} if _armed else {}


# --- injection points: each costs only one call while no fault is set -----------------------------


@overload
def at(point: str, work: Coroutine[Any, Any, T], name: str = "") -> Coroutine[Any, Any, T]: ...
@overload
def at(point: str, work: Awaitable[T], name: str = "") -> Awaitable[T]: ...
def at(point: str, work: Awaitable[T], name: str = "") -> Awaitable[T]:
    """Return `work`. A fault that is set at this point triggers before the work starts."""
    return _work(point, name, work) if _armed else work


def through(point: str, items: AsyncIterator[T], name: str = "") -> AsyncIterator[T]:
    """Return `items`. A fault that is set at this point triggers before or between the items."""
    return _items(point, name, items) if _armed else items


def here(point: str) -> None:
    """Trigger a fault that is due at the injection point. The fault may block the event loop."""
    if _armed and (fault := _due(point, "")) is not None:
        _strike_blocking(fault)


def entered(state: State) -> None:
    """Record the job's new state, and trigger a fault that is due at the injection point `process`.

    Faults that are limited to one state of the job need the recorded state.
    """
    global _state  # one process, one job
    if _armed and state is not _state:
        _state = state
        here("process")


# --- effects of faults ----------------------------------------------------------------------------


def _due(point: str, name: str) -> Fault | None:
    """Count one pass through the injection point; return the first fault that is due, or None."""
    found = [
        each.fault
        for each in _armed
        if each.fault.point == point and each.fault.name in ("", name) and each.strikes()
    ]
    return found[0] if found else None


async def _work(point: str, name: str, work: Awaitable[T]) -> T:
    try:
        if (fault := _due(point, name)) is not None:
            await _strike(fault)
    except BaseException:
        if asyncio.iscoroutine(work):
            work.close()  # this coroutine will never be awaited
        raise
    return await work


async def _items(point: str, name: str, items: AsyncIterator[T]) -> AsyncIterator[T]:
    fault = _due(point, name)
    if fault is not None:
        await _strike(fault)
    async for item in items:
        # A stream may last through many states, so a fault may become due after the stream began.
        if fault is None and (fault := _of_state(point, name)) is not None:
            await _strike(fault)
        kind = fault.kind if fault is not None else None
        if kind is Kind.GARBAGE:
            yield garbled(item)
        elif kind is not Kind.EMPTY:
            yield item
        elif (rest := emptied(item)) is not None:
            yield rest


def _of_state(point: str, name: str) -> Fault | None:
    """Return a fault that is set at this point for the job's current state."""
    for each in _armed:
        fault = each.fault
        if fault.point == point and fault.name in ("", name) and fault.state is _state is not None:
            return fault
    return None


async def _strike(fault: Fault) -> None:
    """Apply the fault at its injection point, before the point returns or yields its next item.

    Raises the exception of the fault if the fault is of kind raise or close.
    """
    _tell(fault)
    if fault.kind is Kind.HANG:
        await asyncio.Event().wait()
    elif fault.kind is Kind.SLOW:
        await asyncio.sleep(fault.slow_s)
    else:
        _raise_or_kill(fault)


def _strike_blocking(fault: Fault) -> None:
    _tell(fault)
    if fault.kind is Kind.HANG:
        time.sleep(_HANG_S)
    elif fault.kind is Kind.SLOW:
        time.sleep(fault.slow_s)
    else:
        _raise_or_kill(fault)


def _raise_or_kill(fault: Fault) -> None:
    if fault.kind in (Kind.RAISE, Kind.CLOSE):
        raise error_of(fault)
    if fault.kind is Kind.KILL:
        os.kill(os.getpid(), signal.SIGKILL)


def _tell(fault: Fault) -> None:
    logger.warning(
        "injected fault triggered: %s", fault, extra={"event": "injected_fault_triggered"}
    )
