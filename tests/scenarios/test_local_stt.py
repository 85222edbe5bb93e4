"""The in-process speech-to-text, used through LiveKit's STT interface."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import TYPE_CHECKING

import numpy as np
import pytest
from livekit import rtc
from livekit.agents import APIConnectionError, APIConnectOptions, stt, vad
from livekit.agents.stt import SpeechEvent, SpeechEventType

from tests.support.virtual.speech_helpers import (
    STT_RATE,
    frames,
    in_room,
    silence,
    spoken,
    word_error_rate,
)
from worker.audio.frames import frame_of
from worker.speech import local_models
from worker.speech.local_models import LocalSpeechFailed, LocalSpeechUnavailable
from worker.speech.stt.local import LocalSTT
from worker.speech.vad.silero import load_vad

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from worker.audio.dsp import Pcm

FIRST = "I worked on a search engine for three years."
SECOND = "After that I was in charge of another team."
ONCE = APIConnectOptions(max_retry=0)
AGAIN = APIConnectOptions(max_retry=2, retry_interval=0.0)


@pytest.fixture(params=["silero", "energy gate"])
async def local_stt(request: pytest.FixtureRequest) -> AsyncIterator[LocalSTT]:
    """Yield the STT, once with the Silero VAD and once without a VAD."""
    detector = await load_vad() if request.param == "silero" else None
    recognizer = LocalSTT(vad=detector)
    yield recognizer
    await recognizer.aclose()


@pytest.fixture
async def gated_stt() -> AsyncIterator[LocalSTT]:
    """Yield the STT without a VAD model."""
    recognizer = LocalSTT()
    yield recognizer
    await recognizer.aclose()


async def events_of(
    recognizer: LocalSTT, pcm: Pcm, *, sample_rate: int = STT_RATE
) -> list[SpeechEvent]:
    """Return the events of the audio, with the input ended."""
    async with recognizer.stream() as stream:
        for frame in frames(pcm, sample_rate=sample_rate):
            stream.push_frame(frame)
        stream.end_input()
        return [event async for event in stream]


def kinds(events: list[SpeechEvent]) -> list[SpeechEventType]:
    return [event.type for event in events if event.type is not SpeechEventType.RECOGNITION_USAGE]


def text_of(events: list[SpeechEvent]) -> str:
    return " ".join(data.text for event in events for data in event.alternatives)


async def test_a_sentence_becomes_a_start_a_final_and_an_end(local_stt: LocalSTT) -> None:
    events = await events_of(local_stt, in_room(silence(1), spoken(FIRST), silence(1)))

    assert kinds(events) == [
        SpeechEventType.START_OF_SPEECH,
        SpeechEventType.FINAL_TRANSCRIPT,
        SpeechEventType.END_OF_SPEECH,
    ]
    assert word_error_rate(FIRST, text_of(events)) <= 0.1


async def test_a_final_has_the_language_and_the_times_of_the_speech(local_stt: LocalSTT) -> None:
    answer = spoken(FIRST)

    events = await events_of(local_stt, in_room(silence(1), answer, silence(1)))

    (data,) = next(event for event in events if event.alternatives).alternatives
    assert data.language == "en"
    assert 0.0 <= data.start_time <= 1.1
    assert data.end_time == pytest.approx(1 + len(answer) / STT_RATE, abs=0.3)


async def test_the_end_of_speech_is_when_the_speaker_stopped(local_stt: LocalSTT) -> None:
    events = await events_of(local_stt, in_room(silence(1), spoken(FIRST), silence(2)))

    start, final, end = (e for e in events if e.type is not SpeechEventType.RECOGNITION_USAGE)
    assert start.speech_start_time is not None
    assert end.speech_end_time is not None
    assert final.speech_end_time == pytest.approx(end.speech_end_time, abs=5)
    assert start.speech_start_time < time.time() - 2
    assert end.speech_end_time < time.time() - 1


async def test_an_answer_with_a_pause_in_it_loses_nothing(local_stt: LocalSTT) -> None:
    sounds = (silence(1), spoken(FIRST), silence(1.2), spoken(SECOND), silence(1))

    events = await events_of(local_stt, in_room(*sounds))

    assert kinds(events).count(SpeechEventType.FINAL_TRANSCRIPT) == 2
    assert word_error_rate(f"{FIRST} {SECOND}", text_of(events)) <= 0.1
    assert kinds(events)[-1] is SpeechEventType.END_OF_SPEECH


async def test_speech_cut_off_by_the_end_of_input_is_transcribed(local_stt: LocalSTT) -> None:
    events = await events_of(local_stt, in_room(silence(1), spoken(FIRST)))

    assert word_error_rate(FIRST, text_of(events)) <= 0.1
    assert kinds(events)[-1] is SpeechEventType.END_OF_SPEECH


async def test_a_speech_of_over_a_minute_is_transcribed_in_pieces_without_loss() -> None:
    """Silero alone drops audio after 60 s without a pause."""
    said = " ".join(
        f"In week {week} we looked at the slowest queries, wrote down what we saw, and fixed one."
        for week in (
            *("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"),
            *("eleven", "twelve", "thirteen"),
        )
    )
    pcm = in_room(spoken(said), silence(1))
    assert len(pcm) / STT_RATE > 62
    recognizer = LocalSTT(vad=await load_vad())

    events = await events_of(recognizer, pcm)
    await recognizer.aclose()

    finals = [event for event in events if event.type is SpeechEventType.FINAL_TRANSCRIPT]
    assert all(e.alternatives[0].end_time - e.alternatives[0].start_time <= 20.1 for e in finals)
    assert kinds(events).count(SpeechEventType.END_OF_SPEECH) == 1
    assert word_error_rate(said, text_of(events)) <= 0.1


async def test_a_silent_room_gives_no_words(local_stt: LocalSTT) -> None:
    events = await events_of(local_stt, in_room(silence(4), rms=100))

    assert text_of(events) == ""


async def test_the_audio_of_a_room_is_resampled(local_stt: LocalSTT) -> None:
    rate = 48_000
    answer = spoken(FIRST, sample_rate=rate)
    quiet = silence(1, sample_rate=rate)

    events = await events_of(
        local_stt, in_room(quiet, answer, quiet, sample_rate=rate), sample_rate=rate
    )

    assert word_error_rate(FIRST, text_of(events)) <= 0.1


async def test_a_flush_ends_the_speech_at_once_and_the_next_is_heard(
    local_stt: LocalSTT,
) -> None:
    async with local_stt.stream() as stream:
        for frame in frames(in_room(silence(1), spoken(FIRST))):
            stream.push_frame(frame)
        stream.flush()
        seen = [await anext(stream)]
        while seen[-1].type is not SpeechEventType.END_OF_SPEECH:
            seen.append(await anext(stream))
        for frame in frames(in_room(silence(1), spoken(SECOND), silence(1))):
            stream.push_frame(frame)
        stream.end_input()
        after = [event async for event in stream]

    assert word_error_rate(FIRST, text_of(seen)) <= 0.1
    assert word_error_rate(SECOND, text_of(after)) <= 0.1


async def test_whole_audio_is_recognized_without_a_stream(gated_stt: LocalSTT) -> None:
    rate = 24_000
    stereo = np.repeat(spoken(FIRST, sample_rate=rate), 2)
    frame = rtc.AudioFrame(stereo.tobytes(), rate, 2, len(stereo) // 2)

    event = await gated_stt.recognize(frame)
    nothing = await gated_stt.recognize([frame_of(silence(1), STT_RATE)])

    assert word_error_rate(FIRST, event.alternatives[0].text) <= 0.1
    assert nothing.alternatives == []


async def test_the_stt_reports_the_local_model_name(gated_stt: LocalSTT) -> None:
    assert (gated_stt.provider, gated_stt.model) == ("local", "moonshine-tiny-en")
    assert gated_stt.capabilities.streaming


async def test_usage_counts_the_seconds_that_were_transcribed(gated_stt: LocalSTT) -> None:
    answer = spoken(FIRST)

    events = await events_of(gated_stt, in_room(silence(2), answer, silence(2)))

    usage = sum(e.recognition_usage.audio_duration for e in events if e.recognition_usage)
    assert len(answer) / STT_RATE <= usage <= len(answer) / STT_RATE + 1.5


class SlowModel:
    """A replacement of the model that answers only once `go_on` is set."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.go_on = threading.Event()
        self.heard_s: list[float] = []
        self.failures: list[Exception] = []

    def transcribe(self, samples: np.ndarray) -> str:
        self.begun.set()
        self.go_on.wait(timeout=30)
        if self.failures:
            raise self.failures.pop(0)
        self.heard_s.append(len(samples) / STT_RATE)
        return f"answer {len(self.heard_s)}"


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> SlowModel:
    model = SlowModel()
    monkeypatch.setattr(local_models, "transcribe", model.transcribe)
    return model


def push(stream: stt.RecognizeStream, *sounds: Pcm) -> None:
    for frame in frames(in_room(*sounds)):
        stream.push_frame(frame)


async def test_speech_that_starts_during_transcription_joins_the_same_answer(
    gated_stt: LocalSTT, model: SlowModel
) -> None:
    answer = spoken(FIRST)
    stream = gated_stt.stream()
    async with stream:
        push(stream, silence(1), answer, silence(1))
        assert (await anext(stream)).type is SpeechEventType.START_OF_SPEECH
        await asyncio.to_thread(model.begun.wait)
        push(stream, answer, silence(1))
        stream.end_input()
        while len(stream._pieces) < 2:  # noqa: ASYNC110 - no event exists for the second piece
            await asyncio.sleep(0)
        model.go_on.set()
        rest = kinds([event async for event in stream])

    assert rest == [
        SpeechEventType.FINAL_TRANSCRIPT,
        SpeechEventType.FINAL_TRANSCRIPT,
        SpeechEventType.END_OF_SPEECH,
    ]
    assert sum(model.heard_s) >= 2 * len(answer) / STT_RATE - 0.3


async def test_an_answer_is_transcribed_again_after_a_failure(
    gated_stt: LocalSTT, model: SlowModel
) -> None:
    model.failures.append(LocalSpeechFailed("moonshine", "OSError"))
    model.go_on.set()
    errors: list[stt.STTError] = []
    gated_stt.on("error", errors.append)
    async with gated_stt.stream(conn_options=AGAIN) as stream:
        push(stream, silence(1), spoken(FIRST), silence(1))
        stream.end_input()
        events = [event async for event in stream]

    assert text_of(events) == "answer 1"
    assert [error.recoverable for error in errors] == [True]


async def test_a_permanent_failure_ends_the_stream_with_its_reason(
    gated_stt: LocalSTT, model: SlowModel
) -> None:
    model.failures.append(LocalSpeechFailed("moonshine", "OSError"))
    model.go_on.set()
    async with gated_stt.stream(conn_options=ONCE) as stream:
        push(stream, silence(1), spoken(FIRST), silence(1))
        with pytest.raises(APIConnectionError, match="moonshine failed: OSError"):
            async for _ in stream:
                pass


async def test_a_missing_model_is_not_retried(gated_stt: LocalSTT, model: SlowModel) -> None:
    model.failures.append(LocalSpeechUnavailable("not here"))
    model.go_on.set()
    async with gated_stt.stream(conn_options=AGAIN) as stream:
        push(stream, silence(1), spoken(FIRST), silence(1))
        with pytest.raises(APIConnectionError, match="not here"):
            async for _ in stream:
                pass


class BrokenVAD(vad.VAD):
    """A VAD whose inference raises."""

    def __init__(self) -> None:
        super().__init__(capabilities=vad.VADCapabilities(update_interval=0.1))

    def stream(self) -> vad.VADStream:
        return BrokenVADStream(self)


class BrokenVADStream(vad.VADStream):
    async def _main_task(self) -> None:
        raise OSError("no inference")


async def test_a_vad_that_breaks_is_replaced_by_the_energy_gate() -> None:
    recognizer = LocalSTT(vad=BrokenVAD())
    heard: list[SpeechEvent] = []
    async with recognizer.stream(conn_options=AGAIN) as stream:
        retried = asyncio.Event()
        recognizer.on("error", lambda _: retried.set())
        push(stream, silence(0.1))
        await retried.wait()
        push(stream, silence(1), spoken(FIRST), silence(1))
        stream.end_input()
        heard = [event async for event in stream]
    await recognizer.aclose()

    assert word_error_rate(FIRST, text_of(heard)) <= 0.1


async def test_a_broken_vad_is_not_used_by_later_streams() -> None:
    """Otherwise a caller that opens one stream after the other would never get a transcript."""
    recognizer = LocalSTT(vad=BrokenVAD())
    once = APIConnectOptions(max_retry=0)
    async with recognizer.stream(conn_options=once) as stream:
        push(stream, silence(0.1))
        with pytest.raises(APIConnectionError):
            await anext(stream)
    async with recognizer.stream(conn_options=once) as stream:
        push(stream, silence(1), spoken(FIRST), silence(1))
        stream.end_input()
        heard = [event async for event in stream]
    await recognizer.aclose()

    assert word_error_rate(FIRST, text_of(heard)) <= 0.1


async def test_closing_leaves_no_task_and_no_thread_behind(model: SlowModel) -> None:
    before = asyncio.all_tasks()
    recognizer = LocalSTT()
    stream = recognizer.stream()
    push(stream, silence(1), spoken(FIRST), silence(1))
    await asyncio.to_thread(model.begun.wait)
    asyncio.get_running_loop().call_later(0.01, model.go_on.set)

    await recognizer.aclose()

    assert asyncio.all_tasks() == before
    assert not any(thread.name.startswith("local-stt") for thread in threading.enumerate())
