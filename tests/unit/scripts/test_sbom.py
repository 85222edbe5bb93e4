from __future__ import annotations

import json
from typing import Any

import pytest

from scripts.lock import RUNTIME
from scripts.lockfile import read_lock
from scripts.projects import LIFECYCLE, WORKER, read_project
from scripts.sbom import MARKER, bill_of_materials
from tests.support.paths import REPOSITORY


@pytest.fixture(scope="module")
def bill() -> dict[str, Any]:
    read: dict[str, Any] = json.loads(bill_of_materials(REPOSITORY))
    return read


def needed_by(bill: dict[str, Any], name: str) -> set[str]:
    """Return the names of what a part requires."""
    names = {each["bom-ref"]: each["name"] for each in bill["components"]}
    refs = [ref for ref, known in names.items() if known == name] or [name]
    (entry,) = [each for each in bill["dependencies"] if each["ref"] in refs]
    return {names[ref] for ref in entry.get("dependsOn", ())}


def test_the_bill_describes_this_version(bill: dict[str, Any]) -> None:
    described = bill["metadata"]["component"]
    version = read_project(REPOSITORY, WORKER).version
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    assert (described["name"], described["version"]) == (WORKER, version)


def test_the_bill_lists_the_lifecycle_and_every_locked_package(bill: dict[str, Any]) -> None:
    version = read_project(REPOSITORY, LIFECYCLE).version
    locked = {f"pkg:pypi/{p.name}@{p.version}" for p in read_lock(REPOSITORY / RUNTIME.path)}
    listed = {each["purl"] for each in bill["components"]}
    assert listed == locked | {f"pkg:pypi/{LIFECYCLE}@{version}"}


def test_a_locked_package_has_the_hashes_of_the_lock(bill: dict[str, Any]) -> None:
    for pin in read_lock(REPOSITORY / RUNTIME.path):
        purl = f"pkg:pypi/{pin.name}@{pin.version}"
        (part,) = [each for each in bill["components"] if each["purl"] == purl]
        assert {each["content"] for each in part["hashes"]} == set(pin.hashes)
        assert {each["alg"] for each in part["hashes"]} == {"SHA-256"}
        markers = [p["value"] for p in part.get("properties", ()) if p["name"] == MARKER]
        assert markers == ([str(pin.requirement.marker)] if pin.requirement.marker else [])


def test_the_bill_says_what_requires_what(bill: dict[str, Any]) -> None:
    assert {LIFECYCLE, "asyncpg", "livekit-agents"} <= needed_by(bill, WORKER)
    assert needed_by(bill, LIFECYCLE) == {"transitions", "resvg-py"}
    assert "six" in needed_by(bill, "transitions")


def test_an_installed_package_has_its_licence(bill: dict[str, Any]) -> None:
    (part,) = [each for each in bill["components"] if each["name"] == "asyncpg"]
    assert part["licenses"] == [{"expression": "Apache-2.0"}]
