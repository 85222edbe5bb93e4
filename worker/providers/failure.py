"""Why a provider failed: one word, whether asking again is of use, and when."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Final

import aiohttp
from livekit.agents import APIConnectionError, APIError, APIStatusError, APITimeoutError

#: The one reason that may be of a single request: see Member.judge.
REQUEST_REFUSED: Final = "RequestRefused"

#: With these HTTP statuses, and one close code of websockets (RFC 6455, 7.4.1), asking again
#: changes nothing: a bad key, no credit, an unknown voice or model, a request that is not
#: understood. ElevenLabs takes the connection first and refuses key and voice with a 1008.
_FOR_GOOD = {
    400: REQUEST_REFUSED,
    401: "KeyRefused",
    402: "PaymentRequired",
    403: "KeyRefused",
    404: "NotFound",
    422: REQUEST_REFUSED,
    1008: REQUEST_REFUSED,
}
#: OpenAI says 429 both of haste and of an empty account; only its code tells them apart.
_NO_CREDIT = "insufficient_quota"
#: Seconds of a Retry-After that are believed at the most.
_LONGEST_RETRY_AFTER_S = 3600.0
#: Errors that are followed along `__cause__` for the answer's headers.
_LONGEST_CAUSE_CHAIN = 10


class NoProviderLeft(APIConnectionError):
    """No member of the chain can serve now. Never quotes what was to be said."""

    def __init__(self, resource: str) -> None:
        super().__init__(f"no provider of {resource} is left")


class NoText(Exception):
    """Speech went in for longer than anybody waits, and no text came out. Nothing was raised."""


class ProbeFailed(Exception):
    """A probe was answered by a status that means: not now, or never again."""

    def __init__(self, status: int, *, retry_after_s: float | None = None) -> None:
        self.status = status
        self.retry_after_s = retry_after_s
        super().__init__(f"the probe was answered with status {status}")


@dataclass(frozen=True)
class Failure:
    """Why a provider failed: one word in CamelCase, and whether asking again is of no use.

    `retry_after_s` is how long the provider itself asks to be left alone, where it said so.
    """

    reason: str
    for_good: bool = False
    retry_after_s: float | None = None


def failure_of(error: BaseException) -> Failure:
    """Sort what a plugin raised. Its message is not kept: it may quote a key or a candidate."""
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
    """Seconds that a Retry-After asks for, as a number or a date (RFC 9110, 10.2.3).

    None where there is none that can be understood; at most an hour.
    """
    value = next((v for name, v in headers.items() if name.lower() == "retry-after"), "").strip()
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(value).timestamp() - time.time()
        except (ValueError, OverflowError):
            return None
    if not seconds >= 0:  # a date in the past, and NaN
        return None
    return min(seconds, _LONGEST_RETRY_AFTER_S)


def _of_status(status: int, retry_after_s: float | None) -> Failure:
    if status in _FOR_GOOD:
        return Failure(_FOR_GOOD[status], for_good=True)
    reason = "RateLimited" if status == 429 else "ProviderFailed"
    return Failure(reason, retry_after_s=retry_after_s)


def _retry_after_of(error: BaseException) -> float | None:
    """The Retry-After of an answer, from whatever client's error is at the bottom.

    aiohttp's has `headers`, httpx's and openai's have `response.headers`.
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
