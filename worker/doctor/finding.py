"""Result of a check: a verdict, one line, and advice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Verdict(StrEnum):
    """The verdict of a check."""

    OK = "ok"
    #: Interviews are held, but the operator should know.
    WARNING = "warning"
    #: No interviews are held, or each lacks something.
    WRONG = "wrong"
    #: Not checked, because a prerequisite failed.
    SKIPPED = "skipped"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One line and its data. Contains no secrets.

    `advice` says what to do, if anything. `facts` are for programs; their names end with their
    unit.
    """

    verdict: Verdict
    found: str
    advice: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)


def fine(found: str, **facts: Any) -> Finding:
    """Return an OK finding."""
    return Finding(verdict=Verdict.OK, found=found, facts=facts)


def warning(found: str, advice: str, **facts: Any) -> Finding:
    """Return a warning: it works, but could be better."""
    return Finding(verdict=Verdict.WARNING, found=found, advice=advice, facts=facts)


def wrong(found: str, advice: str, **facts: Any) -> Finding:
    """Return a failure: it does not work."""
    return Finding(verdict=Verdict.WRONG, found=found, advice=advice, facts=facts)


def skipped(because: str) -> Finding:
    """Return a finding of a check that did not run; `because` names the failed prerequisite."""
    return Finding(verdict=Verdict.SKIPPED, found=f"needs {because}", facts={"because": because})
