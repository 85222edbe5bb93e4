"""Reaching a LiveKit server over its HTTP API, and what can be wrong with it.

Every failure comes out as one of `LiveKitUrlInvalid`, `LiveKitKeyRefused`, `LiveKitUnreachable`,
`LiveKitLost` and `RoomToolError`. Their messages are one line, say what to do, and show no secret.
"""

from __future__ import annotations

import asyncio
import errno
import random
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import aiohttp
from livekit import api

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

#: Bound on one call to the server, in seconds.
CALL_TIMEOUT_S = 10.0

_SCHEMES = ("ws", "wss", "http", "https")
_FIRST_PAUSE_S = 0.2
_LONGEST_PAUSE_S = 2.0
_CHECK_ATTEMPT_S = 5.0
# Less time than this tells nothing about a server, but that there was no time.
_SHORTEST_ATTEMPT_S = 0.2


class LiveKitError(Exception):
    """A LiveKit server could not be used; one of the classes below says why."""


class LiveKitUrlInvalid(LiveKitError):
    """The server's URL is not one of ws, wss, http or https with a host.

    Attributes:
        url: The URL, without credentials, path and query.
    """

    def __init__(self, url: str) -> None:
        self.url = shown_url(url)
        super().__init__(
            f"not a LiveKit URL: {self.url!r}; set LIVEKIT_URL to one like"
            " ws://127.0.0.1:7880 or wss://example.livekit.cloud"
        )


class LiveKitKeyRefused(LiveKitError):
    """The server refused the API key or its secret (HTTP 401 or 403).

    Attributes:
        url: The server's URL, without credentials.
    """

    def __init__(self, url: str) -> None:
        self.url = shown_url(url)
        super().__init__(
            f"the LiveKit server at {self.url} refused the API key; check LIVEKIT_API_KEY and"
            " LIVEKIT_API_SECRET, and that this machine's clock is right"
        )


class LiveKitUnreachable(LiveKitError):
    """No LiveKit server answered.

    Attributes:
        url: The server's URL, without credentials.
        reason: The last failure, in a few words.
        budget_s: How long it was tried, in seconds.
    """

    def __init__(self, url: str, *, reason: str, budget_s: float) -> None:
        self.url = shown_url(url)
        self.reason = reason
        self.budget_s = budget_s
        super().__init__(
            f"no LiveKit server answers at {self.url} ({reason}; tried for {budget_s:g} s);"
            " check LIVEKIT_URL and that the server runs"
        )


class LiveKitLost(LiveKitError):
    """A worker's LiveKit server went away while it served, and did not come back.

    Attributes:
        url: The server's URL, without credentials.
    """

    def __init__(self, url: str) -> None:
        self.url = shown_url(url)
        super().__init__(
            f"the LiveKit server at {self.url} was lost and did not come back; the worker has"
            " stopped: start it again once the server runs"
        )


class RoomToolError(LiveKitError):
    """The server understood the request and did not carry it out.

    Attributes:
        operation: The tool that failed, such as "create_room".
        code: The server's error code, such as "not_found" (Twirp's list of codes).
        status: The HTTP status.
    """

    def __init__(self, operation: str, *, code: str, status: int) -> None:
        self.operation = operation
        self.code = code
        self.status = status
        super().__init__(
            f"LiveKit refused {operation}: {code} (HTTP {status}); its own log says why"
        )


def shown_url(url: str) -> str:
    """The URL as it may be shown: scheme, host and port, without credentials and the rest."""
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port is not None else ""
    except ValueError:
        return "(unreadable)"
    if not parts.scheme or not parts.hostname:
        # Anything may be in it, a secret pasted into the wrong setting too.
        return "(no scheme or no host)"
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}{port}"


def check_url(url: str) -> None:
    """Check that a URL can be a LiveKit server's, without asking anybody.

    Raises:
        LiveKitUrlInvalid: Its scheme is not ws, wss, http or https, or it names no host.
    """
    try:
        parts = urlsplit(url)
        valid = parts.scheme in _SCHEMES and bool(parts.hostname) and parts.port != 0
        # Credentials are the key's business; beside it the client refuses them.
        valid = valid and parts.username is None and parts.password is None
    except ValueError:
        valid = False
    if not valid:
        raise LiveKitUrlInvalid(url)


@asynccontextmanager
async def calling(
    operation: str, url: str, key: str, secret: str, *, timeout_s: float = CALL_TIMEOUT_S
) -> AsyncIterator[api.LiveKitAPI]:
    """A client for one call, whose failures come out as this module's errors.

    Args:
        operation: The caller's name, for the error.
        timeout_s: Bound on the call, in seconds.

    Raises:
        LiveKitUrlInvalid: The URL cannot be a LiveKit server's.
        LiveKitKeyRefused: The server does not know the key or its secret, or one is empty.
        LiveKitUnreachable: No answer within the time, or none that a LiveKit server gives.
        RoomToolError: The server refused the request itself.
    """
    check_url(url)
    if not key or not secret:
        # The client would take the environment's instead, and ask with somebody else's key.
        raise LiveKitKeyRefused(url)
    try:
        # Not the client's own time-out: each of its calls overrides that with none
        # (livekit-api 1.2.2), and a server that never answers is waited for without end.
        async with asyncio.timeout(timeout_s), api.LiveKitAPI(url, key, secret) as client:
            yield client
    except api.ServerError as error:
        if error.status in (401, 403):
            raise LiveKitKeyRefused(url) from error
        if error.code == api.ServerErrorCode.UNKNOWN or error.status >= 500:
            reason = f"HTTP {error.status}"
            raise LiveKitUnreachable(url, reason=reason, budget_s=timeout_s) from error
        raise RoomToolError(operation, code=error.code, status=error.status) from error
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise LiveKitUnreachable(url, reason=_reason(error), budget_s=timeout_s) from error


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "timed out"
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "its name is unknown"
    if isinstance(error, aiohttp.ClientConnectorCertificateError | aiohttp.ClientSSLError):
        return "its certificate is not valid"
    if isinstance(error, aiohttp.ClientConnectorError):
        return "connection refused" if error.errno == errno.ECONNREFUSED else "cannot connect"
    return type(error).__name__


async def check_livekit(url: str, key: str, secret: str, *, budget_s: float) -> None:
    """Check, before a worker starts, that its LiveKit server is there and takes its key.

    A server that is away is tried again with exponential back-off and jitter (0.2 to 2 s)
    until the budget is spent; a URL or a key that cannot work ends it at once.

    Args:
        budget_s: The longest this may take, in seconds.

    Raises:
        LiveKitUrlInvalid: The URL cannot be a LiveKit server's.
        LiveKitKeyRefused: The server is there and does not know the key or its secret.
        LiveKitUnreachable: No LiveKit server answered within the budget.
    """
    check_url(url)
    deadline = time.monotonic() + budget_s
    pause_s = _FIRST_PAUSE_S
    while True:
        remaining_s = deadline - time.monotonic()
        try:
            await _ask(
                url,
                key,
                secret,
                timeout_s=max(min(_CHECK_ATTEMPT_S, remaining_s), _SHORTEST_ATTEMPT_S),
            )
        except LiveKitUnreachable as error:
            wait_s = random.uniform(pause_s / 2, pause_s)  # noqa: S311 (jitter, not a secret)
            if time.monotonic() + wait_s + _SHORTEST_ATTEMPT_S > deadline:
                raise LiveKitUnreachable(url, reason=error.reason, budget_s=budget_s) from error
        else:
            return
        await asyncio.sleep(wait_s)
        pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)


async def _ask(url: str, key: str, secret: str, *, timeout_s: float) -> None:
    """The cheapest call that needs a valid key: list the rooms of one name."""
    try:
        async with calling("list_rooms", url, key, secret, timeout_s=timeout_s) as client:
            await client.room.list_rooms(api.ListRoomsRequest(names=["-"]))
    except RoomToolError as error:
        # Something answers that is not LiveKit, or a proxy whose LiveKit is away.
        reason = f"HTTP {error.status}"
        raise LiveKitUnreachable(url, reason=reason, budget_s=timeout_s) from error
