"""The finding of a check: a verdict, one line of text, and advice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Verdict(StrEnum):
    """The verdict of a check."""

    OK = "ok"
    #: The worker can hold interviews, but the operator should know about a problem.
    WARNING = "warning"
    #: The worker cannot hold interviews, or every interview would lack a part such as a provider.
    WRONG = "wrong"
    #: The check did not run, because a prerequisite failed.
    SKIPPED = "skipped"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """The finding of a check, which contains no secrets.

    `found` is one line about the result. `advice` says what to do; empty if nothing is to be done.
    `facts` contains values for programs, which `doctor --json` prints. The name of a fact ends with
    its unit, as in `free_bytes`.
    """

    verdict: Verdict
    found: str
    advice: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)


def fine(found: str, **facts: Any) -> Finding:
    """Return the finding of a check that found no problem."""
    return Finding(verdict=Verdict.OK, found=found, facts=facts)


def warning(found: str, advice: str, **facts: Any) -> Finding:
    """Return the finding of a check whose subject works, but not well."""
    return Finding(verdict=Verdict.WARNING, found=found, advice=advice, facts=facts)


def wrong(found: str, advice: str, **facts: Any) -> Finding:
    """Return the finding of a check whose subject does not work."""
    return Finding(verdict=Verdict.WRONG, found=found, advice=advice, facts=facts)


def skipped(because: str) -> Finding:
    """Return the finding of a check that did not run because the check `because` failed."""
    return Finding(verdict=Verdict.SKIPPED, found=f"needs {because}", facts={"because": because})
