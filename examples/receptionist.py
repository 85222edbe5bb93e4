"""A receptionist agent: greets the caller, repeats what the caller says, ends when they leave."""

from dataclasses import replace

from livekit.agents import NOT_GIVEN, Agent, AgentSession, ChatContext, ChatMessage, StopResponse

from worker.api import (
    AgentResources,
    Application,
    Dispatch,
    JobHandle,
    Resource,
    Settings,
    stt_resource,
    tts_resource,
    vad_resource,
)


class Echo(Agent):
    async def on_user_turn_completed(self, _: ChatContext, new_message: ChatMessage) -> None:
        self.session.say(f"You said: {new_message.text_content}")
        raise StopResponse  # the session has no language model that could answer


class Receptionist(Application):
    def __init__(self, dispatch: Dispatch, settings: Settings) -> None:
        ears, voice = stt_resource(settings), tts_resource(settings)
        self.needed = (vad_resource(), replace(ears, required=True), replace(voice, required=True))

    def resources(self) -> tuple[Resource, ...]:
        return self.needed

    def start_session(
        self, job: JobHandle, held: AgentResources
    ) -> tuple[AgentSession[None], Agent]:
        self.session = AgentSession[None](
            vad=held.get("vad"),  # may be None; without `vad`, the framework loads its own VAD
            stt=held.get("stt") or NOT_GIVEN,
            tts=held.get("tts") or NOT_GIVEN,
            turn_handling={"turn_detection": None},
        )
        return self.session, Echo(instructions="Repeat what you hear.")

    async def run(self, job: JobHandle) -> None:
        while not job.transport.candidate_is_here:
            await job.transport.candidate_moved()
        self.session.say("Hello, and welcome. Say something, and I will repeat it.")
        while job.transport.candidate_is_here:
            await job.transport.candidate_moved()
