"""Configuration of the AgentSession of an interview."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final

from livekit.agents import NOT_GIVEN, AgentSession, TurnHandlingOptions
from livekit.agents.voice.agent_session import SessionConnectOptions

from worker.interview.recovery.turn_detection import turns_end_on

if TYPE_CHECKING:
    from worker.interview.orchestrator_llm import OrchestratorLLM
    from worker.resources.bootstrap import AgentResources

#: Maximum seconds that a closing session waits for the transcript of the candidate's last words.
_LAST_TRANSCRIPT_S: Final = 1.0


def session_of(orchestrator: OrchestratorLLM, held: AgentResources) -> AgentSession[Any]:
    """Return a session that is built from the loaded resources.

    A VAD that has not loaded is passed as None. If `vad` were left out, the framework would load
    its default VAD, which is another model, on the event loop.
    """
    detector = held.get("vad")
    return AgentSession(
        vad=detector,
        stt=held.get("stt") or NOT_GIVEN,
        tts=held.get("tts") or NOT_GIVEN,
        llm=orchestrator,
        turn_handling=TurnHandlingOptions(
            turn_detection=turns_end_on(held),
            endpointing={"mode": "fixed", "min_delay": 1.8, "max_delay": 6.0},
            # Not the framework's default, "adaptive", because it uses a cloud model.
            #
            # While a line is played, its speech disallows interruptions, because `LiveFloor`
            # decides. The candidate's audio is transcribed all the same.
            interruption={"mode": "vad", "discard_audio_if_uninterruptible": False},
            # A preemptive reply would be generated before the candidate's turn is committed, and
            # would therefore ignore that turn.
            preemptive_generation={"enabled": False},
        ),
        # No warm-up of the echo cancellation, because with it the first words of an early
        # interruption are misheard (measured).
        aec_warmup_duration=0,
        # Turn off the framework's own handling of silence, because the interview has its own.
        user_away_timeout=None,
        # Let a closing session wait for the transcript of the current speech, which `keep_half`
        # records.
        session_close_transcript_timeout=_LAST_TRANSCRIPT_S,
        # The job lifecycle handles unavailable providers, so the session must not close after a
        # number of errors.
        conn_options=SessionConnectOptions(max_unrecoverable_errors=sys.maxsize),
    )
