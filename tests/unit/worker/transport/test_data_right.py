"""Taking the right to publish data: at once, until it is done, and again after a return."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

import pytest

from tests.support.virtual.async_steps import broken, done, for_ever
from worker.transport.data_right import DataRights

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

pytestmark = pytest.mark.looptime


class Server:
    """A LiveKit server; each attempt takes the next step, and the last step from then on."""

    def __init__(self, *steps: Callable[[], Awaitable[None]]) -> None:
        self.asked: list[tuple[str, float]] = []
        self._steps = list(steps)
        self.rights = DataRights(self.take)

    async def take(self, identity: str) -> None:
        self.asked.append((identity, asyncio.get_running_loop().time()))
        await (self._steps.pop(0) if len(self._steps) > 1 else self._steps[0])()

    @property
    def times(self) -> list[float]:
        return [at for _, at in self.asked]


async def flood(rights: DataRights, seconds: float, identity: str = "ada") -> None:
    """Ask for the right ten times a second."""
    for _ in range(round(seconds * 10)):
        rights.take(identity)
        await asyncio.sleep(0.1)


async def test_the_right_is_taken_at_once_and_asked_for_once_while_data_is_on_its_way() -> None:
    server = Server(done)
    began = asyncio.get_running_loop().time()
    await flood(server.rights, 1.5)
    assert [identity for identity, _ in server.asked] == ["ada"]
    assert server.times[0] - began < 0.01


async def test_data_that_comes_later_means_a_return_so_the_right_is_taken_again() -> None:
    server = Server(done)
    await flood(server.rights, 0.5)
    await asyncio.sleep(60.0)
    await flood(server.rights, 0.5)
    assert len(server.asked) == 2


@pytest.mark.parametrize("fails", [broken, for_ever])
async def test_a_failed_attempt_is_repeated_with_back_off_until_it_succeeds(
    fails: Callable[[], Awaitable[None]], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    server = Server(fails, fails, done)
    server.rights.take("ada")
    await asyncio.sleep(30.0)
    assert len(server.asked) == 3
    assert "ada" not in caplog.text
    assert "Ada Lovelace" not in caplog.text


async def test_no_attempt_is_left_when_the_job_leaves_the_room() -> None:
    server = Server(for_ever)
    server.rights.take("ada")
    await asyncio.sleep(0.1)
    await server.rights.aclose()
    attempts = len(server.asked)
    await asyncio.sleep(60.0)
    assert len(server.asked) == attempts


async def test_each_participant_loses_its_own_right() -> None:
    server = Server(done)
    server.rights.take("ada")
    server.rights.take("bob")
    await asyncio.sleep(0.1)
    assert sorted(identity for identity, _ in server.asked) == ["ada", "bob"]


async def test_a_job_that_cannot_take_the_right_says_it_now_and_then(
    caplog: pytest.LogCaptureFixture,
) -> None:
    await flood(DataRights(None), 1.5)
    assert len([record for record in caplog.records if record.levelno == logging.ERROR]) == 1
