"""Continuity settings: the lease of an interview, and when an interviewer is redispatched."""

from __future__ import annotations

from typing import Final, Literal

from pydantic import Field, SecretStr, field_validator

from worker.env.group import SettingsGroup

#: Minimum length of INTERVIEW_METADATA_KEY, in characters: 16 random bytes as hexadecimal digits.
_SHORTEST_KEY: Final = 32


class ContinuitySettings(SettingsGroup):
    """Settings of the lease, and the limits of redispatch."""

    lease_s: float = Field(default=3.0, ge=3, le=300)
    """Lease duration in seconds; an interview without a renewal for this long is redispatched."""
    lease_renew_s: float = Field(default=0.5, ge=0.1, le=0.75)
    """Seconds between lease renewals; at most a quarter of the minimum of INTERVIEW_LEASE_S."""
    watch_s: float = Field(default=0.5, ge=0.1, le=60)
    """Seconds between checks for orphaned interviews (interviews without an interviewer)."""
    join_deadline_s: float = Field(default=6.0, ge=1, le=600)
    """Maximum seconds until a dispatch that no worker takes is repeated; the first wait is 2 s."""
    redispatch_tries: int = Field(default=4, ge=0, le=100)
    """Maximum redispatches of an interview after failures or expired leases; 0: none."""
    redispatch_delay_s: float = Field(default=2.0, ge=0, le=600)
    """Minimum seconds between the first two redispatches of an interview; doubles each time."""
    no_successor: Literal["close", "keep"] = "close"
    """If no other worker has a free slot during drain: `close` the interview or `keep` it
    running."""
    metadata_key: SecretStr = SecretStr("")
    """Key that encrypts the plans and turns in dispatches, the same on all workers and commands:
    32 or more characters, such as `openssl rand -hex 32` prints; empty: derived from
    LIVEKIT_API_SECRET."""
    metadata_old_keys: SecretStr = SecretStr("")
    """Former values of INTERVIEW_METADATA_KEY or LIVEKIT_API_SECRET, with a comma between two:
    dispatches that were encrypted with them are still accepted."""

    @field_validator("metadata_key")
    @classmethod
    def _is_long_enough(cls, value: SecretStr) -> SecretStr:
        if 0 < len(value.get_secret_value()) < _SHORTEST_KEY:
            raise ValueError(
                f"must have {_SHORTEST_KEY} or more characters: take what"
                " `openssl rand -hex 32` prints"
            )
        return value

    @field_validator("metadata_key")
    @classmethod
    def _has_no_comma(cls, value: SecretStr) -> SecretStr:
        # A former key is an element of a list that is separated by commas.
        if "," in value.get_secret_value():
            raise ValueError("must have no comma")
        return value
