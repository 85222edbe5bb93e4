"""Interview on virtual time in which a test decides how each utterance gets stuck."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from livekit.agents import llm

from states import Event
from tests.support.virtual.async_steps import end
from tests.support.virtual.interview_parts import LONG, plan_of, question
from tests.support.virtual.job_parts import (
    FakeStage,
    HeardLine,
    RealTimeSink,
    fake_context,
    settings_in,
)
from worker.aio.tasks import cancel_and_wait
from worker.audio.frames import frame_of, samples_of
from worker.interview.conversation.interviewer import Interviewer
from worker.interview.end_conditions import EndConditions
from worker.interview.orchestrator import CommittedTurn
from worker.interview.orchestrator_llm import OrchestratorLLM
from worker.interview.recovery.reconnect import Outages
from worker.interview.recovery.stuck_turn_ladder import TurnLadder
from worker.transport.outbound_monitor import OutboundMonitor

if TYPE_CHECKING:
    from pathlib import Path

    from livekit import rtc

    from worker.job.job import Job

RATE = 24_000
PLAN = plan_of(question(0), question(1))

#: Fates of an utterance: it is spoken, hangs before any audio, hangs after 0.3 s of audio, ends
#: without audio, or hangs after `UTTERANCE_S` of digital silence.
SPEAKS, STUCK, STALLS, DUMB, DIGITAL_SILENCE = "speaks", "stuck", "stalls", "dumb", "zeros"
UTTERANCE_S = 1.0


class Ear(RealTimeSink):
    """Audio sink that plays in real time and records when there was sound."""

    def __init__(self) -> None:
        self.sounds: list[tuple[float, float]] = []
        self.subscribes = True

    async def wait_for_listener(self) -> None:
        if not self.subscribes:
            await asyncio.Event().wait()

    async def capture_frame(self, frame: rtc.AudioFrame) -> None:
        now = asyncio.get_running_loop().time()
        if samples_of(frame).any():
            self.sounds.append((now, now + frame.duration))
        await super().capture_frame(frame)

    def longest_silence_s(self, *, since: float, until: float) -> float:
        """Return the longest silence, in seconds, between `since` and `until`."""
        edges = [(since, since), *self.sounds, (until, until)]
        return max(after[0] - before[1] for before, after in pairwise(edges))


class Handle:
    """The parts of livekit's speech handle that are used."""

    def __init__(self) -> None:
        self.chat_items: list[Any] = []
        self.interrupted = False
        self.over = asyncio.Event()
        self._callbacks: list[Callable[[Any], None]] = []

    def add_done_callback(self, callback: Callable[[Any], None]) -> None:
        self._callbacks.append(callback)

    def end(self, text: str, *, interrupted: bool = False) -> None:
        """End the speech; `text` is the heard text. Further calls have no effect."""
        if self.over.is_set():
            return
        self.over.set()
        self.interrupted = interrupted
        if text:
            item = SimpleNamespace(type="message", text_content=text, interrupted=interrupted)
            self.chat_items.append(item)
        for callback in self._callbacks:
            callback(self)


class StuckSession:
    """Session whose utterances get the given fates in order; all later ones are spoken."""

    def __init__(
        self, line: HeardLine, orchestrator: OrchestratorLLM, fates: Sequence[str]
    ) -> None:
        self._line, self._orchestrator = line, orchestrator
        self.fates = list(fates)
        self.spoken: list[str] = []
        self.user_state = self.agent_state = "listening"
        self.deaf = False
        # Report an utterance that is cut off after its first sound as completely heard.
        self.claims = False
        self.answers_dropped = 0
        self.update_options = lambda **_: None
        self._listeners: dict[str, list[Callable[[Any], None]]] = {}
        self._speech: tuple[Handle, asyncio.Task[None]] | None = None
        self._said = ""
        self._speaking: list[asyncio.Task[None]] = []

    def on(self, event: str, listener: Callable[[Any], None]) -> None:
        self._listeners.setdefault(event, []).append(listener)

    def emit(self, event: str, value: object) -> None:
        for listener in self._listeners.get(event, []):
            listener(value)

    def candidate_is(self, state: str) -> None:
        self.user_state = state
        self.emit("user_state_changed", SimpleNamespace(new_state=state))

    def generate_reply(self) -> None:
        handle = Handle()
        self.emit("speech_created", SimpleNamespace(speech_handle=handle))
        fate = self.fates.pop(0) if self.fates else SPEAKS
        self._speech = handle, asyncio.create_task(self._speak(handle, fate))
        self._speaking.append(self._speech[1])

    def interrupt(self, *, force: bool) -> asyncio.Future[None]:
        assert force
        over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self.deaf:
            return over
        if self._speech is not None:
            handle, task = self._speech
            task.cancel()
            self._line.flush()
            self._line.clear_buffer()
            claimed = self._said if self.claims else ""
            asyncio.get_running_loop().call_soon(partial(handle.end, claimed, interrupted=True))
        over.set_result(None)
        return over

    def clear_user_turn(self) -> None:
        self.answers_dropped += 1

    async def _speak(self, handle: Handle, fate: str) -> None:
        self._said = ""
        move = await self._orchestrator.next_utterance().found()
        seconds = {STUCK: 0.0, DUMB: 0.0, STALLS: 0.3}.get(fate, UTTERANCE_S)
        level = 0 if fate == DIGITAL_SILENCE else 3000
        if seconds:
            pcm = np.full(round(seconds * RATE), level, np.int16)
            await self._line.capture_frame(frame_of(pcm, RATE))
            self._said = move.text
        if fate in (STUCK, STALLS, DIGITAL_SILENCE):
            await asyncio.Event().wait()
        self._line.flush()
        if fate == SPEAKS:
            await self._line.drain()
            self.spoken.append(move.text)
        handle.end(move.text if fate == SPEAKS else "")

    async def aclose(self) -> None:
        await cancel_and_wait(*self._speaking)


class _Agent(Interviewer):
    """Interviewer in a fake session."""

    voice: StuckSession

    @property
    def session(self) -> Any:
        return self.voice


class Stuck:
    """An interview, its candidate, and its stuck-turn recovery."""

    def __init__(
        self, folder: Path, orchestrator: OrchestratorLLM, *fates: str, resumes: bool = False
    ) -> None:
        self.orchestrator = orchestrator
        self.transport = FakeStage(fake_context(), lambda _: None)
        self.ear = Ear()
        self.transport.line = self.line = HeardLine(self.ear)
        self.turns: list[dict[str, Any]] = []
        self.rungs: list[tuple[float, str, str]] = []
        self.voices: Any = None
        self.session = StuckSession(self.line, orchestrator, fates)
        job = SimpleNamespace(transport=self.transport)
        self.agent = _Agent(
            orchestrator, self._keep, self._write, playout=lambda: self.line.last_playout
        )
        self.agent.voice = self.session
        self.away: list[float] = []
        self.reach = self.transport.reach = OutboundMonitor(
            self.line, lambda: self.transport.candidate_is_here
        )
        Outages(self.agent, self.line, self.away.append).attend(self.reach)
        settings = settings_in(folder)
        self.ladder = TurnLadder(
            self.agent,
            self.line,
            settings.ladder_s,
            voices=lambda: self.voices,
            record=self._record,
        )
        self.agent.on_unspoken = self.ladder.unspoken
        self.watch = EndConditions(
            cast("Job", job), self.agent, self.ladder, settings, resumes=resumes
        )
        self.began = asyncio.get_running_loop().time()
        self.ending: asyncio.Task[Event | str] | None = None

    @property
    def elapsed(self) -> float:
        return asyncio.get_running_loop().time() - self.began

    @property
    def taken(self) -> list[tuple[float, str]]:
        """The recovery steps taken, each with the seconds of silence before it."""
        return [(round(silent_s), rung) for silent_s, rung, _ in self.rungs]

    async def begin(self) -> None:
        """Greet the candidate and start the watch."""
        await self.transport.open_line()
        await self.agent.on_enter()
        self.ending = asyncio.create_task(self.watch.until_it_ends())

    async def answer(self, text: str = LONG) -> None:
        """End a turn of the candidate, as the framework does."""
        message = llm.ChatMessage(role="user", content=[text])
        await self.agent.on_user_turn_completed(llm.ChatContext(), message)
        self.session.generate_reply()

    async def end(self) -> None:
        if self.ending is not None:
            await end(self.ending)
        await self.agent.on_exit()
        await self.session.aclose()
        await self.transport.leave()

    async def _write(self, text: str) -> None:
        await self.transport.write(text)

    async def _keep(self, **turn: Any) -> None:
        self.turns.append(turn)

    def _record(self, rung: str, reason: str, silent_s: float) -> None:
        self.rungs.append((silent_s, rung, reason))


async def stuck_interview(folder: Path, *fates: str, turns: Sequence[CommittedTurn] = ()) -> Stuck:
    """Start an interview whose greeting and later utterances get these fates.

    With `turns`, the interview resumes after these turns of an earlier interviewer.
    """
    orchestrator = OrchestratorLLM("iv-1", snapshot=PLAN.to_json())
    await orchestrator.init(None)
    for turn in turns:
        orchestrator.commit(turn)
    stuck = Stuck(folder, orchestrator, *fates, resumes=bool(turns))
    await stuck.begin()
    return stuck
