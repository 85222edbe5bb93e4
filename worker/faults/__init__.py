"""Faults on demand: what INTERVIEW_FAULTS sets strikes at the points that stand in the code.

For rehearsals in staging, and for tests: "what does the candidate hear when ...". Without any
fault that is set a point gives back what it was given, and costs one call of a function.

The worker and each of its processes call `arm` once, as they start. Only one event loop, and
only one job, is in a process.
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

#: Seconds for which code without an event loop hangs.
_HANG_S = 3600.0


class _Armed:
    """One fault of this process, and how often its point was passed."""

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self._passed = 0

    def strikes(self) -> bool:
        """Count one passing, and say whether it is one that the fault is set for."""
        self._passed += 1
        if self.fault.nth is not None:
            return self._passed == self.fault.nth
        return self.fault.state is None or self.fault.state is _state


_armed: tuple[_Armed, ...] = ()
#: The state of this process's job.
_state: State | None = None


def arm(faults: Sequence[Fault]) -> None:
    """Set these faults in this process, in the place of those that were, and count anew."""
    global _armed, _state  # one process, one set of faults
    _armed = tuple(_Armed(fault) for fault in faults)
    _state = None


def header() -> dict[str, Any]:
    """Fields for the header of a job's journal: which faults are set, if any."""
    return {"faults": [str(each.fault) for each in _armed]} if _armed else {}


# --- the points: nothing below costs more than its call while no fault is set --------------------


@overload
def at(point: str, work: Coroutine[Any, Any, T], name: str = "") -> Coroutine[Any, Any, T]: ...
@overload
def at(point: str, work: Awaitable[T], name: str = "") -> Awaitable[T]: ...
def at(point: str, work: Awaitable[T], name: str = "") -> Awaitable[T]:
    """`work`, with the faults of this point in front of it."""
    return _work(point, name, work) if _armed else work


def through(point: str, items: AsyncIterator[T], name: str = "") -> AsyncIterator[T]:
    """`items` as they are delivered, with the faults of this point in front and among them."""
    return _items(point, name, items) if _armed else items


def here(point: str) -> None:
    """The faults of this point, where there is no event loop, or it must not go on."""
    if _armed and (fault := _due(point, "")) is not None:
        _strike_blocking(fault)


def entered(state: State) -> None:
    """The job is in this state: the faults of `process`, and of the points while it lasts."""
    global _state  # one process, one job
    if _armed and state is not _state:
        _state = state
        here("process")


# --- what faults do ------------------------------------------------------------------------------


def _due(point: str, name: str) -> Fault | None:
    """Count a passing of the point, and return the first fault that strikes there now."""
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
            work.close()  # it will never be awaited
        raise
    return await work


async def _items(point: str, name: str, items: AsyncIterator[T]) -> AsyncIterator[T]:
    fault = _due(point, name)
    if fault is not None:
        await _strike(fault)
    async for item in items:
        # A stream lives through many states: one that began before may be struck now.
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
    """A fault that is set for the state which the job is in by now."""
    for each in _armed:
        fault = each.fault
        if fault.point == point and fault.name in ("", name) and fault.state is _state is not None:
            return fault
    return None


async def _strike(fault: Fault) -> None:
    """Do what the fault does before anything is delivered. Raises what it raises."""
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
    logger.warning("a fault that was set strikes: %s", fault)
