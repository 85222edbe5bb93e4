"""What a check has found: a verdict, one line, and what to do about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Verdict(StrEnum):
    """How it is."""

    OK = "ok"
    #: Interviews are held; somebody should know all the same.
    WARNING = "warning"
    #: No interview is held, or each with something missing.
    WRONG = "wrong"
    #: Not looked at, since something that it needs is wrong.
    SKIPPED = "skipped"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One line, and the figures behind it. Nothing in it is secret.

    `advice` says what to do, where there is something to do. `facts` are for programs; their
    names end with their unit.
    """

    verdict: Verdict
    found: str
    advice: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)


def fine(found: str, **facts: Any) -> Finding:
    """All is well."""
    return Finding(verdict=Verdict.OK, found=found, facts=facts)


def warning(found: str, advice: str, **facts: Any) -> Finding:
    """It works, and could be better."""
    return Finding(verdict=Verdict.WARNING, found=found, advice=advice, facts=facts)


def wrong(found: str, advice: str, **facts: Any) -> Finding:
    """It does not work."""
    return Finding(verdict=Verdict.WRONG, found=found, advice=advice, facts=facts)


def skipped(because: str) -> Finding:
    """Not looked at; `because` names the check that has to be well first."""
    return Finding(verdict=Verdict.SKIPPED, found=f"needs {because}", facts={"because": because})
