"""The interview application that a job runs: resources, session, and closing message."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from livekit.agents import Agent, AgentSession

from states import EndReason, Event, Reason
from worker.aio.tasks import cancel_and_wait
from worker.audio.clip import Clip, ClipMissing
from worker.clips.recordings import ClipName, load_clip, missing_clips, preload_clips
from worker.config.settings import Settings
from worker.continuity.dispatch_metadata import (
    MetadataInvalid,
    read_candidate,
    read_follows,
    read_metadata,
    read_spent_s,
    read_turns,
)
from worker.continuity.handover import InterviewHandover
from worker.continuity.job_lease import JobLease
from worker.continuity.scope import scope_of
from worker.interview.conversation.interviewer import Interviewer
from worker.interview.end_conditions import EndConditions
from worker.interview.orchestrator_llm import OrchestratorLLM
from worker.interview.recovery.degradation import DegradationHandler
from worker.interview.recovery.input_supervision import InputSupervision
from worker.interview.recovery.reconnect import Outages
from worker.interview.recovery.stuck_turn_ladder import TurnLadder
from worker.interview.recovery.turn_detection import take_turn_detector, take_vad
from worker.interview.resources import interview_resources
from worker.interview.session import session_of
from worker.interview.spoken_lines import prepare_plan
from worker.interview.time_limit import InterviewTime
from worker.interview.turn_codec import from_json
from worker.job.application import Application, Dispatch, declared_in
from worker.resources.bootstrap import AgentResources
from worker.resources.resource import LoadFailed, Resource
from worker.store.database import Database

if TYPE_CHECKING:
    from worker.job.handle import JobHandle

#: Clip of the closing message, by the reason for the end of the job. A reason without an entry
#: needs no message: the plan's closing was spoken, no candidate can hear a message, or another
#: interviewer holds the interview.
_LAST_WORDS: Mapping[str, ClipName] = {
    Reason.INTERVIEW_ALREADY_OVER: ClipName.ALREADY_OVER,
    Reason.TIME_LIMIT_REACHED: ClipName.GOODBYE,
    Reason.CANDIDATE_SILENT: ClipName.GOODBYE,
    Reason.CANCEL_REQUESTED: ClipName.GOODBYE,
    Reason.SHUTDOWN_REQUESTED: ClipName.CANNOT_GO_ON,
    Reason.HANDOVER_REQUESTED: ClipName.ONE_MOMENT,
    Reason.WORKER_LOST: ClipName.CANNOT_GO_ON,
    Reason.BOOTSTRAP_NEVER_STARTED: ClipName.CANNOT_GO_ON,
    Reason.BOOTSTRAP_TIMEOUT: ClipName.CANNOT_GO_ON,
    Reason.RESOURCE_FAILED: ClipName.CANNOT_GO_ON,
    Reason.ORCHESTRATOR_FAILED: ClipName.CANNOT_GO_ON,
    Reason.METADATA_INVALID: ClipName.CANNOT_GO_ON,
    Reason.INTERVIEW_UNKNOWN: ClipName.CANNOT_GO_ON,
    Reason.SESSION_FAILED: ClipName.CANNOT_GO_ON,
    Reason.TURN_STUCK: ClipName.CANNOT_GO_ON,
    Reason.SESSION_START_TIMEOUT: ClipName.CANNOT_GO_ON,
    Reason.JOB_CRASHED: ClipName.CANNOT_GO_ON,
}


#: Resources that detect the end of the candidate's turns, each with the function that handles a
#: change of the resource's condition.
_TURN_ENDERS = {"vad": take_vad, "turn_detector": take_turn_detector}
#: Resources that report their condition during the interview.
_WATCHED = (*_TURN_ENDERS, "stt", "tts", "llm")


class InterviewApplication(Application):
    """The interview application of one job."""

    identity_prefix: ClassVar[str] = "interviewer-"
    display_name: ClassVar[str] = "Interviewer"

    @classmethod
    def preload(cls, settings: Settings) -> None:
        """Decode the recorded clips."""
        preload_clips()

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
        self._has_snapshot = False
        self._orchestrator: OrchestratorLLM | None = None
        self._follows: Mapping[str, str] = {}
        self._lease: JobLease | None = None
        self._time_limit: InterviewTime | None = None
        self._succession: InterviewHandover | None = None
        self._database: Database | None = None
        self._job: JobHandle | None = None
        self._filling: asyncio.Task[Any] | None = None
        self._started: tuple[AgentSession[Any], Interviewer, TurnLadder] | None = None
        try:
            interview_id, snapshot = read_metadata(dispatch.metadata)
        except MetadataInvalid as problem:
            self._problem = str(problem)
        else:
            self._orchestrator = OrchestratorLLM(
                interview_id,
                room=dispatch.room,
                candidate_identity=read_candidate(dispatch.metadata, interview_id),
                snapshot=snapshot,
                turns=from_json(read_turns(dispatch.metadata)),
            )
            self._has_snapshot = snapshot is not None
            self._follows = read_follows(dispatch.metadata)
            self._lease = JobLease(
                interview_id,
                job_id=dispatch.job_id,
                room=dispatch.room,
                identity=declared_in(settings).identity(dispatch.job_id),
                lease_s=settings.lease_s,
                scope=scope_of(settings),
            )
            self._succession = InterviewHandover(
                settings,
                interview_id=interview_id,
                job_id=dispatch.job_id,
                lease=self._lease,
                access=dispatch.access,
            )
            self._time_limit = InterviewTime(
                interview_id, job_id=dispatch.job_id, told_s=read_spent_s(dispatch.metadata)
            )

    @property
    def succession(self) -> InterviewHandover | None:
        """The handover protocol of this interview; None if the dispatch metadata is invalid."""
        return self._succession

    def header(self) -> Mapping[str, Any]:
        """Return the interview's id, the previous job's id, and the reason for the redispatch.

        The interview's id is None if the dispatch metadata is invalid. Unless the dispatch is a
        redispatch, the previous job's id and the reason are absent.
        """
        return {
            "interview_id": self._orchestrator and self._orchestrator.interview_id,
            **self._follows,
        }

    def resources(self) -> Sequence[Resource]:
        """Return all resources of the interview, in the order of docs/reference/resources.md."""
        return [self._told_when_late(resource) for resource in self._declared]

    def _told_when_late(self, resource: Resource) -> Resource:
        """Return the resource. For a resource in `_WATCHED`, `attach` calls `_take_on` first.

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
        if self._orchestrator is None or self._lease is None or self._succession is None:
            raise LoadFailed("MetadataInvalid", self._problem or "", event=Event.METADATA_INVALID)
        report = held.reports.get("database")
        away = report is not None and not report.ok
        # If the dispatch contained a plan, use that plan instead of an unavailable database.
        database = None if away and self._has_snapshot else held.get("database")
        self._succession.database = held.get("database")
        # Take the lease before reading the turns, so that the turns of the previous holder are
        # complete.
        if database is not None and not await self._lease.take(database) and self._has_snapshot:
            database = None
        await self._orchestrator.init(database)
        await self._read_time(database)
        return self._orchestrator

    async def _read_time(self, database: Database | None) -> None:
        """Read how much time earlier jobs used, if the turns or the dispatch show earlier jobs."""
        told = self._orchestrator is not None and bool(self._orchestrator.turns)
        if database is not None and self._time_limit is not None and (told or self._is_successor):
            await self._time_limit.read(database)

    @property
    def _is_successor(self) -> bool:
        """True if this job was dispatched to follow another job."""
        return "follows_job" in self._follows

    def start_session(
        self, job: JobHandle, held: AgentResources
    ) -> tuple[AgentSession[Any], Agent]:
        """Build the session, interviewer, and stuck-turn recovery from the loaded resources."""
        orchestrator = held.get("orchestrator")
        assert isinstance(orchestrator, OrchestratorLLM)  # noqa: S101  # a required resource
        job.transport.expect(orchestrator.candidate_identity)
        self._job = job
        if self._time_limit is not None:
            self._time_limit.carry_over(job)
        for name in _WATCHED:
            if (engine := held.get(name)) is not None:
                self._take_on(job, name, engine)
        orchestrator.on_refused = lambda reason: job.recorder.refusal("llm", reason)
        session = session_of(orchestrator, held)
        interviewer = Interviewer(
            orchestrator,
            job.keep_turn,
            job.transport.write,
            keep_hearing=job.recorder.hearing,
            refused=job.recorder.typed_refused,
            playout=lambda: job.transport.line.last_playout,
            transcriber=lambda: held.get("stt"),
        )
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
        if self._succession is not None:
            self._succession.talk = interviewer
        job.after_session(interviewer.answers.keep_half)
        self._started = session, interviewer, ladder
        if (database := held.get("database")) is not None:
            self._use_database(job, database)
        return session, interviewer

    def _take_on(self, job: JobHandle, name: str, engine: Any) -> None:
        """Connect a resource to the interview, and let it report its condition to the job."""
        if name in _TURN_ENDERS:
            engine.on_change = partial(_TURN_ENDERS[name], job)
            return
        engine.chain.on_change = job.report
        engine.chain.on_fault = lambda member, reason: job.recorder.refusal(
            f"{name}.{member}", reason
        )
        assert self._orchestrator is not None  # noqa: S101  # required and loaded
        if name == "llm":
            # `first_word_s` must not be shorter than the fallback chain's own time limit for the
            # first word. When the limit of the chain has passed, the chain uses the next provider.
            reply_s = self._settings.llm_reply_s
            self._orchestrator.use_model(engine, first_word_s=reply_s, reply_s=reply_s)
        if name == "tts":
            filling = prepare_plan(self._orchestrator.plan, engine)
            self._filling = asyncio.create_task(filling, name="prepare-speech")

    def _use_database(self, job: JobHandle, database: Database) -> None:
        """Let the lease and the handover use the database that the journal is ingested into."""
        self._database = database
        if job.shipper is not None and self._succession is not None and self._lease is not None:
            self._succession.database, self._succession.shipper = database, job.shipper
            self._lease.on_forgotten = job.shipper.ship_again

    async def _use_late_database(self, _: AgentSession[Any], database: Database) -> None:
        if self._job is None or self._time_limit is None:
            return
        self._use_database(self._job, database)
        await self._read_time(database)
        self._time_limit.carry_over(self._job)

    async def run(self, job: JobHandle) -> None:
        """Greet the candidate, run the interview, and fire the event that ends the interview."""
        assert self._started is not None  # noqa: S101  # start_session has been called
        session, interviewer, ladder = self._started
        resumes = self._orchestrator is not None and bool(self._orchestrator.turns)
        watch = EndConditions(
            job, interviewer, ladder, self._settings, resumes=resumes, follows=self._is_successor
        )
        losses = DegradationHandler(job, session, self._declared, interviewer.cannot_hear)
        losses.begin()
        outages = Outages(interviewer, job.transport.line, job.recorder.away)
        outages.attend(job.transport.reach)
        listening = InputSupervision(job, session, interviewer, outages)
        listening.begin()
        assert self._lease is not None  # noqa: S101  # the orchestrator loads only with a lease
        assert self._time_limit is not None  # noqa: S101  # created with the lease
        try:
            async with (
                self._lease.guarded(job, lambda: self._database),
                self._time_limit.counted(job),
            ):
                event = await watch.until_it_ends()
            if event is Event.INTERVIEW_COMPLETED:
                # The closing was played to its end, so no transcript of an answer is pending.
                session.options.session_close_transcript_timeout = 0.0
            await job.life.fire(event)
        finally:
            losses.stop()
            await listening.stop()
            if self._filling is not None:
                await cancel_and_wait(self._filling)

    def last_words(self, reason: EndReason) -> Clip | None:
        """Return the clip of the closing message for `reason`; None if there is no message.

        Raises ClipMissing if the recording is missing or cannot be decoded.
        """
        name = _LAST_WORDS.get(reason)
        if name is not None and self._succession is not None and self._succession.expected:
            # The next job continues with "I am back", so this job must not say goodbye.
            name = ClipName.ONE_MOMENT
        return load_clip(name) if name is not None else None

    def waiting_words(self) -> Clip | None:
        """Return the clip that is played while the candidate waits for slow resources to load.

        Raises ClipMissing if the recording is missing or cannot be decoded.
        """
        return load_clip(ClipName.ONE_MOMENT)
