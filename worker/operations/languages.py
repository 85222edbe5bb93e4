"""Checks whether the configured providers can transcribe and speak the language of a plan."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from worker.interview.plan.plan import PlanError, read_plan
from worker.interview.plan.validation import PlanProblem
from worker.providers.languages import ENGLISH, language_of
from worker.providers.registry import VENDORS

if TYPE_CHECKING:
    from pathlib import Path

    from worker.config.settings import Settings
    from worker.interview.plan.plan import Plan

#: Words for messages about a chain and a language: the past participle ("spoken"), the verb
#: ("speak"), and the effect of a provider that does not know the language.
_DOES: Final = {
    "stt": ("heard", "hear", "the answers are not understood"),
    "tts": ("spoken", "speak", "the questions are not understood"),
}


@dataclass(frozen=True, kw_only=True)
class LanguageCheck:
    """Result of checking whether the providers of the settings serve one language."""

    #: Reasons why no interview can be held in the language; empty if no reason is known.
    problems: tuple[str, ...]
    #: Warnings about the language for the user. Each is one sentence without a full stop.
    warnings: tuple[str, ...]


def check_language(tag: str, settings: Settings) -> LanguageCheck:
    """Return whether the providers of the settings can transcribe and speak a language.

    A fallback chain counts as serving the language if at least one of its providers serves the
    language, or if the languages of at least one of its providers are not known. Providers whose
    API key is not set are ignored.
    """
    language = language_of(tag)
    problems: list[str] = []
    warnings: list[str] = []
    for chain, (done, does, otherwise) in _DOES.items():
        served = {name: _languages(name, settings) for name in settings.usable(chain)}
        variable = f"INTERVIEW_{chain.upper()}"
        unable = [name for name, known in served.items() if known and language not in known]
        if len(unable) == len(served):
            what = "; ".join(f"{name}: {_listed(served[name])}" for name in unable)
            problems.append(
                f"language {tag} cannot be {done} by {variable} ({what}): choose providers and "
                "their settings for it"
            )
            continue
        warnings += [
            f"{name} of {variable} does not {does} {tag}: {otherwise} if it takes over"
            for name in unable
        ]
        warnings += [
            f"it is not known whether {name} of {variable} can {does} {tag}"
            for name, known in served.items()
            if known is None
        ]
    if not problems and language not in ENGLISH:
        warnings.append(f"the recorded sentences of the interviewer are English, also in {tag}")
    return LanguageCheck(problems=tuple(problems), warnings=tuple(warnings))


def plan_of(path: Path, settings: Settings) -> tuple[Plan, tuple[str, ...]]:
    """Return the plan in a file, and warnings about its language.

    Raises PlanError if the plan is invalid, or if the providers of the settings cannot transcribe
    or speak the plan's language.
    """
    file = read_plan(path)
    checked = check_language(file.plan.language, settings)
    if checked.problems:
        raise PlanError(str(path), language_problems(checked, file.language_line))
    return file.plan, checked.warnings


def language_problems(checked: LanguageCheck, line: int | None) -> tuple[PlanProblem, ...]:
    """Convert the problems of a language check to problems of the plan at line `line`."""
    return tuple(PlanProblem(line=line, message=message) for message in checked.problems)


def _languages(name: str, settings: Settings) -> frozenset[str] | None:
    """Return the languages that a provider serves; None if they are not known."""
    vendor = VENDORS[name]
    return vendor.languages(settings) if vendor.languages is not None else None


def _listed(languages: frozenset[str] | None) -> str:
    return ", ".join(sorted(languages or ()))
