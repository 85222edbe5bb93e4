"""Receive LiveKit's webhooks, which report when participants join or leave, without polling.

Webhooks are optional. LiveKit sends webhooks if the `webhook` section of LiveKit's configuration
has an `api_key`, and has the worker's PATH among its `urls`. LiveKit signs each webhook with this
`api_key`; see https://docs.livekit.io/home/server/webhooks/. Without webhooks, the leader (the
worker that redispatches orphaned interviews) finds the rooms of waiting candidates at its next
periodic check.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import logging
import time
from collections.abc import Callable
from typing import Final

from aiohttp import web
from google.protobuf import json_format
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
#: Maximum size of a body in bytes. A webhook of LiveKit describes a room and a participant in a few
#: kB, because rooms and participants of interviews have no metadata.
MOST_BYTES: Final = 1 << 20
#: Maximum seconds until the body of a request has arrived. LiveKit sends the body together with the
#: head.
BODY_S: Final = 5.0


class SignatureInvalid(Exception):
    """Raised when the signature of a webhook does not match its body."""


class Webhooks:
    """Receives LiveKit's webhooks.

    Args:
        api_key: The key with which LiveKit signs webhooks.
        api_secret: The secret of `api_key`.
        on_room: Called with a room's name after each event whose type is in `LOOKED_AT`. Returns
            False if the room cannot be checked now.
        on_event: Called with the metric label of each request: an event type in `LOOKED_AT`, or
            `OTHER`, or `REFUSED`.
        body_s: Maximum seconds until the body of a request has arrived.
    """

    def __init__(
        self,
        api_key: str,
        api_secret: str,
        *,
        on_room: Callable[[str], bool],
        on_event: Callable[[str], None],
        body_s: float = BODY_S,
    ) -> None:
        self._verifier = api.TokenVerifier(api_key, api_secret)
        self._body_s = body_s
        self._on_room = on_room
        self._on_event = on_event
        self._quiet_until = 0.0

    def use_key(self, api_key: str, api_secret: str) -> None:
        """Accept only webhooks that are signed with this key from now on."""
        self._verifier = api.TokenVerifier(api_key, api_secret)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer a webhook before any room check, because LiveKit repeats unanswered webhooks.

        Raises HTTPUnauthorized if the request is not signed with the key or cannot be read,
        HTTPRequestEntityTooLarge if the request is too large, HTTPRequestTimeout if its body does
        not arrive in time, and HTTPServiceUnavailable if the room cannot be checked now.
        """
        try:
            event = await self._received(request)
        except Exception as error:  # livekit-api raises many classes
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
        """Return the event of a request. The signature is checked before the body is read."""
        signature = request.headers.get("Authorization")
        if not signature:
            raise web.HTTPUnauthorized(reason="not an event signed with LIVEKIT_API_KEY")
        digest = self._verifier.verify(signature).sha256
        if not digest:  # the signature is a token of another kind, such as a candidate's token
            raise SignatureInvalid
        signed = base64.b64decode(digest)
        body = await self._body(request)
        if not hmac.compare_digest(signed, hashlib.sha256(body).digest()):
            raise SignatureInvalid
        event: api.WebhookEvent = json_format.Parse(
            body, api.WebhookEvent(), ignore_unknown_fields=True
        )
        return event

    async def _body(self, request: web.Request) -> bytes:
        if (length := request.content_length or 0) > MOST_BYTES:
            raise web.HTTPRequestEntityTooLarge(MOST_BYTES, length)
        try:
            async with asyncio.timeout(self._body_s):
                # The HTTP server itself limits a body whose length the request does not declare.
                return await request.read()
        except TimeoutError:
            raise web.HTTPRequestTimeout(reason="the body did not arrive in time") from None

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
