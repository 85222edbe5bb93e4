"""The calls that the faults of a chaos run make, recorded by stand-ins for the real parts."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from tests.chaos.diary import Listener
from tests.chaos.kinds import Kind
from tests.chaos.schedule import Fault
from tests.chaos.strikes import Striker

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.chaos.burst import Guest
    from tests.chaos.evidence import Struck
    from tests.chaos.world import World

#: A process id that no process has.
NOBODY = 2**22


class NotedMachine:
    """A machine that notes what is done to it, with the loop's time, in a list of all machines."""

    def __init__(self, number: int, notes: list[tuple[float, str]]) -> None:
        self.number = number
        self.notes = notes
        self.registered = True
        self.worker = SimpleNamespace(main=SimpleNamespace(pid=NOBODY))
        self.withheld_now = False

    def note(self, what: str) -> None:
        self.notes.append((asyncio.get_running_loop().time(), f"{what} {self.number}"))

    @contextmanager
    def withheld(self) -> Iterator[None]:
        self.withheld_now = True
        yield
        self.withheld_now = False

    def jobs(self) -> list[Any]:
        return []

    def signal_group(self, number: signal.Signals) -> None:
        self.note(number.name)

    def signal_main(self, number: signal.Signals) -> list[int]:
        self.note(f"{number.name} to the main process of")
        return [NOBODY]

    def signal_all(self, number: signal.Signals) -> list[int]:
        self.note(f"{number.name} to all processes of")
        return [NOBODY]

    async def replace(self) -> None:
        assert not self.registered
        await asyncio.sleep(6)
        self.registered = True
        self.note("registered")


class NotedLine:
    """A proxy that notes what is done to it."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def redirect(self, target: Path) -> None:
        self.notes.append(f"redirect {target.parent.name}")

    def cut(self) -> None:
        self.notes.append("cut")

    def delay(self, seconds: float) -> None:
        self.notes.append(f"delay {seconds}")

    async def heal(self) -> None:
        self.notes.append("heal")


class NotedWorld:
    """Three machines, and a database with a standby."""

    def __init__(self) -> None:
        self.notes: list[tuple[float, str]] = []
        self.machines = tuple(NotedMachine(number, self.notes) for number in range(3))
        self.line = NotedLine()
        self.lines = {"database": self.line}
        self.postgres = SimpleNamespace(url="postgresql://postgres@/postgres?host=/primary&port=1")
        self.standby_url = "postgresql://postgres@/postgres?host=/standby&port=1"

    async def struck(self, fault: Fault, guests: tuple[Guest, ...] = ()) -> Striker:
        """Trigger a fault; return the striker afterwards."""
        striker = Striker(cast("World", self), [], guests)
        await striker.run([fault])
        return striker


def the_only(striker: Striker) -> Struck:
    (struck,) = striker.struck
    return struck


@pytest.mark.looptime
async def test_a_rolling_restart_ends_a_worker_once_the_one_before_is_registered() -> None:
    world = NotedWorld()
    await world.struck(Fault(at_s=1.0, kind=Kind.ROLLING_RESTART, for_s=2.0))
    assert world.notes == [
        (1.0, "SIGTERM 0"),
        (9.0, "registered 0"),
        (9.0, "SIGTERM 1"),
        (17.0, "registered 1"),
        (17.0, "SIGTERM 2"),
        (25.0, "registered 2"),
    ]


@pytest.mark.looptime
async def test_a_pause_stops_the_main_process_alone_and_affects_no_interviewer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = NotedWorld()
    continued = []

    def kill(pid: int, number: int) -> None:
        continued.append((pid, number, world.machines[1].withheld_now))

    monkeypatch.setattr(os, "kill", kill)
    striker = await world.struck(Fault(at_s=0.0, kind=Kind.PAUSE_MAIN, target="1", for_s=5.0))
    assert world.notes == [(0.0, "SIGSTOP to the main process of 1")]
    assert continued == [(NOBODY, signal.SIGCONT, True)]
    assert not world.machines[1].withheld_now
    assert the_only(striker).interviewers == {}


@pytest.mark.looptime
async def test_a_fail_over_cuts_the_connections_once_and_leaves_those_to_the_standby() -> None:
    world = NotedWorld()
    await world.struck(Fault(at_s=0.0, kind=Kind.FAIL_OVER_DATABASE, for_s=3.0))
    assert world.line.notes == ["redirect standby", "cut", "redirect primary"]


@pytest.mark.looptime
async def test_a_database_that_is_far_away_is_near_again_afterwards() -> None:
    world = NotedWorld()
    await world.struck(Fault(at_s=0.0, kind=Kind.DELAY_DATABASE, for_s=8.0))
    assert world.line.notes == ["delay 0.03", "heal"]


@pytest.mark.looptime
async def test_the_interviews_of_a_burst_are_dispatched_at_once() -> None:
    class NotedGuest:
        def __init__(self, number: int) -> None:
            self.log = Listener(interview_id=str(number), room="", began_s=0.0)

        async def attend(self) -> Listener:
            began.append(asyncio.get_running_loop().time())
            await asyncio.sleep(5)
            return self.log

    began: list[float] = []
    guests = tuple(cast("Guest", NotedGuest(number)) for number in range(6))
    striker = await NotedWorld().struck(Fault(at_s=4.0, kind=Kind.DISPATCH_BURST), guests)
    assert began == [4.0] * 6
    assert [each.interview_id for each in striker.listeners] == list("012345")
