"""Continuity settings: the lease of an interview, and when an interviewer is redispatched."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from worker.env.group import SettingsGroup


class ContinuitySettings(SettingsGroup):
    """Settings of the lease, and the limits of redispatch."""

    lease_s: float = Field(default=3.0, ge=3, le=300)
    """Lease duration in seconds; an interview without a renewal for this long is redispatched."""
    lease_renew_s: float = Field(default=0.5, ge=0.1, le=0.75)
    """Seconds between lease renewals; at most a quarter of the shortest lease."""
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
