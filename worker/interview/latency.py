"""How long the parts of a turn took, as livekit's session measures them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

#: Of a turn that the session did not hear or speak: one that was typed, or written.
NO_LATENCY: Final[Mapping[str, float]] = MappingProxyType({})

#: Names in a turn's record, by those of livekit's MetricsReport (llm/chat_context.py, 1.8.9).
_PARTS: Final = {
    "end_of_turn_delay": "end_of_turn",
    "transcription_delay": "transcript",
    "llm_node_ttft": "words",
    "tts_node_ttfb": "voice",
    "e2e_latency": "answer",
}


def latency_of(message: Any) -> dict[str, float]:
    """Seconds by part, of those that were measured; the candidate's before it is kept.

    `end_of_turn` and `transcript` count from the end of the speech; `words` and `voice` from when
    they were asked for; `answer` from the end of the candidate's speech to the first audio.
    """
    metrics: Any = getattr(message, "metrics", None)
    if not isinstance(metrics, Mapping):
        return {}
    found = ((part, metrics.get(name)) for name, part in _PARTS.items())
    return {part: round(s, 3) for part, s in found if isinstance(s, int | float) and s >= 0}
