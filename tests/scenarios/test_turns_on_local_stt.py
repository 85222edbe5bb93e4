"""Turns that the local STT's endpointing ends, as in a job whose Silero did not load."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Never

import pytest
from livekit import rtc
from livekit.agents import Agent, AgentSession, StopResponse, llm
from livekit.agents.voice.io import AudioInput
from livekit.agents.voice.turn import TurnHandlingOptions

from tests.support.virtual.speech_helpers import frames, in_room, silence, spoken, word_error_rate
from worker.speech.stt.local import LocalSTT

if TYPE_CHECKING:
    from worker.audio.dsp import Pcm

FIRST = "I worked on a search engine for three years."
SECOND = "After that I was in charge of another team."


class Microphone(AudioInput):
    """An audio input that gives a recording in real time, then nothing."""

    def __init__(self, pcm: Pcm) -> None:
        super().__init__(label="microphone")
        self._frames = frames(pcm)
        self._due: float | None = None

    async def __anext__(self) -> rtc.AudioFrame:
        frame = next(self._frames, None)
        if frame is None:
            await asyncio.Event().wait()
        assert frame is not None
        now = asyncio.get_running_loop().time()
        self._due = (now if self._due is None else self._due) + frame.duration
        await asyncio.sleep(max(0.0, self._due - now))
        return frame


class Silent(llm.LLM[Never]):
    """A language model that must not be called."""

    def chat(self, **_: Any) -> llm.LLMStream:
        raise AssertionError("asked")


class Listener(Agent):
    """An agent that records the candidate's turns and answers none."""

    def __init__(self) -> None:
        super().__init__(instructions="")
        self.turns: list[str] = []
        self.heard = asyncio.Event()

    async def on_user_turn_completed(
        self, turn_ctx: llm.ChatContext, new_message: llm.ChatMessage
    ) -> None:
        self.turns.append(new_message.text_content or "")
        self.heard.set()
        raise StopResponse


async def turns_of(pcm: Pcm, *, min_delay_s: float) -> list[str]:
    """Return the turns that a session without a VAD makes of a recording."""
    listener = Listener()
    turns: TurnHandlingOptions = {
        "turn_detection": "stt",
        "endpointing": {"min_delay": min_delay_s, "max_delay": min_delay_s + 1},
        "preemptive_generation": {"enabled": False},
    }
    recognizer = LocalSTT()
    async with AgentSession(
        stt=recognizer,
        llm=Silent(),
        vad=None,
        turn_handling=turns,
    ) as session:
        session.input.audio = Microphone(pcm)
        await session.start(listener, record=False)
        await listener.heard.wait()
    await recognizer.aclose()
    return listener.turns


@pytest.mark.parametrize("pause_s", [0.3, 1.0])
async def test_an_answer_with_a_pause_is_one_complete_turn(pause_s: float) -> None:
    sounds = (silence(0.5), spoken(FIRST), silence(pause_s), spoken(SECOND), silence(3))

    (turn,) = await turns_of(in_room(*sounds), min_delay_s=1.8)

    assert word_error_rate(f"{FIRST} {SECOND}", turn) <= 0.1
