"""Classification of provider failures: the reason, and whether and when a retry can help."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Final

import aiohttp
from livekit.agents import APIConnectionError, APIError, APIStatusError, APITimeoutError

from worker.faults.effects import add_error
from worker.faults.grammar import Fault
from worker.faults.points import Kind

#: Reason of a failure that may concern a single request rather than the provider. All other reasons
#: concern the provider. See `Member.judge`.
REQUEST_REFUSED: Final = "RequestRefused"

#: HTTP statuses, and one websocket close code (RFC 6455, 7.4.1), after which a retry cannot help:
#: bad key, no credit, unknown voice or model, malformed request. ElevenLabs accepts the connection
#: first and then rejects the key or the voice with close code 1008.
_FOR_GOOD = {
    400: REQUEST_REFUSED,
    401: "KeyRefused",
    402: "PaymentRequired",
    403: "KeyRefused",
    404: "NotFound",
    422: REQUEST_REFUSED,
    1008: REQUEST_REFUSED,
}
#: Error code of OpenAI for an account without credit. The HTTP status does not show this: OpenAI
#: sends 429 for an empty account and for rate limits.
_NO_CREDIT = "insufficient_quota"
#: Upper limit in seconds for a Retry-After header.
_LONGEST_RETRY_AFTER_S = 3600.0
#: Maximum number of errors along `__cause__` that are searched for response headers.
_LONGEST_CAUSE_CHAIN = 10


class NoProviderLeft(APIConnectionError):
    """Raised when no member of the chain can serve now. The message never quotes the request."""

    def __init__(self, resource: str) -> None:
        super().__init__(f"no {resource} provider is available")


class NoText(Exception):
    """Recorded when a provider gives no transcript within the timeout, without raising an error."""


class ProbeFailed(Exception):
    """Raised when a probe gets an HTTP status that means that the provider cannot serve."""

    def __init__(self, status: int, *, retry_after_s: float | None = None) -> None:
        self.status = status
        self.retry_after_s = retry_after_s
        super().__init__(f"the probe got status {status}")


@dataclass(frozen=True)
class Failure:
    """The reason of a failure (one word in CamelCase) and whether it is permanent.

    `retry_after_s` is the delay in seconds that the provider itself requests, or None.
    """

    reason: str
    for_good: bool = False
    retry_after_s: float | None = None


def failure_of(error: BaseException) -> Failure:
    """Classify a plugin's error.

    The error's message is dropped, because the message may quote a key or a candidate.
    """
    if isinstance(error, APIStatusError):
        if isinstance(error.body, dict) and error.body.get("code") == _NO_CREDIT:
            return Failure("PaymentRequired", for_good=True)
        return _of_status(error.status_code, _retry_after_of(error))
    if isinstance(error, ProbeFailed):
        return _of_status(error.status, error.retry_after_s)
    if isinstance(error, (APITimeoutError, TimeoutError)):
        return Failure("ProviderTimeout")
    if isinstance(error, (APIConnectionError, aiohttp.ClientError, ConnectionError)):
        return Failure("ProviderAway")
    if isinstance(error, APIError):
        return Failure("ProviderFailed")
    return Failure(type(error).__name__)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the delay of a Retry-After header in seconds (number or date, RFC 9110, 10.2.3).

    Returns None if there is no valid header. The returned delay is at most one hour.
    """
    value = next((v for name, v in headers.items() if name.lower() == "retry-after"), "").strip()
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(value).timestamp() - time.time()
        except (ValueError, OverflowError):
            return None
    if not seconds >= 0:  # a date in the past, or NaN
        return None
    return min(seconds, _LONGEST_RETRY_AFTER_S)


def _of_status(status: int, retry_after_s: float | None) -> Failure:
    if status in _FOR_GOOD:
        return Failure(_FOR_GOOD[status], for_good=True)
    reason = "RateLimited" if status == 429 else "ProviderFailed"
    return Failure(reason, retry_after_s=retry_after_s)


def _retry_after_of(error: BaseException) -> float | None:
    """Return the Retry-After delay of the response that `error` or one of its causes holds.

    Errors of aiohttp have `headers`; errors of httpx and openai have `response.headers`.
    """
    cause: BaseException | None = error
    for _ in range(_LONGEST_CAUSE_CHAIN):
        if cause is None:
            return None
        response = getattr(cause, "response", None)
        for headers in (getattr(cause, "headers", None), getattr(response, "headers", None)):
            if isinstance(headers, Mapping) and (seconds := retry_after(headers)) is not None:
                return seconds
        cause = cause.__cause__
    return None


#: HTTP status of an injected error if the fault names no status.
_SERVER_ERROR = 500


def _injected(fault: Fault) -> Exception:
    """Return the exception that a provider's plugin would raise for an injected fault."""
    if fault.kind is Kind.CLOSE:
        return APIConnectionError(f"{fault} is set", retryable=True)
    return APIStatusError(f"{fault} is set", status_code=int(fault.raises or _SERVER_ERROR))


for _point in ("stt", "tts", "llm"):
    add_error(_point, _injected)
