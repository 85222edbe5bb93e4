"""The required packages, the allowed top level of the repository, and the README."""

from __future__ import annotations

import os
import re
import subprocess
import tomllib
from pathlib import Path
from typing import Final

import pytest
from packaging.utils import canonicalize_name
from packaging.version import Version

from scripts.projects import FOLDERS, LIFECYCLE, WORKER, read_project, third_party
from tests.support.paths import REPOSITORY

README: Final = (REPOSITORY / "README.md").read_text(encoding="utf-8")

#: The required packages that the code imports, and their modules. The seventh runs the tests.
ASKED_FOR = {
    "livekit-agents": "livekit.agents",
    "livekit-plugins-silero": "livekit.plugins.silero",
    "livekit-plugins-deepgram": "livekit.plugins.deepgram",
    "livekit-plugins-elevenlabs": "livekit.plugins.elevenlabs",
    "transitions": "transitions",
    "asyncpg": "asyncpg",
}


#: Additional entries at the top of the repository, and their reasons.
EARNS_ITS_PLACE = {
    ".ci": "checks of every change",
    ".gitignore": "files that git ignores",
    "Makefile": "each task is one command",
    "benchmarks": "measurements beside their baselines",
    "CHANGELOG.md": "the changes, and the public interfaces",
    "CONTRIBUTING.md": "how to contribute",
    "LICENSE": "the terms of use",
    "NOTICE": "the licences of included third-party work",
    "SECURITY.md": "how to report a vulnerability, and what is stored where",
    "deploy": "alert rules, and how to run it in a container",
    "docs": "tutorial, how-to, reference, explanation, runbook",
    "examples": "another agent on the same lifecycle",
    "requirements": "the versions that were tested, with their hashes",
    "scripts": "generators of the reference pages",
}


@pytest.mark.row("C8")
def test_the_required_packages_are_declared_and_used(
    pytestconfig: pytest.Config,
) -> None:
    names = {canonicalize_name(each.name) for each in third_party(REPOSITORY, "testing")}
    assert {*ASKED_FOR, "pytest-asyncio"} <= names
    assert pytestconfig.pluginmanager.has_plugin("asyncio")
    sources = [
        path.read_text(encoding="utf-8")
        for package in ("states", "worker")
        for path in (REPOSITORY / package).rglob("*.py")
    ]
    for module in ASKED_FOR.values():
        parent, _, name = module.rpartition(".")
        imported = rf"import {module}\b|from {module}\b|import_module\(\"{module}"
        if parent:
            imported += rf"|from {re.escape(parent)} import .*\b{name}\b"
        assert any(re.search(imported, source) for source in sources), module


@pytest.mark.row("C9")
def test_the_top_level_has_only_the_required_and_justified_entries() -> None:
    if not (REPOSITORY / ".git").exists():
        pytest.skip("not a git checkout: the tracked files are unknown")
    listed = subprocess.run(
        ["git", "ls-files"], cwd=REPOSITORY, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    kept = {name.partition("/")[0] for name in listed}
    asked_for = {"pyproject.toml", "worker", "states", "tests", "diagrams", "README.md"}
    assert asked_for <= kept
    assert kept - asked_for <= set(EARNS_ITS_PLACE)


def test_the_readme_is_short_and_has_no_generated_part() -> None:
    assert len(README.splitlines()) <= 150
    assert "<!-- made from" not in README


@pytest.mark.row("C9")
@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\(([\w./-]+)\)", README))))
def test_every_file_that_the_readme_links_exists(link: str) -> None:
    assert (REPOSITORY / link).exists()


def test_both_distributions_have_one_version_and_the_worker_takes_no_other_minor() -> None:
    worker, lifecycle = (read_project(REPOSITORY, name) for name in (WORKER, LIFECYCLE))
    assert worker.version == lifecycle.version
    version = Version(worker.version)
    asked = [
        each
        for each in (*worker.dependencies, *worker.extras["testing"])
        if canonicalize_name(each.name) == LIFECYCLE
    ]
    assert len(asked) == 2
    for requirement in asked:
        assert {(each.operator, each.version) for each in requirement.specifier} == {
            (">=", worker.version),
            ("<", f"{version.major}.{version.minor + 1}"),
        }


def test_the_lifecycle_packages_every_folder_with_code() -> None:
    folder = REPOSITORY / FOLDERS[LIFECYCLE]
    settings = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))
    found = {
        ".".join(("states", *path.parent.relative_to(folder).parts))
        for path in folder.rglob("*.py")
        if "build" not in path.parts
    }
    assert set(settings["tool"]["setuptools"]["packages"]) == found


def test_every_requirement_is_a_range_except_the_one_whose_later_versions_have_no_model() -> None:
    exact = {
        each.name
        for each in third_party(REPOSITORY, "dev")
        if {specifier.operator for specifier in each.specifier} != {">=", "<"}
    }
    assert exact == {"moonshine-voice"}


#: Stands in for Python: records its arguments, and prints a version if it is asked for one.
A_PYTHON: Final = """\
#!/bin/sh
echo "$@" >> "$CALLS"
case "$2" in *print*) echo "(3, 11)";; esac
"""


def made_with_a_python_whose_path_has_a_space(folder: Path, environment: Path) -> list[str]:
    """Run `make setup` with stand-ins, and return the arguments of each call of a Python."""
    python, calls = folder / "a folder" / "python", folder / "calls"
    python.parent.mkdir()
    python.write_text(A_PYTHON)
    python.chmod(0o755)
    # Without what an outer `make` hands down.
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    subprocess.run(
        ["make", "setup", f"PYTHON={python}", f"VENV={environment}"],
        cwd=REPOSITORY,
        env={**kept, "CALLS": str(calls)},
        capture_output=True,
        check=False,
    )
    return calls.read_text().splitlines()


def test_the_environment_is_made_by_a_python_whose_path_has_a_space(tmp_path: Path) -> None:
    environment = tmp_path / "environment"
    assert f"-m venv {environment}" in made_with_a_python_whose_path_has_a_space(
        tmp_path, environment
    )


@pytest.mark.parametrize(
    ("its_python", "option"),
    [(A_PYTHON, ""), (None, "--clear ")],
    ids=["fits", "was removed"],
)
def test_an_environment_is_made_from_nothing_only_if_its_python_does_not_fit(
    its_python: str | None, option: str, tmp_path: Path
) -> None:
    environment = tmp_path / "environment"
    (environment / "bin").mkdir(parents=True)
    (environment / "pyvenv.cfg").touch()
    python = environment / "bin" / "python"
    if its_python is None:
        python.symlink_to(tmp_path / "removed")
    else:
        python.write_text(its_python)
        python.chmod(0o755)
    calls = made_with_a_python_whose_path_has_a_space(tmp_path, environment)
    assert f"-m venv {option}{environment}" in calls
