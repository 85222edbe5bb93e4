"""Access to a LiveKit server over its HTTP API, with an error class for each kind of failure.

Every failure is raised as one of `LiveKitUrlInvalid`, `LiveKitKeyRefused`, `LiveKitUnreachable`,
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
# A shorter attempt tells nothing about the server, only that there was no time.
_SHORTEST_ATTEMPT_S = 0.2


class LiveKitError(Exception):
    """Base class for a LiveKit server that could not be used. The subclasses name the reason."""


class LiveKitUrlInvalid(LiveKitError):
    """Raised when the server's URL is not one of ws, wss, http or https with a host.

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
    """Raised when the server refuses the API key or its secret (HTTP 401 or 403).

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
    """Raised when no LiveKit server answers.

    Attributes:
        url: The server's URL, without credentials.
        reason: The last failure, in a few words.
        budget_s: Seconds spent on attempts.
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
    """Raised when a running worker has lost its LiveKit server, and it did not come back.

    Attributes:
        url: The server's URL, without credentials.
    """

    def __init__(self, url: str) -> None:
        self.url = shown_url(url)
        super().__init__(
            f"the connection to the LiveKit server at {self.url} was lost and not restored; the"
            " worker stopped: start it again when the server runs"
        )


class RoomToolError(LiveKitError):
    """Raised when the server understood the request and did not carry it out.

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
            f"LiveKit refused {operation}: {code} (HTTP {status}); check the server's log"
        )


def shown_url(url: str) -> str:
    """Return the URL as it may be shown: only scheme, host and port, without credentials."""
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port is not None else ""
    except ValueError:
        return "(unreadable)"
    if not parts.scheme or not parts.hostname:
        # The text may contain anything, even a secret pasted into the wrong setting.
        return "(no scheme or no host)"
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}{port}"


def check_url(url: str) -> None:
    """Check that a URL can be a LiveKit server's, without a network call.

    Raises:
        LiveKitUrlInvalid: The scheme is not ws, wss, http or https, the URL names no host, its port
            is 0, or it contains credentials.
    """
    try:
        parts = urlsplit(url)
        valid = parts.scheme in _SCHEMES and bool(parts.hostname) and parts.port != 0
        # The API key is the credential. The client refuses others beside it.
        valid = valid and parts.username is None and parts.password is None
    except ValueError:
        valid = False
    if not valid:
        raise LiveKitUrlInvalid(url)


@asynccontextmanager
async def calling(
    operation: str, url: str, key: str, secret: str, *, timeout_s: float = CALL_TIMEOUT_S
) -> AsyncIterator[api.LiveKitAPI]:
    """Yield a client for one call, and raise its failures as this module's errors.

    Args:
        operation: The caller's name, for the error.
        timeout_s: Time limit of the call, in seconds.

    Raises:
        LiveKitUrlInvalid: The URL cannot be a LiveKit server's.
        LiveKitKeyRefused: The server does not know the key or its secret, or one is empty.
        LiveKitUnreachable: No answer within the time, or none that a LiveKit server gives.
        RoomToolError: The server refused the request itself.
    """
    check_url(url)
    if not key or not secret:
        # The client would use the key from the environment instead, which may be another one.
        raise LiveKitKeyRefused(url)
    try:
        # Not the client's own timeout: each of its calls overrides it with no timeout (livekit-api
        # 1.2.2), so a server that never answers would block the call forever.
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
        return "host name not found"
    if isinstance(error, aiohttp.ClientConnectorCertificateError | aiohttp.ClientSSLError):
        return "invalid certificate"
    if isinstance(error, aiohttp.ClientConnectorError):
        return "connection refused" if error.errno == errno.ECONNREFUSED else "cannot connect"
    return type(error).__name__


async def check_livekit(url: str, key: str, secret: str, *, budget_s: float) -> None:
    """Check, before a worker starts, that its LiveKit server answers and accepts the key.

    An unreachable server is tried again with exponential back-off and jitter (0.2 to 2 s) until the
    budget is spent. A URL or a key that cannot work ends the check immediately.

    Args:
        budget_s: Maximum duration, in seconds.

    Raises:
        LiveKitUrlInvalid: The URL cannot be a LiveKit server's.
        LiveKitKeyRefused: The server answers, and does not know the key or its secret.
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
    """Make the cheapest call that needs a valid key: list the rooms of one name."""
    try:
        async with calling("list_rooms", url, key, secret, timeout_s=timeout_s) as client:
            await client.room.list_rooms(api.ListRoomsRequest(names=["-"]))
    except RoomToolError as error:
        # Another kind of server answers, or a proxy whose LiveKit is unavailable.
        reason = f"HTTP {error.status}"
        raise LiveKitUnreachable(url, reason=reason, budget_s=timeout_s) from error
