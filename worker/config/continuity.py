"""Continuity settings: the lease of an interview, and when an interviewer is redispatched."""

from __future__ import annotations

from typing import Literal

from pydantic_settings import BaseSettings

from worker.config.providers import setting


class ContinuitySettings(BaseSettings):
    """Settings of the lease, and the limits of redispatch."""

    lease_s: float = setting(
        "INTERVIEW_LEASE_S",
        3.0,
        "Lease duration in seconds; an interview without a renewal for this long is redispatched.",
        ge=3,
        le=300,
    )
    lease_renew_s: float = setting(
        "INTERVIEW_LEASE_RENEW_S",
        0.5,
        "Seconds between lease renewals; at most a quarter of the shortest lease.",
        ge=0.1,
        le=0.75,
    )
    watch_s: float = setting(
        "INTERVIEW_WATCH_S",
        0.5,
        "Seconds between checks for orphaned interviews (interviews without an interviewer).",
        ge=0.1,
        le=60,
    )
    join_deadline_s: float = setting(
        "INTERVIEW_JOIN_DEADLINE_S",
        6.0,
        "Maximum back-off between redispatches that no worker accepted (starts at 2 s).",
        ge=1,
        le=600,
    )
    redispatch_tries: int = setting(
        "INTERVIEW_REDISPATCH_TRIES",
        4,
        "Maximum redispatches of an interview after failures or expired leases; 0: none.",
        ge=0,
        le=100,
    )
    redispatch_delay_s: float = setting(
        "INTERVIEW_REDISPATCH_DELAY_S",
        2.0,
        "Minimum seconds between the first two redispatches of an interview; doubles each time.",
        ge=0,
        le=600,
    )
    no_successor: Literal["close", "keep"] = setting(
        "INTERVIEW_NO_SUCCESSOR",
        "close",
        "When no other worker has a free slot during drain: `close` the interview or `keep` "
        "running it.",
    )
