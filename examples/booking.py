"""An agent that books a visit. Another job continues the booking if the job or worker is lost.

It asks three questions. Each answer is written to the journal, and copied to the database at once.
A job that takes the booking over reads the answers so far, and asks the next question.

Dispatch it with the work's id and the visitor's identity, as JSON:
`{"interview_id": "booking-17", "candidate_identity": "visitor"}`
"""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

from livekit.agents import NOT_GIVEN, Agent, AgentSession, ChatContext, ChatMessage, StopResponse

from states import End, Event, Outcome
from worker.api import (
    AgentResources,
    Application,
    ContinuedWork,
    Dispatch,
    HandoverHooks,
    JobHandle,
    Resource,
    Settings,
    database_resource,
    stt_resource,
    tts_resource,
    vad_resource,
)

QUESTIONS = {
    "name": "What is your name?",
    "day": "On which day would you like to come?",
    "guests": "How many people will you bring?",
}


class Listener(Agent):
    """Passes on what the visitor says; the application decides what to ask."""

    def __init__(self) -> None:
        super().__init__(instructions="Take down what you hear.")
        self.heard: asyncio.Queue[str] = asyncio.Queue()

    async def on_user_turn_completed(self, _: ChatContext, new_message: ChatMessage) -> None:
        self.heard.put_nowait(new_message.text_content or "")
        raise StopResponse  # the session has no language model that could answer


class Booking(Application):
    """Asks every question that no earlier job got an answer to."""

    # Participants see this name, and the agent has the identity "booking-<job id>".
    identity_prefix: ClassVar[str] = "booking-"
    display_name: ClassVar[str] = "Booking"
    # How this job can end, beside the ends that every job has.
    ends: ClassVar[Mapping[str, End]] = {"visit_booked": End(Outcome.COMPLETED, "VisitBooked")}

    def __init__(self, dispatch: Dispatch, settings: Settings) -> None:
        # The lease and the turns of the work, which outlive this job.
        self.work = ContinuedWork(dispatch, settings)
        self.needed = (
            database_resource(settings),
            self.work.resource(),
            vad_resource(),
            replace(stt_resource(settings), required=True),
            replace(tts_resource(settings), required=True),
        )

    def header(self) -> Mapping[str, Any]:
        return self.work.header()  # links this job to its work in the database

    @property
    def succession(self) -> HandoverHooks | None:
        return self.work.handover  # a draining worker hands this job over

    def resources(self) -> tuple[Resource, ...]:
        return self.needed

    def start_session(
        self, job: JobHandle, held: AgentResources
    ) -> tuple[AgentSession[None], Agent]:
        job.transport.expect(self.work.person)  # the session hears this person only
        self.session = AgentSession[None](
            vad=held.get("vad"),  # may be None; without `vad`, the framework loads its own VAD
            stt=held.get("stt") or NOT_GIVEN,
            tts=held.get("tts") or NOT_GIVEN,
            turn_handling={"turn_detection": None},
        )
        self.listener = Listener()
        return self.session, self.listener

    async def run(self, job: JobHandle) -> None:
        # Only one job at a time may speak: `kept` ends this job if another one has the work.
        async with self.work.kept(job), asyncio.TaskGroup() as group:
            await self.visitor(job, here=True)
            leaving = group.create_task(self.end_when_left(job))
            await self.book(job)
            leaving.cancel()
        await job.end("visit_booked")

    async def book(self, job: JobHandle) -> None:
        answered = {turn["question_id"] for turn in self.work.turns}
        await self.session.say("Sorry, we were interrupted." if answered else "Hello, and welcome.")
        for question_id, question in QUESTIONS.items():
            if question_id not in answered:
                await self.session.say(question)
                answer = await self.listener.heard.get()
                # Returns once the answer is on the disk, and in the database if that is quick.
                await job.keep_turn(speaker="candidate", text=answer, question_id=question_id)
        await self.session.say("Thank you, your visit is booked. Goodbye.")

    async def visitor(self, job: JobHandle, *, here: bool) -> None:
        while job.transport.candidate_is_here is not here:
            await job.transport.candidate_moved()

    async def end_when_left(self, job: JobHandle) -> None:
        await self.visitor(job, here=False)
        await job.life.fire(Event.CANDIDATE_LEFT)  # the runner then cancels `run`
