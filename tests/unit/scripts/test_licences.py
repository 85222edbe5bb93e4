"""The licence of everything in the wheels; the GPL and the AGPL are refused.

"In the wheels" means (a) the files of our own wheels (NOTICE and states/NOTICE list those that are
not code), and (b) the distributions that they install, with their transitive dependencies;
docs/reference/licences.md lists all of them. Dependencies of tests and developers are excluded.
The tests read what is installed here: metadata, licence texts, bills of materials, and the names
of the native libraries. Code that was linked into a library without a trace is not detected.
"""

from __future__ import annotations

import platform
import re
import sys
import tomllib
from pathlib import PurePosixPath
from typing import Any

import pytest

from scripts.licences.expressions import expression_of, gpl_in, identifiers
from scripts.licences.installed import Installed, installed_with, runtime_requirements
from scripts.licences.judged import (
    ACCEPTED,
    ACCEPTED_FOR_A_REASON,
    GPL_BY_NAME,
    LIBRARIES,
    READ_BY_HAND,
)
from scripts.licences.page import PATH, licences_page
from scripts.projects import FOLDERS, LIFECYCLE, WORKER
from scripts.record_clips import RECORDINGS
from tests.support.paths import REPOSITORY

NOTICE = (REPOSITORY / "NOTICE").read_text(encoding="utf-8")
EACH_WHEEL = pytest.mark.parametrize("name", [WORKER, LIFECYCLE])
JUDGED_HERE = pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() != "x86_64",
    reason="the wheels of Linux x86_64 were read",
)
_GPL_TEXT = re.compile(r"GNU\s+(AFFERO\s+)?GENERAL\s+PUBLIC\s+LICENSE\s+Version")


@pytest.fixture(scope="module")
def brought() -> list[Installed]:
    """Return the distributions that our requirements install, including transitive ones."""
    return installed_with(runtime_requirements(REPOSITORY))


def declared(name: str) -> dict[str, Any]:
    """Return the pyproject.toml of one of our two projects."""
    text = (REPOSITORY / FOLDERS[name] / "pyproject.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def package_data(name: str) -> list[str]:
    """Return the files of one of our wheels that are not code."""
    patterns = declared(name)["tool"]["setuptools"]["package-data"]
    return sorted(
        str(file.relative_to(REPOSITORY))
        for package, names in patterns.items()
        for name in names
        for file in (REPOSITORY / package).glob(name)
    )


def gpl_parts(one: Installed) -> set[str]:
    """Return the parts of a distribution that mention a GPL without a choice of another licence."""
    licence, _ = one.licence
    stated = one.stated.get("License-Expression")
    statements = [stated] if stated else list(one.stated.values())
    found = {"metadata" for each in [*statements, licence or ""] if gpl_in(each)}
    found |= {name for name, licence in one.components() if gpl_in(licence)}
    found |= {"text" for text in one.licence_texts() if _GPL_TEXT.search(text)}
    known = LIBRARIES.get(one.name, {})
    return found | {name for name in one.libraries if name in known and gpl_in(known[name][0])}


def test_the_only_installed_gpl_code_is_known_by_name(
    brought: list[Installed],
) -> None:
    found = {(one.name, part) for one in brought for part in gpl_parts(one)}
    assert found - set(GPL_BY_NAME) == set()


@JUDGED_HERE
def test_every_known_gpl_entry_is_still_installed(brought: list[Installed]) -> None:
    found = {(one.name, part) for one in brought for part in gpl_parts(one)}
    assert set(GPL_BY_NAME) - found == set()


@pytest.mark.parametrize("name", sorted({name for name, _ in GPL_BY_NAME}))
def test_known_gpl_is_listed_in_the_notice(name: str) -> None:
    section = NOTICE.split("GPL in wheels of others")[1].split("Other native code")[0]
    assert re.search(rf"^{name} \d", section, re.MULTILINE)


def test_every_distribution_has_a_known_and_accepted_licence(
    brought: list[Installed],
) -> None:
    accepted = ACCEPTED | set(ACCEPTED_FOR_A_REASON)
    refused = {
        one.name: one.stated
        for one in brought
        if one.licence[0] is None or not identifiers(one.licence[0]) <= accepted
    }
    assert refused == {}, "read its licence, then add it to scripts/licences/judged.py"


def test_licences_read_by_hand_are_still_unclear_in_the_metadata(brought: list[Installed]) -> None:
    clear = {one.name for one in brought if any(map(expression_of, one.stated.values()))}
    assert set(READ_BY_HAND) & clear == set()


@JUDGED_HERE
def test_every_native_library_is_judged_and_no_entry_is_stale(
    brought: list[Installed],
) -> None:
    there = {one.name: set(one.libraries) for one in brought if one.libraries}
    assert there == {name: set(libraries) for name, libraries in LIBRARIES.items()}


def test_a_library_is_under_an_accepted_licence_or_known_by_name() -> None:
    accepted = ACCEPTED | set(ACCEPTED_FOR_A_REASON)
    refused = {
        (name, library)
        for name, libraries in LIBRARIES.items()
        for library, (expression, _) in libraries.items()
        if not {each for each in identifiers(expression) if not gpl_in(each)} <= accepted
    }
    assert refused == set()


@JUDGED_HERE
def test_the_page_lists_the_installed_distributions() -> None:
    page = (REPOSITORY / PATH).read_text(encoding="utf-8")
    assert page == licences_page(REPOSITORY), "run `make diagrams`"


@EACH_WHEEL
def test_every_non_code_file_of_the_wheel_is_listed_in_the_notice(name: str) -> None:
    notice = (REPOSITORY / FOLDERS[name] / "NOTICE").read_text(encoding="utf-8")
    entries = re.findall(r"^  ((?:states|worker)/\S+)$", notice, re.MULTILINE)
    files = package_data(name)
    matched = {e: [f for f in files if PurePosixPath(f).match(e)] for e in entries}
    assert {file for found in matched.values() for file in found} == set(files)
    assert [entry for entry, found in matched.items() if not found] == []


def test_every_recording_in_the_wheel_is_a_clip_recorded_here() -> None:
    recordings = {file for file in package_data(WORKER) if file.endswith(".opus")}
    assert recordings == {f"worker/{name}" for name in RECORDINGS}


@EACH_WHEEL
def test_the_wheel_carries_the_licence_that_it_names(name: str) -> None:
    project = declared(name)["project"]
    assert (project["license"], project["license-files"]) == ("Apache-2.0", ["LICENSE", "NOTICE"])
    licence = (REPOSITORY / FOLDERS[name] / "LICENSE").read_text(encoding="utf-8")
    assert "Version 2.0, January 2004" in licence
    assert "END OF TERMS AND CONDITIONS" in licence


def test_both_wheels_carry_the_same_licence_text() -> None:
    first, second = ((REPOSITORY / folder / "LICENSE").read_bytes() for folder in FOLDERS.values())
    assert first == second


@pytest.mark.parametrize(
    "statement",
    [
        "GPL-2.0-only",
        "gpl-3.0-or-later",
        "AGPL-3.0-only",
        "GPLv3",
        "GNU General Public License v3 (GPLv3)",
        "GNU Affero General Public License v3",
        "MIT AND GPL-2.0-or-later",
        "(MIT OR AGPL-3.0-only) AND GPL-3.0-or-later",
        "AGPL-3.0-only OR GPL-2.0-only",
        "GPL-3.0-or-later WITH GCC-exception-3.1",
    ],
)
def test_a_statement_that_requires_the_gpl_is_detected(statement: str) -> None:
    assert gpl_in(statement)


@pytest.mark.parametrize(
    "statement",
    [
        "MIT",
        "LGPL-2.1-only",
        "GNU Lesser General Public License v3 (LGPLv3)",
        "GNU Library General Public License",
        "LGPL-3.0-or-later OR GPL-2.0-or-later",
        "MIT AND (Apache-2.0 OR GPL-2.0-only)",
        "GPL-2.0-only AND MIT OR ISC",
        "BSD",
        "",
    ],
)
def test_a_statement_that_leaves_a_choice_or_is_another_licence_passes(statement: str) -> None:
    assert not gpl_in(statement)
