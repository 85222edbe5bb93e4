"""Choice of a session's turn detection, and changes of the choice that lose no turn."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from states import Status

if TYPE_CHECKING:
    from livekit.agents import AgentSession

    from states import Condition
    from worker.job.handle import JobHandle
    from worker.resources.bootstrap import AgentResources


def turns_end_on(held: AgentResources) -> Any:
    """Return the turn detection for a session with the loaded resources.

    `Consequence.turns_end_on` of each resource defines how the turn detection changes when the
    resource is lost or available again.
    """
    if held.get("vad") is None:
        return "stt"
    return held.get("turn_detector") or "vad"


async def take_vad(job: JobHandle, condition: Condition) -> None:
    """Report the VAD's condition to the job. After a loss of the VAD, speech-to-text ends turns.

    After a loss of the VAD, speech-to-text also repeats its last end-of-speech event, so that the
    current turn ends even if the candidate stopped speaking before the loss.
    """
    await job.tell(condition)
    if condition.status is Status.LOST and (engine := job.resources.get("stt")) is not None:
        engine.repeat_end_of_speech()


async def take_turn_detector(job: JobHandle, condition: Condition) -> None:
    """Report the turn detector's condition to the job.

    Without the detector, the VAD alone ends turns.

    A detector that is available again takes over only at the candidate's next turn.
    """
    if condition.status is Status.READY and job.session is not None:
        await _interviewers_turn(job.session)
    await job.tell(condition)


async def _interviewers_turn(session: AgentSession[Any]) -> None:
    """Wait until the interviewer speaks, because the candidate's turn is over by then."""
    speaks = asyncio.Event()

    def look(_: object = None) -> None:
        if session.agent_state == "speaking":
            speaks.set()

    session.on("agent_state_changed", look)
    try:
        look()
        await speaks.wait()
    finally:
        session.off("agent_state_changed", look)
