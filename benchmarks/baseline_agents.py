"""Entrypoints of the two baseline workers that this worker is compared with.

`tone` does the least that can be heard: it connects and plays a tone. `usual` follows the pattern
of the framework's own examples, with the same models as this worker: they are loaded in the setup
of each process; the entrypoint connects, starts a session and says the greeting.
"""

from __future__ import annotations

import json
import logging
import os
import time
from typing import Any, Never

import numpy as np
from livekit import rtc
from livekit.agents import Agent, AgentSession, JobContext, JobProcess, llm
from livekit.plugins import silero

from worker.interview.plan.plan import SAMPLE_PLAN, load_plan
from worker.speech import local_models
from worker.speech.stt.local import LocalSTT
from worker.speech.tts.local import LocalTTS

logger = logging.getLogger("benchmarks")

_RATE = 48_000


def tell(ctx: JobContext, name: str) -> None:
    """Log a line like those of this worker: milliseconds since the worker received the job."""
    elapsed_ms = 1000 * (time.time() - ctx._info.received_at)  # there is no public API for it
    logger.info(json.dumps({"event": name, "elapsed_ms": elapsed_ms, "pid": os.getpid()}))


def no_set_up(_: JobProcess) -> None:
    """Load nothing."""


async def tone(ctx: JobContext) -> None:
    """Connect and play a tone."""
    tell(ctx, "handshake_start")
    await ctx.connect()
    tell(ctx, "ctx_connected")
    source = rtc.AudioSource(_RATE, 1)
    track = rtc.LocalAudioTrack.create_audio_track("tone", source)
    options = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE)
    await ctx.room.local_participant.publish_track(track, options)
    wave = (8000 * np.sin(np.arange(_RATE // 50) * 2 * np.pi * 440 / _RATE)).astype(np.int16)
    frame = rtc.AudioFrame(wave.tobytes(), _RATE, 1, len(wave))
    for _ in range(50 * 5):
        await source.capture_frame(frame)


def load_models(process: JobProcess) -> None:
    """Load the local models as `prewarm` in the framework's examples does."""
    process.userdata["vad"] = silero.VAD.load()
    local_models.preload(stt=True, tts=True)


class Mute(llm.LLM[Never]):
    """A language model that is never called: this benchmark needs no replies."""

    def chat(self, **_: Any) -> llm.LLMStream:
        raise NotImplementedError


async def usual(ctx: JobContext) -> None:
    """Connect, start a session, say the greeting."""
    tell(ctx, "handshake_start")
    plan = load_plan(SAMPLE_PLAN)
    detector = ctx.proc.userdata["vad"]
    session: AgentSession[Any] = AgentSession(
        vad=detector, stt=LocalSTT(vad=detector), tts=LocalTTS(), llm=Mute()
    )
    await ctx.connect()
    tell(ctx, "ctx_connected")
    await session.start(Agent(instructions="Greet."), room=ctx.room, record=False)
    tell(ctx, "session_started")
    tell(ctx, "init_done")
    session.say(f"{plan.opening} {plan.questions[0].text}")
