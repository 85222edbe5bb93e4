"""Receive LiveKit's webhooks, which report when participants join or leave, without polling.

Webhooks are optional. LiveKit sends webhooks if the `webhook` section of LiveKit's configuration
has an `api_key`, and has the worker's PATH among its `urls`. Each webhook is signed with that key;
see https://docs.livekit.io/home/server/webhooks/. Without webhooks, the leader (the worker that
redispatches orphaned interviews) finds the same rooms at its next check.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Final

from aiohttp import web
from livekit import api

logger = logging.getLogger(__name__)

PATH: Final = "/livekit/webhook"
#: Events after which a candidate may be alone in a room.
LOOKED_AT: Final = ("participant_joined", "participant_left", "participant_connection_aborted")
#: Metric label of every event that is not in `LOOKED_AT`.
OTHER: Final = "other"
#: Metric label of a refused request.
REFUSED: Final = "refused"

#: Minimum seconds between two log lines about refused requests.
_QUIET_S: Final = 60.0


class Webhooks:
    """Receives LiveKit's webhooks.

    Args:
        api_key: The key with which LiveKit signs webhooks.
        api_secret: The secret of `api_key`.
        on_room: Called with a room's name after each event of `LOOKED_AT`. Returns False if the
            room cannot be checked now.
        on_event: Called with the metric label of each request: one of `LOOKED_AT`, `OTHER` or
            `REFUSED`.
    """

    def __init__(
        self,
        api_key: str,
        api_secret: str,
        *,
        on_room: Callable[[str], bool],
        on_event: Callable[[str], None],
    ) -> None:
        self._receiver = api.WebhookReceiver(api.TokenVerifier(api_key, api_secret))
        self._on_room = on_room
        self._on_event = on_event
        self._quiet_until = 0.0

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer a webhook before any room check, because LiveKit repeats unanswered webhooks.

        Raises HTTPUnauthorized if the request is not signed with the key or cannot be read,
        HTTPRequestEntityTooLarge if the request is too large, and HTTPServiceUnavailable if the
        room cannot be checked now.
        """
        try:
            event = await self._received(request)
        except Exception as error:  # many classes are possible; a wrong digest raises Exception
            self._refuse(type(error).__name__)
            if isinstance(error, web.HTTPException):
                raise
            raise web.HTTPUnauthorized(reason="not an event signed with LIVEKIT_API_KEY") from error
        if event.event not in LOOKED_AT:
            self._on_event(OTHER)
        elif self._on_room(event.room.name):
            self._on_event(event.event)
        else:
            raise web.HTTPServiceUnavailable(reason="the worker's database is unavailable")
        return web.Response()

    async def _received(self, request: web.Request) -> api.WebhookEvent:
        signature = request.headers.get("Authorization")
        if not signature:
            raise web.HTTPUnauthorized(reason="not an event signed with LIVEKIT_API_KEY")
        return self._receiver.receive((await request.read()).decode(errors="replace"), signature)

    def _refuse(self, why: str) -> None:
        """Count a refused request. Any client can cause refusals, so the log is rate-limited."""
        self._on_event(REFUSED)
        if (now := time.monotonic()) >= self._quiet_until:
            self._quiet_until = now + _QUIET_S
            logger.warning(
                "the worker refused a webhook (%s); it must be signed with LIVEKIT_API_KEY",
                why,
                extra={"event": "webhook_refused"},
            )
