"""The table of the inbound connectivity: what happens in each state, on virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Final

import pytest

from tests.support.transition_tables import Cell, cells_of, sentence
from worker.transport.inbound_monitor import InboundMonitor
from worker.transport.inbound_state import PAUSED, TRANSITIONS, InboundEvent, InboundState

pytestmark = pytest.mark.looptime

#: The state after each event.
TABLE: Final = """
event         receiving  cut_off    paused     giving_up  given_up
cut_off       cut_off    -          -          -          -
pause_due     -          paused     -          -          -
time_over     -          -          giving_up  -          -
resumed       -          -          cut_off    given_up   -
began_again   receiving  receiving  receiving  receiving  receiving
"""

#: The state of a monitor after what happens to it. `time` lets no packet arrive until a limit.
HAPPENINGS: Final = """
event         receiving  cut_off    paused     giving_up  given_up
time          cut_off    paused     giving_up  given_up   given_up
packets       receiving  receiving  receiving  receiving  receiving
none_expected receiving  receiving  receiving  receiving  receiving
room_lost     receiving  receiving  receiving  receiving  receiving
"""

#: Seconds without packets after which a monitor is in a state, while the candidate speaks. The
#: candidate is never quiet and `on_back` hangs, so that output resumes eight seconds late.
REACHED_S: Final = {
    InboundState.RECEIVING: 0.0,
    InboundState.CUT_OFF: 0.7,
    InboundState.PAUSED: 1.4,
    InboundState.GIVING_UP: 15.0,
    InboundState.GIVEN_UP: 20.0,
}
#: Seconds until a limit of a state is over, and a little more.
TIMES_S: Final = {InboundState.PAUSED: 14.0, InboundState.GIVING_UP: 5.0}


@pytest.mark.parametrize("cell", cells_of(TABLE), ids=sentence)
def test_each_event_has_its_effect(cell: Cell) -> None:
    target = TRANSITIONS.get((InboundState(cell.state), InboundEvent(cell.event)))
    assert target == cell.target


class Rig:
    """A monitor of a candidate whose packets stop, and whose return takes longer than allowed."""

    def __init__(self) -> None:
        self.count: int | None = 1
        self.flows = True
        self.away = False
        self.paused = False
        self.monitor = InboundMonitor(
            self._packets,
            self,
            is_here=lambda: True,
            speaks=lambda: True,
            room_is_away=lambda: self.away,
            record=lambda _: None,
        )
        self.monitor.on_back = self._back

    async def _packets(self) -> int | None:
        if self.flows and self.count is not None:
            self.count += 1
        return self.count

    async def _back(self, _: float) -> None:
        await asyncio.sleep(60.0)

    def hold(self) -> None:
        self.paused = True

    def release(self) -> None:
        self.paused = False

    async def reach(self, state: InboundState) -> None:
        self.flows = state is InboundState.RECEIVING
        await asyncio.sleep(REACHED_S[state])
        assert self.monitor.state is state
        assert self.paused == (state in PAUSED)

    async def time(self) -> None:
        self.flows = False
        await asyncio.sleep(TIMES_S.get(self.monitor.state, 0.7))

    async def packets(self) -> None:
        self.flows = True
        await asyncio.sleep(10.0)

    async def none_expected(self) -> None:
        self.count = None
        await asyncio.sleep(10.0)

    async def room_lost(self) -> None:
        self.away = True
        await asyncio.sleep(10.0)


#: What can happen, by the row of `HAPPENINGS`.
EVENTS: Final[Mapping[str, Callable[[Rig], Awaitable[None]]]] = {
    "time": Rig.time,
    "packets": Rig.packets,
    "none_expected": Rig.none_expected,
    "room_lost": Rig.room_lost,
}


@asynccontextmanager
async def rig_in(state: str) -> AsyncIterator[Rig]:
    """Yield a rig whose monitor runs and is in a state."""
    rig = Rig()
    running = asyncio.create_task(rig.monitor.run())
    await rig.reach(InboundState(state))
    yield rig
    running.cancel()
    await asyncio.wait({running})


@pytest.mark.parametrize("cell", cells_of(HAPPENINGS), ids=sentence)
async def test_what_happens_in_a_state_leads_to_the_next(cell: Cell) -> None:
    async with rig_in(cell.state) as rig:
        await EVENTS[cell.event](rig)

        assert rig.monitor.state == cell.target


def test_every_state_has_a_column() -> None:
    for table in (TABLE, HAPPENINGS):
        assert {cell.state for cell in cells_of(table)} == set(InboundState)
    assert {cell.event for cell in cells_of(TABLE)} == set(InboundEvent)
