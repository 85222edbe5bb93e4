"""A token bucket: limits a rate, and allows a burst after a quiet time."""

from __future__ import annotations

import math
from typing import Final

#: Share of a token that may be missing, because times are rounded. The share is more than the
#: rounding of asyncio's clock (1 ns), and less than a caller would notice.
_ROUNDING: Final = 1e-6


class TokenBucket:
    """A limit of `burst` tokens at once, and of `per_second` tokens a second in the long run.

    The bucket is full when it is used for the first time.

    Args:
        per_second: Number of tokens that are added to the bucket each second.
        burst: Maximum number of tokens in the bucket.
    """

    def __init__(self, *, per_second: float, burst: float) -> None:
        self._per_second = per_second
        self._burst = float(burst)
        self._tokens = 0.0
        self._filled_s = -math.inf

    def wait_s(self, now_s: float, tokens: float = 1.0) -> float:
        """Return the seconds until `tokens` can be taken; 0 if they can be taken now.

        `now_s` is the time of the event loop's clock, in seconds.
        """
        came = max(0.0, now_s - self._filled_s) * self._per_second
        self._tokens = min(self._burst, self._tokens + came)
        self._filled_s = now_s
        missing = tokens - self._tokens
        return missing / self._per_second if missing > _ROUNDING else 0.0

    def take(self, tokens: float = 1.0) -> None:
        """Take `tokens`.

        Call this method only after `wait_s` has returned 0 for the same number of tokens.
        """
        self._tokens -= tokens
