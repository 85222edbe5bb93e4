"""The voice session of an interview, as livekit-agents is told to hold it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final

from livekit.agents import NOT_GIVEN, AgentSession, TurnHandlingOptions
from livekit.agents.voice.agent_session import SessionConnectOptions

from worker.interview.turn_ends import turns_end_on

if TYPE_CHECKING:
    from worker.interview.orchestrator_llm import OrchestratorLLM
    from worker.resources.bootstrap import AgentResources

#: Seconds for the last words of a candidate to become text, once the session is closing.
_LAST_TRANSCRIPT_S: Final = 1.0


def session_of(orchestrator: OrchestratorLLM, held: AgentResources) -> AgentSession[Any]:
    """The session of what has loaded. What has not is None, never the framework's default:
    that would be another model, loaded on the event loop."""
    detector = held.get("vad")
    return AgentSession(
        vad=detector,
        stt=held.get("stt") or NOT_GIVEN,
        tts=held.get("tts") or NOT_GIVEN,
        llm=orchestrator,
        turn_handling=TurnHandlingOptions(
            turn_detection=turns_end_on(held),
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
        # For what is being said when the session closes; `keep_half` writes it down.
        session_close_transcript_timeout=_LAST_TRANSCRIPT_S,
        # The lifecycle judges what a loss means, not a count of errors.
        conn_options=SessionConnectOptions(max_unrecoverable_errors=sys.maxsize),
    )
