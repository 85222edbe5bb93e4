"""Whether this worker has somebody to listen and somebody to speak, for all that it knows."""

from __future__ import annotations

from worker.provider_settings import ProviderSettings
from worker.providers.breaker import Breaker
from worker.speech import local_models


def speech_problems(settings: ProviderSettings, breaker: Breaker) -> tuple[str | None, str | None]:
    """What is wrong with hearing and with speaking; None for each that some provider can do.

    Reads files, so not on an event loop. Local models that are there and do not load are found
    by the set-up of a process (worker/process.py).
    """
    return _problem(settings, breaker, "stt"), _problem(settings, breaker, "tts")


def _problem(settings: ProviderSettings, breaker: Breaker, kind: str) -> str | None:
    problems = []
    for name in settings.usable(kind):
        problem = local_models.available() if name == "local" else _away(breaker, kind, name)
        if problem is None:
            return None
        problems.append(f"{kind} by {name}: {problem}")
    return ", ".join(problems)


def _away(breaker: Breaker, kind: str, name: str) -> str | None:
    """Why every job leaves a provider alone, until its time is over: then a job may ask it."""
    record = breaker.read(kind, name)
    if record is None or record.ready or record.until <= breaker.clock():
        return None
    return record.reason
