"""Speech that a provider receives after it was spoken: its transcript arrives as one."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from livekit.agents import APIConnectionError, APIStatusError
from livekit.agents.stt import SpeechEventType

from tests.support.virtual.provider_fakes import in_turn
from tests.support.virtual.stt_fakes import CountingSTT, quiet, sound, spoken, working_for
from tests.support.virtual.stt_room import Room
from worker.speech.stt.catch_up import OVERDUE_S
from worker.transport.in_memory import FRAME_S

if TYPE_CHECKING:
    from livekit import rtc

pytestmark = pytest.mark.looptime

AWAY = APIConnectionError()
REFUSED = APIStatusError("refused", status_code=401)


def two_phrases() -> list[rtc.AudioFrame]:
    """Return speech with a pause that ends a phrase for `CountingSTT`, and not for the VAD."""
    return [*spoken([1, 2]), *quiet(0.35), *spoken([3, 4, 5])]


def texts(room: Room, kind: SpeechEventType) -> list[str]:
    return [event.alternatives[0].text for event in room.listener.of(kind)]


async def test_the_phrases_of_buffered_speech_are_one_final_transcript() -> None:
    room = Room(first=CountingSTT(deaf=True), second=CountingSTT(delay_s=0.3))

    await room.hear(quiet(1), two_phrases(), quiet(3))

    assert await room.ends() == [1, 2, 3, 4, 5]
    assert texts(room, SpeechEventType.FINAL_TRANSCRIPT) == ["1 2 3 4 5"]


async def test_a_phrase_of_buffered_speech_is_interim_text_until_the_last_phrase() -> None:
    room = Room(first=CountingSTT(deaf=True), second=CountingSTT(delay_s=0.3))

    await room.hear(quiet(1), two_phrases(), quiet(3))
    await room.ends()

    interims = texts(room, SpeechEventType.INTERIM_TRANSCRIPT)
    assert interims[:2] == ["1", "1 2"]
    assert "1 2 3" in interims
    assert all(text.startswith("1") for text in interims)


async def test_the_final_transcript_of_buffered_speech_spans_all_of_its_phrases() -> None:
    room = Room(first=CountingSTT(deaf=True), second=CountingSTT(delay_s=0.3))

    await room.hear(quiet(1), two_phrases(), quiet(3))
    await room.ends()

    (final,) = room.listener.of(SpeechEventType.FINAL_TRANSCRIPT)
    (start,) = room.listener.of(SpeechEventType.START_OF_SPEECH)
    events = [event.type for _, event in room.listener.events]
    assert events.index(start.type) < events.index(final.type)
    assert events[-1] is SpeechEventType.END_OF_SPEECH
    assert events.count(SpeechEventType.END_OF_SPEECH) == 1


async def test_speech_after_the_buffered_speech_has_transcripts_of_its_own() -> None:
    first = CountingSTT(in_turn(*working_for(2.9), REFUSED), deaf=True)
    room = Room(first=first, second=CountingSTT(delay_s=0.1))

    await room.hear(quiet(1), two_phrases(), quiet(4), two_phrases(), quiet(2))
    await room.ends()

    finals = texts(room, SpeechEventType.FINAL_TRANSCRIPT)
    assert finals == ["1 2 3 4 5", "1 2", "3 4 5"]


async def test_a_provider_that_fails_while_it_catches_up_leaves_no_phrase_out() -> None:
    # The second provider transcribes the first phrase of the buffered audio, and then fails.
    second = CountingSTT(in_turn(*working_for(2.3), AWAY), delay_s=0.3)
    room = Room(first=CountingSTT(deaf=True), second=second, third=CountingSTT(delay_s=0.3))

    await room.hear(quiet(1), two_phrases(), quiet(4))

    assert await room.ends() == [1, 2, 3, 4, 5]
    assert texts(room, SpeechEventType.FINAL_TRANSCRIPT) == ["1 2 3 4 5"]


async def test_audio_that_ends_while_a_provider_catches_up_loses_no_phrase() -> None:
    room = Room(first=CountingSTT(deaf=True), second=CountingSTT(delay_s=0.3))

    await room.hear(quiet(1), two_phrases())

    assert await room.ends() == [1, 2, 3, 4, 5]


async def test_speech_to_text_is_behind_until_the_buffered_speech_is_transcribed() -> None:
    only = CountingSTT(in_turn(AWAY), delay_s=0.3)
    room = Room(only=only)
    assert not room.engine.is_behind

    await room.hear(two_phrases())
    assert room.engine.is_behind
    only.fate = in_turn(None)
    hearing = asyncio.create_task(room.hear(quiet(20)))
    await room.engine.caught_up()

    assert texts(room, SpeechEventType.INTERIM_TRANSCRIPT)[-1] == "1 2 3 4 5"
    await hearing
    assert not room.engine.is_behind
    assert await room.ends() == [1, 2, 3, 4, 5]


async def test_live_speech_is_behind_from_its_end_until_its_transcript_comes() -> None:
    room = Room(first=CountingSTT(delay_s=0.8), second=CountingSTT())

    for frame in (*quiet(1), *two_phrases()):
        await room.hear([frame])
        assert not room.engine.is_behind
    hearing = asyncio.create_task(room.hear(quiet(2)))
    await asyncio.sleep(0.6)  # the VAD ends the speech after 0.5 s
    assert room.engine.is_behind
    assert texts(room, SpeechEventType.FINAL_TRANSCRIPT) == ["1 2"]
    await room.engine.caught_up()
    await asyncio.sleep(FRAME_S)  # the listener takes the event

    assert texts(room, SpeechEventType.FINAL_TRANSCRIPT) == ["1 2", "3 4 5"]
    await hearing
    assert not room.engine.is_behind
    assert await room.ends() == [1, 2, 3, 4, 5]


async def test_a_cough_is_not_waited_for() -> None:
    room = Room(first=CountingSTT(), second=CountingSTT())

    for part in (spoken([1, 2]), quiet(0.6), sound(0.4), quiet(8)):
        for frame in part:
            await room.hear([frame])
            assert not room.engine.is_behind

    assert await room.ends() == [1, 2]


async def test_providers_that_never_answer_do_not_keep_speech_to_text_behind() -> None:
    room = Room(first=CountingSTT(deaf=True), second=CountingSTT(deaf=True))
    loop = asyncio.get_running_loop()
    await room.hear(spoken(range(1, 7)))
    ended_at = loop.time()
    assert room.engine.is_behind
    hearing = asyncio.create_task(room.hear(quiet(20)))

    await room.engine.caught_up()

    assert loop.time() - ended_at < OVERDUE_S
    await hearing
    assert not room.engine.is_behind
    await room.ends()


async def test_a_stream_that_is_replaced_while_it_is_behind_keeps_nobody_waiting() -> None:
    room = Room(only=CountingSTT(in_turn(AWAY)))
    await room.hear(two_phrases())
    waiting = asyncio.create_task(room.engine.caught_up())
    await asyncio.sleep(0)
    assert not waiting.done()

    await room.listener.stream.aclose()
    await waiting

    assert not room.engine.is_behind
    await room.engine.aclose()
