"""The effect of each fault at its injection point."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest
from livekit import rtc
from livekit.agents import APIConnectionError, APIStatusError, LanguageCode, llm, stt, tts

from states import JournalError, State
from tests.support.virtual.async_steps import for_ever
from worker import faults
from worker.faults import FaultInjected
from worker.faults.grammar import parse
from worker.job.floor import TurnFloor
from worker.store.errors import is_transient

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

pytestmark = pytest.mark.looptime


@pytest.fixture(autouse=True)
def nothing_stays_armed() -> Iterator[None]:
    yield
    faults.arm(())


def arm(text: str) -> None:
    faults.arm(parse(text, own_resources=True))


async def answer() -> str:
    return "done"


async def items(*given: Any) -> AsyncIterator[Any]:
    for item in given:
        yield item


async def delivered(point: str, name: str, *given: Any) -> list[Any]:
    return [item async for item in faults.through(point, items(*given), name)]


# --- no fault set ---------------------------------------------------------------------------------


@pytest.mark.row("B11")
async def test_without_a_fault_a_point_returns_its_input_unchanged() -> None:
    work, stream = answer(), items()
    assert faults.at("load", work, "vad") is work
    assert faults.through("tts", stream, "local") is stream
    faults.here("set_up")
    faults.entered(State.RUNNING)
    assert faults.header() == {}
    assert await work == "done"


async def test_a_fault_of_another_point_has_no_effect() -> None:
    arm("load.vad=raise; close=raise; tts.elevenlabs=raise")
    assert await faults.at("load", answer(), "stt") == "done"
    assert await delivered("tts", "local", b"ab") == [b"ab"]


# --- kinds ----------------------------------------------------------------------------------------


async def test_raise_raises_before_the_work_begins() -> None:
    arm("load.vad=raise")
    with pytest.raises(FaultInjected, match=r"load\.vad=raise is set"):
        await faults.at("load", answer(), "vad")


async def test_a_point_without_a_name_covers_every_name() -> None:
    arm("load=raise")
    for name in ("vad", "whatever"):
        with pytest.raises(FaultInjected):
            await faults.at("load", answer(), name)


async def test_hang_never_returns_and_can_be_cancelled() -> None:
    arm("connect=hang")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(10_000):
            await faults.at("connect", answer())


async def test_slow_delays_the_work_and_then_it_succeeds() -> None:
    arm("connect=slow:1.5")
    loop = asyncio.get_running_loop()
    began = loop.time()
    assert await faults.at("connect", answer()) == "done"
    assert loop.time() - began == pytest.approx(1.5)


async def test_close_raises_a_transient_connection_error() -> None:
    arm("load.stt=close; database=close")
    with pytest.raises(ConnectionResetError):
        await faults.at("load", answer(), "stt")
    with pytest.raises(ConnectionResetError) as broken:
        await faults.at("database", answer(), "ship")
    assert is_transient(broken.value)


def test_kill_ends_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    killed: list[tuple[int, int]] = []
    monkeypatch.setattr(os, "kill", lambda *word: killed.append(word))
    arm("set_up=kill")
    faults.here("set_up")
    assert killed == [(os.getpid(), signal.SIGKILL)]


@pytest.mark.parametrize("text", ["process=hang", "process=slow:3600"])
def test_a_process_fault_blocks_the_whole_process(
    monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    arm(text)
    faults.entered(State.RUNNING)
    assert slept == [3600]


# --- errors as the worker's parts see them --------------------------------------------------------


@pytest.mark.parametrize("point", ["stt", "tts", "llm"])
async def test_a_provider_fault_raises_the_frameworks_api_errors(point: str) -> None:
    arm(f"{point}=raise:401")
    with pytest.raises(APIStatusError) as refused:
        await delivered(point, "local")
    assert refused.value.status_code == 401
    arm(f"{point}=raise")
    with pytest.raises(APIStatusError) as failed:
        await delivered(point, "local")
    assert failed.value.status_code == 500
    arm(f"{point}=close")
    with pytest.raises(APIConnectionError):
        await delivered(point, "local")


async def test_a_database_fault_is_permanent_or_transient_by_its_sqlstate() -> None:
    arm("database=raise")
    with pytest.raises(asyncpg.InternalServerError) as refused:
        await faults.at("database", answer(), "ship")
    assert not is_transient(refused.value)
    arm("database=raise:53300")
    with pytest.raises(asyncpg.TooManyConnectionsError) as full:
        await faults.at("database", answer(), "ship")
    assert is_transient(full.value)


def test_a_journal_fault_raises_a_journal_error() -> None:
    arm("journal.write=raise")
    with pytest.raises(JournalError):
        faults.here("journal.write")


async def test_empty_delivers_nothing_and_ends_without_an_error() -> None:
    arm("tts=empty; llm=empty; stt=empty")
    assert await delivered("tts", "local", b"abcd") == []
    assert await delivered("llm", "openai", llm.ChatChunk(id="1")) == []
    heard = stt.SpeechEvent(
        type=stt.SpeechEventType.FINAL_TRANSCRIPT,
        alternatives=[stt.SpeechData(language=LanguageCode("en"), text="hello")],
    )
    (event,) = await delivered("stt", "local", heard)
    assert [each.text for each in event.alternatives] == [""]
    assert heard.alternatives[0].text == "hello"


async def test_garbage_is_silence_for_speech_and_noise_for_text() -> None:
    arm("tts=garbage; llm=garbage; stt=garbage")
    assert await delivered("tts", "local", b"abcd") == [bytes(4)]
    frame = rtc.AudioFrame(b"abcd", sample_rate=24_000, num_channels=1, samples_per_channel=2)
    (spoken,) = await delivered("tts", "local", tts.SynthesizedAudio(frame=frame, request_id="1"))
    assert (bytes(spoken.frame.data), spoken.request_id) == (bytes(4), "1")
    chunk = llm.ChatChunk(id="1", delta=llm.ChoiceDelta(role="assistant", content="Hello"))
    (said, usage) = await delivered("llm", "openai", chunk, llm.ChatChunk(id="2"))
    assert "Hello" not in said.delta.content
    assert len(said.delta.content) > 1000
    assert usage.delta is None
    heard = stt.SpeechEvent(
        type=stt.SpeechEventType.FINAL_TRANSCRIPT,
        alternatives=[stt.SpeechData(language=LanguageCode("en"), text="hello")],
    )
    (event,) = await delivered("stt", "local", heard)
    assert "hello" not in event.alternatives[0].text


# --- conditions for triggering --------------------------------------------------------------------


@pytest.mark.row("B11")
async def test_a_fault_with_a_number_triggers_only_at_that_pass() -> None:
    arm("tts.local=raise@2")
    assert await delivered("tts", "local", b"ab") == [b"ab"]
    with pytest.raises(APIStatusError):
        await delivered("tts", "local", b"ab")
    assert await delivered("tts", "local", b"ab") == [b"ab"]


async def test_arming_resets_the_counters() -> None:
    for _ in range(2):
        arm("connect=raise@1")
        with pytest.raises(FaultInjected):
            await faults.at("connect", answer())


async def test_a_fault_of_a_state_triggers_every_time_while_the_state_lasts() -> None:
    arm("write=raise@running")
    assert await faults.at("write", answer()) == "done"
    faults.entered(State.RUNNING)
    for _ in range(2):
        with pytest.raises(FaultInjected):
            await faults.at("write", answer())
    faults.entered(State.CLOSING)
    assert await faults.at("write", answer()) == "done"


async def test_a_fault_of_a_state_breaks_a_stream_that_started_before_it() -> None:
    arm("stt.deepgram=close@running")
    stream = faults.through("stt", items("first", "second"), "deepgram")
    assert await anext(stream) == "first"
    faults.entered(State.RUNNING)
    with pytest.raises(APIConnectionError):
        await anext(stream)


def test_a_process_fault_triggers_once_when_its_state_is_entered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    arm("process=slow:2@ready")
    for state in (State.BOOTSTRAPPING, State.READY, State.READY, State.RUNNING):
        faults.entered(state)
    assert slept == [2]


async def test_a_loop_fault_blocks_the_loop_when_an_interviewer_turn_begins(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    arm("loop=slow:4@2")
    floor = TurnFloor()
    for turn in (1, 2, 3):
        floor.take()
        assert slept == ([4] if turn > 1 else [])
        floor.give()


async def test_cancelling_a_hanging_point_leaves_no_task_behind() -> None:
    arm("load.vad=hang")
    task = asyncio.ensure_future(faults.at("load", for_ever(), "vad"))
    await asyncio.sleep(1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.row("B11")
def test_armed_faults_are_in_the_journal_header() -> None:
    arm("load.vad=hang; database=slow:1.5@running")
    assert faults.header() == {"faults": ["load.vad=hang", "database=slow:1.5@running"]}


def test_a_triggered_fault_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    arm("journal.open=raise")
    with pytest.raises(JournalError):
        faults.here("journal.open")
    assert "injected fault triggered: journal.open=raise" in caplog.text
