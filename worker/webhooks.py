"""LiveKit's webhooks: who came into a room, or left it, is known without asking for it.

They are used when LiveKit is configured to send them (its `webhook` section: `api_key`, and the
worker's PATH among `urls`), and each is signed with that key; see
https://docs.livekit.io/home/server/webhooks/. Without them the watcher finds the same, at its next
look.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final

from aiohttp import web
from livekit import api

logger = logging.getLogger(__name__)

PATH: Final = "/livekit/webhook"
#: After these somebody may be alone in a room.
LOOKED_AT: Final = ("participant_joined", "participant_left", "participant_connection_aborted")
#: How the others are counted.
OTHER: Final = "other"
REFUSED: Final = "refused"


class Webhooks:
    """Takes what LiveKit sends.

    Args:
        api_key: The key that LiveKit signs with, and its secret.
        api_secret: That secret.
        on_room: Is told a room's name after each event of `LOOKED_AT`.
        on_event: Is told what came, to be counted: one of `LOOKED_AT`, `OTHER` or `REFUSED`.
    """

    def __init__(
        self,
        api_key: str,
        api_secret: str,
        *,
        on_room: Callable[[str], None],
        on_event: Callable[[str], None],
    ) -> None:
        self._receiver = api.WebhookReceiver(api.TokenVerifier(api_key, api_secret))
        self._on_room = on_room
        self._on_event = on_event

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer at once, whatever follows: LiveKit sends again what is not answered.

        Raises HTTPUnauthorized for what is not signed with the key, or cannot be read.
        """
        body = (await request.read()).decode(errors="replace")
        try:
            event = self._receiver.receive(body, request.headers.get("Authorization", ""))
        except Exception as error:  # of many classes, and for a wrong digest it is Exception itself
            self._on_event(REFUSED)
            logger.warning(
                "a webhook was refused: %s; LiveKit has to sign it with LIVEKIT_API_KEY",
                type(error).__name__,
            )
            raise web.HTTPUnauthorized(reason="no event signed with LIVEKIT_API_KEY") from error
        if event.event in LOOKED_AT:
            self._on_event(event.event)
            self._on_room(event.room.name)
        else:
            self._on_event(OTHER)
        return web.Response()
