"""Errors of a LiveKit server, one class for each kind of failure, and checks of the server's URL.

An error message is one line, says what to do, and contains no secret.
"""

from __future__ import annotations

import functools
from urllib.parse import urlsplit

from worker.env.shown import shortened

_SCHEMES = ("ws", "wss", "http", "https")


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
            f"not a LiveKit URL: {shortened(repr(self.url))}; set LIVEKIT_URL to one like"
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
        budget_s: Seconds that the attempts to reach the server were allowed to take.
        tried_s: Seconds that several attempts took; None if there was only one attempt.
    """

    def __init__(
        self, url: str, *, reason: str, budget_s: float, tried_s: float | None = None
    ) -> None:
        self.url = shown_url(url)
        self.reason = reason
        self.budget_s = budget_s
        self.tried_s = tried_s
        tried = "" if tried_s is None else f"; tried for {tried_s:.1f} s"
        super().__init__(
            f"no LiveKit server answers at {self.url} ({reason}{tried});"
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
        operation: The API call that failed, such as "create_room".
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


class LiveKitCallRefused(LiveKitError):
    """Raised when a call was not made, because too many calls of this process wait already.

    Attributes:
        most_waiting: The number of calls that may wait.
    """

    def __init__(self, most_waiting: int) -> None:
        self.most_waiting = most_waiting
        super().__init__(
            f"a call to LiveKit was not made, because {most_waiting} calls of this worker wait"
            " already; a later check repeats it"
        )


class LiveKitCallLate(LiveKitError, TimeoutError):
    """Raised when a call was not made, because its turn did not come in time.

    Attributes:
        deadline_s: Seconds that the call was allowed to wait.
    """

    def __init__(self, deadline_s: float) -> None:
        self.deadline_s = deadline_s
        super().__init__(
            f"a call to LiveKit was not made, because its turn did not come in {deadline_s:g} s;"
            " a later check repeats it"
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
    if not _is_valid(url):
        raise LiveKitUrlInvalid(url)


@functools.lru_cache(maxsize=8)
def _is_valid(url: str) -> bool:
    # The result is kept, because every call to LiveKit checks the same URL.
    try:
        parts = urlsplit(url)
        valid = parts.scheme in _SCHEMES and bool(parts.hostname) and parts.port != 0
        # The API key is the only credential. The client refuses a URL that contains others.
        valid = valid and parts.username is None and parts.password is None
        (parts.hostname or "").encode("idna")  # UnicodeError for a host such as `a..b`
        return valid and url.isprintable()  # the URL is shown in logs
    except ValueError:  # UnicodeError is a subclass
        return False
