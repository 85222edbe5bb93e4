"""`make audit` says in one line what was found, and fails if not all packages were audited."""

from __future__ import annotations

import json
from typing import Any

from scripts.audit import CLEAN, INCOMPLETE, VULNERABLE, judge

UNREACHABLE = """Traceback (most recent call last):
  File "adapters.py", line 723, in send
requests.exceptions.ProxyError: HTTPSConnectionPool(host='pypi.org', port=443)
"""


def package(name: str, *vulnerabilities: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "version": "1.0", "vulns": list(vulnerabilities)}


def unknown(name: str) -> dict[str, Any]:
    return {"name": name, "skip_reason": f"Dependency not found on PyPI: {name} (1.0)"}


def answer(*packages: dict[str, Any]) -> str:
    return json.dumps({"dependencies": packages, "fixes": []})


def test_an_audit_without_findings_succeeds() -> None:
    verdict = judge("pypi", answer(package("rich"), package("typer")), "")
    assert (verdict.code, verdict.lines) == (CLEAN, ("no known vulnerability in 2 packages",))


def test_a_vulnerability_fails_with_the_version_that_repairs_it() -> None:
    found = {"id": "PYSEC-1", "fix_versions": ["1.1", "2.0"], "aliases": []}
    verdict = judge("pypi", answer(package("rich", found), unknown("typer")), "")
    assert verdict.code == VULNERABLE
    assert verdict.lines[0] == "rich 1.0: PYSEC-1, repaired in 1.1, 2.0"
    assert verdict.lines[1] == "not audited: typer"


def test_a_vulnerability_without_a_repair_is_shown_as_such() -> None:
    found = {"id": "PYSEC-1", "fix_versions": [], "aliases": []}
    (line, _) = judge("pypi", answer(package("rich", found)), "").lines
    assert line == "rich 1.0: PYSEC-1, repaired in no version yet"


def test_a_service_that_knows_none_of_the_packages_is_no_success() -> None:
    verdict = judge("pypi", answer(unknown("rich"), unknown("typer")), "")
    assert verdict.code == INCOMPLETE
    (line,) = verdict.lines
    assert line.startswith("no package was audited: pypi.org has no data about any of 2;")
    assert "make audit SERVICE=osv" in line


def test_packages_that_were_not_audited_are_named() -> None:
    verdict = judge("osv", answer(package("rich"), unknown("typer")), "")
    assert verdict.code == INCOMPLETE
    assert verdict.lines[0] == "not audited: typer"
    assert "SERVICE=pypi" in verdict.lines[1]


def test_an_unreachable_service_is_one_line_without_the_traceback() -> None:
    verdict = judge("pypi", "", UNREACHABLE)
    assert verdict.code == INCOMPLETE
    (line,) = verdict.lines
    assert "got no answer from pypi.org (requests.exceptions.ProxyError" in line
    assert "HTTPS_PROXY" in line
    assert "Traceback" not in line
