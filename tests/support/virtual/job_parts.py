"""A job without LiveKit, on virtual time: fake transport, session and application."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import lru_cache
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
from livekit.agents import Agent, AgentSession, JobContext

from states import End, EndReason, Event, History, Outcome
from tests.support.virtual.async_steps import done, for_ever
from worker.audio.clip import Clip
from worker.audio.output import MixedAudioOutput
from worker.audio.sinks import QUEUE_S
from worker.clips.recordings import ClipName, load_clip
from worker.config.settings import Settings
from worker.job.handle import JobHandle
from worker.job.job import Job
from worker.resources.resource import Resource
from worker.transport.in_memory import InMemoryTransport

if TYPE_CHECKING:
    from pathlib import Path

    from livekit import rtc

    from worker.audio.sinks import Sink
    from worker.job.application import Application
    from worker.resources.bootstrap import AgentResources

JOB_ID = "AJ_test"


class InlineExecutor(ThreadPoolExecutor):
    """Runs all work at once in the calling thread: on virtual time a thread takes hours."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


class FastSink:
    """Audio sink that plays every frame instantly."""

    sample_rate = 24_000
    capacity_s = QUEUE_S
    queued_s = 0.0
    aside_s = 0.0

    async def open(self, room: rtc.Room | None) -> None:
        """Do nothing."""

    async def wait_for_listener(self) -> None:
        """Return at once: there is always a listener."""

    async def capture_frame(self, frame: rtc.AudioFrame) -> None:
        """Do nothing: the frame counts as heard."""

    def play_aside(self, frame: rtc.AudioFrame, *, after_s: float) -> bool:
        """Return True: the frame counts as heard."""
        return True

    def clear(self) -> None:
        """Do nothing: the queue is always empty."""

    async def aclose(self) -> None:
        """Do nothing."""


class RealTimeSink(FastSink):
    """Audio sink that plays every frame in real time."""

    async def capture_frame(self, frame: rtc.AudioFrame) -> None:
        """Wait for the duration of the frame."""
        await asyncio.sleep(frame.duration)


class HeardLine(MixedAudioOutput):
    """Audio output that records the names of the clips played to their ends."""

    def __init__(self, sink: Sink | None = None) -> None:
        super().__init__(sink or FastSink())
        self.played: list[str] = []

    async def play(self, clip: Clip) -> float:
        return self._heard(clip, await super().play(clip))

    async def interject(self, clip: Clip) -> float:
        return self._heard(clip, await super().interject(clip))

    def _heard(self, clip: Clip, played_s: float) -> float:
        if played_s == pytest.approx(clip.duration_s):
            self.played.append(clip.name)
        return played_s


class FakeStage(InMemoryTransport):
    """Transport that records its steps; a test may replace the functions that the steps call."""

    line: HeardLine

    def __init__(self, ctx: JobContext, on_event: Callable[[Event], None]) -> None:
        super().__init__(ctx, on_event, line=HeardLine())
        self.did: list[str] = []
        self.on_connect: Callable[[], Awaitable[None]] = done
        self.on_open_line: Callable[[], Awaitable[None]] = done
        self.on_start_session: Callable[[], Awaitable[None]] = done
        self.on_leave: Callable[[], Awaitable[None]] = done

    async def connect(self) -> None:
        self.did.append("connect")
        await self.on_connect()

    async def open_line(self) -> None:
        self.did.append("open_line")
        await self.on_open_line()
        await super().open_line()

    def expect(self, candidate_identity: str) -> None:
        self.did.append(f"expect {candidate_identity}")
        super().expect(candidate_identity)

    def move(self, *, here: bool) -> None:
        """Let the candidate leave or come back. A test itself calls the methods of `reach`."""
        self.candidate_is_here = here
        self._moved.set()

    async def start_session(self, session: AgentSession[Any], agent: Agent) -> None:
        """Start no session: the session of these tests is a `FakeSession`."""
        self.did.append("start_session")
        await self.on_start_session()

    async def leave(self) -> None:
        self.did.append("leave")
        await super().leave()
        await self.on_leave()


class FakeSession:
    """The parts of an AgentSession that a job uses."""

    def __init__(self) -> None:
        self.closed = 0
        self.on_aclose: Callable[[], Awaitable[None]] = done
        self._listeners: list[Callable[[Any], None]] = []

    def on(self, event: str, listener: Callable[[Any], None]) -> None:
        assert event == "close"
        self._listeners.append(listener)

    def close_by_itself(self) -> None:
        """Emit the close event, as the framework does after too many errors."""
        for listener in self._listeners:
            listener(SimpleNamespace(reason="error"))

    async def aclose(self) -> None:
        self.closed += 1
        self.close_by_itself()
        await self.on_aclose()


async def complete(job: JobHandle) -> None:
    """Complete the interview at once."""
    await job.life.fire(Event.INTERVIEW_COMPLETED)


async def run_for_ever(_: JobHandle) -> None:
    """Run an interview that never ends on its own."""
    await for_ever()


@dataclass(kw_only=True)
class TinyApplication:
    """Minimal application; a test replaces the parts under test."""

    declared: Sequence[Resource] = ()
    on_run: Callable[[JobHandle], Awaitable[None]] = complete
    on_session: Callable[[], None] = lambda: None
    words_at_the_end: ClipName | None = None
    words_while_waiting: Callable[[], Clip | None] = lambda: None
    session: FakeSession = field(default_factory=FakeSession)
    asked_for: list[EndReason] = field(default_factory=list)
    ends: Mapping[str, End] = field(default_factory=dict)

    def header(self) -> Mapping[str, Any]:
        return {"interview_id": "iv-1"}

    def resources(self) -> Sequence[Resource]:
        return self.declared

    def start_session(
        self, job: JobHandle, held: AgentResources
    ) -> tuple[AgentSession[Any], Agent]:
        self.on_session()
        return cast("AgentSession[Any]", self.session), cast(Agent, None)

    async def run(self, job: JobHandle) -> None:
        await self.on_run(job)

    def last_words(self, reason: EndReason) -> Clip | None:
        self.asked_for.append(reason)
        return load_clip(self.words_at_the_end) if self.words_at_the_end else None

    def waiting_words(self) -> Clip | None:
        return self.words_while_waiting()


def settings_in(folder: Path, **variables: Any) -> Settings:
    """Return settings with this data folder, without reading an .env file."""
    environment = frozenset(os.environ.items())
    read = _settings_read(environment, tuple(sorted(variables.items())))
    return read.model_copy(update={"data_dir": folder})


@lru_cache(maxsize=64)
def _settings_read(
    environment: frozenset[object], variables: tuple[tuple[str, Any], ...]
) -> Settings:
    """Read the settings once for each environment: reading them takes 15 ms."""
    return Settings.load(_env_file=None, **dict(variables))


def fake_context(job_id: str = JOB_ID) -> JobContext:
    """Return the parts of a JobContext that a job uses."""
    return cast(
        JobContext,
        SimpleNamespace(
            _info=SimpleNamespace(received_at=0.0),
            job=SimpleNamespace(
                id=job_id, room=SimpleNamespace(name="room-1"), metadata="", attributes={}
            ),
            worker_id="AW_test",
            proc=SimpleNamespace(userdata={}),
            inference_executor=None,
        ),
    )


@dataclass(kw_only=True)
class Rig:
    """One job, its parts, and the history in its journal."""

    job: Job
    app: TinyApplication
    transport: FakeStage
    path: Path

    async def live(self) -> Outcome:
        return await self.job.live()

    @property
    def history(self) -> History:
        return History.read(self.path)

    def step(self, name: str) -> Any:
        """Return the last record of a step."""
        return next(step for step in reversed(self.history.steps) if step.name == name)


def rig(folder: Path, app: TinyApplication | None = None, **variables: Any) -> Rig:
    """Return a job that has not started. Requires a running loop."""
    asyncio.get_running_loop().set_default_executor(InlineExecutor())
    app = app or TinyApplication()
    settings = settings_in(folder, **variables)
    job = Job(fake_context(), cast("Application", app), settings, make_transport=FakeStage)
    # Received now: the wall clock has already advanced by some microseconds.
    job.life._received_at = asyncio.get_running_loop().time()
    return Rig(
        job=job,
        app=app,
        transport=cast(FakeStage, job.transport),
        path=settings.journal_dir / f"{JOB_ID}.jsonl",
    )
