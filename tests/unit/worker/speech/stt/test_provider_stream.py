"""How much audio a transcript covers, by the times that a provider reports."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest
from livekit.agents import stt

from tests.support.virtual.stt_fakes import quiet
from worker.speech.stt.pending_speech import ReplayBuffer
from worker.speech.stt.provider_stream import ProviderStream

pytestmark = pytest.mark.looptime


def opened() -> tuple[ProviderStream, ReplayBuffer]:
    """Return a stream that has received two seconds of audio."""
    inner = SimpleNamespace(start_time_offset=0.0, push_frame=lambda _: None)
    engine = SimpleNamespace(stream=lambda **_: inner)
    buffer = ReplayBuffer()
    for frame in quiet(2.0):
        buffer.push(frame)
    watch = SimpleNamespace(owed=True, buffer=buffer)
    return ProviderStream("cloud", cast(Any, engine), cast(Any, watch), heard_at=2.0), buffer


def final(end_s: float) -> stt.SpeechEvent:
    data = stt.SpeechData(language=cast(Any, "en"), text="words", end_time=end_s)
    return stt.SpeechEvent(stt.SpeechEventType.FINAL_TRANSCRIPT, alternatives=[data])


@pytest.mark.parametrize(
    ("end_s", "covered_s"),
    [
        (1.5, 1.5),
        (0.0, 2.0),
        (-1.0, 2.0),
        (99.0, 2.0),
        (float("inf"), 2.0),
        (float("nan"), 2.0),
    ],
)
async def test_a_transcript_covers_a_part_of_the_audio_whatever_time_is_reported(
    end_s: float, covered_s: float
) -> None:
    stream, buffer = opened()
    covers = stream.covers(final(end_s))
    assert covers == pytest.approx(covered_s)
    assert buffer.start_s <= covers <= buffer.end_s
