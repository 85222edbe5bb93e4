"""Missing packets, and the audio output that is held for them, on virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from worker.transport.inbound_monitor import InboundMonitor

pytestmark = pytest.mark.looptime

#: Packet intervals of a browser: 50 a second during speech, one in 0.4 s of silence.
SPEECH_S = 0.02
SILENCE_S = 0.4


class Network:
    """A candidate's microphone, its network path to the worker, and the worker's reactions."""

    def __init__(self) -> None:
        self.count: int | None = 1
        self.every_s = SPEECH_S
        self.is_here = True
        self.speaks = False
        self.room_is_away = False
        self.told: list[str] = []
        self.recorded: list[float] = []
        self.held: list[float] = []
        self.released: list[float] = []
        self.back: list[float] = []
        self.reception = InboundMonitor(
            self._packets,
            self,
            is_here=lambda: self.is_here,
            speaks=lambda: self.speaks,
            room_is_away=lambda: self.room_is_away,
            record=self.recorded.append,
        )
        self.reception.on_lost = lambda: self.told.append("lost")
        self.reception.on_back = self._back
        self._flows = asyncio.Event()
        self._flows.set()
        self._tasks = [asyncio.create_task(self._send()), asyncio.create_task(self.reception.run())]

    async def _packets(self) -> int | None:
        return self.count

    async def _send(self) -> None:
        while True:
            await self._flows.wait()
            if self.count is not None:
                self.count += 1
            await asyncio.sleep(self.every_s)

    async def _back(self, away_s: float) -> None:
        self.told.append("back")
        self.back.append(away_s)

    def hold(self) -> None:
        self.held.append(asyncio.get_running_loop().time())

    def release(self) -> None:
        self.released.append(asyncio.get_running_loop().time())

    async def lose_for(self, seconds: float) -> None:
        """Stop all packets for `seconds`."""
        self._flows.clear()
        await asyncio.sleep(seconds)
        self._flows.set()
        await asyncio.sleep(2.0)

    async def end(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


@pytest.fixture
async def network() -> AsyncIterator[Callable[[], Awaitable[Network]]]:
    """Yield a function that makes a network inside the test, where the clock is virtual."""
    made: list[Network] = []

    async def make() -> Network:
        made.append(Network())
        await asyncio.sleep(2.0)
        return made[-1]

    yield make
    for each in made:
        await each.end()


Making = Callable[[], Awaitable[Network]]


@pytest.mark.parametrize("every_s", [SPEECH_S, SILENCE_S], ids=["speech", "silence"])
async def test_output_is_never_paused_while_packets_arrive(network: Making, every_s: float) -> None:
    net = await network()
    net.every_s = every_s
    await asyncio.sleep(60.0)
    assert (net.told, net.held) == ([], [])


async def test_lost_packets_cut_the_answer_off_before_end_of_turn_and_pause_output(
    network: Making,
) -> None:
    net = await network()
    net.speaks = True
    asyncio.get_running_loop().call_later(0.75, setattr, net, "speaks", False)
    lost_at = asyncio.get_running_loop().time()
    losing = asyncio.create_task(net.lose_for(5.0))
    await asyncio.sleep(0.65)
    assert (net.told, net.held) == (["lost"], [])
    await losing
    assert net.told == ["lost", "back"]
    assert net.back == [pytest.approx(5.0, abs=0.35)]
    assert net.recorded == net.back
    assert [at - lost_at for at in net.held] == [pytest.approx(1.1, abs=0.2)]
    assert [at - lost_at for at in net.released] == [pytest.approx(6.2, abs=0.2)]


async def test_output_resumes_after_the_candidate_stops_speaking_or_after_a_limit(
    network: Making,
) -> None:
    net = await network()
    net.speaks = True
    lost_at = asyncio.get_running_loop().time()
    await net.lose_for(5.0)
    asyncio.get_running_loop().call_later(0.5, setattr, net, "speaks", False)
    await asyncio.sleep(3.0)
    assert [at - lost_at for at in net.released] == [pytest.approx(5.1 + 2.5 + 1.1, abs=0.3)]
    net.speaks = True
    await net.lose_for(5.0)
    lost_at = asyncio.get_running_loop().time()
    await asyncio.sleep(10.0)
    assert net.released[1] - lost_at == pytest.approx(4.0 - 2.0, abs=0.3)


async def test_in_silence_output_is_paused_only_after_several_missing_packets(
    network: Making,
) -> None:
    net = await network()
    net.every_s = SILENCE_S
    await net.lose_for(1.6)
    assert net.held == []
    lost_at = asyncio.get_running_loop().time()
    await net.lose_for(4.0)
    assert [at - lost_at for at in net.held] == [pytest.approx(2.2, abs=0.5)]


async def test_a_short_loss_repeats_nothing(network: Making) -> None:
    net = await network()
    net.speaks = True
    await net.lose_for(1.6)
    assert net.told == ["lost", "back"]
    assert net.back == [0.0]
    assert len(net.held) == len(net.released) == 1


async def test_output_resumes_after_ten_seconds_without_packets(
    network: Making,
) -> None:
    net = await network()
    lost_at = asyncio.get_running_loop().time()
    await net.lose_for(60.0)
    assert net.told == ["lost", "back"]
    assert [at - lost_at for at in net.released] == [pytest.approx(11.1, abs=0.3)]
    assert len(net.recorded) == 1


@pytest.mark.parametrize("count", [None, 0], ids=["muted", "replaced"])
async def test_a_muted_or_replaced_microphone_does_not_pause_output(
    network: Making, count: int | None
) -> None:
    net = await network()
    net.count = count
    net._flows.clear()
    await asyncio.sleep(0.3)
    net.count = None
    await asyncio.sleep(60.0)
    assert (net.told, net.held) == ([], [])


async def test_an_outage_of_the_room_is_left_to_the_outbound_monitor(network: Making) -> None:
    net = await network()
    losing = asyncio.create_task(net.lose_for(8.0))
    await asyncio.sleep(3.0)
    assert len(net.held) == 1
    net.room_is_away = True
    await losing
    net.room_is_away = False
    await asyncio.sleep(5.0)
    assert net.told == ["lost"]
    assert net.released == []


async def test_a_candidate_who_has_left_ends_the_pause_without_a_repeat(network: Making) -> None:
    net = await network()
    losing = asyncio.create_task(net.lose_for(4.0))
    await asyncio.sleep(3.0)
    net.is_here, net.count = False, None
    await losing
    assert net.told == ["lost"]
    assert len(net.released) == 1


async def test_ending_the_job_during_a_loss_resumes_output(network: Making) -> None:
    net = await network()
    net.speaks = True
    losing = asyncio.create_task(net.lose_for(3.0))
    await asyncio.sleep(2.0)
    await net.end()
    assert len(net.held) == len(net.released) == 1
    await losing
