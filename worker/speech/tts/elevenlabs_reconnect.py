"""Replace a half-open connection of the ElevenLabs plugin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from livekit.agents import tts

#: Attribute in which the ElevenLabs plugin (1.8.9) keeps its websocket. No public method can
#: replace the websocket, because `update_options` drops the websocket only if the voice changes,
#: and never closes it.
_CONNECTION: Final = "_TTS__current_connection"


def abandoned_connection(engine: tts.TTS[Any]) -> Coroutine[Any, Any, None] | None:
    """Make a plugin open a new connection for its next text.

    Returns a coroutine that closes the old connection, or None if there was no connection. The
    ElevenLabs plugin reuses a websocket whose peer has disappeared silently, so every text runs
    into a timeout (measured). Closing a half-open websocket takes 10 s, because the peer does not
    answer. The coroutine must therefore run in the background.
    """
    connection = getattr(engine, _CONNECTION, None)
    if connection is None:
        return None
    setattr(engine, _CONNECTION, None)
    closing: Coroutine[Any, Any, None] = connection.aclose()
    return closing
