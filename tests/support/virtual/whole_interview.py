"""A whole interview on virtual time: a real job, its application and a real AgentSession.

Only the parts that would need a socket or a model are fakes: the database, the providers of the
chains, the VAD and the candidate. The candidate speaks in numbers, so that a lost or doubled word
shows.
"""

from __future__ import annotations

import asyncio
import json
import time
from itertools import pairwise
from typing import TYPE_CHECKING, Any, cast

from states import History, Status
from tests.support.virtual.interview_parts import plan_of, question
from tests.support.virtual.job_parts import (
    JOB_ID,
    HeardLine,
    InlineExecutor,
    fake_context,
    settings_in,
)
from tests.support.virtual.provider_fakes import chain_of
from tests.support.virtual.scripted_voice import ScriptedTTS, Sound
from tests.support.virtual.stt_fakes import CountingSTT, LoudnessVAD, quiet, spoken
from tests.support.virtual.stuck_parts import Ear
from worker import faults
from worker.aio.tasks import cancel_and_wait
from worker.clips.recordings import ClipName
from worker.faults.grammar import parse
from worker.interview.application import InterviewApplication
from worker.job.application import Dispatch
from worker.job.job import Job
from worker.resources import database, speech
from worker.store.database import Database
from worker.store.errors import DatabaseUnavailable
from worker.store.interviews import Interview, InterviewStatus
from worker.transport.in_memory import FRAME_S, CandidateMicrophone, InMemoryTransport

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pytest
    from livekit.agents import JobContext

    from states import Event
    from worker.interview.plan.plan import Plan
    from worker.transport.livekit_room import TransportMaker

PLAN = plan_of(question(0), question(1), question(2))
#: Seconds that a candidate thinks before an answer.
THINKS_S = 0.5
#: Words of an answer, half a second each: enough that the interviewer does not ask for more.
WORDS = 10
EPOCH = 1_750_000_000.0


class FakeDatabase(Database):
    """Database with one interview that answers, or raises DatabaseUnavailable while `away`.

    It counts the ingested batches.
    """

    def __init__(self, plan: Plan = PLAN) -> None:
        self.away = False
        self.shipped = 0
        self._plan = plan

    async def run(
        self, name: str, operation: Any, *, budget_s: float = 5.0, writable: bool = False
    ) -> Any:
        await self._answer(name, budget_s)
        interview = _interview(self._plan)
        turns = [{"turns": None, "dialogue": None}]
        return {"get_interview": interview, "turns_of": turns, "ship": 1}.get(name)

    async def fetch(
        self, name: str, query: str, *args: object, budget_s: float = 5.0, often: bool = False
    ) -> list[Any]:
        await self._answer(name, budget_s)
        return [{"written": 1, "stored": True}] if name == "ship" else []

    async def _answer(self, name: str, budget_s: float) -> None:
        if self.away:
            await asyncio.sleep(min(0.5, budget_s))
            raise DatabaseUnavailable(name, OSError(), "postgresql://database")
        if name == "ship":
            self.shipped += 1

    async def aclose(self, *, budget_s: float = 5.0) -> None:
        """Do nothing."""


def _interview(plan: Plan) -> dict[str, Any]:
    """Return the row of the interview."""
    row: dict[str, Any] = dict.fromkeys(Interview.__dataclass_fields__)
    row |= {"interview_id": "iv-1", "candidate_identity": "candidate-iv-1"}
    row |= {"room": "room-1", "protocol": 1}
    return row | {"plan": json.dumps(plan.to_json()), "status": InterviewStatus.DISPATCHED}


class _Stage(InMemoryTransport):
    """Transport that plays audio in real time, and notes what the candidate hears and reads."""

    line: HeardLine

    def __init__(self, ctx: JobContext, on_event: Callable[[Event], None]) -> None:
        self.ear = Ear()
        super().__init__(
            ctx,
            on_event,
            line=HeardLine(self.ear),
            microphone=CandidateMicrophone(quiet(FRAME_S)[0]),
        )
        self.read_at: list[tuple[float, str]] = []

    async def write(self, text: str) -> None:
        await super().write(text)
        self.read_at.append((asyncio.get_running_loop().time(), text))


class WholeInterview:
    """One interview, its candidate, and all parts that a test may break."""

    def __init__(
        self,
        folder: Path,
        patch: pytest.MonkeyPatch,
        *,
        with_snapshot: bool = True,
        plan: Plan = PLAN,
    ) -> None:
        self._folder = folder
        self.database = FakeDatabase(plan)
        self.make_transport: TransportMaker = _Stage
        self.detector = LoudnessVAD()
        self.ears = {"first": CountingSTT(), "second": CountingSTT()}
        self.voices = {name: ScriptedTTS([Sound(2.0)]) for name in ("first", "second")}
        self.models: dict[str, Any] = {}
        self.makers: dict[str, Any] = {}
        metadata: dict[str, Any] = {"interview_id": "iv-1"}
        if with_snapshot:
            metadata["plan"] = plan.to_json()
        self._metadata = json.dumps(metadata)
        #: Actions to take in the middle of an answer, by the answer's number from 0.
        self.in_answer: dict[int, Any] = {}
        self.turns: list[dict[str, Any]] = []
        self._patch(patch)

    def _patch(self, patch: pytest.MonkeyPatch) -> None:
        async def open_database(_: object) -> FakeDatabase:
            return self.database

        async def load_vad() -> LoudnessVAD:
            return self.detector

        def llm_chain(_: object) -> Any:
            return chain_of("llm", **self.models) if self.models else None

        loop = asyncio.get_running_loop()
        # livekit measures the pauses in an answer by the wall clock.
        patch.setattr(time, "time", lambda: EPOCH + loop.time())
        patch.setattr(database, "open_database", open_database)
        patch.setattr(speech, "load_vad", load_vad)
        patch.setattr(speech, "stt_chain", lambda *_: chain_of("stt", **self.ears))
        patch.setattr(speech, "tts_chain", lambda *_: chain_of("tts", **self.voices))
        patch.setattr(speech, "llm_chain", llm_chain)

    async def held(self, set_faults: str = "", **variables: Any) -> WholeInterview:
        """Hold the interview to its end with these faults; return this object."""
        loop = asyncio.get_running_loop()
        loop.set_default_executor(InlineExecutor())
        settings = settings_in(
            self._folder,
            DATABASE_URL="postgresql://nobody@localhost/none",
            INTERVIEW_PREPARED_SPEECH=False,
            **variables,
        )
        self.path = settings.journal_dir / f"{JOB_ID}.jsonl"
        faults.arm(parse(set_faults))
        app = InterviewApplication(
            Dispatch(job_id=JOB_ID, room="room-1", metadata=self._metadata), settings
        )
        self.job = Job(fake_context(), app, settings, make_transport=self.make_transport)
        self.began = self.job.life._received_at = loop.time()
        self.transport = cast(_Stage, self.job.transport)
        self.job.life.journal.subscribe(self._take_note)  # type: ignore[attr-defined]
        self._asked: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        candidate = asyncio.create_task(self._answer())
        try:
            await self.job.live()
        finally:
            await cancel_and_wait(candidate)
            await self.transport.line.aclose()
            faults.arm(())
        self.history = History.read(self.path)
        return self

    def _take_note(self, record: dict[str, Any]) -> None:
        if record["kind"] == "turn":
            self.turns.append(record)
            if record["speaker"] == "interviewer" and not record["interrupted"]:
                self._asked.put_nowait(record)

    async def _answer(self) -> None:
        """Answer each question aloud, or typed if the interviewer asks for that."""
        for number in range(len(PLAN.questions)):
            await self._asked.get()
            await asyncio.sleep(THINKS_S)
            words = range(number * WORDS + 1, (number + 1) * WORDS + 1)
            typed = " ".join(map(str, words))
            if not self._is_asked_to_type:
                self.transport.microphone.say(spoken(words))
                await asyncio.sleep(WORDS / 4)
                if (meanwhile := self.in_answer.get(number)) is not None:
                    meanwhile()
                await self.transport.microphone.idle.wait()
                await asyncio.sleep(THINKS_S)
                if not self._is_asked_to_type:
                    continue
            await self.transport.type_text(typed)

    @property
    def _is_asked_to_type(self) -> bool:
        return ClipName.TROUBLE_HEARING.text in self.transport.written

    # --- results ----------------------------------------------------------------------------------

    @property
    def words(self) -> list[int]:
        """The words of all turns of the candidate, in order."""
        return [int(word) for turn in self._of("candidate") for word in turn["text"].split()]

    @property
    def roles(self) -> list[str]:
        """The roles of the interviewer's turns, in order."""
        return [turn["role"] for turn in self._of("interviewer")]

    def _of(self, speaker: str) -> list[dict[str, Any]]:
        return [turn for turn in self.turns if turn["speaker"] == speaker]

    def perceived(self) -> list[float]:
        """Return the job's seconds at which the candidate heard a frame of sound or read a text."""
        heard = [start for start, _ in self.transport.ear.sounds]
        return sorted(at - self.began for at in (*heard, *(at for at, _ in self.transport.read_at)))

    def waits_s(self) -> list[float]:
        """Return the seconds from the start, and from each answer, to the next sound or text."""
        ends = [0.0, *(turn["t"] for turn in self._of("candidate"))]
        return [next(at for at in self.perceived() if at >= end) - end for end in ends]

    def longest_silence_s(self) -> float:
        """Return the longest silence, in seconds, between an answer and the following turn."""
        longest_s = 0.0
        for turn, following in pairwise(self.turns):
            if turn["speaker"] == "candidate":
                sounds = [at for at in self.perceived() if turn["t"] <= at <= following["t"]]
                edges = [turn["t"], *sounds, following["t"]]
                longest_s = max(longest_s, *(after - at for at, after in pairwise(edges)))
        return longest_s

    def said_of(self, resource: str) -> list[tuple[Status, str]]:
        """Return a resource's statuses and reasons in order, without PENDING."""
        changes = (c for c in self.history.condition_changes if c.resource == resource)
        return [(c.status, c.reason) for c in changes if c.status is not Status.PENDING]
