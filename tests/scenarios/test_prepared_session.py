"""A whole plan in a real AgentSession: every line comes from the TTS cache."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from livekit.agents import AgentSession, llm
from livekit.agents.voice import io

from tests.support.virtual.interview_parts import LONG, SHORT, plan_of, question
from tests.support.virtual.long_sink import LongSink
from tests.support.virtual.provider_fakes import chain_of
from tests.support.virtual.scripted_voice import MemoryStore, ScriptedTTS, Sound
from worker.audio.output import MixedAudioOutput
from worker.interview.conversation.interviewer import Interviewer
from worker.interview.conversation.turn_log import TurnKeeper
from worker.interview.orchestrator import Role
from worker.interview.orchestrator_llm import OrchestratorLLM
from worker.interview.spoken_lines import planned_lines, prepare_plan
from worker.speech.tts import cache_warmup
from worker.speech.tts.fallback import SAMPLE_RATE, ChainTTS
from worker.speech.tts.fallback_stream import sentences_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from livekit import rtc

PLAN = plan_of(question(0, follow_ups=1), question(1))


class QuickOutput(io.AudioOutput):
    """An audio output that plays everything instantly."""

    def __init__(self) -> None:
        super().__init__(
            label="quick",
            capabilities=io.AudioOutputCapabilities(pause=True),
            sample_rate=SAMPLE_RATE,
        )
        self.played_s = 0.0

    async def capture_frame(self, frame: rtc.AudioFrame) -> None:
        await super().capture_frame(frame)
        self.played_s += frame.duration

    def flush(self) -> None:
        super().flush()
        self.on_playback_finished(playback_position=self.played_s, interrupted=False)

    def clear_buffer(self) -> None:
        pass


async def test_a_prepared_plan_needs_no_tts_for_its_lines(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cache_warmup, "_HEAD_START_S", 0.0)
    monkeypatch.setattr(cache_warmup, "_LEAST_PAUSE_S", 0.0)
    voice = ScriptedTTS([Sound(3.0)])
    engine = ChainTTS(chain_of("tts", only=voice), prepared=MemoryStore())
    await prepare_plan(PLAN, engine)
    assert voice.said == list(
        dict.fromkeys(sentence for line in planned_lines(PLAN) for sentence in sentences_of(line))
    )
    voice.said.clear()

    spoken, output = await _whole_interview(engine)

    assert voice.said == []
    assert [turn["role"] for turn in spoken] == [
        Role.OPENING,
        Role.REPEAT,
        Role.FOLLOW_UP,
        Role.QUESTION,
        Role.CLOSING,
    ]
    assert output.played_s > 3.0 * len(spoken)


@pytest.mark.looptime
async def test_a_prepared_line_is_queued_completely_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A line that is queued whole is heard to its end even if the event loop blocks."""
    voice = ScriptedTTS([Sound(2.0)])
    engine = ChainTTS(chain_of("tts", only=voice), prepared=MemoryStore())
    await prepare_plan(PLAN, engine)
    sink = LongSink()
    line = MixedAudioOutput(sink)
    await line.publish()
    async with _session(engine, line) as agent:
        await agent.speak_next()
        await asyncio.sleep(0.1)
        queued_s = sink.queued_s
        await line.drain()
    await line.aclose()

    sentences = sentences_of(f"{PLAN.opening} {PLAN.questions[0].text}")
    assert queued_s + 0.1 >= 2.0 * len(sentences) > 5.0


async def _whole_interview(engine: ChainTTS) -> tuple[list[dict[str, Any]], QuickOutput]:
    turns: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    async def keep(**turn: Any) -> None:
        turns.put_nowait(turn)

    output = QuickOutput()
    spoken: list[dict[str, Any]] = []
    async with _session(engine, output, keep) as agent:
        for answer in ("", SHORT, LONG, LONG, ""):
            await agent.speak_next()
            spoken.append(await turns.get())
            for _ in range(3):
                await asyncio.sleep(0)
            if answer:
                message = llm.ChatMessage(role="user", content=[answer])
                await agent.on_user_turn_completed(llm.ChatContext(), message)
                turns.get_nowait()
    return spoken, output


async def _nowhere(**_: Any) -> None:
    """Discard the turn."""


@asynccontextmanager
async def _session(
    engine: ChainTTS, output: io.AudioOutput, keep: TurnKeeper = _nowhere
) -> AsyncIterator[Interviewer]:
    """Yield the interviewer of a running session that speaks the plan on `output`."""
    orchestrator = OrchestratorLLM("iv-1", snapshot=PLAN.to_json())
    await orchestrator.init(None)
    agent = Interviewer(orchestrator, keep)
    session: AgentSession[Any] = AgentSession(
        llm=orchestrator,
        tts=engine,
        vad=None,
        turn_handling={"turn_detection": None},
        user_away_timeout=None,
    )
    session.output.audio = output
    await session.start(agent, record=False, session_host=False)
    try:
        yield agent
    finally:
        await session.aclose()
        await engine.aclose()
