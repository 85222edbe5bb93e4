"""`LiveKitClient`: the rooms, dispatches, participants and tokens of a LiveKit server."""

from __future__ import annotations

import asyncio
import datetime
import errno
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, Self

import aiohttp
from google.protobuf.message import DecodeError
from livekit import api

from worker.aio.backoff import ExponentialBackoff
from worker.livekit_api.errors import (
    LiveKitKeyRefused,
    LiveKitUnreachable,
    RoomToolError,
    check_url,
    shown_url,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from pydantic import SecretStr

#: Timeout of one call to the server, in seconds.
CALL_TIMEOUT_S = 10.0

_RETRY = ExponentialBackoff(first_s=0.2, longest_s=2.0)
_CHECK_ATTEMPT_S = 5.0
# Minimum timeout of one attempt in seconds. With a shorter timeout an attempt would fail even if
# the server is healthy.
_SHORTEST_ATTEMPT_S = 0.2
_TIMED_OUT = "timed out"


class LiveKitSettings(Protocol):
    """The settings that name a LiveKit server and its key: those of `worker.config.Settings`."""

    @property
    def livekit_url(self) -> str: ...

    @property
    def livekit_api_key(self) -> str: ...

    @property
    def livekit_api_secret(self) -> SecretStr: ...


@dataclass(frozen=True, repr=False)
class LiveKitClient:
    """Access to one LiveKit server over its HTTP API.

    Each call opens its own connection. Every method that calls the server raises LiveKitError if
    the call fails; each subclass of LiveKitError stands for one cause.
    """

    #: URL of the server (ws, wss, http or https).
    url: str
    #: API key of the server.
    key: str
    #: Secret of the API key.
    secret: str

    @classmethod
    def of(cls, settings: LiveKitSettings) -> Self:
        """Return a client for the server of the settings. Settings that are not set stay empty."""
        secret = settings.livekit_api_secret.get_secret_value()
        return cls(settings.livekit_url, settings.livekit_api_key, secret)

    def __repr__(self) -> str:
        return f"LiveKitClient({shown_url(self.url)!r}, {self.key!r}, '***')"

    # --- rooms, participants and dispatches -------------------------------------------------------

    async def create_room(
        self,
        name: str,
        *,
        empty_timeout_s: int = 300,
        departure_timeout_s: int = 120,
        metadata: str = "",
    ) -> str:
        """Create a room, or keep the existing room of that name; return its session id ("RM_…").

        Args:
            empty_timeout_s: Seconds that the room waits for its first participant.
            departure_timeout_s: Seconds that the room waits for a candidate who left. An
                interviewer does not keep a room open. By default LiveKit would close the room after
                20 s, even with the interviewer in the room.
            metadata: Text that every participant can read, so it must contain nothing personal.
        """
        request = api.CreateRoomRequest(
            name=name,
            empty_timeout=empty_timeout_s,
            departure_timeout=departure_timeout_s,
            metadata=metadata,
        )
        async with self.calling("create_room") as server:
            return (await server.room.create_room(request)).sid

    async def delete_room(self, name: str) -> bool:
        """Close a room and remove all participants; return False if the room does not exist."""
        try:
            async with self.calling("delete_room") as server:
                await server.room.delete_room(api.DeleteRoomRequest(room=name))
        except RoomToolError as error:
            if error.code != api.ServerErrorCode.NOT_FOUND:
                raise
            return False
        return True

    async def list_participants(self, room: str) -> list[str]:
        """Return the sorted identities of all participants; empty if the room does not exist.

        A participant whose process died stays listed for about 20 s.
        """
        request = api.ListParticipantsRequest(room=room)
        try:
            async with self.calling("list_participants") as server:
                answer = await server.room.list_participants(request)
        except RoomToolError as error:
            if error.code != api.ServerErrorCode.NOT_FOUND:
                raise
            return []
        return sorted(participant.identity for participant in answer.participants)

    async def remove_participant(self, *, room: str, identity: str) -> bool:
        """Remove one participant from a room; return False if no such participant was there."""
        request = api.RoomParticipantIdentity(room=room, identity=identity)
        try:
            async with self.calling("remove_participant") as server:
                await server.room.remove_participant(request)
        except RoomToolError as error:
            if error.code != api.ServerErrorCode.NOT_FOUND:
                raise
            return False
        return True

    async def dispatch(self, *, agent_name: str, room: str, metadata: str = "") -> str:
        """Dispatch an interviewer to an existing or a new room; return the dispatch's id.

        The server accepts a dispatch even if no worker will take it. Success therefore does not
        prove that an interviewer will join.

        Args:
            agent_name: The agent name under which the workers are registered.
            metadata: Text for the job, which only holders of the API secret can write or read.
        """
        request = api.CreateAgentDispatchRequest(
            agent_name=agent_name, room=room, metadata=metadata
        )
        async with self.calling("dispatch") as server:
            return (await server.agent_dispatch.create_dispatch(request)).id

    def candidate_token(
        self, *, room: str, identity: str, name: str = "", ttl_s: float = 4 * 3600
    ) -> str:
        """Return a signed token with which a candidate may join one room, speak, write and listen.

        The token allows no camera, no screen, no changes to the candidate's own attributes, and no
        other room. This method does not call the server.

        Args:
            name: The candidate's name, which the other participants see.
            ttl_s: Seconds for which the candidate may join or rejoin.

        Raises:
            ValueError: The key, the secret, the room or the identity is empty.
        """
        if not (self.key and self.secret and room and identity):
            raise ValueError("a candidate's token needs a key, a secret, a room and an identity")
        grants = api.VideoGrants(
            room_join=True,
            room=room,
            can_publish=True,
            can_publish_sources=["microphone"],
            can_publish_data=True,
            can_subscribe=True,
            can_update_own_metadata=False,
        )
        token = api.AccessToken(self.key, self.secret).with_identity(identity).with_name(name)
        return token.with_ttl(datetime.timedelta(seconds=ttl_s)).with_grants(grants).to_jwt()

    # --- the server -------------------------------------------------------------------------------

    @asynccontextmanager
    async def calling(
        self, operation: str, *, timeout_s: float = CALL_TIMEOUT_S
    ) -> AsyncIterator[api.LiveKitAPI]:
        """Yield an API client for one call, and convert failures of the call to `LiveKitError`.

        Args:
            operation: The name of the operation, for error messages.
            timeout_s: Timeout of the call, in seconds.

        Raises:
            LiveKitUrlInvalid: The URL cannot be the URL of a LiveKit server.
            LiveKitKeyRefused: The server refuses the key or its secret, or either of them is empty.
            LiveKitUnreachable: No answer came in time, or the answer is not from a LiveKit server.
            RoomToolError: The server accepted the key and refused the request.
        """
        url = self.url
        check_url(url)
        if not self.key or not self.secret:
            # With an empty key LiveKit's own client would use the key from the environment, which
            # may be another key.
            raise LiveKitKeyRefused(url)
        try:
            # Do not use the own timeout of LiveKit's client. Each call of the client replaces that
            # timeout with none (livekit-api 1.2.2), so a server that never answers would block the
            # call forever.
            async with (
                asyncio.timeout(timeout_s),
                api.LiveKitAPI(url, self.key, self.secret) as server,
            ):
                yield server
        except api.ServerError as error:
            if error.status in (401, 403):
                raise LiveKitKeyRefused(url) from error
            if error.code == api.ServerErrorCode.UNKNOWN or error.status >= 500:
                reason = f"HTTP {error.status}"
                raise LiveKitUnreachable(url, reason=reason, budget_s=timeout_s) from error
            raise RoomToolError(operation, code=error.code, status=error.status) from error
        except (DecodeError, AttributeError) as error:
            # The body is no protobuf message, or that of an error is JSON other than an object
            # (livekit-api 1.2.2 calls `get` of it).
            reason = "the answer is not from LiveKit"
            raise LiveKitUnreachable(url, reason=reason, budget_s=timeout_s) from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise LiveKitUnreachable(url, reason=_reason(error), budget_s=timeout_s) from error

    async def check(self, *, budget_s: float) -> None:
        """Check that the server answers and accepts the key, before a worker starts.

        The check retries an unreachable server with exponential back-off and jitter (`_RETRY`, 0.1
        to 2 s) until `budget_s` has passed. An invalid URL or a refused key ends the check
        immediately.

        Args:
            budget_s: Maximum duration of the check, in seconds.

        Raises:
            LiveKitUrlInvalid: The URL cannot be the URL of a LiveKit server.
            LiveKitKeyRefused: The server answers, and does not know the key or its secret.
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
                if not reason or error.reason != _TIMED_OUT or timeout_s == _CHECK_ATTEMPT_S:
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
            # The answer comes from another kind of server, or from a proxy whose LiveKit is
            # unavailable.
            reason = f"HTTP {error.status}"
            raise LiveKitUnreachable(self.url, reason=reason, budget_s=timeout_s) from error


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return _TIMED_OUT
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "host name not found"
    if isinstance(error, aiohttp.ClientConnectorCertificateError | aiohttp.ClientSSLError):
        return "invalid certificate"
    if isinstance(error, aiohttp.ClientConnectorError):
        return "connection refused" if error.errno == errno.ECONNREFUSED else "cannot connect"
    return type(error).__name__
