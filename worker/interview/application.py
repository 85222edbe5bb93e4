"""The interview as an application on the lifecycle: its resources, session, and end."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from livekit.agents import NOT_GIVEN, Agent, AgentSession, TurnHandlingOptions

from states import Event, Reason
from worker.application import Dispatch
from worker.interview.clips import Clip, ClipName, load_clip
from worker.interview.interviewer import Interviewer
from worker.interview.orchestrator_llm import OrchestratorLLM
from worker.resources.base import LoadFailed, Resource
from worker.resources.bootstrap import AgentResources
from worker.resources.database import database_resource
from worker.resources.speech import llm_resource, stt_resource, tts_resource, vad_resource
from worker.settings import Settings
from worker.shipping import ship_live
from worker.store.interviews import InterviewIdInvalid, check_interview_id

if TYPE_CHECKING:
    from worker.job import Job

logger = logging.getLogger(__name__)

#: What is said before leaving, by reason. Where nothing is named the plan's closing was said,
#: or nobody is there.
_LAST_WORDS = {
    Reason.INTERVIEW_ALREADY_OVER: ClipName.ALREADY_OVER,
    Reason.TIME_LIMIT_REACHED: ClipName.GOODBYE,
    Reason.CANDIDATE_SILENT: ClipName.GOODBYE,
    Reason.SHUTDOWN_REQUESTED: ClipName.CANNOT_GO_ON,
    Reason.BOOTSTRAP_NEVER_STARTED: ClipName.CANNOT_GO_ON,
    Reason.BOOTSTRAP_TIMEOUT: ClipName.CANNOT_GO_ON,
    Reason.ORCHESTRATOR_FAILED: ClipName.CANNOT_GO_ON,
    Reason.METADATA_INVALID: ClipName.CANNOT_GO_ON,
    Reason.INTERVIEW_UNKNOWN: ClipName.CANNOT_GO_ON,
    Reason.SESSION_FAILED: ClipName.CANNOT_GO_ON,
    Reason.SESSION_START_TIMEOUT: ClipName.CANNOT_GO_ON,
    Reason.JOB_CRASHED: ClipName.CANNOT_GO_ON,
}


class MetadataInvalid(ValueError):
    """The dispatch's metadata is not a JSON object that names an interview."""


def read_metadata(metadata: str) -> tuple[str, Mapping[str, Any] | None]:
    """The interview's id and the plan's snapshot, if it came along. Raises MetadataInvalid."""
    try:
        data = json.loads(metadata)
    except (ValueError, RecursionError) as error:
        raise MetadataInvalid("the dispatch's metadata is not JSON") from error
    interview_id = data.get("interview_id") if isinstance(data, dict) else None
    if not isinstance(interview_id, str) or not interview_id:
        raise MetadataInvalid("the dispatch's metadata names no interview_id")
    try:
        # It is about to stand in a journal, in logs and in an identity.
        check_interview_id(interview_id)
    except InterviewIdInvalid as error:
        raise MetadataInvalid(
            "the interview_id in the dispatch's metadata cannot be one"
        ) from error
    plan = data.get("plan")
    return interview_id, plan if isinstance(plan, dict) else None


class InterviewApplication:
    """One job's interview."""

    def __init__(self, dispatch: Dispatch, settings: Settings) -> None:
        self._settings = settings
        self._problem: str | None = None
        self._orchestrator: OrchestratorLLM | None = None
        self._interviewer: Interviewer | None = None
        try:
            interview_id, snapshot = read_metadata(dispatch.metadata)
        except MetadataInvalid as problem:
            self._problem = str(problem)
        else:
            self._orchestrator = OrchestratorLLM(interview_id, snapshot=snapshot)

    def header(self) -> Mapping[str, Any]:
        """The interview's id; None where the dispatch names none."""
        return {"interview_id": self._orchestrator and self._orchestrator.interview_id}

    def resources(self) -> Sequence[Resource]:
        """All of them, in the order of the README's table."""
        return interview_resources(self._settings, self._load_orchestrator)

    async def _load_orchestrator(self, held: AgentResources) -> OrchestratorLLM:
        if self._orchestrator is None:
            raise LoadFailed("MetadataInvalid", self._problem or "", event=Event.METADATA_INVALID)
        await self._orchestrator.init(held.get("database"))
        return self._orchestrator

    def start_session(self, job: Job, held: AgentResources) -> tuple[AgentSession[Any], Agent]:
        """The session of what has loaded. What has not is None, never the framework's default:
        that would be another model, loaded on the event loop."""
        orchestrator = held.get("orchestrator")
        assert isinstance(orchestrator, OrchestratorLLM)  # noqa: S101  # it is required
        job.stage.expect(orchestrator.candidate_identity)
        for name in ("stt", "tts", "llm"):
            if (engine := held.get(name)) is not None:
                engine.chain.on_change = job.report
        detector = held.get("vad")
        session: AgentSession[Any] = AgentSession(
            vad=detector,
            stt=held.get("stt") or NOT_GIVEN,
            tts=held.get("tts") or NOT_GIVEN,
            llm=orchestrator,
            turn_handling=TurnHandlingOptions(
                turn_detection="vad" if detector is not None else "stt",
                endpointing={"mode": "fixed", "min_delay": 1.8, "max_delay": 6.0},
                # "adaptive", the default, is a cloud model.
                interruption={"mode": "vad"},
                # Speaking before the turn is committed would be speaking from an old plan.
                preemptive_generation={"enabled": False},
            ),
            # The first words of a candidate who cuts in early would be misheard (measured).
            aec_warmup_duration=0,
            # Silence is this application's to judge.
            user_away_timeout=None,
            # What is said while the session closes is said after goodbye.
            session_close_transcript_timeout=0.0,
        )
        self._interviewer = Interviewer(orchestrator, job.keep_turn)
        database = held.get("database")
        if database is not None:
            ship_live(job.life, database)
        return session, self._interviewer

    async def run(self, job: Job) -> None:
        """Greet the candidate, then watch over the interview until something ends it."""
        assert self._interviewer is not None  # noqa: S101  # start_session made it
        watch = _Watch(job, self._interviewer, self._settings)
        await job.life.fire(await watch.until_it_ends())

    def last_words(self, reason: Reason) -> Clip | None:
        """A clip for every end that comes upon a candidate."""
        name = _LAST_WORDS.get(reason)
        return load_clip(name) if name is not None else None

    def waiting_words(self) -> Clip | None:
        """Heard where loading takes longer than anybody waits in silence."""
        return load_clip(ClipName.ONE_MOMENT)


def interview_resources(settings: Settings, load_orchestrator: Any) -> tuple[Resource, ...]:
    """Every resource of an interview. Adding one is one module and one line here."""
    return (
        Resource(
            name="orchestrator",
            loss="There is no interview: a recorded apology, and the job fails.",
            load=load_orchestrator,
            required=True,
            needs=("database",),
        ),
        database_resource(settings),
        vad_resource(),
        stt_resource(settings),
        tts_resource(settings),
        llm_resource(settings),
    )


class _Watch:
    """Waits for the end of an interview, whichever comes first."""

    def __init__(self, job: Job, interviewer: Interviewer, settings: Settings) -> None:
        self._job = job
        self._interviewer = interviewer
        self._settings = settings
        self._asked_again = False

    async def until_it_ends(self) -> Event:
        """The event that ends it."""
        if not await self._candidate_within(self._settings.candidate_join_s):
            return Event.CANDIDATE_NEVER_JOINED
        self._listen_from_now()
        await self._interviewer.speak_next()
        enders = {
            asyncio.create_task(self._finished(), name="watch-finished"),
            asyncio.create_task(self._left(), name="watch-left"),
            asyncio.create_task(self._silent(), name="watch-silence"),
        }
        try:
            done, _ = await asyncio.wait(enders, return_when=asyncio.FIRST_COMPLETED)
            return done.pop().result()
        finally:
            for task in enders:
                task.cancel()

    async def _finished(self) -> Event:
        await self._interviewer.finished.wait()
        await self._job.stage.line.drain()
        return Event.INTERVIEW_COMPLETED

    async def _left(self) -> Event:
        while True:
            while self._job.stage.candidate_is_here:
                await self._job.stage.candidate_moved()
            if not await self._candidate_within(self._settings.candidate_grace_s):
                return Event.CANDIDATE_LEFT
            self._listen_from_now()

    def _listen_from_now(self) -> None:
        """Nobody was silent who was not there."""
        self._interviewer.last_sound = asyncio.get_running_loop().time()

    async def _candidate_within(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                while not self._job.stage.candidate_is_here:
                    await self._job.stage.candidate_moved()
        except TimeoutError:
            return False
        return True

    async def _silent(self) -> Event:
        """The candidate is asked again after half of the time, and given up after all of it."""
        loop = asyncio.get_running_loop()
        limit = self._settings.candidate_silence_s
        while True:
            quiet_s = loop.time() - self._interviewer.last_sound
            if self._interviewer.sounding or not self._job.stage.candidate_is_here:
                quiet_s = 0.0
            if quiet_s < limit / 2:
                self._asked_again = False  # somebody has spoken since
            if quiet_s >= limit:
                return Event.CANDIDATE_SILENT
            if quiet_s >= limit / 2 and not self._asked_again:
                self._asked_again = True
                await self._job.stage.line.play(load_clip(ClipName.STILL_THERE))
            await asyncio.sleep(limit / 2 - quiet_s if quiet_s < limit / 2 else limit - quiet_s)
