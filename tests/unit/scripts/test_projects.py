from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from scripts.projects import build_requirements, read_project, third_party

if TYPE_CHECKING:
    from pathlib import Path

WORKER = """
[build-system]
requires = ["setuptools>=77"]

[project]
name = "interview-worker"
version = "1.2.3"
dependencies = ["asyncpg>=1", "interview-lifecycle[png]>=1.2", "numpy>=2; sys_platform == 'linux'"]

[project.optional-dependencies]
testing = ["interview-lifecycle[testing]"]
dev = ["interview-worker[testing]", "ruff"]

[dependency-groups]
audit = ["pip-audit"]
"""
LIFECYCLE = """
[build-system]
requires = ["setuptools>=77"]

[project]
name = "interview-lifecycle"
version = "1.2.3"
dependencies = ["transitions"]

[project.optional-dependencies]
png = ["resvg-py"]
testing = ["pytest"]
"""


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    (tmp_path / "states").mkdir()
    (tmp_path / "pyproject.toml").write_text(WORKER)
    (tmp_path / "states" / "pyproject.toml").write_text(LIFECYCLE)
    return tmp_path


def names(repository: Path, *extras: str) -> list[str]:
    return [each.name for each in third_party(repository, *extras)]


def test_a_requirement_of_an_own_project_is_replaced_by_those_of_that_project(
    repository: Path,
) -> None:
    assert names(repository) == ["asyncpg", "numpy", "resvg-py", "transitions"]


def test_an_extra_that_names_an_own_extra_brings_its_requirements(repository: Path) -> None:
    added = set(names(repository, "dev")) - set(names(repository))
    assert added == {"pytest", "ruff"}


def test_the_marker_of_a_requirement_is_kept(repository: Path) -> None:
    (numpy,) = [each for each in third_party(repository) if each.name == "numpy"]
    assert str(numpy.marker) == 'sys_platform == "linux"'


def test_what_builds_both_projects_is_named_once(repository: Path) -> None:
    assert [str(each) for each in build_requirements(repository)] == ["setuptools>=77"]


def test_a_group_belongs_to_no_extra(repository: Path) -> None:
    project = read_project(repository, "interview-worker")
    assert [each.name for each in project.groups["audit"]] == ["pip-audit"]
    assert "pip-audit" not in names(repository, *project.extras)
