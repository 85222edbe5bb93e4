"""Latencies of the parts of a turn, as measured by livekit's session."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

#: Latencies of a turn that was sent as text. Such a turn has no latencies, because nothing was
#: spoken.
NO_LATENCY: Final[Mapping[str, float]] = MappingProxyType({})

#: Names of latencies in a turn's record, by the name in livekit's MetricsReport
#: (llm/chat_context.py, 1.8.9).
_PARTS: Final = {
    "end_of_turn_delay": "end_of_turn",
    "transcription_delay": "transcript",
    "llm_node_ttft": "words",
    "tts_node_ttfb": "voice",
    "e2e_latency": "answer",
}


def latency_of(message: Any) -> dict[str, float]:
    """Return the measured latencies of a turn in seconds, by part.

    A candidate's turn has only the latencies that are known before the turn is recorded.
    `end_of_turn` and `transcript` count from the end of the speech. `words` counts from the request
    for the words, and `voice` from the request for the audio. `answer` is the time from the end of
    the candidate's speech to the first audio of the interviewer's reply.
    """
    metrics: Any = getattr(message, "metrics", None)
    if not isinstance(metrics, Mapping):
        return {}
    found = ((part, metrics.get(name)) for name, part in _PARTS.items())
    return {part: round(s, 3) for part, s in found if isinstance(s, int | float) and s >= 0}
