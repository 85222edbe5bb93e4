"""The interview application that a job runs: resources, session, and closing message."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from livekit.agents import Agent, AgentSession

from states import EndReason, Event, JournalError
from states.ends import End
from worker.aio.tasks import cancel_and_wait
from worker.audio.clip import Clip, ClipMissing
from worker.clips.recordings import ClipName, load_clip, missing_clips, preload_clips
from worker.config.settings import Settings
from worker.continuity.dispatch_metadata import (
    MetadataInvalid,
    read_metadata,
)
from worker.continuity.handover import InterviewHandover
from worker.interview.closing_messages import CLOSING_MESSAGES
from worker.interview.conversation.interviewer import Interviewer
from worker.interview.dialogue.journal_record import append
from worker.interview.dialogue.records import Record
from worker.interview.dialogue.wording.lines import preload_lines
from worker.interview.dispatched import DispatchedInterview
from worker.interview.end_conditions import EndConditions
from worker.interview.ends import ENDS
from worker.interview.orchestrator_llm import OrchestratorLLM
from worker.interview.recovery.degradation import DegradationHandler
from worker.interview.recovery.input_supervision import InputSupervision
from worker.interview.recovery.reconnect import Outages
from worker.interview.recovery.stuck_turn_ladder import TurnLadder
from worker.interview.recovery.turn_detection import take_turn_detector, take_vad
from worker.interview.resources import interview_resources
from worker.interview.session import session_of
from worker.interview.spoken_lines import prepare_plan
from worker.job.application import Application, Dispatch
from worker.resources.bootstrap import AgentResources
from worker.resources.resource import LoadFailed, Resource
from worker.store.database import Database

if TYPE_CHECKING:
    from worker.job.handle import JobHandle

#: Resources that detect the end of the candidate's turns, each with the function that handles a
#: change of the resource's condition.
_TURN_ENDERS = {"vad": take_vad, "turn_detector": take_turn_detector}
#: Resources that report their condition during the interview.
_WATCHED = (*_TURN_ENDERS, "stt", "tts", "llm")


class InterviewApplication(Application):
    """The interview application of one job."""

    identity_prefix: ClassVar[str] = "interviewer-"
    display_name: ClassVar[str] = "Interviewer"
    ends: ClassVar[Mapping[str, End]] = ENDS

    @classmethod
    def preload(cls, settings: Settings) -> None:
        """Decode the recorded clips, and load the tables of the languages."""
        preload_clips()
        preload_lines()

    @classmethod
    def failed_words(cls) -> Clip | None:
        """Return the clip that is played if the interview cannot begin.

        Raises ClipMissing if the recording is missing or cannot be decoded.
        """
        return load_clip(ClipName.CANNOT_GO_ON)

    def __init__(self, dispatch: Dispatch, settings: Settings) -> None:
        self._settings = settings
        self._declared = interview_resources(
            settings, self._load_orchestrator, self._use_late_database
        )
        self._problem: str | None = None
        #: What the dispatch says of the interview; None if its metadata is invalid.
        self._interview: DispatchedInterview | None = None
        self._database: Database | None = None
        self._job: JobHandle | None = None
        self._filling: asyncio.Task[Any] | None = None
        self._started: tuple[AgentSession[Any], Interviewer, TurnLadder] | None = None
        try:
            interview_id, snapshot = read_metadata(dispatch.metadata)
        except MetadataInvalid as problem:
            self._problem = str(problem)
        else:
            self._interview = DispatchedInterview.of(dispatch, settings, interview_id, snapshot)

    @property
    def succession(self) -> InterviewHandover | None:
        """The handover protocol of this interview; None if the dispatch metadata is invalid."""
        return None if self._interview is None else self._interview.succession

    def header(self) -> Mapping[str, Any]:
        """Return the interview's id, the previous job's id, and the reason for the redispatch.

        The interview's id is None if the dispatch metadata is invalid. Unless the dispatch is a
        redispatch, the previous job's id and the reason are absent.
        """
        return {
            "interview_id": self._interview and self._interview.orchestrator.interview_id,
            **(self._interview.follows if self._interview is not None else {}),
        }

    def resources(self) -> Sequence[Resource]:
        """Return all resources of the interview, in the order of docs/reference/resources.md."""
        return [self._told_when_late(resource) for resource in self._declared]

    def _told_when_late(self, resource: Resource) -> Resource:
        """Return the resource; if it is in `_WATCHED`, its `attach` calls `_take_on` first.

        In this way a resource that loads after the session has started also reports its condition.
        """
        if resource.name not in _WATCHED:
            return resource

        async def attach(session: AgentSession[Any], engine: Any) -> None:
            if self._job is not None:
                self._take_on(self._job, resource.name, engine)
            if resource.attach is not None:
                await resource.attach(session, engine)

        return replace(resource, attach=attach)

    async def _load_orchestrator(self, held: AgentResources) -> OrchestratorLLM:
        interview = self._interview
        if interview is None:
            raise LoadFailed("MetadataInvalid", self._problem or "", event=Event.METADATA_INVALID)
        report = held.reports.get("database")
        away = report is not None and not report.ok
        # If the dispatch contained a plan, use that plan instead of an unavailable database.
        database = None if away and interview.has_snapshot else held.get("database")
        interview.succession.database = held.get("database")
        # Take the lease before reading the turns, so that the turns of the previous holder are
        # complete.
        if (
            database is not None
            and not await interview.lease.take(database)
            and interview.has_snapshot
        ):
            database = None
        await interview.orchestrator.init(database)
        await interview.read_time(database)
        return interview.orchestrator

    def start_session(
        self, job: JobHandle, held: AgentResources
    ) -> tuple[AgentSession[Any], Agent]:
        """Build the session, interviewer, and stuck-turn recovery from the loaded resources."""
        orchestrator = held.get("orchestrator")
        assert isinstance(orchestrator, OrchestratorLLM)  # noqa: S101  # a required resource
        job.transport.expect(orchestrator.candidate_identity)
        self._job = job
        if self._interview is not None:
            self._interview.time_limit.carry_over(job)
        for name in _WATCHED:
            if (engine := held.get(name)) is not None:
                self._take_on(job, name, engine)
        orchestrator.on_refused = lambda reason: job.recorder.refusal("llm", reason)
        session = session_of(orchestrator, held)
        interviewer = _interviewer_of(orchestrator, job, held)
        ladder = TurnLadder(
            interviewer,
            job.transport.line,
            self._settings.ladder_s,
            voices=lambda: getattr(held.get("tts"), "chain", None),
            record=job.recorder.rung,
        )
        job.floor = interviewer.floor
        for clip in missing_clips():
            job.recorder.refusal(f"clip.{clip}", ClipMissing.__name__)
        interviewer.on_unspoken = ladder.unspoken
        interviewer.sentence_over = job.transport.line.sentence_over
        if self._interview is not None:
            self._interview.succession.talk = interviewer
        job.after_session(interviewer.answers.keep_half)
        interviewer.live_floor.attend(job.transport.line)
        self._started = session, interviewer, ladder
        self._hear_sounds(held.get("vad"))
        if (database := held.get("database")) is not None:
            self._use_database(job, database)
        return session, interviewer

    def _take_on(self, job: JobHandle, name: str, engine: Any) -> None:
        """Connect a resource to the interview, and let it report its condition to the job."""
        if name in _TURN_ENDERS:
            engine.on_change = partial(_TURN_ENDERS[name], job)
            if name == "vad":
                self._hear_sounds(engine)
            return
        engine.chain.on_change = job.report
        engine.chain.on_fault = lambda member, reason: job.recorder.refusal(
            f"{name}.{member}", reason
        )
        assert self._interview is not None  # noqa: S101  # its orchestrator is loaded
        orchestrator = self._interview.orchestrator
        if name == "llm":
            # `first_word_s` must not be shorter than the fallback chain's own time limit for the
            # first word. When the limit of the chain has passed, the chain uses the next provider.
            reply_s = self._settings.llm_reply_s
            orchestrator.use_model(engine, first_word_s=reply_s, reply_s=reply_s)
        if name == "tts":
            filling = prepare_plan(orchestrator.plan, engine)
            self._filling = asyncio.create_task(filling, name="prepare-speech")

    def _hear_sounds(self, detector: Any) -> None:
        """Let the floor hear what the VAD hears, once both exist."""
        if detector is not None and self._started is not None:
            detector.on_event = self._started[1].live_floor.hear

    def _use_database(self, job: JobHandle, database: Database) -> None:
        """Let the lease and the handover use the database that the journal is ingested into."""
        self._database = database
        if job.shipper is not None and self._interview is not None:
            succession = self._interview.succession
            succession.database, succession.shipper = database, job.shipper
            self._interview.lease.on_forgotten = job.shipper.ship_again

    async def _use_late_database(self, _: AgentSession[Any], database: Database) -> None:
        if self._job is None or self._interview is None:
            return
        self._use_database(self._job, database)
        await self._interview.read_time(database)
        self._interview.time_limit.carry_over(self._job)

    async def run(self, job: JobHandle) -> None:
        """Greet the candidate, run the interview, and fire the event that ends the interview."""
        assert self._started is not None  # noqa: S101  # start_session has been called
        assert self._interview is not None  # noqa: S101  # its orchestrator is loaded
        session, interviewer, ladder = self._started
        losses = DegradationHandler(job, session, self._declared, interviewer.cannot_hear)
        losses.begin()
        outages = Outages(interviewer, job.transport.line, job.recorder.away)
        outages.attend(job.transport.reach)
        listening = InputSupervision(job, session, interviewer, outages)
        watch = EndConditions(
            job,
            interviewer,
            ladder,
            self._settings,
            resumes=self._interview.resumes,
            follows=self._interview.is_successor,
            silent_since=lambda: listening.silent_since,
            is_deaf=lambda: listening.is_deaf,
        )
        listening.begin()
        interviewer.live_floor.on_no_turn = listening.unrecognized.words_came
        try:
            async with (
                self._interview.lease.guarded(job, lambda: self._database),
                self._interview.time_limit.counted(job),
            ):
                end = await watch.until_it_ends()
            if end is Event.INTERVIEW_COMPLETED or end in ENDS:
                # The closing was played to its end, so no transcript of an answer is pending.
                session.options.session_close_transcript_timeout = 0.0
            if isinstance(end, Event):
                await job.life.fire(end)
            else:
                await job.end(end)
        finally:
            losses.stop()
            await listening.stop()
            if self._filling is not None:
                await cancel_and_wait(self._filling)

    def last_words(self, reason: EndReason) -> Clip | None:
        """Return the clip of the closing message for `reason`; None if there is no message.

        Raises ClipMissing if the recording is missing or cannot be decoded.
        """
        name = CLOSING_MESSAGES.get(reason)
        if name is not None and self.succession is not None and self.succession.expected:
            # The next job continues with "I am back", so this job must not say goodbye.
            name = ClipName.ONE_MOMENT
        return load_clip(name) if name is not None else None

    def waiting_words(self) -> Clip | None:
        """Return the clip that is played while the candidate waits for slow resources to load.

        Raises ClipMissing if the recording is missing or cannot be decoded.
        """
        return load_clip(ClipName.ONE_MOMENT)


def _keep_dialogue(job: JobHandle, record: Record) -> None:
    """Write a dialogue record to the job's journal. A failed write never stops the job."""
    with contextlib.suppress(JournalError):
        append(job.life.journal, job.life.t, record)


def _interviewer_of(
    orchestrator: OrchestratorLLM, job: JobHandle, held: AgentResources
) -> Interviewer:
    """Return the interviewer of a job, which records its turns in the job's journal."""
    return Interviewer(
        orchestrator,
        job.keep_turn,
        job.transport.write,
        keep_hearing=job.recorder.hearing,
        keep_dialogue=partial(_keep_dialogue, job),
        refused=job.recorder.typed_refused,
        playout=lambda: job.transport.line.last_playout,
        transcriber=lambda: held.get("stt"),
    )
