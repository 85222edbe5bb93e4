"""A VAD that dies in the middle of speech, and the events that its listeners get."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import pytest
from livekit import rtc
from livekit.agents import vad

from states import Condition
from tests.support.virtual.stt_fakes import LoudnessVAD, quiet, sound
from worker import faults
from worker.faults.grammar import parse
from worker.speech.vad import supervised
from worker.speech.vad.energy import EnergyVAD
from worker.speech.vad.strict import StrictVAD, VADEnded, VADSilent
from worker.speech.vad.supervised import SupervisedVAD
from worker.transport.in_memory import FRAME_S

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

pytestmark = pytest.mark.looptime

START, END = vad.VADEventType.START_OF_SPEECH, vad.VADEventType.END_OF_SPEECH


@pytest.fixture(autouse=True)
def nothing_stays_armed() -> Iterator[None]:
    yield
    faults.arm(())


class Listening:
    """A listener of a watched VAD, with its speech events and conditions in order."""

    def __init__(self, *, late: bool = False) -> None:
        self.inner = LoudnessVAD()
        self.watched = SupervisedVAD(self.inner)
        self.watched.on_change = self.take
        if late:
            self.watched.join_late()
        self.stream = self.watched.stream()
        self.said: list[str] = []
        self.told_at: list[float] = []
        self.taking = asyncio.create_task(self._take())

    async def take(self, condition: Condition) -> None:
        await asyncio.sleep(0.1)
        self.said.append(f"{condition.status} {condition.reason}")
        self.told_at.append(asyncio.get_running_loop().time())

    async def hears(self, *parts: list[rtc.AudioFrame]) -> None:
        """Push frames in real time, one after the other."""
        for part in parts:
            for frame in part:
                self.stream.push_frame(frame)
                await asyncio.sleep(FRAME_S)

    async def _take(self) -> None:
        async for event in self.stream:
            if event.type in (START, END):
                self.said.append(event.type.value)

    async def aclose(self) -> None:
        await self.stream.aclose()
        await self.taking


@pytest.fixture
async def listen() -> AsyncIterator[Any]:
    """Yield a function that begins to listen inside the test, where the clock is virtual."""
    begun: list[Listening] = []

    def one(*, late: bool = False) -> Listening:
        begun.append(Listening(late=late))
        return begun[-1]

    yield one
    for each in begun:
        await each.aclose()


async def test_a_working_vad_is_passed_through_without_a_condition(listen: Any) -> None:
    listening = listen()
    await listening.hears(sound(1.0), quiet(1.0), sound(1.0), quiet(1.0))

    assert listening.said == ["start_of_speech", "end_of_speech"] * 2
    assert listening.inner.streams == 1


@pytest.mark.parametrize(
    ("fate", "reason"), [("raises", "VADFailed"), ("ends", "VADEnded"), ("hangs", "VADSilent")]
)
async def test_ongoing_speech_ends_after_the_loss_was_reported(
    listen: Any, fate: Literal["raises", "ends", "hangs"], reason: str
) -> None:
    listening = listen()
    await listening.hears(sound(1.0))
    listening.inner.fate = fate
    await listening.hears(sound(3.0))

    assert listening.said == ["start_of_speech", f"lost {reason}", "end_of_speech"]


async def test_a_loss_between_turns_does_not_end_speech(listen: Any) -> None:
    listening = listen()
    await listening.hears(sound(1.0), quiet(1.0))
    listening.inner.fate = "raises"
    await listening.hears(quiet(1.0))

    assert listening.said == ["start_of_speech", "end_of_speech", "lost VADFailed"]


@pytest.mark.parametrize("fate", ["raises", "ends", "hangs"])
async def test_a_recovered_vad_is_ready_once_the_candidate_is_silent(
    listen: Any, fate: Literal["raises", "ends", "hangs"]
) -> None:
    listening = listen()
    listening.inner.fate = fate
    await listening.hears(quiet(10.0))
    del listening.said[:]
    listening.inner.fate = "works"
    # The next retry may be some seconds away; the candidate speaks from then on.
    await listening.hears(sound(40.0))
    assert listening.said == []
    assert not listening.watched.delivers.is_set()

    await listening.hears(quiet(3.0))
    assert listening.said == ["ready Recovered", "end_of_speech"]
    assert listening.watched.delivers.is_set()

    await listening.hears(sound(1.0), quiet(1.0))
    assert listening.said[2:] == ["start_of_speech", "end_of_speech"]


async def test_a_broken_vad_is_reported_once_and_retried_ever_less_often(
    listen: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervised, "_RETRY", replace(supervised._RETRY, jitter=0.0))
    listening = listen()
    listening.inner.fate = "raises"
    await listening.hears(quiet(300.0))

    assert listening.said == ["lost VADFailed"]
    # Retries after 0.5, 1, 2, 4, 8 and 16 s, and every 30 s from then on.
    assert 14 <= listening.inner.streams <= 16


async def test_a_vad_without_audio_does_not_count_as_hanging(listen: Any) -> None:
    listening = listen()
    await listening.hears(sound(1.0), quiet(1.0))
    await asyncio.sleep(600)

    assert listening.said == ["start_of_speech", "end_of_speech"]


async def test_a_vad_after_a_blocked_event_loop_does_not_count_as_hanging(listen: Any) -> None:
    listening = listen()
    for frame in quiet(30.0):
        listening.stream.push_frame(frame)
    await asyncio.sleep(5)

    assert listening.said == []


async def test_a_vad_that_loads_late_during_speech_waits_for_its_end(listen: Any) -> None:
    listening = listen(late=True)
    await listening.hears(sound(5.0), quiet(1.0), sound(1.0))
    assert not listening.watched.delivers.is_set()
    await listening.hears(quiet(3.0))
    assert listening.watched.delivers.is_set()
    assert listening.said == []

    await listening.hears(sound(1.0), quiet(1.0))
    assert listening.said == ["start_of_speech", "end_of_speech"]


async def test_a_hanging_condition_callback_does_not_keep_speech_open(listen: Any) -> None:
    listening = listen()

    async def hang(_: Condition) -> None:
        await asyncio.Event().wait()

    listening.watched.on_change = hang
    await listening.hears(sound(1.0))
    listening.inner.fate = "raises"
    await listening.hears(sound(2.0))

    assert listening.said == ["start_of_speech", "end_of_speech"]


async def test_speech_already_ended_by_a_flush_is_not_ended_again(listen: Any) -> None:
    """A flush is a hard boundary: speech in progress before it is over."""
    listening = listen()
    await listening.hears(sound(1.0))
    listening.stream.flush()
    await listening.hears(quiet(1.0))
    listening.inner.fate = "raises"
    await listening.hears(quiet(1.0))

    assert listening.said == ["start_of_speech", "lost VADFailed"]


async def test_the_end_of_the_audio_ends_the_stream_even_if_the_vad_hangs(listen: Any) -> None:
    listening = listen()
    await listening.hears(sound(1.0))
    listening.inner.fate = "hangs"
    listening.stream.end_input()
    await asyncio.sleep(5)

    assert listening.said == ["start_of_speech", "lost VADSilent"]
    assert listening.taking.done()


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("vad=raise@1", ["lost VADFailed", "ready Recovered", "end_of_speech"]),
        ("vad=hang@1", ["lost VADSilent", "ready Recovered", "end_of_speech"]),
        ("vad=slow:1@1", []),
        ("vad=slow:5@1", ["lost VADSilent", "ready Recovered", "end_of_speech"]),
    ],
)
async def test_an_injected_fault_hits_the_running_stream(
    listen: Any, fault: str, said: list[str]
) -> None:
    faults.arm(parse(fault))
    listening = listen()
    await listening.hears(quiet(10.0))
    assert listening.said == said

    await listening.hears(sound(1.0), quiet(1.0))
    assert listening.said[len(said) :] == ["start_of_speech", "end_of_speech"]


@pytest.mark.parametrize("fate", ["hangs", "ends", "raises"])
async def test_a_strict_vad_raises_when_the_inner_vad_fails(
    fate: Literal["hangs", "ends", "raises"],
) -> None:
    inner = LoudnessVAD()
    errors = {"hangs": VADSilent, "ends": VADEnded, "raises": RuntimeError}
    stream = StrictVAD(inner).stream()
    for frame in sound(1.0):
        stream.push_frame(frame)
    while (await anext(stream)).type is not START:
        pass
    inner.fate = fate
    stream.push_frame(sound(FRAME_S)[0])
    heard = asyncio.create_task(_drain(stream))
    while not heard.done():
        with contextlib.suppress(RuntimeError):
            stream.push_frame(sound(FRAME_S)[0])
        await asyncio.sleep(FRAME_S)

    with pytest.raises(errors[fate]):
        heard.result()
    await stream.aclose()


async def test_a_strict_vad_passes_on_all_events() -> None:
    stream = StrictVAD(LoudnessVAD()).stream()
    for frame in (*sound(1.0), *quiet(1.0)):
        stream.push_frame(frame)
    stream.end_input()
    said = [event.type async for event in stream if event.type in (START, END)]

    assert said == [START, END]
    await stream.aclose()


async def _drain(stream: vad.VADStream) -> None:
    async for _ in stream:
        pass


async def test_a_supervised_vad_has_the_properties_of_the_inner_vad() -> None:
    gate = EnergyVAD()
    watched = SupervisedVAD(gate)

    assert (watched.model, watched.provider) == (gate.model, gate.provider)
    assert watched.min_silence_duration == gate.min_silence_duration
    assert SupervisedVAD(LoudnessVAD()).min_silence_duration is None
