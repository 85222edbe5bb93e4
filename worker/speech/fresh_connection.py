"""Another connection for a plugin that keeps one which is half open."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from livekit.agents import tts

#: Where the ElevenLabs plugin (1.8.9) keeps its websocket. There is no public way: its
#: `update_options` lets go of the connection only for another voice, and never closes it.
_CONNECTION: Final = "_TTS__current_connection"


def abandoned_connection(engine: tts.TTS[Any]) -> Coroutine[Any, Any, None] | None:
    """Make a plugin open a new connection for its next words; what closes the old one, if any.

    A websocket whose other end is gone without a word is used again for every text, each of
    which then waits for its time-out (measured with the plugin of ElevenLabs). Closing it takes
    10 s, since the other end does not answer: to be done aside.
    """
    connection = getattr(engine, _CONNECTION, None)
    if connection is None:
        return None
    setattr(engine, _CONNECTION, None)
    closing: Coroutine[Any, Any, None] = connection.aclose()
    return closing
