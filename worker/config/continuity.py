"""Continuity settings: how long a lease lasts, and when an interviewer is dispatched again."""

from __future__ import annotations

from typing import Literal

from pydantic_settings import BaseSettings

from worker.config.providers import setting


class ContinuitySettings(BaseSettings):
    """Lease times, and limits on dispatching an interviewer again."""

    lease_s: float = setting(
        "INTERVIEW_LEASE_S",
        3.0,
        "Seconds that an interview is its interviewer's without a sign from its worker.",
        ge=3,
        le=300,
    )
    lease_renew_s: float = setting(
        "INTERVIEW_LEASE_RENEW_S",
        0.5,
        "Seconds between two signs: a quarter of the shortest lease at the most.",
        ge=0.1,
        le=0.75,
    )
    watch_s: float = setting(
        "INTERVIEW_WATCH_S",
        0.5,
        "Seconds between two looks for interviews whose interviewer is gone.",
        ge=0.1,
        le=60,
    )
    join_deadline_s: float = setting(
        "INTERVIEW_JOIN_DEADLINE_S",
        6.0,
        "Seconds between two interviewers who are sent where no worker takes the dispatch, "
        "at most; 2 s the first time.",
        ge=1,
        le=600,
    )
    redispatch_tries: int = setting(
        "INTERVIEW_REDISPATCH_TRIES",
        4,
        "Interviewers sent one after the other into the same interview; 0 sends none.",
        ge=0,
        le=100,
    )
    redispatch_delay_s: float = setting(
        "INTERVIEW_REDISPATCH_DELAY_S",
        2.0,
        "Seconds between the first two of them at the least; doubles each time.",
        ge=0,
        le=600,
    )
    no_successor: Literal["close", "keep"] = setting(
        "INTERVIEW_NO_SUCCESSOR",
        "close",
        "Of a drained worker's interviews that no other worker takes: close them, or keep on.",
    )
