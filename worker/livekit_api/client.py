"""`LiveKitClient`: the rooms, dispatches, participants and tokens of a LiveKit server."""

from __future__ import annotations

import asyncio
import datetime
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp
import jwt
from livekit import api

from worker.aio.backoff import ExponentialBackoff
from worker.env.proxies import proxy_for
from worker.livekit_api.calls import LiveKitCalls
from worker.livekit_api.errors import LiveKitUnreachable, RoomToolError
from worker.livekit_api.failures import TIMED_OUT
from worker.livekit_api.room_options import RoomOptions

_RETRY = ExponentialBackoff(first_s=0.2, longest_s=2.0)
_CHECK_ATTEMPT_S = 5.0
# Minimum timeout of one attempt in seconds. With a shorter timeout an attempt would fail even if
# the server is healthy.
_SHORTEST_ATTEMPT_S = 0.2


@dataclass(frozen=True, repr=False)
class LiveKitClient(LiveKitCalls):
    """Access to one LiveKit server over its HTTP API, for a program that makes few calls.

    Each call opens its own connection. A process that makes many calls uses a `LiveKitConnection`.
    """

    @asynccontextmanager
    async def _server(self) -> AsyncIterator[api.LiveKitAPI]:
        # Pass a session, because the session that LiveKit's client would open does not use a proxy.
        async with aiohttp.ClientSession(proxy=proxy_for(self.url)) as session:
            yield api.LiveKitAPI(self.url, self.key, self.secret, session=session)

    def candidate_token(
        self,
        *,
        room: str,
        identity: str,
        name: str = "",
        ttl_s: float = 4 * 3600,
        options: RoomOptions | None = None,
        not_before: datetime.datetime | None = None,
        expires: datetime.datetime | None = None,
    ) -> str:
        """Return a signed token with which a candidate may join one room, speak, write and listen.

        The token allows no camera, no screen, no changes to the candidate's own attributes, and no
        other room. This method does not call the server.

        Args:
            name: The candidate's name, which the other participants see.
            ttl_s: Seconds from now for which the candidate may join or rejoin, unless `expires` is
                given.
            options: Options that the room gets if the candidate's joining opens the room; None for
                the options of the server's configuration.
            not_before: Time from which the candidate may join, with a time zone; default: now.
            expires: Time until which the candidate may join or rejoin, with a time zone. LiveKit
                does not limit this time (livekit-server 1.13.5).

        Raises:
            ValueError: The key, the secret, the room or the identity is empty.
        """
        if not (self.key and self.secret and room and identity):
            raise ValueError("a candidate's token needs a key, a secret, a room and an identity")
        now = datetime.datetime.now(datetime.UTC)
        until = expires or now + datetime.timedelta(seconds=ttl_s)
        token = api.AccessToken(self.key, self.secret).with_name(name).with_grants(_grants(room))
        if options is not None:
            token = token.with_room_config(options.configuration())
        # `AccessToken.to_jwt` cannot sign a token that becomes valid later.
        claims = token.claims.asdict() | {
            "sub": identity,
            "iss": self.key,
            "nbf": int((not_before or now).timestamp()),
            "exp": int(until.timestamp()),
        }
        return jwt.encode(claims, self.secret, algorithm="HS256")

    async def check(self, *, budget_s: float) -> None:
        """Check that the server answers and accepts the key, before a worker starts.

        The check retries an unreachable server with exponential back-off and jitter (`_RETRY`, 0.1
        to 2 s) until `budget_s` has passed. An invalid URL or a refused key ends the check
        immediately.

        Args:
            budget_s: Maximum duration of the check, in seconds.

        Raises:
            LiveKitUrlInvalid: The URL cannot be the URL of a LiveKit server.
            LiveKitKeyRefused: The server refuses the key or its secret.
            LiveKitUnreachable: No LiveKit server answered within `budget_s`.
        """
        began = time.monotonic()
        deadline = began + budget_s
        reason = ""
        for wait_s in _RETRY.delays():
            remaining_s = deadline - time.monotonic()
            timeout_s = max(min(_CHECK_ATTEMPT_S, remaining_s), _SHORTEST_ATTEMPT_S)
            try:
                await self._ask(timeout_s)
            except LiveKitUnreachable as error:
                # If the last attempt times out only because its timeout was cut to the rest of
                # `budget_s`, keep the reason of the attempt before, which says more about the
                # server.
                if not reason or error.reason != TIMED_OUT or timeout_s == _CHECK_ATTEMPT_S:
                    reason = error.reason
                now = time.monotonic()
                if now + wait_s + _SHORTEST_ATTEMPT_S > deadline:
                    raise LiveKitUnreachable(
                        self.url, reason=reason, budget_s=budget_s, tried_s=now - began
                    ) from error
            else:
                return
            await asyncio.sleep(wait_s)

    async def _ask(self, timeout_s: float) -> None:
        """Make the cheapest call that needs a valid key: list the rooms that are named "-"."""
        try:
            async with self.calling("list_rooms", timeout_s=timeout_s) as server:
                await server.room.list_rooms(api.ListRoomsRequest(names=["-"]))
        except RoomToolError as error:
            # The answer comes from a server other than LiveKit, or from a proxy that cannot reach
            # LiveKit.
            reason = f"HTTP {error.status}"
            raise LiveKitUnreachable(self.url, reason=reason, budget_s=timeout_s) from error


def _grants(room: str) -> api.VideoGrants:
    """Return the rights of a candidate in a room."""
    return api.VideoGrants(
        room_join=True,
        room=room,
        can_publish=True,
        can_publish_sources=["microphone"],
        can_publish_data=True,
        can_subscribe=True,
        can_update_own_metadata=False,
    )
