"""What ends the candidate's turns, and how no turn is lost where that changes in the middle."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from states import Status

if TYPE_CHECKING:
    from livekit.agents import AgentSession

    from states import Condition
    from worker.job_handle import JobHandle
    from worker.resources.bootstrap import AgentResources


def turns_end_on(held: AgentResources) -> Any:
    """What a session that is made of these resources ends its turns on.

    What becomes of it when one is lost, or back, is in the table of losses.
    """
    if held.get("vad") is None:
        return "stt"
    return held.get("turn_detector") or "vad"


async def take_vad(job: JobHandle, condition: Condition) -> None:
    """Let the STT end turns without a VAD, also the turn whose end it has told already."""
    await job.tell(condition)
    if condition.status is Status.LOST and (engine := job.held.get("stt")) is not None:
        engine.repeat_end_of_speech()


async def take_turn_detector(job: JobHandle, condition: Condition) -> None:
    """Let the VAD alone end turns without a model; one that is back waits for the next turn."""
    if condition.status is Status.READY and job.session is not None:
        await _interviewers_turn(job.session)
    await job.tell(condition)


async def _interviewers_turn(session: AgentSession[Any]) -> None:
    """Return once the interviewer speaks: the candidate's turn is over then."""
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
