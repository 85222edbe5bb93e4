"""Replaces a half-open connection that a plugin keeps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from livekit.agents import tts

#: Attribute in which the ElevenLabs plugin (1.8.9) keeps its websocket. There is no public way:
#: its `update_options` drops the connection only for another voice, and never closes it.
_CONNECTION: Final = "_TTS__current_connection"


def abandoned_connection(engine: tts.TTS[Any]) -> Coroutine[Any, Any, None] | None:
    """Make a plugin open a new connection for its next text.

    Returns a coroutine that closes the old connection, or None if there is none. The ElevenLabs
    plugin reuses a websocket whose peer has disappeared silently, and every text then waits for
    its timeout (measured). Closing it takes 10 s, because the peer does not answer: run the
    coroutine in the background.
    """
    connection = getattr(engine, _CONNECTION, None)
    if connection is None:
        return None
    setattr(engine, _CONNECTION, None)
    closing: Coroutine[Any, Any, None] = connection.aclose()
    return closing
