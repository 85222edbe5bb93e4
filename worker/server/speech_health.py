"""Availability of STT and TTS on this worker, checked without loading a model."""

from __future__ import annotations

from worker.config.providers import ProviderSettings
from worker.fallback.shared_breaker import SharedBreaker
from worker.speech import local_models


def speech_problems(
    settings: ProviderSettings, breaker: SharedBreaker
) -> tuple[str | None, str | None]:
    """Return the problems of STT and of TTS.

    The problem of STT, or of TTS, is None if at least one of its providers is usable.

    The function reads files, so it must not run on an event loop. The function does not notice a
    local model that is installed but cannot be loaded; only the set-up of a job process notices
    such a model (worker/job/entrypoint.py).
    """
    return _problem(settings, breaker, "stt"), _problem(settings, breaker, "tts")


def _problem(settings: ProviderSettings, breaker: SharedBreaker, kind: str) -> str | None:
    problems = []
    for name in settings.usable(kind):
        problem = local_models.available() if name == "local" else _away(breaker, kind, name)
        if problem is None:
            return None
        problems.append(f"{kind} by {name}: {problem}")
    return ", ".join(problems)


def _away(breaker: SharedBreaker, kind: str, name: str) -> str | None:
    """Return why all jobs skip a provider; None if jobs may use the provider."""
    record = breaker.read(kind, name)
    if record is None or record.ready or record.until <= breaker.clock():
        return None
    return record.reason
