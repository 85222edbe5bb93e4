"""The table of the outbound connectivity: each event in each state, on virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any, Final, cast

import pytest

from tests.support.transition_tables import Cell, cells_of, sentence
from worker.audio.output import MixedAudioOutput
from worker.transport.outbound_monitor import GONE_S, OutboundMonitor
from worker.transport.outbound_state import PAUSED, TRANSITIONS, OutboundEvent, OutboundState

pytestmark = pytest.mark.looptime


class Rig:
    """A monitor, its candidate, and what the monitor does."""

    def __init__(self) -> None:
        self.here = True
        self.done: list[str] = []
        self.away_s: list[float] = []
        self.ready = asyncio.Event()
        line = SimpleNamespace(hold=lambda: self.done.append("hold"), release=self._release)
        self.monitor = OutboundMonitor(cast("MixedAudioOutput", line), lambda: self.here)
        self.monitor.on_lost = lambda: self.done.append("lost")
        self.monitor.on_gone = lambda: self.done.append("gone")
        self.monitor.before_return = self._prepare
        self.monitor.on_person_back = self._prepare

    def _release(self) -> None:
        self.done.append("release")

    async def _prepare(self, away_s: float) -> None:
        self.done.append("prepare")
        self.away_s.append(away_s)
        await self.ready.wait()

    async def happen(self, *events: str) -> None:
        for event in events:
            EVENTS[event](self)
            await asyncio.sleep(0.01)
            if event == "time":
                await asyncio.sleep(TIMES_S.get(self.monitor.state, 0.0))

    def is_here(self, here: bool) -> None:
        self.here = here
        self.monitor.moved()

    def left(self) -> None:
        self.here = False
        self.monitor.person_left()


#: Seconds that the state lasts, and a little more.
TIMES_S: Final = {
    OutboundState.CANDIDATE_RETURNING: 0.55,
    OutboundState.WAITING_FOR_SUBSCRIPTION: 10.05,
    OutboundState.ROOM_LOST: GONE_S + 0.05,
}

#: What can happen, by the row of `TABLE`.
EVENTS: Final[Mapping[str, Callable[[Rig], Any]]] = {
    "left": Rig.left,
    "here": lambda rig: rig.is_here(True),
    "not_here": lambda rig: rig.is_here(False),
    "lost": lambda rig: rig.monitor.room_lost(),
    "back": lambda rig: rig.monitor.room_back(),
    "replaced": lambda rig: rig.monitor.track_replaced(),
    "subscribed": lambda rig: rig.monitor.subscribed(),
    "time": lambda rig: None,
    "prepared": lambda rig: rig.ready.set(),
    "closed": lambda rig: rig.monitor.close(),
}

#: How a new monitor comes into each state.
PATHS: Final = {
    "heard": "",
    "candidate_away": "left",
    "candidate_returning": "left here",
    "continuing": "left here time",
    "room_lost": "lost",
    "room_gone": "lost time",
    "waiting_for_candidate": "lost replaced not_here back",
    "waiting_for_subscription": "lost replaced back",
    "resuming": "lost back",
    "closed": "closed",
}

TABLE: Final = """
event      heard          candidate_away      candidate_returning continuing     room_lost room_gone waiting_for_candidate    waiting_for_subscription resuming  closed
left       candidate_away -                   -                   candidate_away -         -         -                        -                        -         -
here       -              candidate_returning -                   -              -         -         waiting_for_subscription -                        -         -
not_here   -              -                   -                   -              -         -         -                        -                        -         -
lost       room_lost      room_lost           room_lost           room_lost      room_lost room_gone room_lost                room_lost                room_lost -
back       -              -                   -                   -              resuming  resuming  -                        -                        -         -
replaced   -              -                   -                   -              -         -         -                        -                        -         -
subscribed -              -                   -                   -              resuming  resuming  -                        resuming                 -         -
time       -              -                   continuing          -              room_gone -         -                        resuming                 -         -
prepared   -              -                   -                   heard          -         -         -                        -                        heard     -
closed     closed         closed              closed              closed         closed    closed    closed                   closed                   closed    -
"""  # noqa: E501  # one row per event

CELLS: Final = cells_of(TABLE)


async def rig_in(state: str) -> Rig:
    rig = Rig()
    await rig.happen(*PATHS[state].split())
    assert rig.monitor.state == state
    rig.done.clear()
    return rig


@pytest.mark.parametrize("cell", [cell for cell in CELLS if cell.target], ids=sentence)
async def test_an_event_changes_the_state(cell: Cell) -> None:
    rig = await rig_in(cell.state)

    await rig.happen(cell.event)

    assert rig.monitor.state == cell.target
    assert rig.monitor.is_away is (rig.monitor.state in PAUSED)
    rig.monitor.close()


@pytest.mark.parametrize("cell", [cell for cell in CELLS if not cell.target], ids=sentence)
async def test_an_event_that_does_not_concern_the_state_changes_nothing(cell: Cell) -> None:
    rig = await rig_in(cell.state)

    await rig.happen(cell.event)

    assert rig.monitor.state == cell.state
    assert rig.done == []
    rig.monitor.close()


async def test_each_row_of_the_transitions_can_be_reached(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    used: set[tuple[OutboundState, OutboundEvent]] = set()
    original = OutboundMonitor._enter

    def noted(monitor: OutboundMonitor, event: OutboundEvent) -> bool:
        used.add((monitor.state, event))
        return original(monitor, event)

    monkeypatch.setattr(OutboundMonitor, "_enter", noted)
    for cell in CELLS:
        rig = await rig_in(cell.state)
        await rig.happen(cell.event)
        rig.monitor.close()
    for path in ("left here not_here time", "lost replaced not_here back subscribed here"):
        rig = Rig()
        await rig.happen(*path.split())
        rig.monitor.close()

    assert TRANSITIONS.keys() - used == set()


@pytest.mark.parametrize("state", [state for state in PATHS if state != "closed"])
async def test_a_lost_room_pauses_output_and_is_reported(state: str) -> None:
    rig = await rig_in(state)

    await rig.happen("lost")

    assert rig.done == ["hold", "lost"]
    rig.monitor.close()


@pytest.mark.parametrize("state", PATHS)
async def test_a_closed_monitor_does_nothing_more(state: str) -> None:
    rig = await rig_in(state)

    await rig.happen("closed", *EVENTS)
    await asyncio.sleep(2 * GONE_S)

    assert rig.monitor.state == "closed"
    assert rig.done == []


async def test_output_resumes_once_the_interview_is_prepared() -> None:
    rig = await rig_in("room_lost")

    await rig.happen("back")
    assert rig.done == ["prepare"]
    await rig.happen("prepared")

    assert rig.done == ["prepare", "release"]


@pytest.mark.parametrize("state", ["resuming", "continuing"])
async def test_a_preparation_that_takes_too_long_is_abandoned(state: str) -> None:
    rig = await rig_in(state)

    await asyncio.sleep(4.1)

    assert rig.monitor.state == "heard"
    assert rig.done == ["release"]


async def test_a_room_that_is_lost_again_counts_from_its_first_loss() -> None:
    rig = await rig_in("resuming")

    await asyncio.sleep(1.0)
    await rig.happen("lost", "prepared")
    assert rig.monitor.state == "room_lost"
    await asyncio.sleep(1.0)
    await rig.happen("back")

    assert rig.away_s == [pytest.approx(0.0, abs=0.1), pytest.approx(2.0, abs=0.1)]


async def test_a_participant_that_moves_while_output_resumes_does_not_repeat_the_preparation() -> (
    None
):
    rig = await rig_in("resuming")

    await rig.happen("here", "prepared")

    assert rig.done == ["release"]
    assert rig.monitor.state == "heard"


async def test_a_gone_room_is_reported_once_and_may_come_back() -> None:
    rig = await rig_in("room_lost")

    await rig.happen("time", "lost")
    await asyncio.sleep(2 * GONE_S)
    await rig.happen("back", "prepared")

    assert rig.done == ["gone", "hold", "lost", "prepare", "release"]
    assert rig.monitor.state == "heard"


async def test_a_subscription_before_the_candidate_counts_as_present_is_enough() -> None:
    rig = await rig_in("waiting_for_candidate")

    await rig.happen("subscribed")
    assert rig.monitor.state == "waiting_for_candidate"
    await rig.happen("here")

    assert rig.monitor.state == "resuming"
    rig.monitor.close()


async def test_the_time_limit_of_the_subscription_holds_while_the_candidate_is_away() -> None:
    rig = await rig_in("waiting_for_subscription")

    await rig.happen("not_here", "time")
    assert rig.monitor.state == "waiting_for_subscription"
    await rig.happen("here")

    assert rig.monitor.state == "resuming"
    rig.monitor.close()


async def test_a_candidate_who_leaves_again_at_once_is_still_away_since_the_first_time() -> None:
    rig = await rig_in("candidate_returning")

    await rig.happen("not_here", "time")
    assert rig.monitor.state == "candidate_away"
    assert rig.done == []
    await asyncio.sleep(5.0)
    await rig.happen("here", "time")

    assert rig.away_s == [pytest.approx(6.1, abs=0.2)]
    rig.monitor.close()


async def test_a_candidate_who_leaves_while_the_interview_continues_lets_it_continue() -> None:
    rig = await rig_in("continuing")

    await rig.happen("left", "prepared")

    assert rig.monitor.state == "candidate_away"
    assert rig.done == ["lost", "release"]


async def test_without_callbacks_output_resumes_at_once() -> None:
    rig = Rig()
    rig.monitor.before_return = rig.monitor.on_person_back = None
    rig.monitor.on_lost = rig.monitor.on_gone = None

    await rig.happen("lost", "time", "back")
    assert rig.monitor.state == "heard"
    await rig.happen("left", "here", "time")

    assert rig.monitor.state == "heard"
    assert rig.done[:2] == ["hold", "release"]
