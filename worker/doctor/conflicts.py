"""Finds settings that are valid on their own but contradict each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from worker.config.settings import Settings, variable_of
from worker.config.unknown import unknown_variables
from worker.doctor.finding import Finding, fine, warning
from worker.faults.grammar import FaultInvalid

if TYPE_CHECKING:
    from collections.abc import Iterator

    from worker.doctor.context import CheckContext


async def check_settings(visit: CheckContext) -> Finding:
    """Check that no settings contradict each other, and that no variable is misspelt.

    The finding lists all contradictions and all misspelt variables.
    """
    problems = [*conflicts(visit.settings), *misspelt()]
    if not problems:
        return fine("all settings are valid and consistent")
    return warning(
        "; ".join(what for what, _ in problems),
        "; ".join(advice for _, advice in problems),
        count=len(problems),
    )


def conflicts(settings: Settings) -> Iterator[tuple[str, str]]:
    """Yield a description of each contradiction, and advice."""
    if settings.database_url.get_secret_value() and settings.embedded:
        yield (
            "INTERVIEW_EMBEDDED has no effect because DATABASE_URL is set",
            "unset the one that you do not want",
        )
    if settings.hurried_closing_s > settings.budget_closing_s:
        yield _more_than(settings, "hurried_closing_s", "budget_closing_s")
    if settings.candidate_silence_s >= settings.budget_running_s:
        yield _more_than(settings, "candidate_silence_s", "budget_running_s")
    if settings.idle_processes > settings.slots:
        yield (
            f"{settings.idle_processes} warm processes for {settings.slots} slots",
            f"lower {variable_of('idle_processes')} to {settings.slots} or less",
        )
    if _rehearses(settings):
        yield (
            "faults are set (INTERVIEW_FAULTS): they break interviews on purpose",
            "unset INTERVIEW_FAULTS unless this is a fault injection run",
        )


def misspelt() -> Iterator[tuple[str, str]]:
    """Yield a description of each unknown variable with the prefix INTERVIEW_, and advice."""
    for variable in unknown_variables():
        yield f"{variable.name} is not a setting and has no effect", variable.advice


def _more_than(settings: Settings, larger: str, smaller: str) -> tuple[str, str]:
    return (
        f"{variable_of(larger)} ({getattr(settings, larger):g} s) has no effect: "
        f"{variable_of(smaller)} ({getattr(settings, smaller):g} s) expires first",
        f"lower {variable_of(larger)}",
    )


def _rehearses(settings: Settings) -> bool:
    try:
        return bool(settings.faults_to_set())
    except FaultInvalid:  # not expected, because reading the settings rejects an invalid fault
        return True
