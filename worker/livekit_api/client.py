"""Access to a LiveKit server over its HTTP API, with an error class for each kind of failure.

Every failure is raised as one of `LiveKitUrlInvalid`, `LiveKitKeyRefused`, `LiveKitUnreachable`,
`LiveKitLost` and `RoomToolError`. An error message is one line, says what to do, and contains no
secret.
"""

from __future__ import annotations

import asyncio
import errno
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import aiohttp
from livekit import api

from worker.aio.backoff import ExponentialBackoff

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

#: Timeout of one call to the server, in seconds.
CALL_TIMEOUT_S = 10.0

_SCHEMES = ("ws", "wss", "http", "https")
_RETRY = ExponentialBackoff(first_s=0.2, longest_s=2.0)
_CHECK_ATTEMPT_S = 5.0
# A shorter attempt would fail for lack of time, and would tell nothing about the server.
_SHORTEST_ATTEMPT_S = 0.2


class LiveKitError(Exception):
    """Base class of the errors of a LiveKit server. Each subclass stands for one cause."""


class LiveKitUrlInvalid(LiveKitError):
    """Raised when the server's URL has no host or a scheme other than ws, wss, http and https.

    Attributes:
        url: The invalid URL, without credentials, path and query.
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
        budget_s: Seconds spent on attempts to reach the server.
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
    """Raised when a running worker lost its connection to LiveKit and could not reconnect.

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
    """Raised when the server understood the request and refused to carry it out.

    Attributes:
        operation: The room tool that failed, such as "create_room".
        code: The server's error code, such as "not_found" (an error code of Twirp).
        status: The HTTP status of the answer.
    """

    def __init__(self, operation: str, *, code: str, status: int) -> None:
        self.operation = operation
        self.code = code
        self.status = status
        super().__init__(
            f"LiveKit refused {operation}: {code} (HTTP {status}); check the server's log"
        )


def shown_url(url: str) -> str:
    """Return only scheme, host and port of a URL, so that the text contains no credentials."""
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port is not None else ""
    except ValueError:
        return "(unreadable)"
    if not parts.scheme or not parts.hostname:
        # Do not show the text, because it may contain a secret that was pasted into the wrong
        # setting.
        return "(no scheme or no host)"
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}{port}"


def check_url(url: str) -> None:
    """Check, without a network call, that a URL can be the URL of a LiveKit server.

    Raises:
        LiveKitUrlInvalid: The scheme is not ws, wss, http or https, or the URL names no host, has
            the port 0, or contains credentials.
    """
    try:
        parts = urlsplit(url)
        valid = parts.scheme in _SCHEMES and bool(parts.hostname) and parts.port != 0
        # The API key is the only credential. The client refuses a URL that contains others.
        valid = valid and parts.username is None and parts.password is None
    except ValueError:
        valid = False
    if not valid:
        raise LiveKitUrlInvalid(url)


@asynccontextmanager
async def calling(
    operation: str, url: str, key: str, secret: str, *, timeout_s: float = CALL_TIMEOUT_S
) -> AsyncIterator[api.LiveKitAPI]:
    """Yield an API client for one call, and convert failures of the call to `LiveKitError`.

    Args:
        operation: The name of the operation, for error messages.
        timeout_s: Timeout of the call, in seconds.

    Raises:
        LiveKitUrlInvalid: The URL cannot be the URL of a LiveKit server.
        LiveKitKeyRefused: The server does not know the key or its secret, or one of them is empty.
        LiveKitUnreachable: No answer came in time, or the answer is not from a LiveKit server.
        RoomToolError: The server accepted the key and refused the request.
    """
    check_url(url)
    if not key or not secret:
        # With an empty key the client would use the key from the environment, which may be another
        # key.
        raise LiveKitKeyRefused(url)
    try:
        # Do not use the client's own timeout. Each call of the client replaces that timeout with
        # none (livekit-api 1.2.2), so a server that never answers would block the call forever.
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
    """Check that the LiveKit server answers and accepts the key, before a worker starts.

    The check retries an unreachable server with exponential back-off and jitter (0.2 to 2 s) until
    the budget is spent. An invalid URL or a refused key ends the check immediately.

    Args:
        budget_s: Maximum duration of the check, in seconds.

    Raises:
        LiveKitUrlInvalid: The URL cannot be the URL of a LiveKit server.
        LiveKitKeyRefused: The server answers, and does not know the key or its secret.
        LiveKitUnreachable: No LiveKit server answered within the budget.
    """
    check_url(url)
    deadline = time.monotonic() + budget_s
    for wait_s in _RETRY.delays():
        remaining_s = deadline - time.monotonic()
        try:
            await _ask(
                url,
                key,
                secret,
                timeout_s=max(min(_CHECK_ATTEMPT_S, remaining_s), _SHORTEST_ATTEMPT_S),
            )
        except LiveKitUnreachable as error:
            if time.monotonic() + wait_s + _SHORTEST_ATTEMPT_S > deadline:
                raise LiveKitUnreachable(url, reason=error.reason, budget_s=budget_s) from error
        else:
            return
        await asyncio.sleep(wait_s)


async def _ask(url: str, key: str, secret: str, *, timeout_s: float) -> None:
    """Make the cheapest call that needs a valid key: list the rooms of one room name."""
    try:
        async with calling("list_rooms", url, key, secret, timeout_s=timeout_s) as client:
            await client.room.list_rooms(api.ListRoomsRequest(names=["-"]))
    except RoomToolError as error:
        # The answer comes from another kind of server, or from a proxy whose LiveKit is
        # unavailable.
        reason = f"HTTP {error.status}"
        raise LiveKitUnreachable(url, reason=reason, budget_s=timeout_s) from error
